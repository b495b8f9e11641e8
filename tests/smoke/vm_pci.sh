#!/bin/bash
# PCI functions as ports: a switch inside a virtual machine with an IOMMU, on a virtual function of igb
# (SR-IOV) and on e1000e, vmxnet3 and virtio, all bound to vfio-pci. Containers in there talk to the world
# outside through each of them, and to the other virtual function, which the kernel has. The switch is
# killed and comes back; a device is pulled out; what it gives back the kernel takes.
. "$(dirname "$0")/_init.sh"
need iperf3
. "$ROOT/tests/smoke/_console.sh"
made qemu10 "$BUILD/qemu10"
made guest_image --switch "$BUILD" "$BUILD/switch-guest"

# --- the guest, and a namespace at the other end of each of its NICs ---

nics=(igb e1000e vmxnet3 virtio)
declare -A model=([virtio]="virtio-net-pci,disable-legacy=on,iommu_platform=on,ats=on")
declare -A outside=([igb]=10.0.0.9 [e1000e]=10.0.1.2 [vmxnet3]=10.0.1.3 [virtio]=10.0.1.4)
netns "${nics[@]}"

# -cpu max: the switch is built for the machine's.
arguments=(-machine q35 -accel "tcg,thread=multi,tb-size=256" -cpu max -smp 2 -m 512M
    -device "intel-iommu,intremap=on,caching-mode=on,device-iotlb=on")
slot=10 # of the PCI bus, in base 16
declare -A port function
for nic in "${nics[@]}"; do
    ip -n "${P}host" tuntap add "$nic" mode tap
    port[$nic]=0000:00:$slot.0
    arguments+=(-device "pcie-root-port,id=port-$nic,addr=$slot.0,slot=$slot"
        -netdev "tap,id=$nic,ifname=$nic,script=no,downscript=no"
        -device "${model[$nic]:-$nic},id=nic-$nic,netdev=$nic,bus=port-$nic,romfile=,mac=52:54:00:00:00:$slot")
    slot=$((slot + 1))
done
arguments+=(-monitor "unix:$TMP/monitor,server=on,wait=off")
launch g "$BUILD/qemu10/qemu" "$BUILD/switch-guest" "intel_iommu=on iommu=pt" "${arguments[@]}"
# shellcheck disable=SC2034
LOG=$TMP/g.serial
ready g
for nic in "${nics[@]}"; do
    ip -n "${P}host" link set "$nic" netns "$P$nic" name eth0
    ip -n "$P$nic" address add "${outside[$nic]}/24" dev eth0
    ip -n "$P$nic" link set eth0 up
done
ip -n "${P}igb" address add fd00::9/64 dev eth0 nodad

# --- the switch in the guest ---

SOCK=/run/sluiced.sock
# shellcheck disable=SC2034
STATE=/run/state.json
ctl() { at g sluicectl --socket "$SOCK" "$@"; }

start() {
    at g bash -c "base64 -d >/run/sluice.yaml <<<$(base64 -w 0 "$CONFIG")"
    SWITCH=$(at g bash -c "sluiced --config /run/sluice.yaml >/dev/ttyS0 2>&1 & echo \$!")
    wait_for 30 "sluiced to answer" ctl status
}

gone() { ! at g test -d "/proc/$1"; }

end() { # SIGNAL
    at g kill "-$1" "$SWITCH"
    wait_for 20 "the end of sluiced" gone "$SWITCH"
}

show_switch() {
    local status=$?
    trap - ERR
    set +e
    if [[ $status != 0 ]] && ! ended "${GUEST[g]}"; then
        echo "--- in the guest"
        (ctl port list; ctl drops; ctl mac list; at g dmesg | tail -n 20)
    fi >&3 2>&1
    (exit "$status")
    clean_up
}
trap show_switch EXIT

# --- its PCI functions ---

devices=/sys/bus/pci/devices
base_name() { at g sh -c "basename \$(readlink -f $1)"; }
function_at() { base_name "$devices/$1/0000:*:00.0"; } # a root port
driver_of() { base_name "$devices/$1/driver"; }
interface_of() { at g ls "$devices/$1/net"; }
up_all() { up c igb d e1000e vmxnet3 virtio; }

# The MAC addresses of virtual functions are their physical one's to say, before a driver has them.
physical=$(function_at "${port[igb]}")
interface=$(interface_of "$physical")
at g ip link set "$interface" up
at g sh -c "cd $devices/$physical; echo 0 >sriov_drivers_autoprobe; echo 2 >sriov_numvfs"
at g ip link set "$interface" vf 0 mac 02:00:00:00:00:01
at g ip link set "$interface" vf 1 mac 02:00:00:00:00:02
virtual=$(base_name "$devices/$physical/virtfn0")
other=$(base_name "$devices/$physical/virtfn1")
at g sh -c "echo 1 >$devices/$physical/sriov_drivers_autoprobe; echo $other >/sys/bus/pci/drivers_probe"
expect "driver of the other virtual function" igbvf "$(driver_of "$other")"
for nic in e1000e vmxnet3 virtio; do function[$nic]=$(function_at "${port[$nic]}"); done

