"""All scenarios: each file of bench/scenarios/ has a list SCENARIOS. Adding one needs nothing else."""

import importlib
import os

from lib.machine import BENCH

ORDER = ["flows", "macs", "imix", "long"]  # of the tables; files not named here come after


def all_scenarios(only=""):
    names = sorted(f[:-3] for f in os.listdir(os.path.join(BENCH, "scenarios")) if f.endswith(".py"))
    names.sort(key=lambda n: ORDER.index(n) if n in ORDER else len(ORDER))
    found = [s for n in names for s in importlib.import_module(f"scenarios.{n}").SCENARIOS]
    return [s for s in found if only.lower() in s.name.lower()]
