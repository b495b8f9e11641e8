#!/bin/bash
# Two hosts with one NIC each, whose network carries tunnels and all other traffic of the host: containers reach each
# other across the hosts and a server outside under the host's address, published ports are reached from outside, the
# host itself has an address there, and no container sends into tunnels.
. "$(dirname "$0")/_init.sh"
need python3 iperf3 tcpdump

# The fabric is a bridge that Linux has between the hosts' NICs and the server.
write_config() { # HOST-NUMBER
    local i=$1 other=$((3 - $1))
    on "h$i" config <<END
memory: {size: 96 MiB, buffers: 8192}
networks:
  - {name: outside, subnets: [192.0.2.0/24, "2001:db8::/64"], gateway: [192.0.2.$i, "2001:db8::$i"]}
  - name: blue
    subnets: [10.0.1.0/24, "fd00:1::/64"]
    gateway: [10.0.1.254, "fd00:1::fe"]
    vxlan: {vni: 100, remotes: [192.0.2.$other]}
underlay: {network: outside}
ports:
  - {name: uplink, netns: ${P}under, interface: uplink$i, network: outside}
  - {name: host$i, host: true, network: outside, address: [192.0.2.1$i]}
  - {name: blue$i, netns: ${P}blue$i, network: blue, address: [10.0.1.$i, "fd00:1::$i"]}
nat:
  - {masquerade: [blue], out: outside, ipv6: true}
publish:
  - {port: 8080, to: "blue$i:80"}
END
}

netns under h1 h2 blue1 blue2 world
ip -n "${P}under" link add br0 type bridge
ip -n "${P}under" link set br0 up
ip -n "${P}under" link add world type veth peer name eth0 netns "${P}world"
ip -n "${P}under" link set world master br0 up
ip -n "${P}world" link set eth0 up
ip -n "${P}world" address add 192.0.2.80/24 dev eth0
ip -n "${P}world" address add 2001:db8::80/64 dev eth0 nodad
for i in 1 2; do
    write_config $i
    on h$i start
    on h$i up uplink host$i blue$i
    ip -n "${P}under" link set uplink$i master br0
done
wait_for 20 "the way to host 2" answers_ping blue1 10.0.1.2
wait_for 20 "the way to host 1" answers_ping blue2 10.0.1.1
wait_for 20 "the server outside" answers_ping blue1 192.0.2.80

# Says who asks: the address that a connection comes from.
tells() { # NAMESPACE PORT
    spawn "$1" python3 -c 'import socket, sys
server = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    client, address = server.accept()
    client.sendall((sys.argv[2] + " " + address[0].removeprefix("::ffff:")).encode())
    client.close()' "$2" "$1"
    wait_for 10 "a server on $2" listens "$1" "$2"
}
tells world 80
tells blue1 80
tells blue2 80

# Across the hosts.
pings blue1 10.0.1.2
pings blue2 10.0.1.1
pings blue1 fd00:1::2
serve blue2
iperf blue1 10.0.1.2 -n 20M
expect "who asks across the hosts" "blue2 10.0.1.1" "$(asks blue1 10.0.1.2 80)"

# Out of the same port, and into it.
pings blue1 192.0.2.80
pings blue2 2001:db8::80
expect "who asks the world" "world 192.0.2.1" "$(asks blue1 192.0.2.80 80)"
expect "who asks the world from host 2" "world 192.0.2.2" "$(asks blue2 192.0.2.80 80)"
expect "who asks the world over IPv6" "world 2001:db8::1" "$(asks blue1 2001:db8::80 80)"
expect "a published port" "blue1 192.0.2.80" "$(asks world 192.0.2.1 8080)"
expect "a published port of host 2" "blue2 192.0.2.80" "$(asks world 192.0.2.2 8080)"
expect "a port that is not published" "[Errno 111] Connection refused" "$(asks world 192.0.2.1 8081)"
pings world 192.0.2.1
serve world
iperf blue1 192.0.2.80 -t 1
iperf blue1 192.0.2.80 -t 1 -R

