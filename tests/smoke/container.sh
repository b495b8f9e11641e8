#!/bin/bash
# What containers do to their side: a namespace goes and comes back, an interface is deleted, renamed,
# set down. The port says so, comes back by itself, and nobody else notices.
. "$(dirname "$0")/_init.sh"

netns a b c
spawn host unshare --net sleep 600
process=$PID
own() { [[ $(readlink "/proc/$process/ns/net") != "$(at host readlink /proc/self/ns/net)" ]]; }
wait_for 10 "the namespace of a process" own
config <<END
networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: b, netns: ${P}b, network: blue, mac: 02:00:00:00:00:0b, address: [10.0.0.2/24]}
  - {name: c, netns: ${P}c, network: blue, address: [10.0.0.3/24]}
  - {name: p, netns: "pid:$process", network: blue, address: [10.0.0.4/24]}
END
start
up a b c p
pings a 10.0.0.2
pings a 10.0.0.4

# The others, meanwhile, lose nothing.
steady a 10.0.0.3 0.01

# A namespace is deleted and made again.
delete_netns b
down b "${P}b does not exist"
expect "ports that are up" 3 "$(query .ports.up status)"
ip netns add "${P}b"
up b
wait_for 10 "ping to the new namespace" answers_ping a 10.0.0.2

# Replaced between two looks of the switch.
delete_netns b
ip netns add "${P}b"
back() { ip -n "${P}b" link show eth0; }
wait_for 20 "the interface in the replaced namespace" back
up b
wait_for 10 "ping to the replaced namespace" answers_ping a 10.0.0.2

# The container deletes its interface.
ip -n "${P}b" link delete eth0
wait_for 20 "the deleted interface" back
up b
wait_for 10 "ping after the interface was deleted" answers_ping a 10.0.0.2
expect_that "how often b went down" "$(query '.port."times-down"' port show b) >= 3"

# It renames it: no packet is lost over that, and port show tells.
index=$(ip -n "${P}b" -j link show eth0 | jq '.[0].ifindex')
ip -n "${P}b" link set eth0 down
ip -n "${P}b" link set eth0 name lan0
ip -n "${P}b" link set lan0 up
renamed() { query '.port.device."renamed-from" == "eth0"' port show b; }
wait_for 10 "port show to tell of the renaming" renamed
expect "interface in port list" lan0 "$(query '.ports[] | select(.name == "b") | .interface' port list)"
wait_for 10 "ping to the renamed interface" answers_ping a 10.0.0.2
expect "ifindex of the renamed" "$index" "$(ip -n "${P}b" -j link show lan0 | jq '.[0].ifindex')"

# The renamed one is known again after a restart (below). Set down inside, frames to it have a name until the port
# is known to have no link; soon it is up again.
dropped() {
    ip -n "${P}b" link set lan0 down
    query '.drops[] | select(.port == "b" and .reason == "interface-down") | .packets > 0' drops
}
at a ip neighbour replace 10.0.0.2 lladdr "$(ip -n "${P}b" -j link show lan0 | jq -r '.[0].address')" dev eth0
spawn a ping -q -i 0.005 10.0.0.2 >/dev/null
wait_for 30 "drops for the interface that is down" dropped
crash "$PID"
wait_for 30 "ping after the interface is up again" answers_ping a 10.0.0.2

# A process ends, and its namespace with it.
crash "$process"
down p "process $process is not running"

no_loss

kill_9
start
up a b c
expect "ifindex of the renamed after a restart" "$index" "$(ip -n "${P}b" -j link show lan0 | jq '.[0].ifindex')"
if ip -n "${P}b" link show eth0 2>/dev/null; then fail "a second interface was made beside the renamed one"; fi
down p "process $process is not running"
