#!/bin/bash
# Linux's own VXLAN as the remote host, over IPv4 and IPv6: pings and iperf3 both ways with UDP checksums
# and without, whoever speaks first; what fits into the underlay and what doesn't; strangers and malformed
# packets, each counted under its reason. The underlay is a container's interface, then net_af_packet.
. "$(dirname "$0")/_init.sh"
need iperf3 nstat tcpdump python3 ethtool

# Network four spans to the remote host over IPv4, six over IPv6.
write_config() { # UNDERLAY-PORT CHECKSUM
    config <<END
memory: {size: 128 MiB, buffers: 16384}
networks:
  - name: four
    subnets: [10.0.4.0/24, "fd00:4::/64"]
    gateway: [10.0.4.254, "fd00:4::fe"]
    vxlan: {vni: 104, remotes: [192.0.2.2, 192.0.2.9]}  # the second isn't there
  - name: six
    subnets: [10.0.6.0/24, "fd00:6::/64"]
    gateway: [10.0.6.254, "fd00:6::fe"]
    vxlan: {vni: 106, remotes: ["2001:db8::2"]}
underlay: {port: uplink, address: [192.0.2.1/24, "2001:db8::1/64"], checksum: $2}
ports:
  - {name: uplink, $1}
  - {name: a, netns: ${P}a, network: four, address: [10.0.4.1, "fd00:4::1"]}
  - {name: b, netns: ${P}b, network: six, address: [10.0.6.1, "fd00:6::1"]}
END
}

# The remote host's end of both tunnels, anew: remote INTERFACE with|without (UDP checksums)
# A stranger to Linux is a checksum of zero over IPv6: it takes one where it is told to, and only there.
remote() {
    local sends=(noudpcsum udp6zerocsumtx) takes=udp6zerocsumrx i
    [[ $2 == without ]] || sends=(udpcsum noudp6zerocsumtx)
    [[ $(query .yaml config show) == *"checksum: zero"* ]] || takes=noudp6zerocsumrx
    for i in 4 6; do ip -n "${P}r" link delete vx$i 2>/dev/null || true; done
    ip -n "${P}r" link add vx4 address 02:00:00:00:04:02 type vxlan id 104 local 192.0.2.2 \
        remote 192.0.2.1 dstport 4789 dev "$1" "${sends[0]}"
    ip -n "${P}r" link add vx6 address 02:00:00:00:06:02 type vxlan id 106 local 2001:db8::2 \
        remote 2001:db8::1 dstport 4789 dev "$1" "${sends[1]}" $takes
    for i in 4 6; do
        ip -n "${P}r" address add 10.0.$i.2/24 dev vx$i
        ip -n "${P}r" address add fd00:$i::2/64 dev vx$i nodad
        ip -n "${P}r" link set vx$i up
    done
    # A checksum of zero over IPv6 that came while nobody listened counts as an error, too.
    missed=$(counter r Udp6InCsumErrors)
}

no_errors() {
    local which
    no_checksum_errors a b
    for which in TcpInCsumErrors UdpInCsumErrors IcmpInCsumErrors IpInHdrErrors; do
        expect "$which in r" 0 "$(counter r "$which")"
    done
    expect "Udp6InCsumErrors in r" "$missed" "$(counter r Udp6InCsumErrors)"
}

underlay_address() { # INTERFACE
    ip -n "${P}r" address add 192.0.2.2/24 dev "$1"
    ip -n "${P}r" address add 2001:db8::2/64 dev "$1" nodad
    ip -n "${P}r" link set "$1" up
}

from_here() {
    pings a 10.0.4.2 "$@"
    pings a fd00:4::2 "$@"
    pings b 10.0.6.2 "$@"
    pings b fd00:6::2 "$@"
}

from_there() {
    pings r 10.0.4.1
    pings r fd00:4::1
    pings r 10.0.6.1
    pings r fd00:6::1
}

# TCP in segments larger than a frame, both ways over both families.
streams() {
    local address
    for address in 10.0.4.2 fd00:4::2; do
        iperf a $address -n 5M
        iperf a $address -n 5M -R
    done
    for address in 10.0.6.2 fd00:6::2; do
        iperf b $address -n 5M
        iperf b $address -n 5M -R
    done
    no_errors
}

