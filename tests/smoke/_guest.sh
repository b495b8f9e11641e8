# shellcheck shell=bash
# Virtual machines at vhost-user ports. Sourced after _init.sh.
#
#     boot v server $TMP/v.sock 10.0.0.2/24 1 packed=on
#     boot w client $TMP/w.sock 10.0.0.3/24,fd00::3/64 2
#     ready v w
#     pings v 10.0.0.3
#
# The image that they boot is made by support/guest_image, in $BUILD/guest. What can be done with them
# is in _console.sh.
need qemu-system-x86_64
. "$ROOT/tests/smoke/_console.sh"
made guest_image "$BUILD/guest"

# Starts a guest and doesn't wait for it: boot NAME ROLE SOCKET ADDRESSES QUEUES [VIRTIO-NET-OPTIONS]
# ROLE is what QEMU is at the vhost-user socket: server or client. The last byte of its MAC address is
# that of its first address.
boot() {
    local name=$1 role=$2 queues=$5 mac=${4%%/*} options=${6:+,$6} socket
    printf -v mac '52:54:00:00:00:%02x' "${mac##*.}"
    case $role in
        server) socket=server=on,wait=off ;;
        client) socket=reconnect=1 ;;
        *) fail "boot: no such role: $role" ;;
    esac
    if ((queues > 1)); then options+=,mq=on; fi
    # vectors=0: QEMU 7.2 crashes when it sets up MSI-X for vhost-user without KVM.
    launch "$name" qemu-system-x86_64 "$BUILD/guest" "guest_address=$4 guest_queues=$queues" \
        -machine q35,memory-backend=memory -accel tcg,thread=multi,tb-size=128 -cpu qemu64 \
        -smp "$queues" -m 192M -object memory-backend-memfd,id=memory,size=192M,share=on \
        -chardev "socket,id=switch,path=$3,$socket" \
        -netdev "vhost-user,id=net,chardev=switch,queues=$queues" \
        -device "virtio-net-pci,netdev=net,mac=$mac,vectors=0,romfile=$options"
}
