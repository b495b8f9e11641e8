#!/bin/bash
# The control socket: who may do what, what is said to wrong requests, and clients who misbehave
# harm neither each other nor the traffic.
. "$(dirname "$0")/_init.sh"

netns a b
config "read-only-group: games, max-request: 64KiB" <<END
networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24]}
acls: [{name: edge, rules: [{permit: {}, name: inside}]}]
END
sed -i 's/group: root/group: users/' "$CONFIG"
start
up a b
pings a 10.0.0.2

# Exit statuses: 0 done, 1 refused or failed, 2 usage, 3 not reached.
for command in status "port list" "port show a" "device list" "network list" "mac list" stats drops "config show" \
    "config check" "config diff" "config reload"; do
    # shellcheck disable=SC2086
    expect_status 0 ctl $command
    [[ -n $OUT ]] || fail "sluicectl $command prints nothing"
    # shellcheck disable=SC2086
    ctl --json $command | jq -e . >/dev/null || fail "sluicectl --json $command prints no JSON"
done
expect_status 1 ctl port show nobody
expect_status 1 ctl mac list --network nowhere
expect_status 1 ctl device bind ffff:ff:1f.7
expect_match "a device that isn't there" "no PCI device ffff:ff:1f.7" "$OUT"
expect_status 1 ctl device unbind eth0
expect_status 2 ctl
expect_status 2 ctl no such command
expect_status 2 ctl port show
expect_status 2 ctl status --no-such-option
expect_status 3 "$SLUICECTL" --socket "$TMP/nowhere" status
expect_match "no socket" "is sluiced running" "$OUT"
expect_status 0 env SLUICE_SOCKET="$SOCK" "$SLUICECTL" status

expect_status 0 "$SLUICECTL" help port add
expect_match "the help of a command" "Example: sluicectl port add " "$OUT"
expect_status 2 ctl port rm web
expect_match "another program's word" "did you mean 'port delete'" "$OUT"

# The shell's completion, from the table of commands and from the running sluiced.
# shellcheck source=config/sluicectl.bash
. "$(dirname "$0")/../../config/sluicectl.bash"
complete_words() {
    COMP_WORDS=("$SLUICECTL" --socket "$SOCK" "$@")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    set +euE  # as in the shells that it is for
    _sluicectl "$SLUICECTL"
    echo "${COMPREPLY[*]}"
}
expect "verbs completed" "add delete list set show" "$(complete_words port "")"
expect "verbs completed after help" "add delete list set show" "$(complete_words help port "")"
expect "ports completed" "a b" "$(complete_words port show "")"
expect "ports or drops completed" "a b drops" "$(complete_words capture "")"
expect "no rules of ACLs" "edge" "$(complete_words acl list "")"
expect "options where no word is known" "--network --state" "$(complete_words port list a "")"
expect "states completed" established "$(complete_words flow list --state est)"
expect "a port's states" "up down no-link waiting" "$(complete_words port list --state "")"
expect "no port of the file to delete" "" "$(complete_words port delete "")"
expect "options completed" "--network" "$(complete_words mac list --n)"

# The socket's mode, and who may do what.
expect "mode and group of the socket" "660 users" "$(stat -c '%a %G' "$SOCK")"
as() { expect_status "$1" setpriv --reuid 65534 --regid "$2" --clear-groups "$SLUICECTL" --socket "$SOCK" "${@:3}"; }
as 0 games port list
as 1 games config reload
as 0 games device list
as 1 games device bind 0000:00:00.0
expect_match "a reader's change" "may not|read" "$OUT"
expect_match "a reader's change" "may not|read" "$OUT"
as 0 users config reload
as 3 nogroup status
expect_match "a stranger" "become root" "$OUT"

# Every change leaves a line: who, and what; one that is refused, too.
logged() { grep -qE "$1" "$LOG"; }
ctl port add c "netns=${P}a" network=blue interface=eth7
wait_for 10 "the line of an added port" logged \
    'notice control: uid 0 pid [0-9]+ \(sluicectl\): port.add c \{"interface":"eth7",'
expect "the added port to delete" c "$(complete_words port delete "")"
expect "the added port to change" c "$(complete_words port set "")"
ctl network add red
expect "the added network to delete" red "$(complete_words network delete "")"
ctl network delete red
wait_for 10 "the line of a deleted network" logged 'sluicectl\): network.delete red$'
ctl port delete c
wait_for 10 "the line of a deleted port" logged 'notice control: uid 0 pid [0-9]+ \(sluicectl\): port.delete c$'
expect_status 1 ctl port delete c
wait_for 10 "the line of a failure" logged 'port.delete c: failed: '
as 1 games port delete a
wait_for 10 "the line of a denied change" logged 'uid 65534 pid [0-9]+ \(sluicectl\): port.delete a: failed: '
! logged 'port.list|port.show' || fail "a question left a line in the log"

steady a 10.0.0.2 0.01
python3 - "$SOCK" "$SLUICECTL" <<'END' || fail "the control socket, see above"
import json, os, socket, sys, time
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(sys.argv[1])
    return s
def line(s):
    data = b""
    while not data.endswith(b"\n"):
        more = s.recv(65536)
        if not more: break
        data += more
    return data
def ask(s, text):
    s.sendall(text + b"\n")
    return json.loads(line(s))
