#!/bin/bash
# TCP between containers: IPv4 and IPv6, both directions; segments cross whole and unfinished
# checksums are never taken for wrong ones.
. "$(dirname "$0")/_init.sh"

netns a b
config <<END
networks: [{name: blue, subnets: [10.0.0.0/24, "fd00::/64"]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24, "fd00::1/64"]}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24, "fd00::2/64"]}
END
start
up a b
serve b

received() { query ".ports[] | select(.name == \"$1\") | .rx | map(.$2) | add" stats; }

# The sender's data segments are counted where they enter the switch.
whole() { # PORT, and the arguments of iperf
    local packets bytes size
    packets=$(received "$1" packets)
    bytes=$(received "$1" bytes)
    iperf "${@:2}" -t 2
    packets=$(($(received "$1" packets) - packets))
    bytes=$(($(received "$1" bytes) - bytes))
    size=$((bytes / packets))
    expect_that "average frame from $1 (${*:2}), bytes" "$size > 10000"
}

whole a a 10.0.0.2
whole b a 10.0.0.2 -R
whole a a fd00::2
whole b a fd00::2 -R
iperf a 10.0.0.2 -t 1 -P 4
no_checksum_errors a b
wait_for 20 "balanced books" balanced
