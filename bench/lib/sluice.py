"""Sluice as the switch under test."""

import json
import os
import socket

from lib.processes import Failed, run, thread_on_core, wait_until


class Sluice:
    """A sluiced of the bench's own: its configuration, socket and state lie in the session's folder.

    `ports` are port sections as in sluice.yaml; all lie in one network unless they name another. `more`
    are further sections."""

    name = "Sluice"
    _count = 0

    def __init__(self, nursery, build, ports, networks=None, cores=(1,), idle="adaptive",
                 dpdk_args=(), memory=None, netns=None, wait=10, more=None):
        Sluice._count += 1
        stem = os.path.join(nursery.directory, f"sluice{Sluice._count}")
        self.cores = list(cores)
        self.build = build
        self.file = stem + ".yaml"
        self.socket = stem + ".sock"
        self.config = {
            "workers": {"cores": self.cores, "idle": idle},
            "control": {"socket": self.socket, "group": "root"},
            "state": stem + ".state",
            "dpdk": {"args": list(dpdk_args)},
            "networks": networks or [{"name": "bench"}],
            "ports": [{"network": "bench", **port} for port in ports],
        }
        if memory:
            self.config["memory"] = memory
        self.config.update(more or {})
        self.write_config()
        self.process = nursery.start([os.path.join(build, "src/sluiced/sluiced"), "--config",
                                      self.file], os.path.basename(stem), netns=netns)
        self.pid = self.process.pid
        wait_until(self._answers, "sluiced does not come up", wait, self.process)
        try:
            # DPDK makes devices one after the other.
            wait_until(lambda: not self._down(), "ports are down", wait, self.process)
        except Failed:
            if self.process.poll() is not None:
                raise
            raise Failed("\n".join(f"port {p['name']} is down: {p['reason']}" for p in self._down())) from None

    def write_config(self):
        with open(self.file, "w") as file:
            json.dump(self.config, file, indent=1)  # JSON is YAML

    def _down(self):
        return [p for p in self.call("port.list")["ports"] if p["state"] == "down"]

    def _answers(self):
        try:
            return self.call("status")
        except (OSError, Failed):
            return None

    def call(self, method, params=None):
        """One JSON-RPC request over the control socket."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(self.socket)
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
            line.sendall(json.dumps(request).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                piece = line.recv(1 << 20)
                if not piece:
                    raise Failed(f"sluiced closed the connection in answer to {method}")
                answer += piece
        answer = json.loads(answer)
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']}")
        return answer["result"]

    def load_routes(self, file):
        """Loads lines like `10.1.0.0/16 via 10.0.0.1`, all or none."""
        run([os.path.join(self.build, "src/sluicectl/sluicectl"), "--socket", self.socket, "route", "load",
             file], timeout=300)

    def worker_thread(self, core):
        return thread_on_core(self.pid, core)

    def busy(self):
        """(TSC cycles of turns with packets, received packets), over all workers."""
        workers = self.call("stats")["workers"]
        return sum(w["busy-cycles"] for w in workers), sum(w["received"] for w in workers)

    def received(self):
        return self.busy()[1]
