# shellcheck shell=bash
# Virtual machines, by their consoles: QEMU with a kernel of Debian's, without KVM. Sourced after
# _init.sh, by _guest.sh and by tests that have guests of another kind.
#
#     made guest_image "$BUILD/guest"
#     launch v qemu-system-x86_64 "$BUILD/guest" "guest_address=10.0.0.2/24" QEMU-ARGUMENTS...
#     ready v
#     pings v 10.0.0.3
#     crash "${GUEST[v]}"
#
# A guest's name stands wherever a namespace's does, in at and in all that uses it: pings, iperf,
# no_checksum_errors... So does v:c, its namespace c. Every guest serves iperf3. Its console is
# $TMP/NAME.serial.
declare -A GUEST      # the process of each
declare -A QUESTIONS  # descriptors of the pipes to and from their consoles
declare -A ANSWERS

# What guests need is made by a program of support/; without it the test is skipped: made PROGRAM
# [ARGUMENTS]
made() {
    local status=0 says
    says=$("$ROOT/tests/support/$1" "${@:2}" 2>&1) || status=$?
    case $status in
        0) ;;
        77) skip "${says#skipped: }" ;;
        *) fail "$says" ;;
    esac
}

# Starts a guest and doesn't wait for it: launch NAME QEMU IMAGE KERNEL-ARGUMENTS QEMU-ARGUMENTS...
launch() {
    local name=$1 pipe=$TMP/$1.pipe questions answers
    # New ones: what a guest of this name has left unread isn't this one's.
    rm -f "$pipe.in" "$pipe.out"
    mkfifo "$pipe.in" "$pipe.out"
    exec {questions}<>"$pipe.in" {answers}<>"$pipe.out"
    QUESTIONS[$name]=$questions
    ANSWERS[$name]=$answers
    spawn host "$2" -name "$name" -nodefaults -display none \
        -kernel "$3/kernel" -initrd "$3/initramfs" \
        -append "console=ttyS0 quiet mitigations=off $4" \
        -serial "file:$TMP/$name.serial" \
        -chardev "pipe,id=console,path=$pipe" \
        -device virtio-serial-pci -device virtconsole,chardev=console "${@:5}" >"$TMP/$name.qemu" 2>&1
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
    local guest=${1%%:*}
    if [[ $1 == *:* ]]; then
        in_guest "$guest" nsenter --net="/run/netns/${1#*:}" "${@:2}"
    elif [[ -v GUEST[$guest] ]]; then
        in_guest "$@"
    else
        nsenter --net="/run/netns/$P$1" -- "${@:2}"
    fi
}

# Loses the connection that a command would be answered by.
reboot() {
    echo "reboot $(base64 -w 0 <<<"reboot -f")" >&"${QUESTIONS[$1]}"
}
