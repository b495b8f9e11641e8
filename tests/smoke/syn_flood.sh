#!/bin/bash
# A flood of a million SYN packets from as many sources, against a flow table that holds 4096: an established
# connection between containers goes on, and not one of its packets is refused.
. "$(dirname "$0")/_init.sh"
need iperf3 python3

netns a b
python3 - "$TMP/flood.pcap" <<'END'
import random, struct, sys
chance = random.Random(6)
ethernet = bytes.fromhex("020000000009" "0200000000ff" "0800")
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    record = struct.pack("<4I", 0, 0, 54, 54)
    for _ in range(1_000_000):
        source = chance.getrandbits(32) | 0x2000_0000
        ip = struct.pack(">BBHHHBBHI4s", 0x45, 0, 40, 0, 0, 64, 6, 0, source, b"\x0a\0\0\x09")
        total = sum(struct.unpack(">10H", ip))
        total = (total & 0xffff) + (total >> 16)
        total = (total & 0xffff) + (total >> 16)
        ip = ip[:10] + struct.pack(">H", total ^ 0xffff) + ip[12:]
        tcp = struct.pack(">HHIIBBHHH", chance.getrandbits(16) | 1024, 80, 1, 0, 0x50, 2, 1024, 0, 0)
        f.write(record + ethernet + ip + tcp)
END
containers() {
    cat <<END
networks:
  - {name: blue, subnets: [10.0.0.0/24], static: [{mac: "02:00:00:00:00:09", port: victim}]}
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24]}
  - {name: victim, device: "net_null0,no-rx=1", network: blue}
$1
acls:
  - name: web
    apply: {network: blue, direction: ingress}
    rules:
      - permit: {proto: tcp, port: [80, 5201]}
      - permit: {proto: icmpv6}
flows: {size: 4096}
END
}
containers "" | config
start
up a b victim
serve b

spawn a iperf3 -c 10.0.0.2 -t 270 >"$TMP/client" 2>&1
client=$PID
# Its data connection: the other one of the two is silent.
connection='[.flows[] | select(.state == "established") | .original.packets + .reply.packets] | max // 0'
packets() { query "$connection" flow list --port 5201; }
goes_on() { [[ $(packets) -gt $1 ]]; }
wait_for 20 "the connection under way" goes_on 1000

# The flood begins.
containers "  - {name: flood, device: \"net_pcap0,rx_pcap=$TMP/flood.pcap\", network: blue}" | config
ctl config reload >/dev/null
received() { query ".ports[] | select(.name == \"$1\") | .$2.packets" port list; }
wait_for 60 "the flood to begin" query '.ports[] | select(.name == "flood") | .rx.packets > 10000' port list
during=$(packets)
wait_for 20 "the connection to go on in the flood" goes_on "$during"
all_received() { [[ $(received flood rx) == 1000000 ]]; }
wait_for 200 "the last packet of the flood" all_received
after=$(packets)
expect_that "packets of the connection meanwhile" "$after > $during"
wait_for 20 "the connection to go on after the flood" goes_on "$after"
ended "$client" && fail "iperf3 has ended: $(cat "$TMP/client")"

# The table is full of the flood, and has evicted what the flood left; nothing of the connection's was refused.
query '.capacity == 4096 and .count > 3000' flow count >/dev/null
evicted=$(query '[.pressure[] | select(.what == "evicted-embryonic") | .count] | add // 0' flow count)
expect_that "flows evicted" "$evicted > 100000"
expect "connections of iperf3" 2 "$(query '[.flows[] | select(.state == "established")] | length' flow list --port 5201)"
for port in a b; do
    expect "drops by policy at port $port" "[]" "$(ctl --json drops | jq -c "[.drops[] | select(.port == \"$port\" and
        (.reason | IN(\"flow-table-full\", \"flow-share\", \"no-connection\", \"denied\", \"rejected\")))]")"
done
delivered=$(received victim tx)
expect_that "packets of the flood that were delivered" "$delivered > 100000"

kill "$client"
wait_for 20 "the end of iperf3" ended "$client"
no_checksum_errors a b
wait_for 20 "the books to balance" balanced
