#!/bin/bash
# Fifty containers at once by CNI, five times over: each gets an address of its own, and nothing is left of them, no
# port, no namespace, no address, no file. What the slowest ADD took is printed and judged by nobody.
. "$(dirname "$0")/_init.sh"

CNI=$BUILD/src/sluice-cni/sluice-cni
[[ -x $CNI ]] || fail "not built: $CNI"
count=50
names=()
for ((i = 1; i <= count; ++i)); do names+=("c$i"); done
config <<END
networks: [{name: blue, subnets: [10.0.0.0/24, "fd00:a::/64"], gateway: [10.0.0.254, "fd00:a::fe"]}]
END
start
# Of a state that has known a container already.
cni() { # COMMAND CONTAINER
    env CNI_COMMAND="$1" CNI_CONTAINERID="$2" CNI_NETNS="/run/netns/$P$2" CNI_IFNAME=eth0 CNI_PATH=/nowhere \
        timeout 120 "$CNI" <<<"{\"cniVersion\": \"1.1.0\", \"name\": \"blue\", \"type\": \"sluice-cni\", \"socket\": \"$SOCK\"}"
}
# A container's whole life as its runtime sees it: namespace, ADD, a ping, DEL.
begin() { # CONTAINER
    local start
    ip netns add "$P$1"
    ip -n "$P$1" link set lo up
    start=$(milliseconds)
    cni ADD "$1" >"$TMP/result.$1" || return
    echo $(($(milliseconds) - start)) >"$TMP/took.$1"
}
end() { # CONTAINER
    cni DEL "$1" >"$TMP/deleted.$1" || return
    ip netns delete "$P$1"
    rm "$TMP/result.$1" "$TMP/took.$1" "$TMP/deleted.$1"
}
at_once() { # FUNCTION
    local name pid
    local -A running=()
    for name in "${names[@]}"; do
        "$1" "$name" &
        running[$name]=$!
    done
    for name in "${names[@]}"; do
        wait "${running[$name]}" || fail "$1 of $name: $(cat "$TMP/result.$name" "$TMP/deleted.$name" 2>/dev/null)"
    done
}
kernel_devices() { find "/proc/$DAEMON/fd" -lname /dev/net/tun | wc -l; }
descriptors() { find "/proc/$DAEMON/fd" -mindepth 1 | wc -l; }
left() {
    query '.ports | length' port list
    query '.containers | length' container list
    query '[.addresses[] | select(.holder != "the gateway")] | length' ipam list
    jq '.ports // [] | length' "$STATE"
    kernel_devices
    ip netns list | grep -c "^${P}c" || true
}
none=$'0\n0\n0\n0\n0\n0'
NAMESPACES+=("${names[@]/#/$P}")

for round in 1 2 3 4 5; do
    at_once begin
    expect "ports that are up in round $round" "$count" "$(query '[.ports[] | select(.state == "up")] | length' port list)"
    expect "addresses of both families in round $round" $((2 * count)) \
        "$(jq -r '.ips[].address' "$TMP"/result.* | sort -u | wc -l)"
    # In the state before ADD answers.
    expect "ports in the state" "$count" "$(jq '.ports | length' "$STATE")"
    first=$(jq -r '.ips[].address' "$TMP/result.c1" | grep -v :)
    wait_for 60 "ping from c$count to c1" answers_ping "c$count" "${first%/*}"
    slowest=$(sort -n "$TMP"/took.* | tail -n 1)
    echo "round $round: $count containers at once, the slowest ADD took $slowest ms"
    at_once end
    expect "what is left of round $round: ports, containers, addresses, ports in the state, devices, namespaces" \
        "$none" "$(left)"
    [[ $round != 1 ]] || before=$(descriptors)
done
expect "descriptors after the last round, as after the first" "$before" "$(descriptors)"
expect "files that are left" "" "$(find "$TMP" -name '*.new' -o -name 'state.json.*' ! -name '*.routes' ! -name '*.objects')"
wait_for 60 "balanced books" balanced
