#!/bin/bash
# Containers by CNI: sluice-cni is run as a container runtime runs it (CNI specification, section 3), from a list of
# plugins with variables, runtimeConfig and prevResult, against a real switch.
. "$(dirname "$0")/_init.sh"
need python3

CNI=$BUILD/src/sluice-cni/sluice-cni
[[ -x $CNI ]] || fail "not built: $CNI"
mkdir "$TMP/bin" "$TMP/results"
ln -s "$CNI" "$TMP/bin/"
folders=${CNI_PATH-}
for folder in ${folders//:/ } /usr/lib/cni /opt/cni/bin; do
    for name in host-local tuning; do
        if [[ -x $folder/$name ]]; then ln -sf "$folder/$name" "$TMP/bin/"; fi
    done
done

# What a plugin wrote last is told with a failure.
trap 'echo "FAILED: ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND: ${OUT-}" >&3' ERR

# --- the runtime ---

# Of the next commands: the list of plugins, capability arguments, CNI_ARGS, the interface, and keys for all plugins.
LIST=$TMP/blue.conflist
OFFERED={}
ARGS=
IFNAME=eth0
MORE={}

# What the runtime gives a plugin of the list on standard input: configuration INDEX PREVIOUS-RESULT
configuration() {
    jq -c --argjson index "$1" --argjson previous "$2" --argjson offered "$OFFERED" --argjson more "$MORE" '
        {name, cniVersion} as $common | .plugins[$index] | .capabilities as $capabilities | del(.capabilities)
        | . + $common + $more
        | ($offered | with_entries(select($capabilities[.key] == true))) as $given
        | if $given != {} then .runtimeConfig = $given else . end
        | if $previous != null then .prevResult = $previous else . end' "$LIST"
}

# What it gives in variables: $VARIABLES, of COMMAND CONTAINER
variables() {
    VARIABLES=(CNI_COMMAND="$1" CNI_PATH="$TMP/bin")
    if [[ -n $2 ]]; then
        VARIABLES+=(CNI_CONTAINERID="$2" CNI_NETNS="/run/netns/$P$2" CNI_IFNAME="$IFNAME" CNI_ARGS="$ARGS")
    fi
}

# Runs a plugin of the list: plugin COMMAND INDEX CONTAINER PREVIOUS-RESULT
plugin() {
    local request
    request=$(configuration "$2" "$4")
    variables "$1" "$3"
    env "${VARIABLES[@]}" timeout 120 "$TMP/bin/$(jq -r .type <<<"$request")" <<<"$request" 2>>"$TMP/plugin.log"
}

# The last plugin's index.
last() { jq '.plugins | length - 1' "$LIST"; }
cached() { cat "$TMP/results/$1.$IFNAME" 2>/dev/null || echo null; }

# A container is added by all plugins, in order. The result, or the error, is $OUT.
add() { # CONTAINER
    local index last
    OUT=null
    last=$(last)
    for ((index = 0; index <= last; ++index)); do
        OUT=$(plugin ADD "$index" "$1" "$OUT") || return
    done
    cat >"$TMP/results/$1.$IFNAME" <<<"$OUT"
}

# DEL goes backwards, with the result of ADD where there is one.
del() { # CONTAINER
    local index previous
    previous=$(cached "$1")
    for ((index = $(last); index >= 0; --index)); do
        OUT=$(plugin DEL "$index" "$1" "$previous") || return
    done
    rm -f "$TMP/results/$1.$IFNAME"
}

check() { # CONTAINER
    OUT=$(plugin CHECK 0 "$1" "$(cached "$1")")
}

# STATUS, GC
of_network() { # COMMAND
    OUT=$(plugin "$1" 0 "" null)
}

# GC that keeps these containers' eth0.
collect() { # CONTAINER...
    local valid
    valid=$(printf '%s\n' "$@" | jq -Rnc '[inputs | select(. != "") | {containerID: ., ifname: "eth0"}]')
    MORE="{\"cni.dev/valid-attachments\": $valid}" of_network GC
}

result() { jq -c "$1" <<<"$OUT"; }

# refused CODE MESSAGE COMMAND...: the command fails with this code and a message that matches.
refused() {
    if "${@:3}"; then fail "it was not refused: ${*:3}"; fi
    expect "the code of ${*:3} ($OUT)" "$1" "$(result .code)"
    expect_match "the message of ${*:3}" "$2" "$(result .msg)"
}

# --- the switch, and lists of plugins ---

netns a b c d world
config <<END
networks:
  - {name: blue, subnets: [10.0.0.0/24, "fd00:a::/64"], gateway: [10.0.0.254, "fd00:a::fe"]}
  - {name: out, subnets: [192.0.2.0/24], gateway: 192.0.2.1}
ports:
  - {name: world, netns: ${P}world, network: out, address: [192.0.2.80]}
END
list() { # NAME KEYS [VERSION [MORE-PLUGINS]]
    cat >"$TMP/$1.conflist" <<END
{"cniVersion": "${3:-1.1.0}", "name": "$1", "plugins": [{"type": "sluice-cni", "socket": "$SOCK",
 "capabilities": {"portMappings": true, "bandwidth": true, "ips": true, "mac": true}${2:+, $2}}${4:+, $4}]}
END
}
list blue ""
list old '"network": "blue"' 0.4.0
list red '"subnets": ["10.1.0.0/24"], "gateway": ["10.1.0.254"], "mtu": 1400, "dns": {"nameservers": ["10.1.0.53"]}'
list green ""
list fixed "\"network\": \"blue\", \"ipam\": {\"type\": \"ipam\", \"file\": \"$TMP/taken\"}"
list chain '"network": "blue"' 1.0.0 '{"type": "after"}'

# A plugin that chooses addresses: 10.0.0.77, to one container at a time.
cat >"$TMP/bin/ipam" <<'END'
#!/bin/bash
file=$(jq -r .ipam.file)
refuse() { echo "{\"code\": 101, \"msg\": \"$1\"}"; exit 1; }
case $CNI_COMMAND in
    ADD)
        [[ ! -e $file ]] || refuse "taken by $(<"$file")"
        echo "$CNI_CONTAINERID" >"$file"
        echo '{"ips": [{"address": "10.0.0.77/24", "gateway": "10.0.0.254"}],
            "routes": [{"dst": "10.0.0.0/8"}, {"dst": "192.0.2.0/24"}]}' ;;
    CHECK) [[ -e $file && $(<"$file") == "$CNI_CONTAINERID" ]] || refuse "not taken" ;;
    DEL) if [[ -e $file && $(<"$file") == "$CNI_CONTAINERID" ]]; then rm "$file"; fi ;;
