#!/bin/bash
# Containers that docker starts in networks of the switch, by its plug-in: they reach each other by address and by
# name, publish ports, are in several networks, live through restarts of sluiced and of dockerd, and leave nothing.
. "$(dirname "$0")/_init.sh"
need dockerd docker tar python3
busybox=$(command -v busybox) || skip "busybox is not installed (busybox-static)"
if ldd "$busybox" >/dev/null 2>&1; then skip "$busybox is not static (busybox-static)"; fi

# The driver's name is that of its socket. Everything else of this docker is in the test's folder.
PLUGIN=/run/docker/plugins/$P.sock
DOCKERD=
RAN=  # it has run once
dock() { docker -H "unix://$TMP/docker.sock" "$@"; }

docker_answers() {
    if ended "$DOCKERD"; then
        [[ -z $RAN ]] || fail "dockerd did not start again: $(tail -n 1 "$TMP/dockerd.log")"
        skip "dockerd doesn't run here: $(tail -n 1 "$TMP/dockerd.log")"
    fi
    dock version
}
# It shares sluiced's namespace, and starts a containerd of its own.
start_docker() { # ARGUMENTS...
    spawn host dockerd -H "unix://$TMP/docker.sock" --config-file "$TMP/daemon.json" --pidfile "$TMP/docker.pid" \
        --data-root "$TMP/data" --exec-root "$TMP/exec" --exec-opt native.cgroupdriver=cgroupfs \
        --default-ulimit nofile=1024:4096 --default-ulimit nproc=4096:4096 \
        --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --userland-proxy=false \
        "$@" >>"$TMP/dockerd.log" 2>&1
    DOCKERD=$PID
    wait_for 60 "dockerd to answer" docker_answers
    RAN=yes
}
# Its containerd ends with it. Until somebody has reaped that, the next dockerd would take it for alive.
crash_docker() {
    crash "$DOCKERD"
    rm -f "$TMP/exec/containerd/containerd.pid"
}
docker_clean_up() {
    local status=$? containers
    trap - ERR
    set +e
    [[ $status == 0 || $status == 77 ]] || tail -n 30 "$TMP/dockerd.log" >&3
    if [[ -n $DOCKERD ]] && ! ended "$DOCKERD"; then
        mapfile -t containers < <(timeout 20 docker -H "unix://$TMP/docker.sock" ps -aq)
        timeout 60 docker -H "unix://$TMP/docker.sock" rm -f "${containers[@]}"
        kill "$DOCKERD"
        timeout 30 tail --pid="$DOCKERD" -f /dev/null
    fi >/dev/null 2>&1
    # A dockerd that was killed has left it.
    local containerd
    containerd=$(cat "$TMP/exec/containerd/containerd.pid" 2>/dev/null)
    if [[ -n $containerd && $(tr '\0' ' ' <"/proc/$containerd/cmdline") == *"$TMP/exec"* ]]; then kill "$containerd"; fi
    # And the shims of its containers, with what runs in them.
    local shim
    for shim in $(pgrep -f "^/usr/bin/containerd-shim.* -address $TMP/exec/"); do
        mapfile -t containers < <(pgrep -P "$shim")
        kill -9 "$shim" "${containers[@]}"
    done
    mapfile -t MOUNTS < <(awk -v folder="$TMP/" 'index($2, folder) == 1 { print $2 }' /proc/self/mounts | sort -r)
    rm -f "$PLUGIN"
    (exit $status)
    clean_up
} 2>/dev/null
trap docker_clean_up EXIT

mkdir -p "$TMP/image/"{bin,etc,proc,sys,dev,tmp,root}
echo '{}' >"$TMP/daemon.json"
cp "$busybox" "$TMP/image/bin/busybox"
for name in $("$busybox" --list); do [[ $name == busybox ]] || ln -sf busybox "$TMP/image/bin/$name"; done
echo 'root:x:0:0:root:/root:/bin/sh' >"$TMP/image/etc/passwd"
tar -C "$TMP/image" -cf "$TMP/image.tar" .

