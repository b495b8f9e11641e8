#!/bin/bash
# Containers of one network reach each other over IPv4 and IPv6; those of another don't.
. "$(dirname "$0")/_init.sh"

netns a b c d
config <<END
networks:
  - {name: blue, subnets: [10.0.0.0/24, "fd00::/64"]}
  - {name: red, subnets: [10.0.0.0/24, "fd00::/64"]}
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24, "fd00::1/64"]}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24, "fd00::2/64"]}
  - {name: c, netns: ${P}c, network: red, address: [10.0.0.3/24, "fd00::3/64"]}
  - {name: d, netns: ${P}d, network: red, address: [10.0.0.4/24, "fd00::4/64"]}
END
start
up a b c d
pings a 10.0.0.2
pings b 10.0.0.1
pings c 10.0.0.4
pings a fd00::2
pings b fd00::1
pings c fd00::4
pings a 10.0.0.2 -s 1400
pings a 10.0.0.2 -s 9000  # in fragments

# Not across networks, though both have the same subnets.
no_ping a 10.0.0.3
no_ping d 10.0.0.2
no_ping a fd00::4

# Addresses are learned where they live.
mac_b=$(ip -n "${P}b" -j link show eth0 | jq -r '.[0].address')
expect "port of b's MAC" b \
    "$(query ".macs[] | select(.mac == \"$mac_b\") | .port" mac list --network blue)"
expect "red knows b's MAC" 0 \
    "$(query "[.macs[] | select(.mac == \"$mac_b\")] | length" mac list --network red)"
wait_for 20 "balanced books" balanced
