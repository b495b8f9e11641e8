#!/bin/bash
# Guests get their addresses: DHCP by busybox, DHCPv6 by ISC's client, the router by the kernel; a port's own address
# and addresses of the pool, which stay the same over a kill of sluiced; renewed, released, and nobody else's.
. "$(dirname "$0")/_init.sh"
need busybox dhclient
[[ $(busybox --list) == *udhcpc* ]] || skip "busybox has no udhcpc"

netns a b c own
config <<END
networks:
  - name: blue
    subnets: [10.0.0.0/24, "fd00::/64"]
    gateway: [10.0.0.1, "fd00::1"]
    ipam: {ranges: [10.0.0.10-10.0.0.99, "fd00::10-fd00::99"]}
    dhcp:
      lease: 2m
      ntp: [10.0.0.123]
      domain: blue.test
      search: [blue.test, test]
      routes: [{to: 10.9.0.0/16, via: 10.0.0.254}]
ports:
  - {name: a, netns: ${P}a, network: blue}
  - {name: b, netns: ${P}b, network: blue}
  - {name: c, netns: ${P}c, network: blue}
  - {name: own, netns: ${P}own, network: blue, address: [10.0.0.2, "fd00::2"]}
END
start
up a b c own

# What udhcpc calls: it writes down what it was given, and uses it.
cat >"$TMP/script" <<'END'
#!/bin/sh
env >"$SEEN.$1.new"
case $1 in
    deconfig) ip -4 address flush dev "$interface" ;;
    bound | renew)
        ip address replace "$ip/$mask" dev "$interface"
        [ -z "$router" ] || ip route replace default via "$router"
        ;;
esac
mv "$SEEN.$1.new" "$SEEN.$1"
END
chmod +x "$TMP/script"
declare -A CLIENT=()
# Asks until it has an address, and goes on as guests do: client NAME [UDHCPC-ARGUMENTS]
client() {
    rm -f "$TMP/$1".{bound,renew,deconfig}
    SEEN=$TMP/$1 spawn "$1" busybox udhcpc -f -i eth0 -t 20 -T 1 -s "$TMP/script" \
        -O mtu -O ntpsrv -O search -O staticroutes "${@:2}" 2>"$TMP/$1.udhcpc"
    CLIENT[$1]=$PID
    wait_for 30 "an address for $1" test -e "$TMP/$1.bound"
}
given() { sed -n "s/^$2=//p" "$TMP/$1.${3:-bound}"; }
leases() { ctl --json lease list | jq -c "[.leases[] | select(.port == \"$1\") | $2]"; }

# All that a guest can wish for.
client a -x hostname:web -x 0x3d:01020304
expect "address of a" 10.0.0.10 "$(given a ip)"
expect "netmask of a" 255.255.255.0 "$(given a subnet)"
expect "router of a" 10.0.0.1 "$(given a router)"
expect "server of a" 10.0.0.1 "$(given a serverid)"
expect_match "name servers of a" "10\.0\.0\.1" "$(given a dns)"
expect "domain of a" blue.test "$(given a domain)"
expect "search of a" "blue.test test" "$(given a search)"
expect "MTU of a" 1500 "$(given a mtu)"
expect "time server of a" 10.0.0.123 "$(given a ntpsrv)"
expect "time of a's lease" 120 "$(given a lease)"
expect "routes of a" "10.9.0.0/16 10.0.0.254 0.0.0.0/0 10.0.0.1" "$(given a staticroutes)"
pings a 10.0.0.1
expect "lease of a" '[["10.0.0.10","web","pool"]]' "$(leases a '[.address, .host, .from]')"
expect_match "lease list" "10\.0\.0\.10 +blue +a " "$(ctl lease list)"
expect_match "ipam list" "10\.0\.0\.10 +blue +guest .* at port a" "$(ctl ipam list blue)"

# Another guest gets another one. A port that has addresses declared gives them to its guest.
client b
expect "address of b" 10.0.0.11 "$(given b ip)"
pings a 10.0.0.11
client own
expect "address of own" 10.0.0.2 "$(given own ip)"
expect "lease of own" '["declared"]' "$(leases own .from)"
pings own 10.0.0.10