netns world wire
config <<END
docker: {socket: $PLUGIN}
networks: [{name: out, subnets: [192.0.2.0/24], gateway: 192.0.2.1}]
underlay: {port: wire, address: [198.51.100.1/24]}
ports:
  - {name: world, netns: ${P}world, network: out, address: [192.0.2.80]}
  - {name: wire, netns: ${P}wire, address: [198.51.100.2/24]}
END
start
up world wire
start_docker --live-restore
dock import "$TMP/image.tar" box >/dev/null

run() { # NAME ARGUMENTS...
    dock run -d --init=false --name "$1" "${@:2}" >/dev/null
}
sleeper() { run "$@" box sleep 1000; }
inside() { dock exec "$@"; }
reaches() { # CONTAINER NAME-OR-ADDRESS [PING-ARGUMENTS]
    inside "$1" ping -c 2 -W 10 "${@:3}" "$2" >"$TMP/ping" 2>&1 || fail "$1 doesn't reach $2: $(cat "$TMP/ping")"
}
of() { dock inspect "$1" --format "{{.NetworkSettings.Networks.$2}}"; } # CONTAINER NETWORK.VALUE
ports() { query '[.ports[].name] | length' port list; }
networks() { query '[.networks[].name] | sort | join(" ")' network list; }
name_of() { echo "docker-$(dock network inspect "$1" --format '{{.Id}}' | cut -c 1-12)"; }
page() { # URL, asked from outside
    at world python3 -c 'import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode().strip())' "$1"
}
serves() { [[ $(page "$1") == hello ]]; }
refuses() { # REGEX DOCKER-COMMAND...
    local status=1
    [[ $2 == run ]] && status=125
    expect_status $status dock "${@:2}"
    expect_match "why docker refuses '${*:2}'" "$1" "$OUT"
}

# --- networks, names, published ports ---

dock network create -d "$P" --subnet 10.5.0.0/24 --ipv6 --subnet fd05::/64 blue >/dev/null
expect_match "networks" "^$(name_of blue) out$" "$(networks)"
run web --network blue --network-alias www -p 8080:80 box \
    sh -c 'echo hello >/tmp/index.html; exec httpd -f -h /tmp'
sleeper client --network blue
expect "the address of web" 10.5.0.2 "$(of web blue.IPAddress)"
expect "its gateway" 10.5.0.1 "$(of web blue.Gateway)"
expect "its IPv6 address" fd05::2 "$(of web blue.GlobalIPv6Address)"
expect "its MAC address" "$(of web blue.MacAddress)" "$(inside web cat /sys/class/net/eth0/address)"
expect "the same, of the switch" "$(of web blue.MacAddress)" \
    "$(query '.containers[] | select(.address[0] | startswith("10.5.0.2")) | .mac' container list)"
for name in 10.5.0.2 fd05::2 web www 10.5.0.1 fd05::1; do reaches client "$name"; done
reaches client web -6
reaches web client
wait_for 20 "a page at the published port" serves http://192.0.2.1:8080/
expect "the same from a container" hello "$(inside client wget -qO - http://192.0.2.1:8080/)"
expect "the same by the container's name" hello "$(inside client wget -qO - http://web/)"

refuses "8080" run --name taken --network blue -p 8080:80 box true
dock rm taken >/dev/null
expect "ports" 4 "$(ports)"
refuses "sluice.vnii.*known are" network create -d "$P" -o sluice.vnii=7 wrong
refuses "is no number" network create -d "$P" -o sluice.vni=many wrong
refuses "overlaps" network create -d "$P" --subnet 10.5.0.0/25 wrong
expect_match "networks" "^$(name_of blue) out$" "$(networks)"

# --- several networks for a container; addresses that the switch gives; labels ---