def code(s, text): return ask(s, text)["error"]["code"]
status = b'{"jsonrpc":"2.0","id":7,"method":"status"}'

s = connect()
assert code(s, b"garbage") == -32700
assert code(s, b'{"jsonrpc":"2.0","id":1,"method":"status"') == -32700
assert code(s, b"\xff\xfe{}") == -32700
assert code(s, b"[" * 5000) == -32700
assert code(s, b"{}") == -32600
assert code(s, b"[]") == -32600
assert code(s, b'{"jsonrpc":"2.0","id":1,"method":"no.such"}') == -32601
assert code(s, b'{"jsonrpc":"2.0","id":1,"method":"port.show","params":{"name":7}}') == -32602
assert code(s, b'{"jsonrpc":"2.0","id":1,"method":"port.add","params":{}}') == -32602
# A name is text, and a number is none.
error = ask(s, b'{"jsonrpc":"2.0","id":1,"method":"port.add","params":{"port":{"name":7,"netns":"x","network":"blue"}}}')["error"]
assert error["message"] == "name: expected a string, found 7", error
assert ask(s, status)["id"] == 7, "and the next request counts again"
assert [a["id"] for a in ask(s, b"[" + status + b"," + status.replace(b"7", b"8") + b"]")] == [7, 8]
s.sendall(status + b"\r\n" + status + b"\n"); assert line(s)

# Requests are strict: by the reference that sluicectl prints, each method's every parameter with a slip in its
# name, missing and of a wrong type. Nothing is done.
import subprocess
def ctl(*words): return json.loads(subprocess.check_output([sys.argv[2], "--socket", sys.argv[1], *words]))
before = ctl("config", "show", "--json")
s = connect()
def refused(method, params, parameter):
    error = ask(s, json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode())["error"]
    assert error["code"] == -32602 and error["data"]["errors"][0]["path"] == parameter, (method, params, error)
    assert parameter in error["message"], error
count = 0
for m in ctl("help", "protocol", "--json")["methods"]:
    least = {p["name"]: p["example"] for p in m["parameters"] if p["required"]}
    refused(m["method"], least | {"frobnicate": 1}, "frobnicate")
    count += 1
    for p in m["parameters"]:
        name = p["name"]
        mine = {k: v for k, v in least.items() if k not in p.get("in-place-of", [])} | {name: p["example"]}
        without = {k: v for k, v in mine.items() if k != name}
        refused(m["method"], without | {name + "s": p["example"]}, name + "s")
        refused(m["method"], mine | {name: None}, name)
        if p["required"]: refused(m["method"], without, name)
        count += 2
assert count > 100, count
error = ask(s, b'{"jsonrpc":"2.0","id":1,"method":"flow.flush","params":{"adress":"10.0.0.1"}}')["error"]
assert error["message"] == "flow.flush: unknown parameter 'adress'; did you mean 'address'?", error
assert ctl("config", "show", "--json") == before

# Beyond the size limit: an error and the end of that connection.
s = connect()
try: s.sendall(b"x" * 200000)
except (BrokenPipeError, ConnectionResetError): pass
answer = b""
try: answer = line(s)
except ConnectionResetError: pass
assert not answer or json.loads(answer)["error"]["code"] == -32600, answer

# Silent ones, ones that stop in the middle, that never read, that go away.
silent = [connect() for _ in range(50)]
half = [connect() for _ in range(20)]
for c in half: c.sendall(status[:20])
deaf = connect()
deaf.settimeout(0.2)
try:
    while True: deaf.sendall((status.replace(b"status", b"stats") + b"\n") * 100)
except (TimeoutError, socket.timeout): pass
for _ in range(200):
    c = connect()
    c.sendall(status + b"\n")
    c.close()
change = connect()  # dies in the middle of a change, which must not happen
change.sendall(b'{"jsonrpc":"2.0","id":1,"method":"port.delete","params":{"name":"a"}}')
change.close()
begin = time.monotonic()
assert ask(connect(), status)["result"]["ports"]["up"] == 2
print(f"answered beside them after {time.monotonic() - begin:.3f} s")
# More than there are places, all silent: nobody is shut out, and who was idle longest goes with a word.
many = [connect() for _ in range(300)]
assert "result" in ask(connect(), status)
assert json.loads(line(silent[0]))["error"]["code"] == -32002
for c in many + silent + half + [deaf]: c.close()

# Another user's clients leave room for root's, also for one that was here before them.
first = connect()
assert "result" in ask(first, status)
def crowd(uid):
    return subprocess.Popen(["setpriv", "--reuid", str(uid), "--regid", "users", "--clear-groups", "python3", "-c", """
import socket, sys
clients = []
for _ in range(100):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    clients.append(s)
print("here", flush=True)
sys.stdin.read()
""", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
crowds = [crowd(uid) for uid in range(4000, 4006)]
for c in crowds: assert c.stdout.readline() == b"here\n"
assert "result" in ask(first, status), "the client that root had before them"
roots = [connect() for _ in range(15)]
for c in roots: assert "result" in ask(c, status)
assert "result" in ask(first, status)
for c in crowds:
    c.stdin.close()
    assert c.wait() == 0
END
no_loss

# Concurrent clients, all answered.
pids=()
for _ in {1..20}; do
    ctl --json stats >"$TMP/out.$BASHPID" &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || fail "one of 20 concurrent clients failed"; done
