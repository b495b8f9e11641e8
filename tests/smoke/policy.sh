#!/bin/bash
# The policy of the common tutorial, as ACLs, between real containers: the API is reached by the frontend on
# 8080 and reaches the database on 5432, and nothing else. What is refused fails as configured and says why,
# rules change under running connections, and what belongs to a connection comes through.
. "$(dirname "$0")/_init.sh"
need iperf3 traceroute python3

netns frontend api db stranger
network() {
    cat <<END
networks:
  - {name: apps, subnets: [10.0.0.0/24], gateway: 10.0.0.254}
  - {name: data, subnets: [10.0.1.0/24], gateway: 10.0.1.254}
ports:
  - {name: frontend, netns: ${P}frontend, network: apps, address: [10.0.0.1]}
  - {name: api, netns: ${P}api, network: apps, address: [10.0.0.2]}
  - {name: db, netns: ${P}db, network: data, address: [10.0.1.2], mtu: 1400}
  - {name: stranger, netns: ${P}stranger, network: apps, address: [10.0.0.3]}
END
}
policy() {
    network
    cat <<END
address-sets:
  - {name: frontends, addresses: [10.0.0.1]}
acls:
  - name: api-in
    apply: {port: api, direction: ingress}
    rules:
      - permit: {proto: tcp, from: frontends, port: 8080}
        name: requests
        log: true
      - reject: {proto: tcp, from: 10.0.0.3, port: 8081}
  - name: api-out
    apply: {port: api, direction: egress}
    rules:
      - permit: {proto: tcp, to: 10.0.1.2, port: 5432}
      - permit: {proto: icmp, to: 10.0.1.2, type: 8}
      - permit: {proto: udp, to: 10.0.1.2, port: [33434-33534]}
END
}
policy | config
start
up frontend api db stranger

greet api 8080 8081 9090
greeter=$PID
greet db 22 5432
greet stranger 80
expect "the frontend's request" hello "$(asks frontend 10.0.0.2 8080)"
logged() { grep -q "acl: api-in rule 1 (requests) permits: port frontend to api: .*10.0.0.2.8080: TCP" "$LOG"; }
wait_for 10 "the rule's line in the log" logged
expect "the API's query" hello "$(asks api 10.0.1.2 5432)"
expect_match "another port of the API" "timed out" "$(asks frontend 10.0.0.2 9090 1)"
expect_match "the frontend to a rejected port isn't rejected but denied" "timed out" \
    "$(asks frontend 10.0.0.2 8081 1)"
expect_match "the stranger's request" "timed out" "$(asks stranger 10.0.0.2 8080 1)"
expect_match "the stranger to where it is rejected" "refused" "$(asks stranger 10.0.0.2 8081)"
expect_match "the API into the database's host" "timed out" "$(asks api 10.0.1.2 22 1)"
expect_match "the API to the stranger" "timed out" "$(asks api 10.0.0.3 80 1)"
expect "who is under no policy" hello "$(asks frontend 10.0.0.3 80)"

# What decided, and where that stands.
OUT=$(ctl drops --last 50)
expect_match "the last drops" "api-in end" "$OUT"
expect_match "the last drops" "api-in rule 2" "$OUT"
expect_match "the last drops" "api-out end" "$OUT"
line=$(grep -n "name: api-out" "$CONFIG" | cut -d: -f1)
query '[.drops[] | select(.reason == "denied" and ."decided-by"[0].name == "api-out end")] | length > 0' drops --last 50
query "[.drops[] | select(.\"decided-by\"[0].name == \"api-out end\")][0].\"decided-by\"[0].line == $line" drops --last 50
query '.verdict == "deliver" and .to == "api" and (."decided-by" | map(.name) | index("api-in rule 1 (requests)") != null)' \
    trace --from frontend --to api --dport 8080
query '.reason == "fragmentation-needed"' trace --from api --to 10.0.1.2 --dport 5432 --length 1450
query '.reason == "spoofed-mac" and (.packet | contains("02:00:00:00:00:99 > "))' \
    trace --from api --to 10.0.1.2 --dport 5432 --source-mac 02:00:00:00:00:99
expect_status 1 ctl trace --from api --to 10.0.1.2 --proto icmp --dport 80
expect_match "ICMP has no ports" "icmp has no ports: leave out 'dport'" "$OUT"
query '.verdict == "reject" and .reason == "rejected"' trace --from stranger --to 10.0.0.2 --dport 8081
query '.verdict == "drop" and ."decided-by"[0].kind == "acl-rule"' trace --from api --to 10.0.1.2 --dport 22

