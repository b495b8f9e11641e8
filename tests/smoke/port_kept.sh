#!/bin/bash
# What somebody inside of a container does to its interface: it is told, and made again as it is declared. IPv6
# that is switched off there takes nothing from IPv4.
. "$(dirname "$0")/_init.sh"

netns a b c m
at c sysctl -qw net.ipv6.conf.default.disable_ipv6=1
config <<END
networks:
  - {name: blue, subnets: [10.0.0.0/24, "fd00::/64"], gateway: [10.0.0.254, "fd00::fe"]}
  - {name: red, subnets: [10.0.1.0/24, "fd01::/64"], gateway: [10.0.1.254, "fd01::fe"]}
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1, "fd00::1"]}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2, "fd00::2"]}
  - {name: c, netns: ${P}c, network: blue, address: [10.0.0.3, "fd00::3"]}
  - {name: m0, netns: ${P}m, network: blue, address: [10.0.0.4, "fd00::4"]}
  - {name: m1, netns: ${P}m, interface: eth1, network: red, address: [10.0.1.4, "fd01::4"]}
END
start
up a b c m0 m1
# Two ports in one namespace: a default route by each, and the first one's comes first.
defaults() { ip -n "${P}m" "$1" -j route show default | jq -rc '[.[] | "\(.dev) \(.metric // 0)"] | sort'; }
expect "the default routes" '["eth0 0","eth1 1"]' "$(defaults -4)"
expect "the default routes of IPv6" '["eth0 1024","eth1 1025"]' "$(defaults -6)"
reason() { [[ $(query .port.reason port show "$1") =~ $2 ]]; }
expect_match "reason of c" "IPv6 is switched off there" "$(query .port.reason port show c)"
expect_match "reason of c in port list" "IPv6 is switched off there" \
    "$(query '.ports[] | select(.name == "c") | .reason' port list)"
pings c 10.0.0.254
pings a 10.0.0.254
pings a fd00::fe

# Waits until a is as declared, which somebody has just changed, and until the log has said so.
route_by() { ip -n "${P}a" "$1" -j route show default | jq -r '.[0].gateway // empty'; }
has_address() { [[ -n $(ip -n "${P}a" -j address show dev eth0 | jq ".[0].addr_info[] | select(.local == \"$1\")") ]]; }
is_declared() {
    local link
    link=$(ip -n "${P}a" -j link show eth0)
    [[ $(jq -r '.[0] | "\(.mtu) \(.address) \(.flags | contains(["UP"]))"' <<<"$link") == "1500 $mac true" ]] &&
        has_address 10.0.0.1 && has_address fd00::1 &&
        [[ $(route_by -4) == 10.0.0.254 && $(route_by -6) == fd00::fe ]]
}
told() { grep -q "notice port: a: .*$1.*: repaired" "$LOG"; }
repaired() { # WORDS
    wait_for 30 "word of the repair" told "$1"
    wait_for 10 "the container as it is declared" is_declared
    wait_for 10 "ping over IPv4" answers_ping a 10.0.0.254
    wait_for 10 "ping over IPv6" answers_ping a fd00::fe
}
mac=$(ip -n "${P}a" -j link show eth0 | jq -r '.[0].address')
wait_for 10 "the container as it is declared" is_declared
steady b 10.0.0.254 0.05

ip -n "${P}a" address add 10.0.0.77/24 dev eth0  # of its own, and stays
ip -n "${P}a" link set eth0 down
ip -n "${P}a" link set eth0 up
repaired "the default route was removed, the default route of IPv6 was removed"
expect_match "reason of a" "the default route was removed.*: repaired" "$(query .port.reason port show a)"
ip -n "${P}a" link set eth0 down
repaired "interface eth0 is set down in its namespace"
grep -q "a: link down: interface eth0 is set down in its namespace" "$LOG" || fail "no word of the lost link"
has_address 10.0.0.77 || fail "the container's own address is gone"
ip -n "${P}a" route replace default via 10.0.0.77
wait_for 30 "the declared default route" is_declared
ip -n "${P}a" link set eth0 mtu 1200  # which IPv6 can't use, and takes its settings along
repaired "its MTU was set to 1200"
expect "accept_ra" 0 "$(at a cat /proc/sys/net/ipv6/conf/eth0/accept_ra)"
ip -n "${P}a" link set eth0 address 02:00:00:00:00:99
repaired "its MAC address was set to 02:00:00:00:00:99"
ip -n "${P}a" link set eth0 arp off
repaired "its ARP was turned off"
ip -n "${P}a" link set eth0 carrier off
repaired "its carrier was turned off"
# A link-local address that was removed comes back without duplicate address detection, which others could fail.
own=$(ip -n "${P}a" -j -6 address show dev eth0 scope link | jq -r '.[].addr_info[] | .local // empty')
ip -n "${P}a" address delete "$own/64" dev eth0
repaired "the IPv6 link-local address was removed"
expect "addresses that wait for duplicate address detection" "" \
    "$(ip -n "${P}a" -6 address show dev eth0 tentative | grep inet6 || true)"
expect_that "repairs that port show tells" "$(query .port.device.repairs port show a) >= 5"

# Off while it runs, and on again.
at a sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
wait_for 30 "word of IPv6" reason a "IPv6 is switched off there"
expect "state of a without IPv6" up "$(query .port.state port show a)"
pings a 10.0.0.254
at a sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0
wait_for 60 "IPv6 again" is_declared
wait_for 10 "ping over IPv6" answers_ping a fd00::fe

ip -n "${P}a" address flush dev eth0
repaired "address 10.0.0.1/24 was removed"

if grep "port: m[01]: " "$LOG"; then fail "word of two ports that have what is theirs"; fi

# A change of the configuration repairs as well, and forgets what is no longer wanted.
sed -i "s/10.0.0.1, \"fd00::1\"/10.0.0.9/" "$CONFIG"
expect_status 0 ctl config reload
has_address 10.0.0.9 || fail "the new address isn't there"
has_address 10.0.0.1 && fail "the old address is still there"
no_loss
wait_for 10 "the books to balance" balanced

# One that was taken to another namespace is no longer the port's, and vanishes there; the port has a new one.
netns elsewhere
moved() { grep -q "b is down: interface eth0 was moved to another network namespace" "$LOG"; }
ip -n "${P}b" link set eth0 netns "${P}elsewhere" name foreign
wait_for 30 "word of the move" moved
up b
wait_for 30 "b with a new interface" answers_ping b 10.0.0.254
expect "what is left elsewhere" '["lo"]' "$(ip -n "${P}elsewhere" -j link show | jq -c '[.[].ifname]')"
wait_for 10 "the books to balance" balanced
