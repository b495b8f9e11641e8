#!/bin/bash
# A start that fails says what the host lacks and what mends it; what concerns one port only never
# stops the rest.
. "$(dirname "$0")/_init.sh"

netns a b
ports="networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24]}"
run() { expect_status 1 at host timeout --foreground 300 "$@" "$SLUICED" --config "$CONFIG"; }

# A core that there isn't, and one that the process may not use.
mapfile -t cores < <(allowed_cores)
config <<<"workers: {cores: [9999]}
$ports"
expect_status 2 at host timeout --foreground 300 "$SLUICED" --config "$CONFIG"
expect_match "a core that isn't there" "workers.cores.0. .*there is no core 9999: this machine has" "$OUT"
if ((${#cores[@]} > 1)); then
    config <<<"workers: {cores: [${cores[1]}]}
$ports"
    run taskset -c "${cores[0]}"
    expect_match "a core that isn't allowed" "core ${cores[1]} .*it may on ${cores[0]}\).*CPUAffinity" "$OUT"
fi

# Too little memory for the buffers, with hugepages and without.
config <<<"memory: {size: 64MiB, buffers: 16777216}
$ports"
run
expect_match "too little memory" "memory.buffers.*memory.size.*vm.nr_hugepages" "$OUT"

# Arguments that DPDK refuses.
config <<<"dpdk: {args: [--no-such-argument]}
$ports"
run
expect_match "refused arguments" "dpdk.args" "$OUT"

# No place for the control socket.
touch "$TMP/file"
config <<<"$ports"
sed -i "s|socket: $SOCK|socket: $TMP/file/sock|" "$CONFIG"
run
expect_match "no place for the socket" "$TMP/file.*control socket|control socket.*$TMP/file" "$OUT"
config <<<"$ports"
echo occupied >"$SOCK"
run
expect_match "a file in the way of the socket" "$SOCK is in the way" "$OUT"
rm "$SOCK"

# Without TUN, or without permission to use it: the ports are down and say so, the daemon serves.
without_tun() { # MOUNT-OPTIONS COMMAND-IN-/dev/net REASON
    spawn host unshare --mount sh -ec \
        "mount -t tmpfs -o $1 none /dev/net; $2; exec \"$SLUICED\" --config \"$CONFIG\"" 2>>"$LOG"
    DAEMON=$PID
    wait_for 300 "sluiced to answer" answers
    down a "$3"
    down b "$3"
    expect "ports" "0 up, 2 down" "$(query '.ports | "\(.up) up, \(.down) down"' status)"
    stop
}
without_tun rw true "modprobe tun"
without_tun nodev,mode=755 "mknod /dev/net/tun c 10 200" "run sluiced as root"

# Without root the same.
mkdir -m 777 "$TMP/open"
SOCK=$TMP/open/sock
config <<<"$ports"
sed -i 's/group: root/group: nogroup/' "$CONFIG"
spawn host setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
    "$SLUICED" --config "$CONFIG" 2>>"$LOG"
DAEMON=$PID
wait_for 300 "sluiced to answer" answers
down a "needs root"
stop
SOCK=$TMP/sock

# A driver that isn't there, a namespace that isn't there yet, an interface that isn't ours: those
# ports are down, the others work.
netns c
ip -n "${P}c" link add eth0 type veth peer name eth1
config <<<"$ports
  - {name: driver, device: net_no_such_driver0, network: blue}
  - {name: later, netns: ${P}later, network: blue, address: [10.0.0.5/24]}
  - {name: taken, netns: ${P}c, network: blue}"
start
up a b
pings a 10.0.0.2
down driver "DPDK can't make a device .*librte-net"
down later "${P}later does not exist"
down taken "eth0 exists already"
netns later
up later
wait_for 10 "ping to the late namespace" answers_ping a 10.0.0.5
ip -n "${P}c" link delete eth0
up taken
expect_match "sluicectl port list" "driver .*down .*DPDK can't make" "$(ctl port list)"

# Usage.
expect_status 2 "$SLUICED"
expect_status 2 "$SLUICED" --no-such-option
expect_status 0 "$SLUICED" --help
expect_status 0 "$SLUICED" --version
