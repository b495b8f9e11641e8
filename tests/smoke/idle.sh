#!/bin/bash
# Without traffic the process uses less than 3 % of a core, also with a device that must be polled,
# and the first packet after idling isn't lost.
. "$(dirname "$0")/_init.sh"

netns a b
ports="networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24]}"

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$DAEMON/stat"; }

# CPU used over 3 s in thousandths of a core: the best of some rounds, for a bound on what the switch
# needs by itself. (The sleep is the measurement.)
idles() {
    local best=1000 before begin share
    for _ in 1 2 3 4; do
        before=$(ticks)
        begin=$(milliseconds)
        sleep 3
        share=$((($(ticks) - before) * 1000000 / $(getconf CLK_TCK) / ($(milliseconds) - begin)))
        if ((share < best)); then best=$share; fi
        if ((best < 30)); then break; fi
    done
    echo "$1: $best thousandths of a core"
    expect_that "thousandths of a core used by an idle switch ($1)" "$best < 30"
}

# Not one packet since the start.
config <<<"ports: [{name: ring, device: net_ring0}]"
start
up ring
idles "a polled device that never had a packet"
stop

config <<<"$ports"
start
up a b
pings a 10.0.0.2
idles "containers"
for _ in 1 2 3; do
    sleep 0.7  # asleep for certain
    pings a 10.0.0.2 -c 1
done

config <<<"$ports
  - {name: ring, device: net_ring0}"
expect_status 0 ctl config reload
up ring
pings a 10.0.0.2
idles "containers and a polled device"
for _ in 1 2 3; do
    sleep 0.7
    pings a 10.0.0.2 -c 1
done
