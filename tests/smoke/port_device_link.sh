#!/bin/bash
# A DPDK device with a link and interrupts of its own, as a NIC has them: net_vhost, whose other end is a
# guest that comes and goes (support/virtio_guest.py). Its packets wake a sleeping worker, its unfinished
# checksums are taken over, and nothing is flooded to it while nobody is there.
. "$(dirname "$0")/_init.sh"
need iperf3 python3

netns a g
guest() {
    : >"$TMP/guest-$1"
    spawn "$1" python3 "$ROOT/tests/support/virtio_guest.py" "${@:3}" "$2" >>"$TMP/guest-$1" 2>&1
    GUEST=$PID
}
wakes() { awk '/^voluntary/ { sum += $2 } END { print sum }' /proc/"$DAEMON"/task/*/status; }
device() { query ".port.device | $1" port show "$2"; }

config <<END
networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: g, device: "net_vhost0,iface=$TMP/g.sock", network: blue}
END
start
up a
expect "the state of g without a guest" no-link "$(query .port.state port show g)"
expect_match "why g has no link" "no link" "$(query .port.reason port show g)"

for round in 1 2; do
    guest g "$TMP/g.sock" --client --mac 02:00:00:00:00:0a
    up g
    at g ip address add 10.0.0.2/24 dev eth0
    pings a 10.0.0.2
    expect "how g is received from" interrupt "$(device '.["receive-by"]' g)"
    # Asleep until a packet comes: a queue that had to be looked at would wake its worker 1000 times
    # meanwhile.
    before=$(wakes)
    sleep 2
    expect_that "wakes of an idle switch" "$(wakes) - before < 500"
    serve g
    iperf a 10.0.0.2 -t 1
    iperf a 10.0.0.2 -t 1 -R
    no_checksum_errors a g
    kill "$GUEST"
    wait_for 20 "port g to lose its link" port_is g no-link
done
