#!/bin/bash
# The chapter NetworkPolicies of README.md, word by word: its files, its commands, and what they print.
. "$(dirname "$0")/_init.sh"

# Its paths and namespaces become the test's own.
chapter() {
    awk '/^## / { inside = $0 == "## NetworkPolicies" } inside && /^    / { print substr($0, 5) }' "$ROOT/README.md" |
        sed "s|/tmp/shop|$TMP|g; s|netns: shop-|netns: ${P}|g; s|control.sock|sock|"
}
file_of() { # NAME: what the chapter writes there
    chapter | awk -v end=END -v begin="cat >$TMP/$1 <<END" '$0 == begin { inside = 1; next } $0 == end { inside = 0 } inside'
}
netns frontend api db
file_of sluice.yaml >"$CONFIG"
file_of shop.yaml >"$TMP/shop.yaml"
grep -q "kind: NetworkPolicy" "$TMP/shop.yaml" || fail "README.md has no shop.yaml any more"
start
up frontend api db
warning=$(chapter | grep "^warning port: ")
grep -qxF "$warning" "$LOG" || fail "the log has another warning than README.md: $warning"

# Each "$ sluicectl …" prints the lines up to the next command. "…" stands for any text.
count=0
mapfile -t lines < <(chapter)
for ((i = 0; i < ${#lines[@]}; ++i)); do
    [[ ${lines[i]} == "\$ sluicectl "* && ${lines[i]} != *" wait" ]] || continue
    read -ra words <<<"${lines[i]#\$ sluicectl }"
    wanted=
    while ((i + 1 < ${#lines[@]})) && [[ ${lines[i + 1]} != "\$ "* && ${lines[i + 1]} != "manifests:"* ]]; do
        wanted+=${lines[++i]}$'\n'
    done
    wanted=$(sed 's/[][\.*^$()+?{|]/\\&/g; s/…/.*/g' <<<"${wanted%$'\n'}")
    expect_match "what ${words[*]} prints" "^$wanted\$" "$(ctl "${words[@]}")"
    ((++count))
done
((count >= 6)) || fail "README.md has $count commands"
