# shellcheck shell=bash
# What every smoke test has: namespaces, a folder, a configuration and a daemon of its own. A test
# sources this file, describes its containers, starts sluiced and says what it expects:
#
#     . "$(dirname "$0")/_init.sh"
#     netns a b
#     config <<END
#     networks: [{name: blue, subnets: [10.0.0.0/24]}]
#     ports:
#       - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
#       - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24]}
#     END
#     start
#     pings a 10.0.0.2
#
# $P begins the name of every namespace of the test. sluiced itself runs in namespace "host", so that
# nothing ever touches the machine's own network. At the end, however it comes, the test ends its own
# children by their process ids and deletes its own namespaces and its folder, and nothing else.
#
# Exit status: 0 passed, 77 skipped (the reason is printed), anything else failed.
# Environment: BUILD, the build folder (default: build beside tests).
set -Eeuo pipefail
shopt -s inherit_errexit
exec 3>&2  # a failure is told here, even from inside a silenced condition
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$ROOT/build}
SLUICED=${SLUICED:-$BUILD/src/sluiced/sluiced}
SLUICECTL=${SLUICECTL:-$BUILD/src/sluicectl/sluicectl}
unset SLUICE_SOCKET NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID

skip() {
    echo "skipped: $*" >&3
    exit 77
}

fail() {
    echo "FAILED: $*" >&3
    exit 1
}

need() {
    local tool
    for tool; do
        command -v "$tool" >/dev/null || skip "$tool is not installed"
    done
}

[[ $(id -u) == 0 ]] || skip "needs root, for network namespaces"
need ip nsenter jq ping
unshare --net true 2>/dev/null || skip "may not make network namespaces (CAP_SYS_ADMIN)"
[[ -c /dev/net/tun ]] || skip "there is no /dev/net/tun"
[[ -x $SLUICED && -x $SLUICECTL ]] || fail "not built: $SLUICED, $SLUICECTL"

P=s$$
TMP=$(mktemp -d /tmp/sluice-smoke.XXXXXX)
chmod 755 "$TMP"
SOCK=$TMP/sock
CONFIG=$TMP/sluice.yaml
STATE=$TMP/state.json
LOG=$TMP/sluiced.log
DAEMON=
HOST=host  # the namespace that sluiced runs in
declare -A DAEMONS=()  # of other hosts: see on()
NAMESPACES=()
MOUNTS=()
touch "$LOG"

tell_of_daemon() {
    if [[ -n $DAEMON ]] && kill -0 "$DAEMON" 2>/dev/null; then
        echo "--- $1: sluicectl port list"
        timeout 5 "$SLUICECTL" --socket "$SOCK" port list | head -n 30
        echo "--- $1: sluicectl drops"
        timeout 5 "$SLUICECTL" --socket "$SOCK" drops
    fi
    echo "--- $1: sluiced's log, its last lines"
    tail -n 40 "$LOG"
}

