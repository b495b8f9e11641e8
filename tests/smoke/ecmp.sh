#!/bin/bash
# A route with two next hops: if one of them stops answering, the other takes all flows; if it is there again, it
# gets its own back.
. "$(dirname "$0")/_init.sh"

netns a b c
config <<END
networks:
  - {name: blue, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}
  - {name: red, subnets: [10.0.1.0/24], gateway: [10.0.1.254]}
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1]}
  - {name: b, netns: ${P}b, network: red, address: [10.0.1.1], spoofing: allow}
  - {name: c, netns: ${P}c, network: red, address: [10.0.1.2], spoofing: allow}
routes:
  - {to: 10.9.0.0/24, next-hops: [{via: 10.0.1.1}, {via: 10.0.1.2}]}
END
start
up a b c
destinations=(10.9.0.{1..16})
for ns in b c; do
    for address in "${destinations[@]}"; do ip -n "$P$ns" address add "$address/32" dev lo; done
done

all_answer() {
    local address
    for address in "${destinations[@]}"; do answers_ping a "$address" || return 1; done
}
# The part of all flows that a next hop gets.
share() { query ".route[\"next-hops\"][] | select(.via == \"$1\") | .share" route lookup 10.9.0.1; }
has() { [[ $(share "$1") == "$2" ]]; }

wait_for 60 "answers of all destinations" all_answer
expect "the share of each" 0.5 "$(share 10.0.1.1)"

# It no longer answers anything, ARP included, and its interface is up.
ip -n "${P}c" link set eth0 arp off
at c sysctl -qw net.ipv4.conf.all.arp_ignore=8
wait_for 60 "the loss of a next hop" has 10.0.1.2 0
all_answer || fail "the next hop that is left doesn't have all flows"
expect "the share of the one that is left" 1 "$(share 10.0.1.1)"
expect_match "log" "next hop 10.0.1.2 in network red does not answer" "$(<"$LOG")"

at c sysctl -qw net.ipv4.conf.all.arp_ignore=0
ip -n "${P}c" link set eth0 arp on
wait_for 60 "its return" has 10.0.1.2 0.5
wait_for 60 "answers of all destinations" all_answer
expect_match "log" "next hop 10.0.1.2 in network red is there again" "$(<"$LOG")"