# The same of packets that come, the first of a connection and a later one.
watch() { # NAME FILTER COUNT
    "$SLUICECTL" --socket "$SOCK" trace --live "$2" --count "$3" --json >"$TMP/$1.json" 2>"$TMP/$1.err" &
    PID=$!
    wait_for 10 "the live trace $1 to begin" grep -q "^watching what comes; Ctrl-C ends it" "$TMP/$1.err"
}
seen() { # NAME JQ-FILTER, of the list of packets
    expect "what the live trace $1 has of $2" true "$(jq -s "$2" "$TMP/$1.json")"
}
watch rejected 'tcp port 8081' 1
expect_match "the stranger's request while it is watched" "refused" "$(asks stranger 10.0.0.2 8081)"
finish "$PID" 20 "the live trace of a rejected packet"
seen rejected '.[0].verdict == "reject"'
seen rejected '[.[0]."decided-by"[].name] | index("api-in rule 2") != null'
seen rejected '[.[0].stages[].stage] | index("ingress") != null and index("policy") != null'
watch permitted 'tcp dst port 8080' 2
expect "the frontend's request while it is watched" hello "$(asks frontend 10.0.0.2 8080)"
finish "$PID" 20 "the live trace of a connection"
seen permitted '[.[0].stages[].stage] | index("policy") != null and index("flow") == null'
seen permitted '[.[1].stages[].stage] | index("flow") != null and index("policy") == null'
query '[.acls[] | select(.name == "api-in") | .rules[] | select(.name == "requests") | .hits] | .[0] > 0' acl list

# Ping, traceroute and path MTU through a stateful policy: errors belong to the packet that they quote.
pings api 10.0.1.2 -e 5432
# Its identifier is none of the ports that flows are asked for by.
query 'any(.flows[]; .proto == "icmp" and .id == 5432)' flow list >/dev/null
query 'all(.flows[]; .proto == "tcp")' flow list --port 5432 >/dev/null
expect_match "traceroute" "10.0.0.254.*10.0.1.2" "$(at api traceroute -n -q 1 -w 1 10.0.1.2 2>&1 | tr '\n' ' ')"
no_ping api 10.0.0.1
at api ping -q -c 1 -W 1 -M "do" -s 1450 10.0.1.2 >/dev/null 2>&1 || true
expect_match "the API's path to the database" "mtu 1400" "$(at api ip route get 10.0.1.2)"

# Rules change under a running connection: it stops with the next packet, and goes on when it may again.
crash "$greeter"
spawn api iperf3 -s -p 8080 -1 >/dev/null 2>&1
server=$PID
wait_for 20 "iperf3's server" listens api 8080
spawn frontend timeout -k 2 60 iperf3 -J -c 10.0.0.2 -p 8080 -t 5 -b 300M >"$TMP/iperf.json" 2>&1
client=$PID
flows() { query "[.flows[] | select(.destination.port == 8080 and .original.packets > $1 and .state == \"$2\")] | length > 0" flow list --port 8080; }
wait_for 20 "the connection under way" flows 50 established
sed -i 's/      - permit: {proto: tcp, from: frontends, port: 8080}/      - deny: {proto: tcp, from: frontends, port: 8080}/' "$CONFIG"
ctl config reload >/dev/null
wait_for 10 "the connection to be refused" query '[.flows[] | select(.destination.port == 8080 and .verdict == "deny")] | length > 0' flow list
ended "$client" && fail "iperf3 ended while its connection was refused: $(cat "$TMP/iperf.json")"
# What it sends again and again doesn't arrive: the API's kernel sees no TCP. (Not before the first refusal, as one
# that was let through may be on its way still.)
denied() { query '[.drops[].packets] | add // 0' drops --reason denied; }
more_denied() { [[ $(denied) -ge $1 ]]; }
wait_for 20 "a packet of the connection to be refused" more_denied $(($(denied) + 1))
before=$(counter api TcpInSegs)
wait_for 20 "three more packets to be refused" more_denied $(($(denied) + 3))
expect "TCP segments that reached the API meanwhile" "$before" "$(counter api TcpInSegs)"
sed -i 's/      - deny: {proto: tcp, from: frontends, port: 8080}/      - permit: {proto: tcp, from: frontends, port: 8080}/' "$CONFIG"
ctl config reload >/dev/null
finish "$client" 60 "iperf3 over a connection that was refused for a while"
finish "$server" 20 "iperf3's server"
expect "errors of iperf3" null "$(jq .error "$TMP/iperf.json")"

# What is forgotten is picked up again, and what is counted adds up.
ctl flow flush >/dev/null
expect "the API's query after a flush" hello "$(asks api 10.0.1.2 5432)"
query '.count > 0 and .capacity == 262144' flow count >/dev/null
no_checksum_errors frontend api db stranger
wait_for 10 "the books to balance" balanced
