#!/bin/bash
# What a container behind `ingress: deny` sends opens nothing towards it; what isn't IP doesn't get in either;
# later fragments that overtake their first arrive with it; and a download goes on over a restart of the switch.
. "$(dirname "$0")/_init.sh"
need iperf3 python3

netns guarded dns outside peer
config <<END
networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: guarded, netns: ${P}guarded, network: blue, address: [10.0.0.2]}
  - {name: dns, netns: ${P}dns, network: blue, address: [10.0.0.3]}
  - {name: outside, netns: ${P}outside, network: blue}
  - {name: peer, netns: ${P}peer, network: blue, address: [10.0.0.9]}
acls:
  - {name: in, apply: {port: guarded, direction: ingress}, rules: [{deny: {}}]}
  - {name: dns-in, apply: {port: dns, direction: ingress}, rules: [{permit: {proto: udp, port: 53}}]}
END
start
up guarded dns outside peer
mac() { at "$1" ip -j link show eth0 | jq -r '.[0].address'; }
pings guarded 10.0.0.9
pings dns 10.0.0.9
GUARDED=$(mac guarded)
OUTSIDE=$(mac outside)
DNS=$(mac dns)

# Sends frames by their bytes. The station 10.0.0.77 has no kernel that would answer: send NAMESPACE WHAT...
cat >"$TMP/send.py" <<'END'
import socket, struct, sys

def total(data):
    data += b"\0" * (len(data) % 2)
    sum = 0
    for word in struct.unpack("!%dH" % (len(data) // 2), data):
        sum += word
        sum = (sum & 0xffff) + (sum >> 16)
    return 0xffff - sum

def ip(source, destination, protocol, payload, ident=1, fragment=0):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, fragment, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(destination))
    return head[:10] + struct.pack("!H", total(head)) + head[12:] + payload

def tcp(source, from_port, destination, to_port, flags):
    bits = sum({"S": 2, "R": 4, "A": 16, "F": 1}[flag] for flag in flags)
    head = struct.pack("!HHIIBBHHH", from_port, to_port, 1000, 2000, 0x50, bits, 1024, 0, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!BBH", 0, 6, len(head))
    return ip(source, destination, 6, head[:16] + struct.pack("!H", total(pseudo + head)) + head[18:])

def fragments(source, destination, size, ident):
    datagram = struct.pack("!HHHH", 5, 53, 8 + size, 0) + b"x" * size
    step = 1400 - 1400 % 8
    return [ip(source, destination, 17, datagram[at:at + step], ident,
               at // 8 | (0x2000 if at + step < len(datagram) else 0)) for at in range(0, len(datagram), step)]

wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
own = wire.getsockname()[4]
to = bytes.fromhex(sys.argv[1].replace(":", ""))
def send(payload, ethertype=0x0800):
    wire.send(to + own + struct.pack("!H", ethertype) + payload)
what = sys.argv[2]
if what == "tcp":
    source, from_port, destination, to_port, flags = sys.argv[3:8]
    send(tcp(source, int(from_port), destination, int(to_port), flags))
elif what == "type":
    for ethertype in sys.argv[3:]:
        send(b"\0" * 60, int(ethertype, 16))
else:  # the fragments of datagrams, each in the order that is asked for
    for ident, order in enumerate(sys.argv[3:], 1):
        parts = fragments("10.0.0.77", "10.0.0.3", 1400 * len(order) - 500, ident)
        for n in order:
            send(parts[int(n)])
END
send() { at "$1" python3 "$TMP/send.py" "${@:2}"; }
dropped() { query "[.drops[] | select(.port == \"$1\" and .reason == \"$2\") | .packets] | add // 0" drops; }
more_dropped() { [[ $(dropped "$1" "$2") -ge $3 ]]; }
# What is refused is counted when it has come; whether it has arrived is known then.
refused() { # PORT REASON COUNT COMMAND...
    local before
    before=$(dropped "$1" "$2")
    "${@:4}"
    wait_for 10 "$3 more packets dropped as $2 at $1 (${*:4})" more_dropped "$1" "$2" $((before + $3))
}
connections() { at guarded ss -Htan | grep -vc LISTEN || true; }

spawn guarded python3 -c 'import socket
server = socket.create_server(("", 80))
while True: server.accept()'
wait_for 10 "a server in the guarded container" listens guarded 80
refused outside denied 1 send outside "$GUARDED" tcp 10.0.0.77 1000 10.0.0.2 80 S
port=2000
for flags in A R RA SA FA F; do
    port=$((port + 1))
    send guarded "$OUTSIDE" tcp 10.0.0.2 80 10.0.0.77 $port $flags
    refused outside denied 1 send outside "$GUARDED" tcp 10.0.0.77 $port 10.0.0.2 80 S
done
expect "connections of the guarded container" 0 "$(connections)"

# MPLS, PPPoE, a tag of old, RARP.
received() { at guarded ip -j -s link show eth0 | jq '.[0].stats64.rx.packets'; }
before=$(received)
refused outside denied 5 send outside "$GUARDED" type 8847 8848 8863 9100 8035
expect "frames that the guarded container has got" "$before" "$(received)"

# Datagrams whose fragments come in order, the other way round, and all mixed.
spawn dns python3 -c 'import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 53))
while True: print(len(server.recv(65535)), flush=True)' >"$TMP/datagrams"
serves() { [[ -n $(at dns ss -Hlun "sport = :53") ]]; }
wait_for 10 "a server of datagrams" serves
send outside "$DNS" fragments 01 10 210 1203
arrived() { [[ $(wc -l <"$TMP/datagrams") == 4 ]]; }
wait_for 10 "four datagrams" arrived
expect "the datagrams" "2300 2300 3700 5100" "$(tr '\n' ' ' <"$TMP/datagrams" | sed 's/ $//')"
# One without its first is given up, under a reason.
cat >"$TMP/orphan.py" <<END
exec(open("$TMP/send.py").read().rsplit("what = ", 1)[0])
send(fragments("10.0.0.77", "10.0.0.3", 2000, 99)[1])
END
refused outside fragment-unknown 1 at outside python3 "$TMP/orphan.py" "$DNS"

# A download into the guarded container, which only acknowledges: the switch knows nothing of it after a restart.
serve peer
spawn guarded iperf3 -c 10.0.0.9 -R -t 600 >"$TMP/download" 2>&1
download=$PID
answered() { [[ $(query '[.flows[] | select(.state == "established") | .reply.packets] | max // 0' flow list --port 5201) -gt $1 ]]; }
wait_for 20 "the download" answered 1000
kill_9
start
up guarded dns outside peer
wait_for 60 "the download to go on" answered 1000
query '[.flows[] | select(.state == "established" and .destination.port == 5201)] | length > 0' flow list >/dev/null
ended "$download" && fail "the download has ended: $(cat "$TMP/download")"
refused peer denied 1 at peer timeout 60 python3 -c 'import socket
try:
    socket.create_connection(("10.0.0.2", 80), 0.5)
except OSError:
    pass'
crash "$download"
no_checksum_errors guarded dns
wait_for 10 "the books to balance" balanced