at g ip netns add c
at g ip netns add d
at g ip netns add kernel
interface=$(interface_of "$other")
at g ip link set "$interface" netns kernel name eth0
at g ip -n kernel address add 10.0.0.2/24 dev eth0
at g ip -n kernel link set eth0 up

# igb has a virtual function take frames for its own address only, so that is the container's. It must
# be told, not learned: QEMU's igb gives a function back what it has broadcast, which hardware doesn't.
# As few large buffers as there may be: the ring of a device would hold them all, and more.
at g sh -c "echo 80 >/proc/sys/vm/nr_hugepages"
config <<END
workers: {cores: [1]}
memory: {size: 128 MiB, buffers: 16384, large-buffers: 64}
networks:
  - {name: blue, subnets: [10.0.0.0/24, "fd00::/64"], static: [{mac: "02:00:00:00:00:01", port: c}]}
  - {name: red, subnets: [10.0.1.0/24]}
ports:
  - {name: c, netns: c, network: blue, address: [10.0.0.1/24, "fd00::1/64"], mac: "02:00:00:00:00:01"}
  - {name: d, netns: d, network: red, address: [10.0.1.1/24]}
  - {name: e1000e, device: "${function[e1000e]}", network: red}
  - {name: vmxnet3, device: "${function[vmxnet3]}", network: red}
  - {name: virtio, device: "${function[virtio]}", network: red}
END
start
up c d
expect "hugepages" true "$(query .memory.hugepages status)"

# The kernel has them still; the switch takes them.
down e1000e "bound to the kernel's e1000e: .sluicectl device bind ${function[e1000e]}"
for nic in e1000e vmxnet3 virtio; do expect_status 0 ctl device bind "${function[$nic]}"; done
expect_status 0 ctl device bind "$virtual"
expect_status 0 ctl port add igb "device=$virtual" network=blue
up_all

driver() { query .port.device.driver port show "$1"; }
expect "driver of the virtual function" net_e1000_igb_vf "$(driver igb)"
expect "driver of e1000e" net_e1000_em "$(driver e1000e)"
expect "driver of vmxnet3" net_vmxnet3 "$(driver vmxnet3)"
expect "driver of virtio" net_virtio "$(driver virtio)"

# --- traffic ---

# To the world outside and back, to the kernel's function, and from device to device.
everyone() {
    pings g:c "${outside[igb]}"
    pings igb 10.0.0.1
    pings g:c fd00::9
    pings g:c 10.0.0.2
    pings g:kernel 10.0.0.1
    for nic in e1000e vmxnet3 virtio; do
        pings "$nic" 10.0.1.1
        pings g:d "${outside[$nic]}"
    done
    pings e1000e "${outside[virtio]}"
    pings vmxnet3 "${outside[e1000e]}"
}
everyone

# Frames are of the MTU here, whatever the container gives the switch.
for nic in "${nics[@]}"; do
    serve "$nic"
    if [[ $nic == igb ]]; then container=g:c; else container=g:d; fi
    iperf "$container" "${outside[$nic]}" -t 1
    iperf "$container" "${outside[$nic]}" -t 1 -R
done
no_checksum_errors "${nics[@]}" g:c g:d

# A killed switch leaves its devices as they are; the next one resets them.
end KILL
start
up_all
everyone

# Devices hold buffers of their own.
balanced() { query '.totals | .received + .made == .transmitted + .dropped + .background + .consumed' stats; }
wait_for 10 "the books to balance" balanced

# A device that is pulled out in the middle of its traffic: its port says so, and nobody else loses a packet.
monitor() { # COMMAND, of QEMU's
    python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode() + b"\n"); time.sleep(1)' \
        "$TMP/monitor" "$1"
}
spawn e1000e ping -q -i 0.01 10.0.1.1 >/dev/null 2>&1
pulled=$PID
steady virtio 10.0.1.1 0.05
monitor "device_del nic-e1000e"
down e1000e "there is no PCI device ${function[e1000e]}"
no_loss
crash "$pulled"
pings g:d "${outside[vmxnet3]}"

# The kernel gets back what the switch no longer uses.
expect_status 1 ctl device unbind "$virtual"
expect_match "a device in use" "port igb uses" "$OUT"
expect_status 0 ctl port delete igb
expect_status 0 ctl device unbind "$virtual"
expect "driver of what was given back" igbvf "$(driver_of "$virtual")"
pings g:d "${outside[virtio]}"
end TERM
