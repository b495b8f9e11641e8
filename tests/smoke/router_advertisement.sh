#!/bin/bash
# Router advertisements by which a station would guide all others: from a network behind a device, from a
# container, from a remote host of an overlay. Containers whose addresses are declared stay as they are.
. "$(dirname "$0")/_init.sh"
need python3

netns declared v4 asks none other peer
ip -n "${P}host" link add wire type veth peer name eth0 netns "${P}peer"
ip -n "${P}host" link add under type veth peer name under netns "${P}peer"
ip -n "${P}host" link set wire up
ip -n "${P}host" link set under up
ip -n "${P}peer" link set eth0 up
ip -n "${P}peer" link set under up
ip -n "${P}peer" address add fd00::99/64 dev eth0 nodad
ip -n "${P}peer" address add 192.0.2.2/24 dev under
ip -n "${P}peer" link add vx type vxlan id 100 local 192.0.2.2 remote 192.0.2.1 dstport 4789 dev under
ip -n "${P}peer" link set vx up
# In the namespace of `other` there is no IPv6 at all: its port is up nevertheless.
at other sysctl -qw net.ipv6.conf.default.disable_ipv6=1
config <<END
underlay: {port: under, address: 192.0.2.1/24}
networks:
  - {name: blue, subnets: [10.0.0.0/24, "fd00::/64"]}
  - {name: far, subnets: [10.1.0.0/24, "fd01::/64"], vxlan: {vni: 100, remotes: [192.0.2.2]}}
ports:
  - {name: under, device: "net_af_packet0,iface=under"}
  - {name: wire, device: "net_af_packet1,iface=wire", network: blue}
  - {name: declared, netns: ${P}declared, network: blue, address: [10.0.0.1, "fd00::1"]}
  - {name: v4, netns: ${P}v4, network: blue, address: [10.0.0.2]}
  - {name: asks, netns: ${P}asks, network: blue, address: [10.0.0.3, "fd00::3"], accept-ra: true, spoofing: allow}
  - {name: none, netns: ${P}none, network: far}
  - {name: other, netns: ${P}other, network: blue, address: [10.0.0.4]}
END
start
up under wire declared v4 asks none other

advertise() { # NAMESPACE INTERFACE PREFIX
    at "$1" python3 - "$2" "$3" <<'END'
import socket, struct, sys
interface, prefix = sys.argv[1:]
mac = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
mac.bind((interface, 0))
mac = mac.getsockname()[4]
line = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(interface))
body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + b"\1\1" + mac
body += struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 86400, 14400, 0) + socket.inet_pton(socket.AF_INET6, prefix)
line.sendto(body, ("ff02::1", 0))
END
}
settled() { [[ -n $(ip -n "$P$1" -6 -j address show dev "$2" | jq '.[0].addr_info[] | select(.scope == "link" and (.tentative | not))') ]]; }
addresses() { ip -n "$P$1" -6 -j address show dev eth0 scope global | jq -c '[.[0].addr_info[]? | .local // empty]'; }
routes() { ip -n "$P$1" -6 -j route show default | jq length; }
setting() { at "$1" cat "/proc/sys/net/ipv6/conf/eth0/$2"; }
for name in declared v4; do
    for key in accept_ra autoconf accept_redirects; do expect "$key of $name" 0 "$(setting $name $key)"; done
done
expect "accept_ra of one that asks for it" 2 "$(setting asks accept_ra)"
expect "accept_ra of one without addresses" 1 "$(setting none accept_ra)"

# From a network behind a device, where the routers are: who listens hears it, so that the others have too.
wait_for 20 "the router's address" settled peer eth0
guided() { [[ $(routes "$1") == 1 ]]; }
advertise peer eth0 2001:db8::
wait_for 20 "the route of one that asks for it" guided asks
expect_match "addresses of one that asks for it" "2001:db8:" "$(addresses asks)"
expect "addresses of the declared" '["fd00::1"]' "$(addresses declared)"
expect "addresses of IPv4's alone" "[]" "$(addresses v4)"
expect "routes of the declared" 0 "$(routes declared)"
expect "routes of IPv4's alone" 0 "$(routes v4)"
pings declared fd00::3
pings declared fd00::99
pings other 10.0.0.1

# From a remote host: to nobody, until the network takes it.
wait_for 20 "the remote's address" settled peer vx
advertise peer vx 2001:db8:1::
rogue() { query "[.drops[] | select(.port == \"$1\" and .reason == \"rogue-ra\") | .packets] | add >= 1" drops; }
wait_for 20 "the drop of a remote's advertisement" rogue "tunnel 192.0.2.2"
expect "routes of one without addresses" 0 "$(routes none)"
sed -i "s/remotes: \[192.0.2.2\]/&, serves: [ra]/" "$CONFIG"
expect_status 0 ctl config reload
advertise peer vx 2001:db8:1::
wait_for 20 "the route of one without addresses" guided none
expect_match "addresses of one without" "2001:db8:1:" "$(addresses none)"

# From a container, which is no router.
wait_for 20 "the container's address" settled declared eth0
advertise declared eth0 2001:db8:2::
wait_for 20 "the drop of a container's advertisement" rogue declared

# A port that gets addresses stops listening; one that loses them begins.
sed -i "s/{name: none, netns: ${P}none, network: far/&, address: [10.1.0.9]/; s/, address: \[10.0.0.2\]//" "$CONFIG"
expect_status 0 ctl config reload
expect "accept_ra with an address" 0 "$(setting none accept_ra)"
expect "accept_ra without one" 1 "$(setting v4 accept_ra)"
wait_for 10 "the books to balance" balanced
