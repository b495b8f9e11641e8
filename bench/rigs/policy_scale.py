"""policy-scale: many pods and NetworkPolicies, given as JSON: what they cost the control thread, and a connection."""

import json
import os
import random

from lib.compile import linked_program
from lib.machine import build_switch
from lib.processes import run
from lib.table import Figure, print_figures

NAME = "policy-scale"
PODS, POLICIES, NAMESPACES = 10_000, 1_000, 100
DESCRIPTION = (f"{PODS} pods, {POLICIES} NetworkPolicies and {NAMESPACES} namespaces, as one JSON text; then one object "
               "more, or changed")

FIGURES = {
    "all": Figure("from the text to what workers are given", "s", "less", 2),
    "memory": Figure("the process's memory by then", "MiB", "less", 0),
    "pod": Figure("one pod added", "ms", "less", 2),
    "label": Figure("one pod's labels changed", "ms", "less", 2),
    "policy": Figure("one policy changed", "ms", "less", 2),
    "judge": Figure("both pods' policies about a new connection", "ns", "less", 0),
}
WANTED = {"all": 4, "memory": 512, "pod": 10, "label": 10, "policy": 10}


def world():
    dice = random.Random(1)
    for n in range(NAMESPACES):
        yield {"apiVersion": "v1", "kind": "Namespace",
               "metadata": {"name": f"ns{n}", "labels": {"team": f"t{n % 10}"}}}
    for p in range(PODS):
        address = f"10.{p >> 16}.{p >> 8 & 255}.{p & 255}"
        yield {"apiVersion": "v1", "kind": "Pod",
               "metadata": {"name": f"pod-{p}", "namespace": f"ns{p % NAMESPACES}",
                            "labels": {"app": f"app{p // NAMESPACES % 20}", "tier": dice.choice(["front", "back", "db"]),
                                       "pod-template-hash": f"h{p % 997}"}},
               "spec": {"nodeName": "n1",
                        "containers": [{"name": "c", "image": "registry.example/app:1.2.3",
                                        "env": [{"name": "A", "value": "b"}],
                                        "resources": {"limits": {"cpu": "1", "memory": "128Mi"}},
                                        "ports": [{"name": "http", "containerPort": 8080},
                                                  {"name": "metrics", "containerPort": 9090}]}]},
               "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}}
    for n in range(POLICIES):
        k = n // NAMESPACES
        yield {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
               "metadata": {"name": f"np{k}", "namespace": f"ns{n % NAMESPACES}"},
               "spec": {"podSelector": {"matchLabels": {"app": f"app{2 * k}"}}, "policyTypes": ["Ingress", "Egress"],
                        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": f"app{(3 * k + 1) % 20}"}}},
                                              {"namespaceSelector": {"matchLabels": {"team": f"t{n % 10}"}},
                                               "podSelector": {"matchLabels": {"tier": "front"}}}],
                                     "ports": [{"port": 8080}, {"port": "metrics"}]}],
                        "egress": [{"to": [{"namespaceSelector": {}}], "ports": [{"protocol": "UDP", "port": 53}]},
                                   {"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": [f"10.{k}.0.0/16"]}}]}]}}


def main(session):
    build = build_switch(session.options, session.say)
    program = linked_program("policy/objects.cc", build, session.say)
    path = os.path.join(session.directory, "world.json")
    with open(path, "w") as file:
        json.dump({"apiVersion": "v1", "kind": "List", "items": list(world())}, file)
    for number in range(1, session.options.runs + 1):
        for line in run([program, path, str(PODS)], timeout=600).splitlines():
            name, value = line.split()
            scale = 1000 if FIGURES[name].unit == "ms" else 1
            session.figures.add(NAME, "Sluice", FIGURES[name], number, scale * float(value))
    session.note("CPU seconds of the thread that does it; the workers and the file's reading are not in them")
    session.note("wanted: " + ", ".join(f"{FIGURES[name].name} at most {most} {FIGURES[name].unit}"
                                        for name, most in WANTED.items()))
    print_figures(session.figures, NAME, "best / median / worst", tuple(FIGURES.values()))