datagrams() {
    iperf a 10.0.4.2 -u -b 50M -l 1300 -n 1M
    iperf a fd00:4::2 -u -b 50M -l 1300 -n 1M -R
    iperf b fd00:6::2 -u -b 50M -l 1300 -n 1M
    iperf b 10.0.6.2 -u -b 50M -l 1300 -n 1M -R
    no_errors
}

# What leaves for the remote host, all of it, has such a UDP checksum: sends_checksum "= 0"
sends_checksum() {
    local ours="(src 192.0.2.1 and udp[6:2] $1) or (src 2001:db8::1 and ip6[46:2] $1)"
    spawn r tcpdump -c 8 -ni under0 "udp port 4789 and ($ours)" >/dev/null 2>"$TMP/dump"
    wait_for 20 "tcpdump" grep -q "listening on" "$TMP/dump"
    from_here -c 2
    finish "$PID" 20 tcpdump
}

mtu_of() { at "$1" ip -j link show eth0 | jq '.[0].mtu'; }
dropped() { query ".port.drops[\"$2\"] // 0" port show "$1"; }
has_dropped() { [[ $(dropped "$1" "$2") == "$3" ]]; }

netns a b r
write_config "netns: ${P}r, interface: under0" zero
start
up uplink a b
underlay_address under0
serve r

# Sluice speaks first: nobody knows anybody.
remote under0 with
from_here
from_there
sends_checksum "= 0"
streams
datagrams

# Linux speaks first, and each of the ways to have checksums meets each.
remote under0 without
from_there
from_here
write_config "netns: ${P}r, interface: under0" full
ctl config reload
remote under0 without
from_there
from_here
sends_checksum "!= 0"
remote under0 with
from_there
from_here
streams
datagrams

# What fits: containers are told what the underlay leaves, and who doesn't mind is told again.
expect "MTU over IPv4" 1450 "$(mtu_of a)"
expect "MTU over IPv6" 1430 "$(mtu_of b)"
pings a 10.0.4.2 -M "do" -s 1422
pings b fd00:6::2 -M "do" -s 1382
expect_status 1 at a ping -c 1 -W 1 -M "do" -s 1423 10.0.4.2
expect_match "too big for the interface" "mtu=1450" "$OUT"
ip -n "${P}a" link set eth0 mtu 1500
ip -n "${P}b" link set eth0 mtu 1500
expect_status 1 at a ping -c 1 -W 5 -M "do" -s 1450 10.0.4.2
expect_match "too big for the underlay" "mtu ?= ?1450" "$OUT"
expect_status 1 at a ping -c 1 -W 5 -M "do" -s 1450 fd00:4::2
expect_match "too big for the underlay" "mtu ?= ?1450" "$OUT"
expect_status 1 at b ping -c 1 -W 5 -M "do" -s 1450 fd00:6::2
expect_match "too big for the underlay" "mtu ?= ?1430" "$OUT"
pings a 10.0.4.2 -M dont -s 4000
pings b fd00:6::2 -s 4000

write_config "netns: ${P}r, interface: under0, mtu: 9000" full
ctl config reload
up uplink a b
expect "MTU over IPv4, jumbo" 8950 "$(mtu_of a)"
expect "MTU over IPv6, jumbo" 8930 "$(mtu_of b)"
for ns in a b; do  # what they were told before
    ip -n "$P$ns" route flush cache
    ip -6 -n "$P$ns" route flush cache
done
ip -n "${P}r" link set vx4 mtu 8950
ip -n "${P}r" link set vx6 mtu 8930
pings a 10.0.4.2 -M "do" -s 8900
pings a 10.0.4.2 -M "do" -s 8922
pings b fd00:6::2 -M "do" -s 8882
iperf a 10.0.4.2 -n 5M
iperf a 10.0.4.2 -n 5M -R
no_errors

