#!/bin/bash
# Containers that podman starts (with its CNI backend), attached by sluice-cni from config/10-sluice.conflist: they
# reach each other, publish ports, come back after a restart, and leave nothing.
. "$(dirname "$0")/_init.sh"
need podman runc tar python3

CNI=$BUILD/src/sluice-cni/sluice-cni
[[ -x $CNI ]] || fail "not built: $CNI"
busybox=$(command -v busybox) || skip "busybox is not installed (busybox-static)"
mkdir "$TMP/bin" "$TMP/net.d" "$TMP/image" "$TMP/image/"{bin,etc,proc,sys,dev,tmp,run,root}
ln -s "$CNI" "$TMP/bin/"

# Everything of podman's is in this test's folder, but for the namespaces that it makes in /run/netns.
cat >"$TMP/containers.conf" <<END
[containers]
default_sysctls = []
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
seccomp_profile = "unconfined"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "cni"
cni_plugin_dirs = ["$TMP/bin"]
network_config_dir = "$TMP/net.d"
END
cat >"$TMP/storage.conf" <<END
[storage]
driver = "vfs"
graphroot = "$TMP/graph"
runroot = "$TMP/run"
END
cat >"$TMP/policy.json" <<END
{"default": [{"type": "insecureAcceptAnything"}]}
END
# In namespace "host": what podman does to the network of its host stays there.
pod() {
    at host env CONTAINERS_CONF="$TMP/containers.conf" CONTAINERS_STORAGE_CONF="$TMP/storage.conf" \
        podman --tmpdir "$TMP/tmp" "$@"
}
podman_clean_up() {
    local status=$?
    trap - ERR
    set +e
    timeout 60 nsenter --net="/run/netns/${P}host" -- env CONTAINERS_CONF="$TMP/containers.conf" \
        CONTAINERS_STORAGE_CONF="$TMP/storage.conf" podman --tmpdir "$TMP/tmp" rm -fa -t 0 >/dev/null 2>&1
    (exit $status)
    clean_up
}
trap podman_clean_up EXIT

jq ".plugins[0] += {socket: \"$SOCK\"}" "$ROOT/config/10-sluice.conflist" >"$TMP/net.d/10-sluice.conflist"
[[ $(pod info --format '{{.Host.NetworkBackend}}' 2>"$TMP/why") == cni ]] ||
    skip "podman has no CNI backend, or doesn't run here: $(tail -n 1 "$TMP/why")"

cp "$busybox" "$TMP/image/bin/busybox"
for name in $("$busybox" --list); do [[ $name == busybox ]] || ln -sf busybox "$TMP/image/bin/$name"; done
echo 'root:x:0:0:root:/root:/bin/sh' >"$TMP/image/etc/passwd"
tar -C "$TMP/image" -cf "$TMP/image.tar" .
pod import --quiet "$TMP/image.tar" localhost/box:latest >/dev/null

netns world
config <<END
networks: [{name: out, subnets: [192.0.2.0/24], gateway: 192.0.2.1}]
ports: [{name: world, netns: ${P}world, network: out, address: [192.0.2.80]}]
END
start
up world
# podman listens at a published port itself, to keep it: the address must be one of its host.
ip -n "${P}host" address add 192.0.2.1/32 dev lo

run() { # NAME ARGUMENTS...
    pod run -d --name "$1" "${@:2}" >/dev/null
}
address_of() { pod inspect "$1" --format '{{.NetworkSettings.Networks.sluice.IPAddress}}'; }
ports() { query '[.ports[].name] | length' port list; }

run web --network sluice -p 192.0.2.1:8080:80 localhost/box sh -c 'echo hello >/tmp/index.html; exec httpd -f -h /tmp'
run client --network sluice localhost/box sleep 1000
web=$(address_of web)
expect_match "the address of web" '^10\.77\.' "$web"
expect "the network's gateway" 10.77.0.1 "$(pod inspect web --format '{{.NetworkSettings.Networks.sluice.Gateway}}')"
pod exec client ping -c 3 -W 10 "$web" >/dev/null
# What a web server says, asked from a network namespace: page NAMESPACE URL
page() {
    nsenter --net="$1" -- python3 -c 'import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode().strip())' "$2"
}
serves() { [[ $(page "$@") == hello ]]; }
inside=$(pod inspect client --format '{{.NetworkSettings.SandboxKey}}')
wait_for 20 "a page by the address" serves "$inside" "http://$web/"
# podman writes those of its host behind it.
expect "what a container resolves with first" 10.77.0.1 \
    "$(pod exec client awk '$1 == "nameserver" { print $2; exit }' /etc/resolv.conf)"
expect "a page by the container's name" hello "$(pod exec client wget -qO - http://web/)"
expect_match "the name by nslookup" "Address:? *1?:? *$web" "$(pod exec client nslookup web 10.77.0.1)"
expect "a page by the published port, from a container" hello "$(page "$inside" http://192.0.2.1:8080/)"
expect "the same from outside" hello "$(page "/run/netns/${P}world" http://192.0.2.1:8080/)"

run fixed --network sluice:ip=10.77.0.99,mac=02:00:00:00:00:99 localhost/box sleep 1000
expect "the address that was asked for" 10.77.0.99 "$(address_of fixed)"
expect "the MAC address that was asked for" 02:00:00:00:00:99 \
    "$(pod exec fixed cat /sys/class/net/eth0/address)"
expect "ports" 4 "$(ports)"
if OUT=$(pod run --name taken --network sluice:ip=10.77.0.99 localhost/box true 2>&1); then
    fail "two containers have one address"
fi
expect_match "why an address is refused" "10.77.0.99" "$OUT"
pod rm -f taken >/dev/null 2>&1 || true

kill_9
start
up world
wait_for 20 "the page after a crash of sluiced" serves "/run/netns/${P}world" http://192.0.2.1:8080/
expect "the same by the container's name" hello "$(pod exec client wget -qO - http://web/)"

pod restart -t 0 web >/dev/null
wait_for 20 "the page after a restart" serves "/run/netns/${P}world" http://192.0.2.1:8080/

pod rm -f -t 0 web client fixed >/dev/null
expect "ports that are left" 1 "$(ports)"
expect "containers that are left" "" "$(pod ps -aq)"
wait_for 20 "all packets to be accounted for" balanced
