#!/bin/bash
# Wrong configurations: every error at once, with file, line and column, exit status 2, and nothing
# started.
. "$(dirname "$0")/_init.sh"

check() { expect_status "$1" "$SLUICED" --check "$TMP/a.yaml"; }

cat >"$TMP/a.yaml" <<END
networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: a, netns: a, network: blue, address: [10.0.0.1/24]}
END
check 0
expect "what --check prints of a good file" "" "$OUT"

cat >"$TMP/a.yaml" <<END
networks: [{name: blue, subnets: [10.0.0.0/24]}]
prots: []
ports:
  - {name: a, netns: a, network: bleu}
  - {name: a, netns: b, network: blue, address: [192.168.0.1/24]}
  - {name: c, netns: b, network: blue, mtu: lots}
  - {name: d, network: blue}
END
check 2
while read -r place text; do
    expect_match "the errors" "$TMP/a.yaml:$place" "$OUT"
    expect_match "the errors" "$text" "$OUT"
done <<'END'
2:1 prots.*ports
4:34 no.network."bleu"
5:12 declared.already
5:50 outside.network.blue
6:45 mtu
7:5 exactly.one.of
END
expect_status 2 at host "$SLUICED" --config "$TMP/a.yaml"
expect_match "the same errors at a start" "4:34" "$OUT"

printf 'ports: []\0\n' >"$TMP/a.yaml"
check 2
expect_match "a NUL byte" "$TMP/a.yaml:1:10" "$OUT"

{ # an alias bomb
    echo 'a: &a [x, x, x, x, x, x, x, x, x, x]'
    last=a
    for name in b c d e f g h i j; do
        echo "$name: &$name [*$last, *$last, *$last, *$last, *$last, *$last, *$last, *$last, *$last, *$last]"
        last=$name
    done
} >"$TMP/a.yaml"
check 2
printf '%*s' 100000 '' | tr ' ' '[' >"$TMP/a.yaml"
check 2
printf 'ports: [' >"$TMP/a.yaml"
check 2
expect_match "unclosed" "$TMP/a.yaml:1:" "$OUT"

# Not there, not a file.
rm "$TMP/a.yaml"
check 2
expect_match "missing file" "$TMP/a.yaml: cannot be read: No such file" "$OUT"
expect_status 2 at host "$SLUICED" --config "$TMP/a.yaml"
mkdir "$TMP/a.yaml"
check 2
expect_match "folder" "$TMP/a.yaml: cannot be read: .*directory" "$OUT"

# The reference of all keys is a good configuration.
if [[ -f $ROOT/config/sluice.yaml ]]; then expect_status 0 "$SLUICED" --check "$ROOT/config/sluice.yaml"; fi

# What is wrong in the state file is told with its place there, and stops nothing.
config <<<'ports: []'
echo '{"ports": [{"name": "a", "colour": 3}]}' >"$STATE"
expect_status 0 "$SLUICED" --check "$CONFIG"
expect_match "an error in the state file" "$STATE:1:26.: unknown key .colour" "$OUT"
expect_match "what would wait" "port a, which was added while running, would wait: .*colour" "$OUT"
expect "the state file" '{"ports": [{"name": "a", "colour": 3}]}' "$(cat "$STATE")"