# Strangers, and what is no VXLAN: counted under its own reason, and nothing of it comes through.
cat >"$TMP/send.py" <<'END'
import socket, struct, subprocess, sys
def mac(text): return bytes.fromhex(text.replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("under0", 0))
to, own = mac(sys.argv[1]), s.getsockname()[4]
def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff
inner = b"\xff" * 6 + b"\2\0\0\0\x66\x66" + b"\x88\xb5" + bytes(60)
def vxlan(vni=104, flags=8, frame=inner): return struct.pack(">BBHI", flags, 0, 0, vni << 8) + frame
def udp(payload, size=None, sum=0):
    return struct.pack(">HHHH", 50000, 4789, 8 + len(payload) if size is None else size, sum) + payload
def ipv4(payload, source=2, tos=0, fragment=0, size=None, spoil=0):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, tos, 20 + len(payload) if size is None else size, 1,
                       fragment, 64, 17, 0, bytes([192, 0, 2, source]), bytes([192, 0, 2, 1]))
    return head[:10] + struct.pack(">H", checksum(head) ^ spoil) + head[12:] + payload
def send(packet): s.send(to + own + b"\x08\x00" + packet)

not_ect = b"\xff" * 6 + b"\2\0\0\0\x66\x66" + b"\x08\x00" + ipv4(bytes(40))
tagged = b"\xff" * 6 + b"\2\0\0\0\x66\x66" + b"\x81\x00\x00\x05\x08\x00" + ipv4(bytes(40))
packets = {
    "vxlan-truncated": ipv4(udp(vxlan()), size=1400),
    "vxlan-outer-header": ipv4(udp(vxlan()), spoil=1),
    "vxlan-fragment": ipv4(udp(vxlan()), fragment=0x2000),
    "vxlan-udp-checksum": ipv4(udp(vxlan(), sum=0x1234)),
    "vxlan-no-vni-flag": ipv4(udp(vxlan(flags=0))),
    "vxlan-inner-runt": ipv4(udp(vxlan(frame=b"\xff" * 13))),
    "vxlan-inner-vlan": ipv4(udp(vxlan(frame=tagged))),
    "vxlan-ecn": ipv4(udp(vxlan(frame=not_ect)), tos=3),
    "unknown-vni": ipv4(udp(vxlan(vni=105))),
    "unknown-remote": ipv4(udp(vxlan()), source=77),
}
for reason, packet in packets.items():
    for _ in range(3): send(packet)
    print(reason)
# The remote of one network is a stranger to the other.
send(ipv4(udp(vxlan(vni=106))))
# And this one is welcome.
send(ipv4(udp(vxlan())))
END
router=$(at r ip -j neigh show 192.0.2.1 | jq -r '.[0].lladdr')
spawn a tcpdump -c 1 -lni eth0 "ether src 02:00:00:00:66:66" >"$TMP/through" 2>"$TMP/dump"
wait_for 20 "tcpdump" grep -q "listening on" "$TMP/dump"
at r python3 "$TMP/send.py" "$router" >"$TMP/reasons"
finish "$PID" 20 "tcpdump of the only one that is welcome"
expect "reasons" 10 "$(wc -l <"$TMP/reasons")"
while read -r reason; do
    expected=3
    [[ $reason != unknown-remote ]] || expected=4
    wait_for 10 "$expected packets dropped: $reason" has_dropped uplink "$reason" "$expected"
done <"$TMP/reasons"
for line in "192.0.2.2 sends frames of VNI 105, which no network here has" \
    "192.0.2.77 sends frames of network four, which doesn't have it among its remotes"; do
    wait_for 10 "a line in the log" grep -q "warning tunnel: $line" "$LOG"
    expect "lines of it" 1 "$(grep -c "$line\$" "$LOG")"
done
pings a 10.0.4.2

# What waited for the remote host that isn't there has been given up.
wait_for 20 "balanced books" balanced

# The same by a packet socket, with segments inside of tunnels that Linux must learn to cut itself, and with
# the checksums that there are by default: over IPv6, where Linux wants them.
stop
ip -n "${P}r" address flush dev under0
ip -n "${P}host" link add under1 type veth peer name under1 netns "${P}r"
ip -n "${P}host" link set under1 up
ip -n "${P}r" link set under1 up
write_config "device: 'net_af_packet0,iface=under1'" auto
start
up uplink a b
underlay_address under1
remote under1 with
from_here
from_there
streams
wait_for 20 "balanced books" balanced
