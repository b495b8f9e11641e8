# shellcheck shell=bash
# Virtual machines: QEMU with a kernel of Debian's, without KVM. Sourced after _init.sh.
#
#     boot v server $TMP/v.sock 10.0.0.2/24 1 packed=on
#     boot w client $TMP/w.sock 10.0.0.3/24,fd00::3/64 2
#     ready v w
#     pings v 10.0.0.3
#     crash "${GUEST[v]}"
#
# A guest's name stands wherever a namespace's does, in at and in all that uses it: pings, iperf,
# no_checksum_errors... Every guest serves iperf3. Its console is $TMP/NAME.serial.
#
# The image that guests boot is made by support/guest_image, in $BUILD/guest.
need qemu-system-x86_64

image_status=0
image_says=$("$ROOT/tests/support/guest_image" "$BUILD/guest" 2>&1) || image_status=$?
case $image_status in
    0) ;;
    77) skip "${image_says#skipped: }" ;;
    *) fail "$image_says" ;;
esac

declare -A GUEST      # the process of each
declare -A QUESTIONS  # descriptors of the pipes to and from their consoles
declare -A ANSWERS

# Starts a guest and doesn't wait for it: boot NAME ROLE SOCKET ADDRESSES QUEUES [VIRTIO-NET-OPTIONS]
# ROLE is what QEMU is at the vhost-user socket: server or client. The last byte of its MAC address is
# that of its first address.
boot() {
    local name=$1 role=$2 queues=$5 mac=${4%%/*} pipe=$TMP/$1.pipe options=${6:+,$6}
    local socket questions answers
    printf -v mac '52:54:00:00:00:%02x' "${mac##*.}"
    case $role in
        server) socket=server=on,wait=off ;;
        client) socket=reconnect=1 ;;
        *) fail "boot: no such role: $role" ;;
    esac
    if ((queues > 1)); then options+=,mq=on; fi
    # New ones: what a guest of this name has left unread isn't this one's.
    rm -f "$pipe.in" "$pipe.out"
    mkfifo "$pipe.in" "$pipe.out"
    exec {questions}<>"$pipe.in" {answers}<>"$pipe.out"
    QUESTIONS[$name]=$questions
    ANSWERS[$name]=$answers
    # vectors=0: QEMU 7.2 crashes when it sets up MSI-X for vhost-user without KVM.
    spawn host qemu-system-x86_64 -name "$name" -nodefaults -display none \
        -machine q35,memory-backend=memory -accel tcg,thread=multi,tb-size=128 -cpu qemu64 \
        -smp "$queues" -m 192M -object memory-backend-memfd,id=memory,size=192M,share=on \
        -kernel "$BUILD/guest/kernel" -initrd "$BUILD/guest/initramfs" \
        -append "console=ttyS0 quiet mitigations=off guest_address=$4 guest_queues=$queues" \
        -serial "file:$TMP/$name.serial" \
        -chardev "pipe,id=console,path=$pipe" \
        -device virtio-serial-pci -device virtconsole,chardev=console \
        -chardev "socket,id=switch,path=$3,$socket" \
        -netdev "vhost-user,id=net,chardev=switch,queues=$queues" \
        -device "virtio-net-pci,netdev=net,mac=$mac,vectors=0,romfile=$options" >"$TMP/$name.qemu" 2>&1
    GUEST[$name]=$PID
}

guest_fails() { # NAME WHAT
    fail "guest $1 $2:" $'\n'"$(tail -n 20 "$TMP/$1.qemu" "$TMP/$1.serial")"
}

# Waits until these guests have booted; they may do so at once. After a reboot as well.
ready() {
    local name line end
    for name; do
        line=
        end=$((SECONDS + 60))
        until [[ $line == ready ]]; do
            until read -r -t 0 -u "${ANSWERS[$name]}"; do
                if ended "${GUEST[$name]}"; then guest_fails "$name" "has ended"; fi
                ((SECONDS <= end)) || guest_fails "$name" "does not boot"
                sleep 0.05
            done
            IFS= read -r -u "${ANSWERS[$name]}" line
        done
    done
}

# What a command prints, and its exit status: in_guest NAME COMMAND...
in_guest() {
    local name=$1 token=$EPOCHREALTIME line pending=
    shift
    echo "$token $(base64 -w 0 <<<"${*@Q}")" >&"${QUESTIONS[$name]}"
    # Its last line comes with a line break of ours.
    while IFS= read -r -t 90 -u "${ANSWERS[$name]}" line; do
        if [[ $line == "end $token "* ]]; then
            [[ -z $pending ]] || printf '%s' "${pending%$'\n'}"
            return "${line##* }"
        fi
        printf '%s' "$pending"
        pending=$line$'\n'
    done
    guest_fails "$name" "does not answer to '$*'"
}

# As in _init.sh, for guests too.
at() {
    if [[ -v GUEST[$1] ]]; then
        in_guest "$@"
    else
        nsenter --net="/run/netns/$P$1" -- "${@:2}"
    fi
}

# Loses the connection that a command would be answered by.
reboot() {
    echo "reboot $(base64 -w 0 <<<"reboot -f")" >&"${QUESTIONS[$1]}"
}
