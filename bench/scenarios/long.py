"""Long frames: what copying and touching bytes costs."""

from lib.packets import A, B, flows, udp
from lib.scenarios import Scenario, answer

SCENARIOS = [Scenario(
    "1500 bytes", "1000 UDP flows between two MACs, frames of 1500 bytes",
    forward=lambda: (udp(B, A, 1500, flow) for flow in flows(1000)), teach=answer(), frames=1000)]