esac
END
# A plugin after ours, which hands the result on with a mark.
cat >"$TMP/bin/after" <<'END'
#!/bin/bash
jq -c 'if env.CNI_COMMAND == "ADD" then .prevResult | .dns.domain = "after" else empty end'
END
chmod +x "$TMP/bin/ipam" "$TMP/bin/after"
own_ports=world
ports() { query '[.ports[].name] | sort | join(" ")' port list; }
interface_of() { ip -n "$P$1" -o link show "${2:-eth0}" 2>/dev/null || true; }
published() { [[ $(asks world 192.0.2.1 8080 3) == hello ]]; }

# --- without a switch ---

expect "versions" '["0.4.0","1.0.0","1.1.0"]' "$(CNI_COMMAND=VERSION "$CNI" <<<"{}" | jq -c .supportedVersions)"
refused 50 "there is no socket" of_network STATUS
refused 11 "there is no socket .*\(.socket. in the network configuration\)" add a
refused 11 "there is no socket" del a

start
up world
of_network STATUS
LIST=$TMP/green.conflist refused 50 "no network green" of_network STATUS
LIST=$TMP/red.conflist of_network STATUS

# --- two containers ---

add a
expect "the interface" '["eth0","/run/netns/'"$P"'a",1500]' "$(result '.interfaces[0] | [.name, .sandbox, .mtu]')"
expect "the addresses' interfaces" '[0,0]' "$(result '[.ips[].interface]')"
expect "the gateways" '["10.0.0.254","fd00:a::fe"]' "$(result '[.ips[].gateway] | sort')"
expect "the default routes" '["0.0.0.0/0","::/0"]' "$(result '[.routes[].dst] | sort')"
expect "the MAC address" "$(ip -n "${P}a" -j link show eth0 | jq -c '.[0].address')" "$(result '.interfaces[0].mac')"
first=$(result . | jq -Sc .)
add a
expect "the result of a second ADD" "$first" "$(result . | jq -Sc .)"
a4=$(result '.ips[].address' | tr -d '"' | grep -v :)
a6=$(result '.ips[].address' | tr -d '"' | grep :)

LIST=$TMP/old.conflist
add b
expect "versions of addresses" '["4","6"]' "$(result '[.ips[].version] | sort')"
expect "keys of the interface" '["mac","name","sandbox"]' "$(result '.interfaces[0] | keys')"
pings b "${a4%/*}"
pings b "${a6%/*}"
check b
LIST=$TMP/blue.conflist
check a

# The switch repairs what is flushed: at once, or after a pause if that was flushed before.
flushed() {
    ip -n "${P}a" -4 address flush dev eth0
    ! check a && [[ $(result .code) == 101 ]] && result .msg | grep -q "interface eth0 has no address $a4"
}
wait_for 120 "CHECK to refuse an interface without its address" flushed
wait_for 120 "CHECK to accept what was repaired" check a