# A datagram that comes in fragments to the address of the tunnels' end point.
spawn world python3 -c 'import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 7007))
while True:
    data, sender = server.recvfrom(10000)
    server.sendto(data, sender)'
echoes() { # NAMESPACE ADDRESS BYTES
    at "$1" python3 -c 'import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(2)
client.sendto(b"x" * int(sys.argv[2]), (sys.argv[1], 7007))
assert len(client.recv(10000)) == int(sys.argv[2])' "$2" "$3"
}
wait_for 20 "an echo" echoes blue1 192.0.2.80 100
wait_for 20 "an echo in fragments" echoes blue1 192.0.2.80 4000

# The host's own stack has its port there.
pings h1 192.0.2.80
pings world 192.0.2.12
pings h1 192.0.2.12

# A frame for blue2 in a VXLAN packet of the sender's own, from UDP port 5555.
cat >"$TMP/inject.py" <<'END'
import socket, struct, sys

udp = struct.pack("!HHHH", 7, 7, 13, 0) + b"false"
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton("10.0.1.77"),
                 socket.inet_aton("10.0.1.2"))
words = sum(struct.unpack("!10H", ip))
words = (words & 0xffff) + (words >> 16)
ip = ip[:10] + struct.pack("!H", ~((words & 0xffff) + (words >> 16)) & 0xffff) + ip[12:]
ethernet = b"\xff" * 6 + bytes.fromhex("02000000004d") + b"\x08\x00"
packet = struct.pack("!II", 0x08000000, 100 << 8) + ethernet + ip + udp
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.bind(("", 5555))
for _ in range(10):
    sender.sendto(packet, (sys.argv[1], 4789))
END
spawn blue2 tcpdump --immediate-mode -ni eth0 -w "$TMP/inside" -U src host 10.0.1.77 2>"$TMP/inside.err"
inside=$PID
spawn under tcpdump --immediate-mode -ni uplink2 -w "$TMP/fabric" -U udp src port 5555 or udp dst port 4789 2>"$TMP/fabric.err"
fabric=$PID
wait_for 20 "tcpdump" grep -q "listening on" "$TMP/inside.err"
wait_for 20 "tcpdump" grep -q "listening on" "$TMP/fabric.err"
dropped() { # HOST-NUMBER PORT REASON COUNT
    on "h$1" query ".drops[] | select(.port == \"$2\" and .reason == \"$3\") | .packets == $4" drops
}
at blue1 python3 "$TMP/inject.py" 192.0.2.2
wait_for 20 "the drops of what blue1 has sent" dropped 1 blue1 vxlan-port 10
# From outside it comes to host 2, for which the server is no other host.
at world python3 "$TMP/inject.py" 192.0.2.2
wait_for 20 "the drops of what the world has sent" dropped 2 uplink unknown-remote 10
pings blue1 10.0.1.2
# Of a tunnel packet tcpdump has two lines, and the first begins with the time.
captured() { tcpdump -nr "$TMP/$1" "$2" 2>/dev/null | grep -c ^[0-9] || true; }
has_captured() { (($(captured fabric "$2") >= $1)); }
wait_for 20 "the world's packets in the capture" has_captured 10 "src host 192.0.2.80 and src port 5555"
wait_for 20 "tunnel packets in the capture" has_captured 3 "src host 192.0.2.1 and dst port 4789"
kill -INT $inside $fabric
finish $inside 20 tcpdump
finish $fabric 20 tcpdump
expect "packets of blue1's on the wire" 0 "$(captured fabric "src host 192.0.2.1 and src port 5555")"
expect "false frames at blue2" 0 "$(captured inside "")"

for i in 1 2; do
    expect "host $i" reachable "$(on h$i query '.tunnels[0].state' tunnel list)"
    wait_for 20 "balanced books" on h$i balanced
done
no_checksum_errors blue1 blue2 world
