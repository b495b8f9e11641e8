"""policy-scale: many pods and NetworkPolicies, given as JSON: what they cost the control thread, and a connection."""

import json
import os
import random

from lib.compile import linked_program
from lib.machine import build_switch
from lib.processes import Nursery, run
from lib.sluice import Sluice
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
    "question": Figure("one of many questions of trace", "us", "less", 1),
}
LOCAL, QUESTIONS = 16, 20_000  # pods at ports of the switch, and questions in a request
WANTED = {"all": 4, "memory": 512, "pod": 10, "label": 10, "policy": 10, "question": 20}


def world():
    dice = random.Random(1)
    for n in range(NAMESPACES):
        yield {"apiVersion": "v1", "kind": "Namespace",
               "metadata": {"name": f"ns{n}", "labels": {"team": f"t{n % 10}"}}}
    for p in range(PODS):
        own = address(p)
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
               "status": {"phase": "Running", "podIP": own, "podIPs": [{"ip": own}]}}
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


def address(pod):
    return f"10.{pod >> 16}.{pod >> 8 & 255}.{pod & 255}"


def port(number, network, addresses, **more):
    return {"name": f"p{number}", "device": f"net_null{number},no-rx=1", "network": network,
            "mac": f"02:00:00:00:01:{number:02x}", "address": addresses, **more}


def questions():
    """From pods of the switch to those of other hosts, and back."""
    dice = random.Random(2)
    for _ in range(QUESTIONS):
        here, there = dice.randrange(1, LOCAL), dice.randrange(256, PODS)
        if dice.random() < .5:
            yield {"from": f"p{here}", "to": address(there), "dport": dice.choice([8080, 9090, 53])}
        else:
            yield {"from": address(there), "to": address(here), "dport": 8080}


def cpu(pid):
    """Seconds of the control thread."""
    with open(f"/proc/{pid}/task/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(session, build, manifest):
    """Microseconds of the control thread for a question: with JSON and all."""
    networks = [{"name": "pods", "subnets": ["10.0.0.0/24"], "gateway": "10.0.0.254"},
                {"name": "out", "subnets": ["192.168.0.0/24"], "gateway": "192.168.0.1"}]
    ports = [port(n, "pods", [address(n)], pod=f"ns{n}/pod-{n}") for n in range(1, LOCAL)]
    ports.append(port(0, "out", ["192.168.0.2"], spoofing="allow"))
    more = {"routes": [{"to": "10.0.0.0/8", "via": "192.168.0.2"}], "manifests": [manifest]}
    with Nursery(session.directory) as nursery:
        sluice = Sluice(nursery, build, ports, networks, wait=60, more=more)
        before = cpu(sluice.pid)
        answer = sluice.call("trace", {"questions": list(questions()), "brief": True})
        took = cpu(sluice.pid) - before
    assert len(answer["traces"]) == QUESTIONS
    return took / QUESTIONS * 1e6


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
        session.figures.add(NAME, "Sluice", FIGURES["question"], number, ask(session, build, path))
    session.note("CPU seconds of the thread that does it; the workers and the file's reading are not in them")
    session.note("wanted: " + ", ".join(f"{FIGURES[name].name} at most {most} {FIGURES[name].unit}"
                                        for name, most in WANTED.items()))
    print_figures(session.figures, NAME, "best / median / worst", tuple(FIGURES.values()))