# --- what is asked for ---

OFFERED='{"ips": ["10.0.0.50"], "mac": "02:00:00:00:00:50", "not-offered": 1,
    "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.1"}]}'
ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0"
add c
expect "the address that was asked for" '["10.0.0.50/24"]' "$(result '[.ips[].address]')"
expect "the MAC address that was asked for" '"02:00:00:00:00:50"' "$(result '.interfaces[0].mac')"
greet c 80
expect "a published port from outside" hello "$(asks world 192.0.2.1 8080)"
expect "a published port from another container" hello "$(asks a 192.0.2.1 8080)"
crash "$PID"
ARGS=
OFFERED='{"ips": ["10.0.0.50"]}' refused 100 "10.0.0.50" add d
OFFERED={}
ARGS="FOO=1" refused 4 "CNI_ARGS: unknown 'FOO'" add d
MORE='{"netwrk": "blue"}' refused 7 "unknown key 'netwrk'; did you mean 'network'" add d
MORE='{"runtimeConfig": {"infinibandGUID": "c2"}}' refused 2 'runtimeConfig.infinibandGUID.*c2' add d
OFFERED='{"bandwidth": {"ingressRate": 1}}' refused 7 'runtimeConfig.bandwidth.ingressRate: .1. is not a rate' add d
expect "what refused ones leave" "" "$(interface_of d)"

# Rate limits: in bits, and a change of them by ADD.
OFFERED='{"bandwidth": {"ingressRate": 100000000, "egressRate": 8000000, "egressBurst": 800000}}'
add d
limits() { query '.containers[] | select(.container == "d") | ."rate-limit" | "\(.ingress.rate) \(.egress.rate) \(.egress.burst)"' container list; }
expect "the limits of d" "100000000 8000000 100000" "$(limits)"
check d
OFFERED='{"bandwidth": {"ingressRate": 200000000}}' refused 101 \
    "has for its ingress a limit of 100000000 bits .*instead of a limit of 200000000.* egress .*instead of no limit" check d
OFFERED='{"bandwidth": {"ingressRate": 200000000}}' add d
expect "the limits of d" "200000000 null null" "$(limits)"
OFFERED={}
del d

# A socket instead of an interface.
list nfv "\"network\": \"blue\", \"attach\": \"vhost-user\", \"vhost-user\": {\"folder\": \"$TMP/nfv\"}"
LIST=$TMP/nfv.conflist
add d
sock=$TMP/nfv/d/eth0.sock
expect "the socket" "$sock" "$(result '.interfaces[0].socketPath' | tr -d '"')"
expect "what the socket is, and for whom" "socket 600 root" "$(stat -c '%F %a %U' "$sock")"
expect "the interface of d" "" "$(interface_of d)"
expect "the default routes" '["0.0.0.0/0","::/0"]' "$(result '[.routes[].dst] | sort')"
first=$(result . | jq -Sc .)
add d
expect "the result of a second ADD" "$first" "$(result . | jq -Sc .)"
check d
rm "$sock"
missing() { ! check d && result .msg | grep -q "is down"; }
wait_for 60 "CHECK to refuse a socket that is gone" missing
wait_for 120 "CHECK to accept it again" check d
kill_9
start
wait_for 60 "CHECK after a crash" check d
del d
if [[ -e $TMP/nfv/d ]]; then fail "the folder of the socket is left"; fi
del d
MORE='{"vhost-user": {"folder": "relative"}}' refused 7 "vhost-user.folder: 'relative' is not an absolute path" add d
LIST=$TMP/blue.conflist
MORE='{"vhost-user": {}}' refused 7 "vhost-user: is for .attach: vhost-user" add d

# A second interface of a, in a network that its list describes.
LIST=$TMP/red.conflist
IFNAME=eth1 add a
expect "the MTU of red" 1400 "$(ip -n "${P}a" -j link show eth1 | jq '.[0].mtu')"
expect "the name server of red" '["10.1.0.53"]' "$(result .dns.nameservers)"
add d
pings d "$(jq -r '.ips[0].address' "$TMP/results/a.eth1" | cut -d/ -f1)"
IFNAME=eth1 check a
LIST=$TMP/blue.conflist check a
IFNAME=eth1 del a
LIST=$TMP/blue.conflist check a
expect "the interface in red" "" "$(interface_of a eth1)"
del d
LIST=$TMP/blue.conflist

# --- gone ---

del c
if published; then fail "the published port of a container that is gone answers"; fi
del c
expect "the result of DEL" "" "$OUT"
expect "the interface of c" "" "$(interface_of c)"
add c
delete_netns c
del c
del c
ip netns add "${P}c"

