#!/bin/bash
# A bond whose members keep their links, whatever happens behind the next switch: they are probed. Each member
# leads to a bridge of its own, and those are joined by wires that are cut. By ARP in a network, by Neighbor
# Discovery in the native one of a trunk.
. "$(dirname "$0")/_init.sh"

netns a b remote
# The interfaces between are to be no stations: they neither answer for another's address nor speak unasked.
at remote sysctl -qw net.ipv4.conf.all.arp_ignore=1
for ns in host remote; do at "$ns" sysctl -qw net.ipv6.conf.default.disable_ipv6=1; done
# bridge NAME ADDRESS-OF-ITS-OWN
bridge() {
    ip -n "${P}remote" link add "$1" address "$2" type bridge
    ip -n "${P}remote" link set "$1" up
}
for pair in v4 v6; do
    bridge "$pair" "02:00:00:00:$([[ $pair == v4 ]] && echo 04 || echo 06):99"
    for i in 0 1; do
        bridge "$pair-$i" "02:00:00:00:$([[ $pair == v4 ]] && echo 04 || echo 06):9$i"
        ip -n "${P}host" link add "$pair-m$i" type veth peer name "$pair-w$i" netns "${P}remote"
        ip -n "${P}host" link set "$pair-m$i" up
        ip -n "${P}remote" link add "$pair-c$i" type veth peer name "$pair-d$i"
        ip -n "${P}remote" link set "$pair-w$i" up master "$pair-$i"
        ip -n "${P}remote" link set "$pair-c$i" up master "$pair-$i"
        ip -n "${P}remote" link set "$pair-d$i" up master "$pair"
    done
done
ip -n "${P}remote" address add 10.2.0.9/24 dev v4
at remote sysctl -qw net.ipv6.conf.v6.disable_ipv6=0
ip -n "${P}remote" address add fd00:7::9/64 dev v6 nodad

mapfile -t cores < <(allowed_cores | head -n 2)
config <<END
workers: {cores: [$(IFS=,; echo "${cores[*]}")]}
networks:
  - {name: red, subnets: [10.2.0.0/24], gateway: [10.2.0.254]}
  - {name: blue, subnets: ["fd00:7::/64"]}
ports:
  - {name: a, netns: ${P}a, network: red, address: [10.2.0.1]}
  - name: red
    bond:
      members: ["net_af_packet0,iface=v4-m0", "net_af_packet1,iface=v4-m1"]
      probe: {targets: [10.2.0.9], interval: 200}
    network: red
  - {name: b, netns: ${P}b, network: blue, address: ["fd00:7::1"]}
  - name: blue
    bond:
      members: ["net_af_packet2,iface=v6-m0", "net_af_packet3,iface=v6-m1"]
      probe: {targets: ["fd00:7::9"], interval: 200}
    trunk: {native: blue}
END
start
up a red b blue

members() { query '.port.device.members | map("\(.link) \(.active)") | join(", ")' port show "$1"; }
are() { [[ $(members "$1") == "$2" ]]; }
# Where the bridge that joins the wires has an address: behind ADDRESS BRIDGE WIRE
behind() {
    at remote bridge -j fdb show br "$2" | jq -e --arg mac "$1" --arg port "$3" \
        'any(.[]; .mac == $mac and .ifname == $port)'
}
cut() { ip -n "${P}remote" link set "$1" down; }
mend() { ip -n "${P}remote" link set "$1" up; }

# BOND PAIR STATION ADDRESS: the first member is cut off, and the second when the first is back.
fails_over() {
    local bond=$1 pair=$2 station=$3 address=$4 member mac
    member=$(query '.port.device.members[0].device' port show "$bond")
    mac=$(ip -n "$P$station" -j link show eth0 | jq -r '.[0].address')
    wait_for 20 "ping by the first member of $bond" answers_ping "$station" "$address"
    expect "members of $bond" "up true, up false" "$(members "$bond")"
    cut "$pair-c0"
    wait_for 20 "the second member of $bond to carry" are "$bond" "down false, up true"
    expect "carrier of the member that is cut off" UP \
        "$(ip -n "${P}host" -j link show "$pair-m0" | jq -r '.[0].operstate')"
    expect_match "why the first member of $bond is down" "while it probed $address 3 times, every 200 ms" \
        "$(query '.port.device.members[0].reason' port show "$bond")"
    expect_match "what port show says" "while it probed $address" "$(ctl port show "$bond")"
    wait_for 20 "a warning of it" grep -qF "warning port: $bond: member $member is down: it received nothing" "$LOG"
    wait_for 20 "the bridge beyond $bond to know where the station is" behind "$mac" "$pair" "$pair-d1"
    wait_for 20 "ping by the second member of $bond" answers_ping "$station" "$address"
    mend "$pair-c0"
    wait_for 20 "the first member of $bond to be back" are "$bond" "up false, up true"
    wait_for 20 "word of that" grep -qF "$bond: member $member is up; before: it received nothing" "$LOG"
    cut "$pair-c1"
    wait_for 20 "the first member of $bond to carry again" are "$bond" "up true, down false"
    wait_for 20 "ping by the first member of $bond again" answers_ping "$station" "$address"
    cut "$pair-c0"
    wait_for 20 "$bond to have no link" port_is "$bond" no-link
    mend "$pair-c0"
    mend "$pair-c1"
    one_carries() { [[ $(members "$bond") =~ ^up\ (true,\ up\ false|false,\ up\ true)$ ]]; }
    wait_for 20 "$bond to be back" one_carries
    wait_for 20 "ping when all is mended" answers_ping "$station" "$address"
}
fails_over red v4 a 10.2.0.9
fails_over blue v6 b fd00:7::9

# What the probes say belongs to no port: nothing is learned of it, nothing dropped, nothing counted. The bridge
# beyond a bond has heard the probes' addresses.
# heard PAIR: the addresses that the bridge PAIR has on our side, one a line.
heard() {
    at remote bridge -j fdb show br "$1" | jq -r --arg pair "$1" \
        '.[] | select(.state != "permanent" and (.ifname | startswith($pair + "-d"))) | .mac' | sort -u
}
# The station's and each member's. The bridge forgets what it heard by a wire that was cut, until the next probe.
heard_all() { [[ $(heard "$1" | wc -l) -ge 3 ]]; }
for bond in red blue; do
    pair=$([[ $bond == red ]] && echo v4 || echo v6)
    wait_for 20 "three addresses on our side of $bond" heard_all "$pair"
    mapfile -t heard < <(heard "$pair")
    learned=$(query ".macs | map(select(.kind == \"learned\" and .port == \"$bond\") | .mac) | join(\" \")" \
        mac list)
    for mac in "${heard[@]}"; do
        [[ $learned != *$mac* ]] || fail "$mac is on our side of $bond and was learned beyond it"
    done
done
wait_for 20 "the books to balance" balanced
