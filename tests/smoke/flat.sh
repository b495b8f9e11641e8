#!/bin/bash
# Pods of flat networks: addresses of their own length, everything by the router, nothing bridged; and two
# routing domains with the same addresses, which never meet.
. "$(dirname "$0")/_init.sh"
need arping python3

netns a b c d e
config <<END
networks:
  - {name: pods, subnets: [10.244.1.0/24, "fd00:f::/64"], flat: true}
  - {name: blue, subnets: [10.0.0.0/24, "fd00:a::/64"], gateway: [10.0.0.254, "fd00:a::fe"]}
  - {name: others, subnets: [10.244.1.0/24, "fd00:f::/64"], flat: true, domain: other}
ports:
  - {name: a, netns: ${P}a, network: pods, address: [10.244.1.1, "fd00:f::1"]}
  - {name: b, netns: ${P}b, network: pods, address: [10.244.1.2, "fd00:f::2"]}
  - {name: c, netns: ${P}c, network: blue, address: [10.0.0.1, "fd00:a::1"]}
  - {name: d, netns: ${P}d, network: others, address: [10.244.1.1, "fd00:f::1"]}
  - {name: e, netns: ${P}e, network: others, address: [10.244.1.3, "fd00:f::3"]}
END
start
up a b c d e

inside() { at "$1" ip -j "${@:2}" | jq -c '[.[].addr_info[] | select(.scope == "global") | "\(.local)/\(.prefixlen)"] | sort'; }
expect "addresses" '["10.244.1.1/32","fd00:f::1/128"]' "$(inside a address show eth0)"
expect_match "the default route" "default via 169.254.1.1 dev eth0" "$(at a ip route)"
expect_match "the default route" "default via fe80::1 dev eth0" "$(at a ip -6 route)"

# Pod to pod, to another network and back, to the switch.
for to in 10.244.1.2 fd00:f::2 10.0.0.1 fd00:a::1 10.0.0.254 fd00:a::fe 169.254.1.1; do pings a $to; done
pings a fe80::1%eth0
pings b 10.244.1.1
pings c 10.244.1.1
pings c fd00:f::2
expect_status 0 at a ping -c 1 -W 10 10.244.1.2
expect_match "the other pod is behind a router" "ttl=63" "$OUT"

# The router answers for everybody.
mac_of() { at "$1" ip -j link show eth0 | jq -r '.[0].address'; }
router=$(at a ip -j neigh show 169.254.1.1 | jq -r '.[0].lladdr')
expect_match "the router's MAC address" "^02:" "$router"
expect_match "proxy ARP" "$router" "$(at a arping -c 1 -w 5 -I eth0 10.244.1.2 | tr A-F a-f)"

# A pod that calls another by its own MAC address isn't heard.
cat >"$TMP/send.py" <<'END'
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for _ in range(5): s.send(bytes.fromhex(sys.argv[1].replace(":", "")) + s.getsockname()[4] + b"\x88\xb5" + bytes(60))
END
dropped() { query '.port.drops["flat-network"] // 0' port show a; }
before=$(dropped)
at a python3 "$TMP/send.py" "$(mac_of b)"
all_dropped() { (($(dropped) >= before + 5)); }
wait_for 10 "the frames to be dropped" all_dropped

# The other domain has the same addresses, and other pods behind them.
pings d 10.244.1.3
pings e 10.244.1.1
pings e fd00:f::1
no_ping a 10.244.1.3
no_ping d 10.244.1.2
no_ping d 10.0.0.1
pings a 10.244.1.2

wait_for 20 "balanced books" balanced
