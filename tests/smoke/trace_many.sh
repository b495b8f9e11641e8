#!/bin/bash
# Many questions of trace in one request: answers in their order, brief ones by the number of their outcome, and
# the limits. Ports of kind net_null serve, without a container.
. "$(dirname "$0")/_init.sh"
need python3

config <<END
networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: a, device: "net_null0,no-rx=1", network: blue, address: [10.0.0.1]}
  - {name: b, device: "net_null1,no-rx=1", network: blue, address: [10.0.0.2]}
acls:
  - {name: web, apply: {port: b, direction: ingress}, rules: [{permit: {proto: tcp, port: 80}}]}
END
start
up a b

# Prints the answer's result, or the error's message: ask COUNT BRIEF. Every third question is about a port that
# isn't there, the others about TCP 80 and 81.
ask() {
    python3 - "$SOCK" "$@" <<'END'
import json, socket, sys
path, count, brief = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "brief"
kinds = [{"from": "a", "to": "b", "dport": 80}, {"from": "a", "to": "b", "dport": 81}, {"from": "a", "to": "nosuch"}]
params = {"questions": [kinds[i % 3] for i in range(count)]}
if brief:
    params["brief"] = True
with socket.socket(socket.AF_UNIX) as line:
    line.connect(path)
    line.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "trace", "params": params}).encode() + b"\n")
    with line.makefile() as answers:
        answer = json.loads(answers.readline())
print(json.dumps(answer["result"] if "result" in answer else answer["error"]["message"]))
END
}

ask 30 whole >"$TMP/whole"
ask 30 brief >"$TMP/brief"
expect "answers" 30 "$(jq '.traces | length' "$TMP/whole")"
verdicts='[.traces[:3][] | .verdict // .error] | join(", ")'
expect "verdicts" 'deliver, drop, there is no port "nosuch"' "$(jq -r "$verdicts" "$TMP/whole")"
expect "stages of each" true "$(jq '[.traces[] | select(.verdict) | .stages | length > 1] | all' "$TMP/whole")"
expect "outcomes" 3 "$(jq '.outcomes | length' "$TMP/brief")"
# The outcomes in the questions' order are what the whole answers say.
expect "the same outcomes" true "$(jq -n --slurpfile whole "$TMP/whole" --slurpfile brief "$TMP/brief" '
    [$whole[0].traces[] | del(.stages, .packet)] == [$brief[0].traces[] as $at | $brief[0].outcomes[$at]]')"

ask 20000 brief >"$TMP/brief"
expect "all of very many" '[20000,3]' "$(jq -c '[(.traces | length), (.outcomes | length)]' "$TMP/brief")"
expect "too many for whole answers" "10001 questions: more than 10000 need 'brief'" "$(ask 10001 whole | jq -r .)"
expect_match "too many" "at most 200000 go into one request" "$(ask 200001 brief)"
