#!/bin/bash
# A million IPv4 and 200,000 IPv6 routes, loaded while a ping goes through the router: counts, memory, a
# look-up, a route among them that the next ping takes, and all of them again after a crash.
. "$(dirname "$0")/_init.sh"
need awk

netns a b
config <<END
networks:
  - {name: blue, subnets: [10.0.0.0/24, "fd00:a::/64"], gateway: [10.0.0.254, "fd00:a::fe"]}
  - {name: red, subnets: [10.0.1.0/24, "fd00:b::/64"], gateway: [10.0.1.254, "fd00:b::fe"]}
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1, "fd00:a::1"]}
  - {name: b, netns: ${P}b, network: red, address: [10.0.1.1, "fd00:b::1"], spoofing: allow}
END
start
up a b
pings a 10.0.1.1
ip -n "${P}b" address add 23.45.68.89/32 dev lo

# Mostly /24, and a few by gateways that do not exist.
awk 'BEGIN {
    for (i = 0; i < 1000000; ++i) {
        a = 16 + int(i / 65536); b = int(i / 256) % 256; c = i % 256
        way = "via 10.0.1." (i % 1000 == 0 ? 2 + i / 1000 % 200 : 1)
        if (i % 10 == 9) print a "." b "." c ".128/25 " way
        else print a "." b "." c ".0/24 " way
    }
    for (i = 0; i < 200000; ++i) printf "2001:%x:%x::/48 via fd00:b::1\n", i / 65536, i % 65536
}' >"$TMP/routes"
expect "lines" 1200000 "$(wc -l <"$TMP/routes")"

memory() { query '[.memory.resident, (.memory.pools[].bytes)] | add' status; }
added() { query '.routes.domains[] | select(.name == "main") | .added' status; }

steady a 10.0.1.1 0.01
begin=$(milliseconds)
ctl route load "$TMP/routes"
echo "loaded in $(($(milliseconds) - begin)) ms"
expect "added routes" 1200000 "$(added)"
expect "IPv4 and IPv6" "1000011 200008" "$(query '.routes | "\(.ipv4) \(.ipv6)"' status)"
expect_that "memory in bytes" "$(memory) < 1536 * 1024 * 1024"
echo "memory: $(($(memory) >> 20)) MiB, of which routes: $(($(query .routes.bytes status) >> 20)) MiB"

begin=$(milliseconds)
expect "the way to 23.45.68.89" "23.45.68.0/24 10.0.1.1 b" \
    "$(query '.route | "\(.to) \(."next-hops"[0] | .via + " " + .port)"' route lookup 23.45.68.89)"
echo "looked up in $(($(milliseconds) - begin)) ms"
expect_match "neighbor 10.0.1.1" '^(reachable|stale|probe|static) b$' \
    "$(query '.neighbors[] | select(.address == "10.0.1.1") | .state + " " + .port' neighbor list)"
expect "the way to 2001:1:5::1" "2001:1:5::/48" "$(query .route.to route lookup 2001:1:5::1)"
expect "those within 23.45.0.0/16" 256 "$(query .count route list 23.45.0.0/16)"
expect "those listed of many" "1000 1200019" "$(query '"\(.routes | length) \(.count)"' route list)"
pings a 23.45.68.89

# One among them is used by the very next ping.
begin=$(milliseconds)
ctl route add 23.45.68.89/32 type=unreachable
echo "added in $(($(milliseconds) - begin)) ms"
expect_status 1 at a ping -c 1 -W 5 23.45.68.89
expect_match "an unreachable address" "Unreachable" "$OUT"
ctl route delete 23.45.68.89/32
expect_status 0 at a ping -c 1 -W 5 23.45.68.89

# A file with a mistake changes nothing, however late it comes.
sed '1199999s/via/vai/' "$TMP/routes" >"$TMP/wrong"
expect_status 1 ctl route load "$TMP/wrong"
expect_match "the mistake" "^$TMP/wrong:1199999:[0-9]+: 'vai' is no word .* did you mean 'via'" "$OUT"
expect "added routes" 1200000 "$(added)"
no_loss

# The state has them.
ctl route add 23.45.68.88/32 via=10.0.0.1
kill_9
begin=$(milliseconds)
start
echo "started again in $(($(milliseconds) - begin)) ms"
up a b
expect "added routes after a crash" 1200001 "$(added)"
expect "the way to 23.45.68.88" "23.45.68.88/32" "$(query .route.to route lookup 23.45.68.88)"
pings a 23.45.68.89
wait_for 10 "balanced books" balanced