# A leased address is as good as a declared one: its port may use no other.
dropped() {
    query "[.drops[] | select(.port == \"$1\" and (.reason | startswith(\"spoofed-\"))) | .packets] | add >= 1" drops
}
at a ip address add 10.0.0.77/24 dev eth0
at a ping -q -c 1 -W 1 -I 10.0.0.77 10.0.0.11 >/dev/null || true
wait_for 10 "the drop of another address" dropped a
at a ip address delete 10.0.0.77/24 dev eth0

# Renewed by unicast.
kill -USR1 "${CLIENT[a]}"
wait_for 20 "the renewal of a" test -e "$TMP/a.renew"
expect "address of a, renewed" 10.0.0.10 "$(given a ip renew)"

# The switch is killed: the guests go on, get the same again, and others get others.
kill_9
start
up a b c own
pings a 10.0.0.11
expect "leases after the restart" '["10.0.0.10"]' "$(leases a .address)"
client c
expect "address of c" 10.0.0.12 "$(given c ip)"
crash "${CLIENT[a]}"
at a ip -4 address flush dev eth0
client a
expect "address of a, once more" 10.0.0.10 "$(given a ip)"
crash "${CLIENT[b]}"
client b -r 10.0.0.12
expect "address of b, that asked for c's" 10.0.0.11 "$(given b ip)"

# A guest that leaves.
kill -USR2 "${CLIENT[c]}"
released() { [[ $(leases c .address) == "[]" ]]; }
wait_for 20 "the release of c" released

# IPv6: the router is advertised, addresses come by DHCPv6.
router() { ip -n "$P$1" -6 -j route show default | jq -er '.[0].gateway'; }
wait_for 30 "a router for b" router b
expect_match "the router of b" "^fe80::" "$(router b)"
made() { ip -n "$P$1" -6 -j address show dev eth0 scope global | jq -c '[.[0].addr_info[]?.local // empty]'; }
expect "addresses that b has made" "[]" "$(made b)"
cat >"$TMP/script6" <<END
#!/bin/sh
[ -z "\$new_ip6_address" ] || ip -6 address replace "\$new_ip6_address/128" dev "\$interface" nodad
env >"$TMP/\$reason"
END
chmod +x "$TMP/script6"
settled() {
    local own='.[0].addr_info[] | select(.scope == "link" and (.tentative | not))'
    [[ -n $(ip -n "$P$1" -6 -j address show dev eth0 | jq "$own") ]]
}
echo 'request dhcp6.name-servers, dhcp6.domain-search;' >"$TMP/dhclient.conf"
client6() { # NAME
    wait_for 20 "the link-local address of $1" settled "$1"
    rm -f "$TMP/BOUND6"
    at "$1" timeout 60 dhclient -6 -1 -cf "$TMP/dhclient.conf" -lf "$TMP/$1.leases6" -pf "$TMP/$1.pid6" \
        -sf "$TMP/script6" eth0 >"$TMP/$1.dhclient" 2>&1 || fail "dhclient -6: $(cat "$TMP/$1.dhclient")"
    kill "$(cat "$TMP/$1.pid6")"
}
given6() { sed -n "s/^new_$1=//p" "$TMP/BOUND6"; }
client6 b
expect "IPv6 address of b" fd00::10 "$(given6 ip6_address)"
expect "IPv6 name servers of b" fd00::1 "$(given6 dhcp6_name_servers)"
expect_match "IPv6 domains of b" "blue.test" "$(given6 dhcp6_domain_search)"
pings b fd00::1
pings b fd00::2
expect "leases of b" '["fd00::10","10.0.0.11"]' "$(leases b .address)"
client6 own
expect "IPv6 address of own" fd00::2 "$(given6 ip6_address)"

# What the file gets wrong is named.
sed -i 's/    gateway: .*//' "$CONFIG"
expect_status 1 ctl config reload
expect_match "the refusal" "networks\[0\]\.dhcp .*needs .subnets.*a .gateway." "$OUT"
wait_for 10 "the books to balance" balanced
