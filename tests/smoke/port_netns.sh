#!/bin/bash
# A container's namespace by name, by path and by process; its interface as configured.
. "$(dirname "$0")/_init.sh"

netns a b
spawn host unshare --net sleep 600
process=$PID
spawn host unshare --net sleep 600
other=$PID
own() { [[ $(readlink "/proc/$1/ns/net") != "$(readlink /proc/$$/ns/net)" ]] &&
    [[ $(readlink "/proc/$1/ns/net") != "$(at host readlink /proc/self/ns/net)" ]]; }
wait_for 10 "the namespace of a process" own "$process"
wait_for 10 "the namespace of a process" own "$other"
touch "$TMP/by-path"
mount --bind "/proc/$other/ns/net" "$TMP/by-path"
MOUNTS+=("$TMP/by-path")

config <<END
networks: [{name: blue, subnets: [10.0.0.0/24, "fd00::/64"]}]
ports:
  - {name: by-name, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: by-path, netns: $TMP/by-path, network: blue, address: [10.0.0.2/24]}
  - {name: by-process, netns: "pid:$process", network: blue, address: [10.0.0.3/24]}
  - name: all
    netns: ${P}b
    network: blue
    interface: net7
    mac: 02:00:00:00:00:07
    mtu: 1400
    address: [10.0.0.4, "fd00::4/64"]
    routes:
      - {to: 10.9.0.0/16, via: 10.0.0.1}
      - {to: 0.0.0.0/0, via: 10.0.0.1}
      - {to: "fd09::/48", via: "fd00::1"}
      - {to: 10.8.0.0/16}
END
start
up by-name by-path by-process all
pings a 10.0.0.2
pings a 10.0.0.3
pings a 10.0.0.4
nsenter --net="/proc/$process/ns/net" ping -q -c 1 -W 10 10.0.0.2 >/dev/null || fail "no ping from process to path"

link=$(ip -n "${P}b" -j -d link show net7)
expect "MAC" 02:00:00:00:00:07 "$(jq -r '.[0].address' <<<"$link")"
expect "MTU" 1400 "$(jq '.[0].mtu' <<<"$link")"
expect_match "flags" '"UP"' "$(jq -c '.[0].flags' <<<"$link")"
address=$(ip -n "${P}b" -j address show net7)
# An address without a length takes its subnet's.
expect "IPv4 address" 10.0.0.4/24 \
    "$(jq -r '.[0].addr_info[] | select(.family == "inet") | "\(.local)/\(.prefixlen)"' <<<"$address")"
expect "IPv6 address" fd00::4/64 \
    "$(jq -r '.[0].addr_info[] | select(.family == "inet6" and .scope == "global") | "\(.local)/\(.prefixlen)"' <<<"$address")"
expect "a tentative address" null "$(jq '[.[0].addr_info[] | select(.local == "fd00::4") | .tentative] | .[0]' <<<"$address")"
route() { ip -n "${P}b" "$1" -j route show "$2" | jq -r '.[0] | "\(.gateway // "link") \(.dev)"'; }
expect "route" "10.0.0.1 net7" "$(route -4 10.9.0.0/16)"
expect "default route" "10.0.0.1 net7" "$(route -4 default)"
expect "route on the link" "link net7" "$(route -4 10.8.0.0/16)"
expect "IPv6 route" "fd00::1 net7" "$(route -6 fd09::/48)"

expect "interface as port show tells it" "02:00:00:00:00:07 1400 true" \
    "$(query '.port.device | "\(.mac) \(.mtu) \(."interface-up")"' port show all)"
