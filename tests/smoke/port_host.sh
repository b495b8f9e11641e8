#!/bin/bash
# A host port: an interface of the switch in sluiced's own namespace, beside containers.
. "$(dirname "$0")/_init.sh"

netns a
config <<END
networks: [{name: blue, subnets: [198.18.7.0/24, "fd07::/64"]}]
ports:
  - {name: uplink, host: true, network: blue, address: [198.18.7.1/24, "fd07::1/64"]}
  - {name: second, host: true, interface: sw1, network: blue}
  - {name: a, netns: ${P}a, network: blue, address: [198.18.7.2/24, "fd07::2/64"]}
END
start
up uplink second a
pings host 198.18.7.2
pings a 198.18.7.1
pings a fd07::1
expect "kind" host "$(query .port.kind port show uplink)"
ip -n "${P}host" link show uplink >/dev/null || fail "no interface named after the port"
ip -n "${P}host" link show sw1 >/dev/null || fail "no interface sw1"

serve host
iperf a 198.18.7.1 -t 1
iperf a 198.18.7.1 -t 1 -R
no_checksum_errors host a
