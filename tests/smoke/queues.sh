#!/bin/bash
# Several queues a port: each gets packets, and they are counted one by one.
. "$(dirname "$0")/_init.sh"

mapfile -t cores < <(allowed_cores)
((${#cores[@]} >= 2)) || skip "needs two cores"
netns a b
config <<END
workers: {cores: [${cores[0]}, ${cores[1]}]}
networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24], queues: 2}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24]}
END
start
up a b
expect "workers" 2 "$(query '.workers | length' status)"
expect "queues of a" 2 "$(query .port.device.queues port show a)"
expect "queues of b, by default one for each worker" 2 "$(query .port.device.queues port show b)"
serve b

# The kernel spreads flows over queues by a hash of their ports; with many flows none stays empty.
at a python3 - <<'END'
import socket
for port in range(10000, 10064):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("", port))
        for _ in range(4):
            s.sendto(b"x" * 64, ("10.0.0.2", 9))
END
used() { query '.ports[] | select(.name == "a") | .rx | map(select(.packets > 0)) | length == 2' stats; }
wait_for 10 "packets in both queues of a" used
expect "workers of a's queues" "[0,1]" \
    "$(ctl --json stats | jq -c '.ports[] | select(.name == "a") | .rx | map(.worker) | sort')"
busy() { query '.workers | all(.received > 0)' stats; }
wait_for 10 "work for both workers" busy

iperf a 10.0.0.2 -t 2 -P 4
iperf a 10.0.0.2 -t 2 -P 4 -R
no_checksum_errors a b
wait_for 20 "balanced books" balanced
