#!/bin/bash
# VLAN trunks over a wire between two halves of one switch, mirrors looked at with tcpdump, and port
# security: what a container says that isn't its own goes nowhere, under its reason.
. "$(dirname "$0")/_init.sh"
need iperf3 tcpdump

netns a b c d
# A wire: what leaves by one trunk comes in by the other, tagged in between.
ip -n "${P}host" link add left type veth peer name right
for end in left right; do
    ip -n "${P}host" link set "$end" up
    at host ethtool -K "$end" tx off >/dev/null
done
config <<END
networks:
  - {name: blue, vlan: 10}
  - {name: red, vlan: 20}
  - {name: azure, vlan: 10}
  - {name: scarlet, vlan: 20}
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24, "fd00::1/64"]}
  - {name: b, netns: ${P}b, network: red, address: [10.0.0.1/24]}
  - {name: c, netns: ${P}c, network: azure, address: [10.0.0.2/24, "fd00::2/64"]}
  - {name: d, netns: ${P}d, network: scarlet, address: [10.0.0.2/24]}
  - {name: left, device: "net_af_packet0,iface=left", trunk: {networks: [blue, red]}}
  - {name: right, device: "net_af_packet1,iface=right", trunk: {networks: [azure, scarlet]}}
  - {name: watch0, host: true}
mirrors:
  - {name: m, from: [left], to: watch0, direction: tx, filter: vlan and arp}
END
start
up a b c d left right watch0

# What the mirror sees: both networks' ARP requests (and the IPv6 that kernels say at any time of themselves).
spawn host tcpdump -n -e -i watch0 -c 2 -w "$TMP/mirror.pcap" arp or vlan and arp 2>"$TMP/tcpdump.err"
capture=$PID
wait_for 20 "tcpdump" grep -q "listening on" "$TMP/tcpdump.err"

# The same addresses in two VLANs: each reaches its own.
pings a 10.0.0.2
pings b 10.0.0.2
pings a fd00::2
finish "$capture" 20 "the capture of the mirror"
text=$(tcpdump -n -e -r "$TMP/mirror.pcap" 2>/dev/null)
expect_match "what the mirror saw" "vlan 10, p 0, ethertype ARP" "$text"
expect_match "what the mirror saw" "vlan 20, p 0, ethertype ARP" "$text"

serve c
serve d
iperf a 10.0.0.2 -t 1
iperf b 10.0.0.2 -t 1 -R
iperf a fd00::2 -t 1
no_checksum_errors a b c d
macs() { ctl --json mac list | jq "[.macs[] | select(.network == \"$1\" and .port == \"$2\")] | length"; }
expect "the ports of blue, trunks too" "a left" \
    "$(ctl --json port list --network blue | jq -r '[.ports[].name] | sort | join(" ")')"
expect "how many those are" 2 "$(query '.networks[] | select(.name == "blue") | .ports' network list)"
expect "addresses of azure that blue has learned by the trunk" 1 "$(macs blue left)"

# A VLAN that the trunk doesn't carry.
dropped() { query "[.drops[] | select(.port == \"$1\" and .reason == \"$2\") | .packets] | add > 0" drops; }
frame() { # NAMESPACE INTERFACE HEX [COUNT]
    at "$1" python3 - "$2" "$3" "${4:-1}" <<'END'
import socket, sys
line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
line.bind((sys.argv[1], 0))
for _ in range(int(sys.argv[3])):
    line.send(bytes.fromhex(sys.argv[2].replace(" ", "")).ljust(60, b"\0"))
END
}
frame host right "ffffffffffff 020000000033 8100 0063 88b5"
wait_for 10 "the drop of VLAN 99" dropped left vlan-not-allowed

# --- port security: a's own addresses and no others ---
steady a fd00::2 0.01
own=$(ip -n "${P}a" -j link show eth0 | jq -r '.[0].address' | tr -d :)
at a ip address add 10.0.0.66/24 dev eth0
at a ping -q -c 1 -W 0.3 -I 10.0.0.66 10.0.0.2 >/dev/null 2>&1 || true
wait_for 10 "the drop of another address" dropped a spoofed-address
frame a eth0 "ffffffffffff $own 0806 0001 0800 06 04 0002 $own 0a000002 000000000000 0a000002"
wait_for 10 "the drop of an ARP for another's address" dropped a spoofed-neighbor
frame a eth0 "ffffffffffff 020000000099 88b5"
wait_for 10 "the drop of another MAC" dropped a spoofed-mac
frame a eth0 "ffffffffffff $own 0800 4500001c 00000000 4011 0000 0a000001 ffffffff 0043 0044 0008 0000"
wait_for 10 "the drop of a DHCP answer" dropped a rogue-dhcp
pings a 10.0.0.2

# Allowed after all: on the next packet, without a break.
sed -i "s/{name: a, netns: ${P}a,/& spoofing: allow, serves: [dhcp],/" "$CONFIG"
expect_status 0 ctl config reload
at c ip neighbour flush dev eth0
pings a 10.0.0.2 -I 10.0.0.66
no_loss

# Groups, limits: taken on while running.
sed -i "s/{name: c, netns: ${P}c,/& split-horizon: g,/; s/{name: right, /& split-horizon: g,/" "$CONFIG"
expect_status 0 ctl config reload
no_ping a 10.0.0.2
wait_for 10 "the drop between ports of a group" dropped right split-horizon
sed -i "s/ split-horizon: g,//; s/{name: b, netns: ${P}b,/& flood-limit: {broadcast: 1},/" "$CONFIG"
expect_status 0 ctl config reload
pings a 10.0.0.2
# At once: the limit is one a second.
frame b eth0 "ffffffffffff $(ip -n "${P}b" -j link show eth0 | jq -r '.[0].address' | tr -d :) 88b5" 5
wait_for 10 "the drop of broadcasts beyond the limit" dropped b flood-limit

wait_for 10 "the books to balance" balanced