# Another list's containers stay: b is of the list `old`.
add c
collect a
check a
expect "the interface of c" "" "$(interface_of c)"
LIST=$TMP/old.conflist check b
collect
expect "the interface of a" "" "$(interface_of a)"
refused 101 "the switch has no port for interface eth0 of container a" check a
LIST=$TMP/old.conflist del b
expect "ports that are left" "$own_ports" "$(ports)"

# --- other plugins ---

LIST=$TMP/fixed.conflist
of_network STATUS
add a
expect "the address of the plugin" '["10.0.0.77/24"]' "$(result '[.ips[].address]')"
expect "the routes of the plugin" '["10.0.0.0/8","192.0.2.0/24"]' "$(result '[.routes[].dst] | sort')"
pings a 192.0.2.80
check a
first=$(jq -c .ips "$TMP/results/a.eth0")
add a
expect "its address in a second ADD" "$first" "$(result .ips)"
refused 101 "ipam: taken by a" add b
expect "the container that has the address" a "$(<"$TMP/taken")"
check a
mv "$TMP/taken" "$TMP/was-taken"
refused 101 "ipam: not taken" check a
mv "$TMP/was-taken" "$TMP/taken"
del a
expect "ports that are left" "$own_ports" "$(ports)"
if [[ -e $TMP/taken ]]; then fail "the address is still taken"; fi
# An ADD that the switch refuses gives the address back.
MORE='{"network": "no-such"}' refused 100 "no-such" add a
if [[ -e $TMP/taken ]]; then fail "the address of a refused ADD is still taken"; fi
MORE='{"ipam": {"type": "no-such"}}' refused 7 "ipam.type: no program 'no-such' in CNI_PATH" add a

LIST=$TMP/chain.conflist
add a
expect "the result of the chain" '["eth0","after"]' "$(result '[.interfaces[0].name, .dns.domain]')"
check a
del a

if [[ -x $TMP/bin/host-local && -x $TMP/bin/tuning ]]; then
    list local "\"network\": \"blue\", \"ipam\": {\"type\": \"host-local\", \"dataDir\": \"$TMP/local\",
        \"ranges\": [[{\"subnet\": \"10.0.0.0/24\", \"rangeStart\": \"10.0.0.90\", \"gateway\": \"10.0.0.254\"}]],
        \"routes\": [{\"dst\": \"0.0.0.0/0\"}]}" 1.0.0
    LIST=$TMP/local.conflist
    add a
    first=$(result .ips)
    add a
    expect "host-local's address in a second ADD" "$first" "$(result .ips)"
    add b
    pings a "$(result '.ips[0].address' | tr -d '"' | cut -d/ -f1)"
    check a
    del b
    del a
    del a
    expect "host-local's addresses that are left" "" "$(find "$TMP/local" -name '10.0.0.*')"

    list tuned '"network": "blue"' 1.0.0 "{\"type\": \"tuning\", \"allmulti\": true, \"dataDir\": \"$TMP/tuning\"}"
    LIST=$TMP/tuned.conflist
    add a
    expect_match "what the plugin after ours has set" ALLMULTI "$(ip -n "${P}a" link show eth0)"
    expect "the interface" eth0 "$(result '.interfaces[0].name' | tr -d '"')"
    check a
    del a
else
    echo "left out: host-local and tuning are not installed (containernetworking-plugins)"
fi

# --- a container that is gone ---

# The network that is made with the first container goes with it, if that one can't be added.
refused=$(python3 -c 'import json, socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
params = {"container": "gone", "by": "cni:new", "netns": sys.argv[2], "network": "new", "subnets": ["10.99.0.0/24"]}
request = {"jsonrpc": "2.0", "id": 1, "method": "container.add", "params": params}
client.sendall(json.dumps(request).encode() + b"\n")
print(client.makefile().readline())' "$SOCK" "/run/netns/${P}gone")
expect_match "why" "does not come up: network namespace .*gone.* does not exist" "$refused"
expect "networks that are left of it" "" "$(ctl network list --json | jq -r '.networks[].name' | grep -x new || true)"

# --- killed half-way ---

LIST=$TMP/blue.conflist
for delay in 0 0.005 0.01 0.02 0.05 0.1 0.2; do
    variables ADD a
    configuration 0 null >"$TMP/request"
    env "${VARIABLES[@]}" "$CNI" <"$TMP/request" >/dev/null 2>&1 &
    sleep "$delay"
    { kill -KILL $! || true; wait $! || true; } 2>/dev/null
    del a
    expect "ports that are left of an ADD killed after $delay s" "$own_ports" "$(ports)"
    expect "the interface" "" "$(interface_of a)"
done

wait_for 20 "all packets to be accounted for" balanced
