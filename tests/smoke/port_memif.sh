#!/bin/bash
# A DPDK application, testpmd, at the other end: of memifs, and as virtio-user front end of vhost-user
# ports, with split and with packed rings. It answers a container's pings, through restarts of either
# side; and it carries TCP and large frames between two ports of each kind.
. "$(dirname "$0")/_init.sh"
need dpdk-testpmd iperf3
free=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2>/dev/null || echo 0)
((free >= 256)) || skip "needs 256 free hugepages of 2 MiB, for memory that two processes share"
mapfile -t cores < <(allowed_cores)

# testpmd MODE DEVICE...: its process is $TESTPMD, what it says $TMP/testpmd. A front end by virtio-user
# that serves the socket waits at its start until the switch has come.
testpmd() {
    local mode=$1 device devices=()
    shift
    for device; do devices+=(--vdev "$device"); done
    : >"$TMP/testpmd"
    spawn host stdbuf -oL dpdk-testpmd --lcores "0@${cores[0]},1@${cores[0]}" --main-lcore 0 \
        --in-memory --single-file-segments --no-pci --no-telemetry -m 128 "${devices[@]}" -- \
        --forward-mode="$mode" --total-num-mbufs=16384 --no-mlockall \
        --tx-offloads=0x8000 --stats-period 3600 >"$TMP/testpmd" 2>&1
    TESTPMD=$PID
}
forwards() {
    ended "$TESTPMD" && fail "testpmd ended: $(tail -n 5 "$TMP/testpmd")"
    grep -q "packet forwarding" "$TMP/testpmd"
}

config <<END
networks: [{name: echo1}, {name: echo2}, {name: echo3}, {name: left1}, {name: right1}, {name: left2}, {name: right2}]
ports:
  - {name: a, netns: ${P}a, network: echo1, address: [10.0.1.1/24]}
  - {name: b, netns: ${P}b, network: echo2, address: [10.0.2.1/24]}
  - {name: c, netns: ${P}c, network: echo3, address: [10.0.3.1/24]}
  - {name: memif, device: "net_memif0,role=client,socket=$TMP/memif,socket-abstract=no", network: echo1}
  - {name: split, vhost-user: {path: $TMP/split}, network: echo2}
  - {name: packed, vhost-user: {path: $TMP/packed}, network: echo3}

  - {name: d, netns: ${P}d, network: left1, address: [10.0.4.1/24], mtu: 9000}
  - {name: e, netns: ${P}e, network: right1, address: [10.0.4.2/24], mtu: 9000}
  - {name: left1, device: "net_memif1,role=server,socket=$TMP/memif1,socket-abstract=no,bsize=10240", network: left1, mtu: 9000}
  - {name: right1, device: "net_memif2,role=client,socket=$TMP/memif2,socket-abstract=no,bsize=10240", network: right1, mtu: 9000}

  - {name: f, netns: ${P}f, network: left2, address: [10.0.5.1/24], mtu: 9000}
  - {name: g, netns: ${P}g, network: right2, address: [10.0.5.2/24], mtu: 9000}
  - {name: left2, vhost-user: {path: $TMP/left2}, network: left2, mtu: 9000}
  - {name: right2, vhost-user: {path: $TMP/right2}, network: right2, mtu: 9000}
END
netns a b c d e f g

echo_server() {
    rm -f "$TMP"/{memif,split,packed}  # testpmd doesn't take the place of one that was killed
    testpmd icmpecho "net_memif0,role=server,socket=$TMP/memif,socket-abstract=no" \
        "net_virtio_user0,path=$TMP/split,server=1" \
        "net_virtio_user1,path=$TMP/packed,server=1,packed_vq=1"
}
# testpmd shares its core with whatever runs there, and ping gives up on the last of several soon.
answers_size() { at "$1" ping -q -c 1 -W 2 -M do -s "$3" "$2"; }
echoes() {
    wait_for 30 "testpmd" forwards
    up memif split packed
    wait_for 20 "an answer by memif" answers_size a 10.0.1.9 1472
    wait_for 20 "an answer by a split ring" answers_size b 10.0.2.9 1472
    wait_for 20 "an answer by a packed ring" answers_size c 10.0.3.9 1472
}
start
expect_match "why memif is down" "." "$(query .port.reason port show memif)"
echo_server
echoes
kill_9
start
echoes
crash "$TESTPMD"
echo_server
echoes
crash "$TESTPMD"

testpmd io "net_memif1,role=client,socket=$TMP/memif1,socket-abstract=no,bsize=10240" \
    "net_memif2,role=server,socket=$TMP/memif2,socket-abstract=no,bsize=10240" \
    "net_virtio_user2,path=$TMP/left2,server=1" \
    "net_virtio_user3,path=$TMP/right2,server=1,packed_vq=1"
wait_for 30 "testpmd" forwards
up left1 right1 left2 right2
wait_for 20 "an answer through the memifs" answers_size d 10.0.4.2 8972
wait_for 20 "an answer through the rings" answers_size f 10.0.5.2 8972
serve e
serve g
for path in "d 10.0.4.2" "f 10.0.5.2"; do
    read -r from to <<<"$path"
    iperf "$from" "$to" -n 8M
    iperf "$from" "$to" -n 8M -R
    iperf "$from" "$to" -n 4M -M 1000
done
no_checksum_errors d e f g
expect "segments that reached a device whole" 0 "$(ctl --json drops | jq '[.drops[] | select(.reason == "too-big")] | length')"
wait_for 10 "the books to balance" balanced
