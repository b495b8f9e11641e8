#!/bin/bash
# What sluicectl prints: on a narrow terminal, into a pipe, as JSON; what it lists and leaves out.
. "$(dirname "$0")/_init.sh"

netns a b
config <<END
networks:
  - {name: blue, subnets: [10.0.0.0/24, fd00:1234:5678::/64], gateway: [10.0.0.254]}
  - {name: red, subnets: [10.0.1.0/24], gateway: [10.0.1.254]}
ports:
  - {name: web1, netns: ${P}a, network: blue, mtu: 1400, address: [10.0.0.1/24, "fd00:1234:5678::1/64"]}
  - {name: web2, netns: ${P}b, network: blue, address: [10.0.0.2/24]}
  - {name: db, netns: ${P}missing, network: red, address: [10.0.1.1/24]}
acls:
  - {name: edge, apply: [{network: red, direction: ingress}], rules: [{permit: {proto: tcp}, stateful: true}, {deny: {}}]}
END
start
up web1 web2
pings a 10.0.0.2
ctl route add 10.9.0.0/16 type=blackhole
ctl route add 10.8.0.0/16 via=10.0.1.77

# The list of ports, and parts of it.
names() { ctl --json port list "$@" | jq -r '[.ports[].name] | join(" ")'; }
expect "all ports" "db web1 web2" "$(names)"
expect "by a pattern" "web1 web2" "$(names 'web*')"
expect "by the network" db "$(names --network red)"
expect "by the state" "web1 web2" "$(names --state up)"
expect "by all of them" web2 "$(names '*2' --network blue --state up)"
expect_status 1 ctl port list nosuch
expect_match "a name that no port has" 'there is no port "nosuch"' "$OUT"
expect_status 0 ctl port list 'nosuch*'
expect_status 1 ctl port list --network nowhere
expect_match "an unknown network" "there is no network" "$OUT"
expect_status 2 ctl port list --state dwon
expect_match "an unknown state" "did you mean 'down'" "$OUT"
expect "addresses and MTU" '["10.0.0.1/24","fd00:1234:5678::1/64"] 1400' \
    "$(ctl --json port list web1 | jq -r '.ports[0] | "\(.addresses) \(.mtu)"')"
expect "the MAC address" "$(at a ip -j link show eth0 | jq -r '.[0].address')" "$(query '.ports[0].mac' port list web1)"
steady a 10.0.0.2 0.01
has_rate() { query '.ports[0].rates.rx."packets-per-second" > 0' port list web1 | grep -q true; }
wait_for 20 "a rate" has_rate
expect_status 0 ctl port list
expect_match "the table" "NAME +KIND +NETWORK +INTERFACE +STATE +ADDRESSES +MAC +MTU +RX/S +TX/S " "$OUT"

# One case of keys, one way to say none, in all answers; rows of a list have the same keys.
python3 - "$SOCK" "$SLUICECTL" <<'END' || fail "the answers' JSON, see above"
import json, re, subprocess, sys
def ctl(*words): return json.loads(subprocess.check_output([sys.argv[2], "--socket", sys.argv[1], "--json", *words]))
def check(value, where):
    if isinstance(value, dict):
        for key, inner in value.items():
            name = f"{where}.{key}"
            assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key) or where.endswith((".drops", ".labels")), name
            # The content of a file is a text that may be empty.
            assert inner != "" or key == "yaml", f"{name} is an empty text"
            check(inner, name)
    elif isinstance(value, list):
        rows = [sorted(row) for row in value if isinstance(row, dict)]
        kinds = "members" in where or "apply" in where or ".device" in where or "configuration" in where
        assert kinds or all(row == rows[0] for row in rows), f"{where}: {rows}"
        for i, inner in enumerate(value): check(inner, f"{where}[{i}]")
asked = 0
for words in (["status"], ["stats"], ["port", "list"], ["port", "show", "web1"], ["port", "show", "db"],
              ["device", "list"], ["network", "list"], ["mac", "list"], ["route", "list"],
              ["route", "lookup", "10.0.1.9"], ["route", "lookup", "10.9.0.1"], ["route", "lookup", "10.0.0.2"],
              ["neighbor", "list"], ["tunnel", "list"], ["acl", "list"], ["flow", "list"], ["flow", "count"],
              ["drops"], ["drops", "--last"], ["trace", "--from", "web1", "--to", "10.0.0.2"],
              ["trace", "--from", "web1", "--to", "10.0.1.9"], ["config", "show"], ["config", "check"],
              ["config", "diff"]):
    check(ctl(*words), " ".join(words))
    asked += 1
print(f"{asked} answers are in order")
END

# Errors as JSON.
OUT=$(ctl --json port show nobody 2>"$TMP/err") && fail "there is a port nobody"
expect "an error as JSON" "failed 1 there is no port \"nobody\"" "$(jq -r '.error | "\(.kind) \(.code) \(.errors[0].message)"' <<<"$OUT")"
expect "an error beside the JSON" "" "$(cat "$TMP/err")"
OUT=$(ctl --json port shw nobody 2>&1) && fail "there is a command shw"
expect "a usage error as JSON" usage "$(jq -r .error.kind <<<"$OUT")"
OUT=$("$SLUICECTL" --json --socket "$TMP/nowhere" status 2>&1) && fail "there is a socket"
expect "not reached, as JSON" not-reached "$(jq -r .error.kind <<<"$OUT")"

# Terminals: nothing is wider, and no word is cut. Into a pipe there are no escape codes.
python3 - "$SOCK" "$SLUICECTL" <<'END' || fail "the terminal, see above"
import fcntl, os, pty, struct, subprocess, sys, termios
def on_terminal(columns, *words, lines=None):
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen([sys.argv[2], "--socket", sys.argv[1], *words], stdout=follower)
    os.close(follower)
    text = b""
    while True:
        try: more = os.read(leader, 65536)
        except OSError: break
        text += more
        if lines is not None and text.count(b"\n") >= lines:
            child.terminate()
            break
    child.wait()
    os.close(leader)
    return text.decode().replace("\r\n", "\n")
for words in (["port", "list"], ["status"], ["stats"], ["network", "list"], ["route", "list"], ["mac", "list"],
              ["drops"], ["drops", "--last"], ["acl", "list"], ["port", "show", "web1"]):
    text = on_terminal(80, *words)
    wide = [line for line in text.splitlines() if len(line) > 80]
    assert text and not wide, (words, wide)
ports = on_terminal(80, "port", "list")
for word in ("web1", "10.0.0.1/24,", "fd00:1234:5678::1/64", "in a wider terminal"): assert word in ports, (word, ports)
assert "in a wider terminal" not in on_terminal(300, "port", "list")
watched = on_terminal(80, "port", "list", "--watch=0.2", lines=60)
assert watched.count("\x1b[H\x1b[J") >= 2 and "sluicectl port list  (every 0.2 s)" in watched, watched
piped = subprocess.Popen([sys.argv[2], "--socket", sys.argv[1], "drops", "--watch=0.2"], stdout=subprocess.PIPE, text=True)
text = ""
while text.count("(every 0.2 s)") < 3: text += piped.stdout.readline()
piped.terminate()
piped.wait()
assert "\x1b" not in text, text
END
