#!/bin/bash
# A changed file is taken over while traffic flows: by SIGHUP and by `config reload`. Ports that
# didn't change lose no packet.
. "$(dirname "$0")/_init.sh"

netns a b c d
head='networks:
  - {name: blue, subnets: [10.0.0.0/24]}
  - {name: red, subnets: [10.0.1.0/24]}
ports:'
ab="
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24]}"
c="
  - {name: c, netns: ${P}c, network: blue, address: [10.0.0.3/24]}"
config <<<"$head$ab$c"
start
up a b c
pings a 10.0.0.2

steady a 10.0.0.2 0.002
index=$(ip -n "${P}c" -j link show eth0 | jq '.[0].ifindex')

reload() {
    config
    expect_status 0 ctl config reload
}
inside() { ip -n "$P$1" -j address show eth0 | jq -r '.[0].addr_info[] | select(.family == "inet") | .local'; }

# A port more, by SIGHUP.
config <<<"$head$ab$c
  - {name: d, netns: ${P}d, network: blue, address: [10.0.0.4/24]}"
kill -HUP "$DAEMON"
up d
wait_for 10 "ping to the new port" answers_ping a 10.0.0.4

# A port less, and the next takes its address.
reload <<<"$head$ab$c"
expect_match "what config reload tells" "remove +port d" "$OUT"
if ip -n "${P}d" link show eth0 2>/dev/null; then fail "d's interface was left behind"; fi
expect_status 1 ctl port show d

# Other address and MTU: the same device.
reload <<<"$head$ab
  - {name: c, netns: ${P}c, network: blue, address: [10.0.0.33/24], mtu: 1300}"
expect_match "what config reload tells" "change +port c .*flows decided anew.* address: .10.0.0.3/24. -> .10.0.0.33/24., mtu: 1500 -> 1300" "$OUT"
expect "addresses of c" 10.0.0.33 "$(inside c)"
expect "MTU and ifindex of c" "1300 $index" \
    "$(ip -n "${P}c" -j link show eth0 | jq -r '.[0] | "\(.mtu) \(.ifindex)"')"
wait_for 10 "ping to the new address" answers_ping a 10.0.0.33

# Into another network, and back.
reload <<<"$head$ab
  - {name: c, netns: ${P}c, network: red, address: [10.0.1.3/24]}"
expect "addresses of c" 10.0.1.3 "$(inside c)"
ip -n "${P}c" address add 10.0.0.3/24 dev eth0
no_ping a 10.0.0.3
ip -n "${P}c" address delete 10.0.0.3/24 dev eth0
reload <<<"$head$ab$c"
wait_for 10 "ping after the return to the network" answers_ping a 10.0.0.3

# Nothing but the order and comments: no change.
reload <<<"$head  # the same$ab$c"
expect_match "reload of the same" "nothing changed" "$OUT"

# A bad file changes nothing and says what is wrong, with line and column.
good=$(ctl config show)
config <<<"$head$ab
  - {name: c, netns: ${P}c, network: blu, address: [10.0.0.3/24]}"
expect_status 1 ctl config reload
line=$(grep -n "network: blu," "$CONFIG" | cut -d: -f1)
column=$(grep "network: blu," "$CONFIG" | awk '{ print index($0, "blu,") }')
expect_match "the error" "$CONFIG:$line:$column" "$OUT"
expect_match "the nearest name" 'did you mean "blue"' "$OUT"
expect "configuration in force" "$good" "$(ctl config show)"
kill -HUP "$DAEMON"
refused() { grep -q "nothing was changed" "$LOG"; }
wait_for 10 "the refusal in the log" refused
expect "configuration in force" "$good" "$(ctl config show)"
expect_status 1 ctl config check
expect_status 1 ctl config diff

# What is fixed at the start is refused with a word about it.
config <<<"memory: {buffers: 4096}
$head$ab$c"
expect_status 1 ctl config reload
expect_match "the error" "memory.*restart sluiced" "$OUT"
reload <<<"$head$ab$c"

no_loss
expect "how often a went down" 0 "$(query '.port."times-down"' port show a)"
wait_for 20 "balanced books" balanced
