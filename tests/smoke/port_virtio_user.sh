#!/bin/bash
# net_virtio_user as a port's device: the switch in the place of a guest, at the vhost-user socket of
# another program (testpmd with net_vhost), with a split and with a packed ring. It carries large frames
# and TCP, and either side may be killed and come back.
. "$(dirname "$0")/_init.sh"
need dpdk-testpmd iperf3
free=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2>/dev/null || echo 0)
((free >= 256)) || skip "needs 256 free hugepages of 2 MiB, for memory that two processes share"
core=$(allowed_cores | head -n 1)

netns a b
config <<END
dpdk: {args: [--single-file-segments]}  # the other side maps the memory, 8 files of it at most
networks: [{name: left}, {name: right}]
ports:
  - {name: a, netns: ${P}a, network: left, address: [10.0.0.1/24], mtu: 9000}
  - {name: b, netns: ${P}b, network: right, address: [10.0.0.2/24], mtu: 9000}
  - {name: split, device: "net_virtio_user0,path=$TMP/split", network: left, mtu: 9000}
  - {name: packed, device: "net_virtio_user1,path=$TMP/packed,packed_vq=1", network: right, mtu: 9000}
END
testpmd() {
    rm -f "$TMP"/{split,packed}
    : >"$TMP/testpmd"
    spawn host stdbuf -oL dpdk-testpmd --lcores "0@$core,1@$core" --main-lcore 0 --in-memory \
        --single-file-segments --no-pci --no-telemetry -m 128 --vdev "net_vhost0,iface=$TMP/split" \
        --vdev "net_vhost1,iface=$TMP/packed" -- --forward-mode=io --total-num-mbufs=16384 \
        --no-mlockall --tx-offloads=0x8000 --stats-period 3600 >"$TMP/testpmd" 2>&1
    TESTPMD=$PID
    wait_for 30 "testpmd" grep -q "packet forwarding" "$TMP/testpmd"
}
answers_size() { at a ping -q -c 1 -W 2 -M do -s "$1" 10.0.0.2; }
passes() {
    up split packed
    wait_for 20 "a frame of 9000 bytes" answers_size 8972
    iperf a 10.0.0.2 -n 4M
    iperf a 10.0.0.2 -n 4M -R
    no_checksum_errors a b
}

start
down split "DPDK can't make a device"
testpmd
serve b
passes
kill_9
start
passes
crash "$TESTPMD"
down split "at the other end is gone|can.t make a device"
down packed "."
testpmd
passes
# The rings hold buffers as long as they are there.
sed -i '/net_virtio_user/d' "$CONFIG"
expect_status 0 ctl config reload
wait_for 10 "the books to balance" balanced
