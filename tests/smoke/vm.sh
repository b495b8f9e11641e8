#!/bin/bash
# Virtual machines: QEMU and Linux at vhost-user ports, beside a container. Segments whole, packed rings,
# two queues, a guest without offloads; guests that die and reboot, and a switch that does.
. "$(dirname "$0")/_init.sh"
need iperf3
. "$ROOT/tests/smoke/_guest.sh"

netns a
config <<END
networks: [{name: blue, subnets: [10.0.0.0/24, "fd00::/64"]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24, "fd00::1/64"]}
  - {name: v, vhost-user: {path: $TMP/v.sock}, network: blue}
  - {name: w, vhost-user: {path: $TMP/w.sock, mode: server, queues: 2}, network: blue}
END
start
boot v server "$TMP/v.sock" 10.0.0.2/24,fd00::2/64 1
boot w client "$TMP/w.sock" 10.0.0.3/24,fd00::3/64 2 host_mtu=1400,packed=on
serve a
serve a 5202 # of a client that dies on it

device() { query ".port.device | $1" port show "$2"; }
offloads() { ctl --json port show "$1" | jq -c '.port.device.offloads | [."to-guest", ."from-guest"]'; }
carrier_changes() { at "$1" cat /sys/class/net/eth0/carrier_changes; }

# What an iperf run has put on average into a packet at a port, in the direction in which the data went:
# mean PORT rx|tx FROM ADDRESS [IPERF-ARGUMENTS]
count() { ctl --json port show "$1" | jq -r ".port.$2 | \"\(.packets) \(.bytes)\""; }
mean() {
    local packets bytes packets_after bytes_after
    read -r packets bytes < <(count "$1" "$2")
    iperf "${@:3}" -t 1
    read -r packets_after bytes_after < <(count "$1" "$2")
    MEAN=$(((bytes_after - bytes) / (packets_after - packets)))
}
whole() { # as mean
    mean "$@"
    expect_that "bytes a packet at $1 ($2) of iperf3 $3 -> $4" "$MEAN > 5000"
}

# Iperf from a guest to the container in the background, once it runs: stream GUEST [IPERF-ARGUMENTS]
# Its exit status will be in the guest's /tmp/status.
stream() {
    local before
    before=$(count "$1" rx)
    at "$1" rm -f /tmp/status
    at "$1" sh -c "{ iperf3 -c 10.0.0.1 ${*:2}; echo \$? >/tmp/status; } >/tmp/stream 2>&1 &"
    wait_for 20 "the stream of $1" flows "$1" "${before#* }"
}
flows() {
    local now
    now=$(count "$1" rx)
    ((${now#* } > $2 + 1000000))
}

# What they have negotiated.
ready v w
up a v w
both='[["checksum","tcp-segmentation"],["checksum","tcp-segmentation"]]'
expect "offloads of v" "$both" "$(offloads v)"
expect "offloads of w" "$both" "$(offloads w)"
for guest in v w; do
    expect_match "ethtool -k in $guest" "tcp-segmentation-offload: on" "$(at "$guest" ethtool -k eth0)"
done
expect "rings of v" split "$(device '."ring-format"' v)"
expect "rings of w" packed "$(device '."ring-format"' w)"
enabled='[.rings[] | select(.state == "enabled") | .ring]'
expect "rings that v has enabled" "[0,1]" "$(device "$enabled" v | jq -c)"
expect "rings that w has enabled" "[0,1,2,3]" "$(device "$enabled" w | jq -c)"
expect "the MTU that w is told" 1400 "$(device '."guest-mtu"' w)"
expect "the MTU of w" 1400 "$(at w cat /sys/class/net/eth0/mtu)"
channels=$(at w ethtool -l eth0)
expect_match "ethtool -l in w" "Current.*Combined:[[:space:]]+2" "$channels"

# Traffic: guest to guest, guest to container, container to guest.
pings v 10.0.0.3
pings w 10.0.0.1
pings a 10.0.0.2
pings a fd00::3
whole v rx v 10.0.0.3
whole v rx v 10.0.0.1
whole w tx a 10.0.0.3
whole w rx w fd00::1 -P 4
# Linux sends by the queue of the core on which it runs.
used() { query ".ports[] | select(.name == \"w\") | .rx[$1].packets" stats; }
for core in 0 1; do
    before=$(used $core)
    at w taskset -c $core ping -q -c 4 -i 0.05 10.0.0.1 >/dev/null
    expect_that "packets by queue $core of w" "$(used $core) >= $before + 4"
done
no_checksum_errors a v w

# A guest that dies in mid-traffic is nothing to the others. Another one, without offloads, takes its
# place: its segments are cut and its checksums finished on the way.
steady a 10.0.0.3 0.02
stream v -p 5202 -t 30
crash "${GUEST[v]}"
wait_for 20 "port v to lose its link" port_is v no-link
boot v server "$TMP/v.sock" 10.0.0.2/24 1 \
    csum=off,gso=off,host_tso4=off,host_tso6=off,guest_csum=off,guest_tso4=off,guest_tso6=off,mrg_rxbuf=off
ready v
up v
no_loss
expect "offloads of a plain guest" "[[],[]]" "$(offloads v)"
expect_match "ethtool -k in a plain guest" "tx-checksumming: off" "$(at v ethtool -k eth0)"
pings a 10.0.0.2
mean v rx v 10.0.0.1
expect_that "bytes a packet from a plain guest" "$MEAN < 1515"
mean v tx a 10.0.0.2
expect_that "bytes a packet to a plain guest" "$MEAN < 1515"
whole w rx w 10.0.0.2
no_checksum_errors a v w

# The switch is killed and started again, in the middle of a connection, which goes on. A guest's link
# goes and comes once at most: QEMU itself takes it down while the socket is closed.
before_v=$(carrier_changes v)
before_w=$(carrier_changes w)
stream w -t 4
kill_9
start
up a v w
for guest in v w; do
    wait_for 20 "the link of $guest" at "$guest" grep -q 1 /sys/class/net/eth0/carrier
done
expect_that "changes of v's link" "$(carrier_changes v) <= $before_v + 2"
expect_that "changes of w's link" "$(carrier_changes w) <= $before_w + 2"
wait_for 20 "ping to v after the restart" answers_ping a 10.0.0.2
wait_for 20 "ping to w after the restart" answers_ping a 10.0.0.3
wait_for 30 "the end of the stream of w" at w test -e /tmp/status
expect "exit status of the stream of w" 0 "$(at w cat /tmp/status)"
whole w tx a 10.0.0.3
pings v 10.0.0.3

# A guest reboots.
steady a 10.0.0.2 0.02
reboot w
ready w
up w
no_loss
pings w 10.0.0.2
whole w rx w 10.0.0.1
expect "rings that w has enabled" "[0,1,2,3]" "$(device "$enabled" w | jq -c)"
no_checksum_errors a v w

wait_for 10 "the books to balance" balanced
