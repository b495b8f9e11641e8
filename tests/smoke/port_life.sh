#!/bin/bash
# Ports that never open, in every order in which they come and go; what an interface of the kernel's gets back;
# counters that outlive a change; more devices than DPDK opens.
. "$(dirname "$0")/_init.sh"

netns a late peer
ip -n "${P}host" link add wire mtu 1450 type veth peer name eth0 netns "${P}peer"
at host sh -c "echo 1 >/proc/sys/net/ipv6/conf/wire/disable_ipv6"
ip -n "${P}host" link set wire up
ip -n "${P}peer" link set eth0 up
ip -n "${P}peer" address add 10.0.0.9/24 dev eth0
mtu_of() { at host ip -j link show "$1" | jq '.[0].mtu'; }

head=$(
    cat <<END
networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1]}
  - {name: wire, device: "net_af_packet0,iface=wire", network: blue
END
)
file() { { echo "$head$1}" && cat; } | config; }

# Added and deleted: at once, after it was tried again, after a restart.
file "" </dev/null
start
up a wire
pings a 10.0.0.9
expect "the interface's MTU" 1500 "$(mtu_of wire)"
failing=(
    "netns=missing" "netns=pid:999999999" "netns=/etc/passwd"
    "device=net_af_packet1,iface=missing" "device=net_af_xdp1,iface=missing" "device=net_nosuch0"
    "device=net_pcap0,rx_pcap=/no/such/file" "device=0000:ff:1f.7"
    "bond={members: [net_nosuch1, net_nosuch2]}" "vhost-user={path: /no/such/folder/x, mode: server}"
)
failures() { grep -c "x is down" "$LOG" || true; }
for keys in "${failing[@]}"; do
    expect_status 0 ctl port add x "$keys" network=blue
    expect_status 0 ctl port delete x
    expect_status 0 ctl port add x "$keys" network=blue
    down x .
    expect_status 0 ctl port delete x
done
expect_status 0 ctl port add x "${failing[0]}" network=blue
stop
expect "the interface's MTU without the switch" 1450 "$(mtu_of wire)"
start
down x .
expect_status 0 ctl port delete x

# Declared: mistyped, corrected, taken out. A namespace that comes later.
file "" <<<"  - {name: x, netns: ${P}lat, network: blue, address: [10.0.0.2]}"
expect_status 0 ctl config reload
down x "${P}lat does not exist"
file "" <<<"  - {name: x, netns: ${P}late, network: blue, address: [10.0.0.2]}"
expect_status 0 ctl config reload
up x
pings a 10.0.0.2
delete_netns late
down x "${P}late does not exist"
netns late
up x
pings a 10.0.0.2
delete_netns late
down x .
file "" </dev/null
expect_status 0 ctl config reload

# A new MTU is a new ring for packet sockets, and the old counters.
pings a 10.0.0.9
received() { query .port.rx.packets port show wire; }
before=$(received)
file ", mtu: 1400" </dev/null
expect_status 0 ctl config reload
up wire
expect "the interface's MTU" 1400 "$(mtu_of wire)"
pings a 10.0.0.9
expect_that "packets before and after" "$(received) >= $before + 3"
expect "times down" 0 "$(query '.port["times-down"]' port show wire)"
# Somebody else's word on the MTU is the last.
ip -n "${P}host" link set wire mtu 1300
file ", mtu: 1500" </dev/null
expect_status 0 ctl config reload
up wire
head=$(sed '$d' <<<"$head")
printf '%s\n' "$head" | config
expect_status 0 ctl config reload
expect "the interface's MTU without a port" 1300 "$(mtu_of wire)"

# More devices than DPDK opens, and two ports on one interface, are mistakes of the file.
devices() { for ((i = 0; i < $1; ++i)); do echo "  - {name: n$i, device: 'net_null$i,no-rx=1', network: blue}"; done; }
{ printf '%s\n' "$head" && devices 33; } | config
expect_status 1 ctl config reload
expect_match "the 33rd device" "ports\[33\].device .*more than the 32 devices that DPDK opens" "$OUT"
expect_status 2 "$SLUICED" --check "$CONFIG"
{ printf '%s\n' "$head" && devices 32; } | config
expect_status 0 ctl config reload
for ((i = 0; i < 32; ++i)); do up "n$i"; done
expect_status 1 ctl port add n33 device=net_null33 network=blue
expect_match "the 33rd device" "more than the 32 devices" "$OUT"
expect_status 0 ctl port add k "device=net_af_packet0,iface=wire" network=blue
up k
expect_status 1 ctl port add k2 "device=net_af_packet1,iface=wire" network=blue
expect_match "a second port on an interface" "interface wire of the host is port k's already" "$OUT"
