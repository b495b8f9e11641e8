#!/bin/bash
# Virtual machines at vhost-user ports that ask for their addresses: one whose port declares none, and one whose port
# does. By busybox's DHCP client, by the kernel (the router) and by a DHCPv6 client; over a reboot of the guest and a
# kill of the switch.
. "$(dirname "$0")/_init.sh"
need dhclient dig
. "$ROOT/tests/smoke/_guest.sh"

netns a
config <<END
networks:
  - name: blue
    subnets: [10.0.0.0/24, "fd00::/64"]
    gateway: [10.0.0.1, "fd00::1"]
    ipam: {ranges: [10.0.0.10-10.0.0.99, "fd00::10-fd00::99"]}
    dhcp: true
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.2, "fd00::2"]}
  - {name: v, vhost-user: {path: $TMP/v.sock}, network: blue}
  - name: w
    vhost-user: {path: $TMP/w.sock, mode: server}
    network: blue
    address: [10.0.0.3, "fd00::3"]
    mtu: 1400
END
start
boot v server "$TMP/v.sock" "" 1 mac=52:54:00:00:00:0a
boot w client "$TMP/w.sock" "" 1 mac=52:54:00:00:00:0b
ready v w

# What both clients call. (In a shell of busybox, ip would be busybox's, which has no nodad.)
script='#!/bin/bash
case $1 in bound | renew)
    ip address replace "$ip/$mask" dev eth0
    ip route replace default via "$router"
    [ -z "$mtu" ] || ip link set eth0 mtu "$mtu"
    ;;
esac
[ -z "$new_ip6_address" ] || ip -6 address replace "$new_ip6_address/128" dev eth0 nodad
exit 0
'
has_link_local() { # GUEST
    at "$1" ip -j -6 address show dev eth0 scope link | jq -e 'any(.[].addr_info[]?; .local and (.tentative | not))'
}
# As distributions do at their start: the link, then DHCP in both families.
configure() { # GUEST
    wait_for 20 "the interface of $1" at "$1" test -e /sys/class/net/eth0
    # shellcheck disable=SC2016
    at "$1" sh -c 'printf %s "$0" >/tmp/script; chmod +x /tmp/script; mkdir -p /var/lib/dhcp' "$script"
    at "$1" ip link set eth0 up
    at "$1" busybox udhcpc -i eth0 -q -n -t 20 -T 2 -O mtu -s /tmp/script
    wait_for 20 "the link-local address of $1" has_link_local "$1"
    at "$1" timeout 60 dhclient -6 -1 -sf /tmp/script -lf /tmp/leases -pf /tmp/pid eth0
}
addresses() { at "$1" ip -j address show dev eth0 scope global | jq -c '[.[0].addr_info[].local // empty]'; }
router() { at "$1" ip -6 -j route show default | jq -er '.[0].gateway | startswith("fe80::")'; }

up v w
configure v
configure w
expect "addresses of v" '["10.0.0.10","fd00::10"]' "$(addresses v)"
expect "addresses of w" '["10.0.0.3","fd00::3"]' "$(addresses w)"
expect "MTU of w" 1400 "$(at w cat /sys/class/net/eth0/mtu)"
for guest in v w; do wait_for 30 "a router for $guest" router $guest; done
for address in 10.0.0.1 10.0.0.2 10.0.0.3 fd00::1 fd00::2 fd00::3; do pings v $address; done
pings a 10.0.0.10
pings a fd00::10
expect "the address of v by its name" 10.0.0.10 "$(at a dig +short @10.0.0.1 v)"

# A guest that reboots gets the same, and so it does after the switch was killed.
reboot v
ready v
configure v
expect "addresses of v after its reboot" '["10.0.0.10","fd00::10"]' "$(addresses v)"
kill_9
start
up a v w
wait_for 20 "ping to v after the restart" answers_ping a 10.0.0.10
pings v 10.0.0.3
pings w fd00::10
configure v
expect "addresses of v after the restart" '["10.0.0.10","fd00::10"]' "$(addresses v)"
wait_for 10 "the books to balance" balanced
