#!/bin/bash
# The policy of README.md, as it stands there, between real containers: each pair that it speaks of talks, and no
# other does.
. "$(dirname "$0")/_init.sh"
need python3

netns frontend api db
{
    cat <<END
networks:
  - {name: blue, subnets: [10.10.0.0/24]}
ports:
  - {name: frontend, netns: ${P}frontend, network: blue, address: [10.10.0.2]}
  - {name: api, netns: ${P}api, network: blue, address: [10.10.0.3]}
  - {name: db, netns: ${P}db, network: blue, address: [10.10.0.4]}
END
    # The block of README.md that declares lists: indented by four.
    awk '/^    address-sets:/ { inside = 1 } inside && !/^    / { exit } inside { print substr($0, 5) }' "$ROOT/README.md"
} | config
grep -q "name: blue-in" "$CONFIG" || fail "README.md has no list blue-in any more: $(cat "$CONFIG")"
start
up frontend api db

declare -A address=([frontend]=10.10.0.2 [api]=10.10.0.3 [db]=10.10.0.4)
for name in frontend api db; do greet $name 8080 5432 22; done

# Every container asks every other on every port.
for from in frontend api db; do
    for to in frontend api db; do
        [[ $from != "$to" ]] || continue
        for port in 8080 5432 22; do
            case $from-$to-$port in
                frontend-api-8080 | api-db-5432) wanted=hello limit=10 ;;
                *) wanted="timed out" limit=0.5 ;;
            esac
            expect "what $from gets from $to on $port" "$wanted" "$(at "$from" python3 -c 'import socket, sys
try:
    print(socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).recv(100).decode())
except OSError as error:
    print(error)' "${address[$to]}" "$port" "$limit")"
        done
        no_ping "$from" "${address[$to]}"
    done
done
query '[.drops[] | select(.reason == "denied" and ."decided-by"[0].name == "blue-in end")] | length > 0' drops --last 50
