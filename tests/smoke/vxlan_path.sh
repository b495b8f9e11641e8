#!/bin/bash
# Two hosts of an overlay with a link of a smaller MTU between them, over IPv4 and IPv6: the routers' messages are
# learned, senders are told, TCP runs, and `tunnel list` shows it. Then a remote host goes away, and comes back.
. "$(dirname "$0")/_init.sh"
need iperf3

write_config() { # HOST-NUMBER OTHER
    on "h$1" config <<END
memory: {size: 96 MiB, buffers: 8192}
networks:
  - name: four
    subnets: [10.0.4.0/24, "fd00:4::/64"]
    vxlan: {vni: 104, remotes: [192.0.$2.1]}
  - name: six
    subnets: [10.0.6.0/24, "fd00:6::/64"]
    vxlan: {vni: 106, remotes: ["2001:db8:$2::1"]}
underlay:
  port: uplink
  address: [192.0.$1.1/24, "2001:db8:$1::1/64"]
  gateway: [192.0.$1.254, "2001:db8:$1::fe"]
ports:
  - {name: uplink, netns: ${P}r$1, interface: up}
  - {name: four, netns: ${P}four$1, network: four, address: [10.0.4.$1, "fd00:4::$1"]}
  - {name: six, netns: ${P}six$1, network: six, address: [10.0.6.$1, "fd00:6::$1"]}
END
}

netns h1 h2 r1 r2 four1 four2 six1 six2
ip -n "${P}r1" link add between mtu 1400 type veth peer name between netns "${P}r2" mtu 1400
for i in 1 2; do
    write_config $i $((3 - i))
    on h$i start
    on h$i up uplink four six
    at r$i sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    ip -n "${P}r$i" address add 192.0.$i.254/24 dev up
    ip -n "${P}r$i" address add 2001:db8:$i::fe/64 dev up nodad
    ip -n "${P}r$i" address add 192.0.9.$i/24 dev between
    ip -n "${P}r$i" address add 2001:db8:9::$i/64 dev between nodad
    ip -n "${P}r$i" link set between up
done
for i in 1 2; do
    ip -n "${P}r$i" route add 192.0.$((3 - i)).0/24 via 192.0.9.$((3 - i))
    ip -n "${P}r$i" route add 2001:db8:$((3 - i))::/64 via 2001:db8:9::$((3 - i))
done
wait_for 60 "the tunnel over IPv4" answers_ping four1 10.0.4.2
wait_for 60 "the tunnel over IPv6" answers_ping six1 10.0.6.2

# of a remote: tunnel HOST-NUMBER REMOTE JQ-FILTER
tunnel() { on "h$1" query ".tunnels[] | select(.remote == \"$2\") | $3" tunnel list; }
is() { [[ $("${@:2}") == "$1" ]]; }
wait_for 60 "the remote host" is reachable tunnel 1 192.0.2.1 .state
wait_for 60 "the remote host" is reachable tunnel 1 2001:db8:2::1 .state
expect "the MTU that nobody has complained of" '{"expires":null,"inside":1450,"path":1500}' \
    "$(tunnel 1 192.0.2.1 '.mtu | tojson')"

# What fits into the underlay's port, and no further, is lost once; then its sender knows.
too_big() { # FROM TO MTU
    wait_for 60 "$1 to be told about $2" is_told "$@"
}
is_told() { [[ $(at "$1" ping -c 1 -W 1 -M "do" -s 1380 "$2" 2>&1) =~ mtu\ ?=\ ?$3 ]]; }
too_big four1 10.0.4.2 1350
too_big four1 fd00:4::2 1350
too_big six1 10.0.6.2 1330
too_big six1 fd00:6::2 1330
expect "the path's MTU over IPv4" 1400 "$(tunnel 1 192.0.2.1 .mtu.path)"
expect "the path's MTU over IPv6" 1400 "$(tunnel 1 2001:db8:2::1 .mtu.path)"
expect_that "seconds until it is forgotten" "$(tunnel 1 192.0.2.1 .mtu.expires) > 0"
expect_match "log" "path to 192.0.2.1 takes packets of 1400 bytes" "$(<"$TMP/h1.log")"
pings four1 10.0.4.2 -M "do" -s 1322
pings six1 fd00:6::2 -M "do" -s 1282
# The answer to the first one is lost once in the other direction.
wait_for 20 "a ping in fragments" at four1 ping -q -c 1 -W 1 -M dont -s 4000 10.0.4.2
pings four1 10.0.4.2 -M dont -s 4000
expect "no-listener" 0 "$(on h1 query '.port.drops["no-listener"] // 0' port show uplink)"

# TCP finds out by itself, from host 2 too, which nobody has told yet.
serve four2
serve six2
for address in 10.0.4.2 fd00:4::2; do
    iperf four1 $address -n 2M
    iperf four1 $address -n 2M -R
done
for address in 10.0.6.2 fd00:6::2; do
    iperf six1 $address -n 2M
    iperf six1 $address -n 2M -R
done
expect "the path's MTU from the other side" 1400 "$(tunnel 2 192.0.1.1 .mtu.path)"
no_checksum_errors four1 four2 six1 six2

# A host that is gone is not told as reachable, though the gateway to it is.
is_gone() { [[ $(tunnel 1 "$1" .state) =~ ^(silent|unreachable)$ ]]; }
on h2 kill_9
wait_for 60 "the loss of the remote host" is_gone 192.0.2.1
wait_for 60 "the loss of the remote host" is_gone 2001:db8:2::1
wait_for 60 "a word of it in the log" grep -qE "192.0.2.1 is (silent|unreachable)" "$TMP/h1.log"
on h2 start
wait_for 60 "the remote host" is reachable tunnel 1 192.0.2.1 .state
wait_for 60 "the remote host" is reachable tunnel 1 2001:db8:2::1 .state
# And one that is there, and whose end of the tunnel is not, says so itself.
on h2 stop
ip -n "${P}r2" address add 192.0.2.1/32 dev lo
# The router says so once a second at most: it has just said much about a host that is not there.
is_refused() {
    at four1 ping -q -c 1 -W 0.5 10.0.4.2
    is refused tunnel 1 192.0.2.1 .state
}
wait_for 60 "the refusal" is_refused
wait_for 20 "balanced books" on h1 balanced