dock network create -d "$P" --ipam-driver "$P" --subnet 10.6.0.0/24 -o sluice.vni=77 -o sluice.namespace=shop \
    -o sluice.label.app=green -o com.docker.network.driver.mtu=1300 green >/dev/null
expect "the VNI" 77 "$(query ".networks[] | select(.name == \"$(name_of green)\") | .vni" network list)"
sleeper other --network green
dock network connect --alias both green client
expect "the address of other" 10.6.0.2 "$(of other green.IPAddress)"
expect "the MTU" 1300 "$(inside other cat /sys/class/net/eth0/mtu)"
reaches client other
reaches other both
reaches client web
port=$(query '.containers[] | select(.address[0] | startswith("10.6.0.2")) | .port' container list)
expect "labels" 'shop {"app":"green"}' "$(query '.port.configuration | "\(.namespace) \(.labels)"' port show "$port")"
dock network disconnect green client
expect "ports" 5 "$(ports)"
if inside client ip link show eth1 >/dev/null 2>&1; then fail "an interface is left of a network"; fi
reaches client web

dock network create -d "$P" --ipam-driver "$P" --ipam-opt sluice.network=out -o sluice.network=out outside >/dev/null
sleeper inn --network outside
expect_match "the address of inn" '^192\.0\.2\.[0-9]+$' "$(of inn outside.IPAddress)"
reaches inn 192.0.2.80
dock rm -f inn >/dev/null
refuses "is no subnet.*192.0.2.0/24" network create -d "$P" -o sluice.network=out --subnet 192.0.2.0/25 wrong

# --- restarts ---

steady world 10.5.0.2 0.01
kill_9
start
lost_at_most 200
reaches client web
expect "the page after a restart of sluiced" hello "$(page http://192.0.2.1:8080/)"
sleeper late --network blue
reaches late web
dock rm -f late >/dev/null

crash_docker
start_docker --live-restore
expect "containers that run" 3 "$(dock ps -q | wc -l)"
reaches client web
sleeper late --network blue
reaches late client
crash_docker
start_docker
dock start web client >/dev/null
reaches client web
wait_for 20 "the page after a restart of dockerd" serves http://192.0.2.1:8080/
expect "ports of two containers" 4 "$(ports)"
dock restart -t 0 web >/dev/null
wait_for 20 "the page after a restart of the container" serves http://192.0.2.1:8080/

# --- compose ---

if command -v docker-compose >/dev/null; then
    mkdir "$TMP/shop"
    cat >"$TMP/shop/docker-compose.yml" <<END
version: "3.5"
services:
  front: {image: box, command: sleep 1000, networks: [net], depends_on: [back]}
  back: {image: box, command: sleep 1000, networks: {net: {aliases: [store]}}}
networks:
  net: {driver: $P, ipam: {driver: $P}}
END
    compose() { docker-compose -H "unix://$TMP/docker.sock" --project-directory "$TMP/shop" \
        -f "$TMP/shop/docker-compose.yml" -p shop "$@" >"$TMP/compose" 2>&1 || fail "$* of compose: $(cat "$TMP/compose")"; }
    compose up -d
    front=$(dock ps -qf label=com.docker.compose.service=front)
    reaches "$front" back
    reaches "$front" store
    compose down -t 0
else
    echo "without docker-compose, which is not installed"
fi

# --- nothing is left ---

dock rm -f web client other late >/dev/null
dock network rm blue green outside >/dev/null
expect "ports that are left" 2 "$(ports)"
expect "networks that are left" out "$(networks)"
expect "what the book has" 0 "$(jq '[.pools, .networks, .endpoints] | map(length // 0) | add' "$STATE.docker")"
expect "interfaces that are left" "" "$(ip -n "${P}host" -o link show | grep -o ': sl[0-9a-f]*:' || true)"
wait_for 20 "all packets to be accounted for" balanced