clean_up() {
    local status=$?
    trap - EXIT ERR
    trap '' INT TERM
    set +e
    if [[ $status != 0 && $status != 77 ]]; then
        local host
        for host in "${!DAEMONS[@]}"; do on "$host" tell_of_daemon "$host"; done
        ((${#DAEMONS[@]} != 0)) || tell_of_daemon host
    fi >&3 2>&1
    exec 2>/dev/null  # bash tells of every child that is killed
    local children
    mapfile -t children < <(jobs -pr)
    if ((${#children[@]} != 0)); then
        kill -9 "${children[@]}"
        wait "${children[@]}"
    fi
    local name
    for name in "${MOUNTS[@]}"; do umount "$name"; done
    for name in "${NAMESPACES[@]}"; do ip netns delete "$name"; done
    rm -rf --one-file-system "$TMP"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
trap 'echo "FAILED: ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND" >&3' ERR

# --- the world around the switch ---

netns() {
    local name
    for name; do
        ip netns add "$P$name"
        NAMESPACES+=("$P$name")
        ip -n "$P$name" link set lo up
    done
}

delete_netns() {
    ip netns delete "$P$1"
}

# Runs a command in a namespace.
at() {
    nsenter --net="/run/netns/$P$1" -- "${@:2}"
}

# The same in the background; its process is $PID.
spawn() {
    nsenter --net="/run/netns/$P$1" -- "${@:2}" &
    PID=$!
}

# Says hello to whoever connects: greet NAMESPACE PORT...
greet() {
    spawn "$1" python3 -c 'import selectors, socket, sys
waiting = selectors.DefaultSelector()
for port in sys.argv[1:]:
    server = socket.create_server(("", int(port)))
    waiting.register(server, selectors.EVENT_READ)
while True:
    for key, _ in waiting.select():
        client, _ = key.fileobj.accept()
        client.sendall(b"hello")
        client.close()' "${@:2}"
    local port
    for port in "${@:2}"; do wait_for 10 "a server on $port" listens "$1" "$port"; done
}

# What somebody says who is connected to: hello, or why there is no connection. An answer is waited for longer
# than a lost packet takes to be sent again; where none is expected, a second will do.
asks() { # NAMESPACE ADDRESS PORT [SECONDS]
    at "$1" python3 -c 'import socket, sys
try:
    print(socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).recv(100).decode(errors="replace"))
except OSError as error:
    print(error)' "$2" "$3" "${4:-10}"
}

# Waits until a command succeeds: wait_for SECONDS WHAT COMMAND...
wait_for() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS <= end)) || fail "in vain waited for: $what ($*)"
        sleep 0.05
    done
}

ended() { ! kill -0 "$1" 2>/dev/null; }

# Waits for a background process, whose exit status must be 0: finish PID SECONDS WHAT
finish() {
    wait_for "$2" "the end of $3" ended "$1"
    wait "$1" || fail "$3 failed (exit status $?)"
}

# How long sluiced's control thread could have run but for other work on the machine's cores: what a
# bound on a duration must not count. (Zero where the kernel doesn't tell.)
milliseconds_waited() {
    awk '{ print int($2 / 1000000) }' "/proc/$DAEMON/task/$DAEMON/schedstat" 2>/dev/null || echo 0
}

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# The CPU cores that this process may use, one a line.
allowed_cores() {
    taskset -cp $$ | sed 's/.*: //' | tr , '\n' |
        awk -F- '{ for (core = $1; core <= ($2 == "" ? $1 : $2); ++core) print core }'
}

# --- the switch ---

# Writes the configuration: what is given on standard input, after the lines that every test needs.
# A test that has keys to add to `control:` gives them as arguments.
config() {
    {
        echo "control: {socket: $SOCK, group: root${1:+, $1}}"
        echo "state: $STATE"
        echo "log: {level: info}"
        cat
    } >"$CONFIG"
}

ctl() { "$SLUICECTL" --socket "$SOCK" "$@"; }

# A value out of a command's JSON: query JQ-FILTER COMMAND...
query() { ctl --json "${@:2}" | jq -er "$1"; }

answers() {
    ended "$DAEMON" && fail "sluiced ended at its start"
    ctl status
}

# One test at a time: two daemons that start at once may both count on the same free hugepages.
start() {
    exec 9<"$ROOT/tests/smoke/_init.sh"
    flock 9
    spawn "$HOST" "$SLUICED" --config "$CONFIG" 2>>"$LOG" 9<&-
    DAEMON=$PID
    wait_for 30 "sluiced to answer" answers
    exec 9<&-
}

stop() {
    kill -TERM "$DAEMON"
    finish "$DAEMON" 30 sluiced
    DAEMON=
}

# Ends a background process as a crash would.
crash() {
    kill -KILL "$1"
    wait_for 30 "the end of process $1" ended "$1"
    wait "$1" || true
} 2>/dev/null  # bash would tell of it

kill_9() {
    crash "$DAEMON"
    DAEMON=
}

# The same functions for one of several hosts, which has namespace, configuration and daemon of its own:
# on h1 config <<END, on h1 start, on h1 up a b, on h1 kill_9.
on() {
    local HOST=$1 SOCK=$TMP/$1.sock CONFIG=$TMP/$1.yaml STATE=$TMP/$1.json LOG=$TMP/$1.log
    local DAEMON=${DAEMONS[$1]:-}
    shift
    "$@"
    local status=$?
    DAEMONS[$HOST]=$DAEMON
    return $status
}

port_is() { [[ $(query .port.state port show "$1") == "$2" ]]; }

# Waits until all these ports are up.
up() {
    local name
    for name; do wait_for 20 "port $name to be up" port_is "$name" up; done
}

# Waits until the port is down, for a reason like this. It may be another for a moment: a namespace that is being
# deleted is still there and is none any more.
down() {
    wait_for 20 "port $1 to be down" port_is "$1" down
    wait_for 20 "the reason of port $1 to match '$2'" has_reason "$1" "$2"
}
has_reason() { [[ $(query .port.reason port show "$1") =~ $2 ]]; }

# --- what is expected ---

# expect WHAT EXPECTED SEEN
expect() {
    [[ $3 == "$2" ]] || fail "$1: expected $2, seen $3"
}

# expect_match WHAT REGEX SEEN
expect_match() {
    [[ $3 =~ $2 ]] || fail "$1: expected to match '$2', seen: $3"
}

# expect_that WHAT ARITHMETIC: expect_that "loss" "3 < 5"
expect_that() {
    (($2)) || fail "$1: expected $2"
}

# expect_status STATUS COMMAND...; what it printed is $OUT.
expect_status() {
    local status=0
    OUT=$("${@:2}" 2>&1) || status=$?
    [[ $status == "$1" ]] || fail "exit status of '${*:2}': expected $1, seen $status: $OUT"
}

# --- traffic ---

# Every ping of a few is answered: pings FROM ADDRESS [PING-ARGUMENTS]
pings() {
    local out
    out=$(at "$1" ping -q -c 3 -i 0.05 -W 10 "${@:3}" "$2" 2>&1) || fail "ping $1 -> $2: $out"
    [[ $out == *" 0% packet loss"* ]] || fail "ping $1 -> $2 lost packets: $out"
}

no_ping() {
    if at "$1" ping -q -c 3 -i 0.2 -W 1 "$2" >/dev/null 2>&1; then
        fail "ping $1 -> $2 was answered and must not be"
    fi
}

# Pings from now on until no_loss: steady FROM ADDRESS INTERVAL
steady() {
    spawn "$1" ping -q -i "$3" -W 10 "$2" >"$TMP/steady"
    STEADY=$PID
}

# Not one of the steady pings was lost; one may still be on its way.
no_loss() { lost_at_most 1; }

lost_at_most() {
    kill -INT "$STEADY"
    wait_for 20 "the end of ping" ended "$STEADY"
    local sent received
    read -r sent received < <(awk '/transmitted/ { print $1, $4 }' "$TMP/steady")
    expect_that "pings sent meanwhile" "$sent > 10"
    expect_that "pings answered of $sent" "$received >= $sent - $1"
}

answers_ping() { at "$1" ping -q -c 1 -W 1 "$2"; }

listens() { [[ -n $(at "$1" ss -Hltn "sport = :$2") ]]; }

# An iperf3 server in a namespace, until the end of the test.
serve() {
    need iperf3
    spawn "$1" iperf3 -s -p "${2:-5201}" >"$TMP/iperf-server" 2>&1
    wait_for 20 "iperf3's server" listens "$1" "${2:-5201}"
}

# iperf FROM ADDRESS [IPERF-ARGUMENTS]: its result is $TMP/iperf.json
iperf() {
    at "$1" timeout --foreground -k 2 60 iperf3 -J -c "$2" "${@:3}" >"$TMP/iperf.json" 2>"$TMP/iperf.err" ||
        fail "iperf3 $1 -> $2 ${*:3}: $(cat "$TMP/iperf.json" "$TMP/iperf.err")"
}

# A kernel counter of a namespace: counter NS TcpInCsumErrors
counter() {
    at "$1" nstat -asz "$2" | awk -v name="$2" '$1 == name { sum += $2 } END { print sum + 0 }'
}

# The kernels of these namespaces have seen no wrong checksum.
no_checksum_errors() {
    local name which
    for name; do
        for which in TcpInCsumErrors UdpInCsumErrors Udp6InCsumErrors IcmpInCsumErrors IpInHdrErrors; do
            expect "$which in $name" 0 "$(counter "$name" "$which")"
        done
    done
}

# received + made = transmitted + dropped + consumed, and every packet buffer is back in its pool.
balanced() {
    ctl --json stats | jq -e '.totals | .received + .made == .transmitted + .dropped + .background + .consumed'
    ctl --json status | jq -e '.memory.pools | all(.available == .count)'
}

netns host
