#!/bin/sh
# Loads the flow records of a data directory into ClickHouse, by the day; one that is loaded again is there once.
# usage: load.sh DATA [SINCE [UNTIL]]     such as: load.sh /var/lib/postern 2026-11-24 2026-11-25
# CLICKHOUSE is the command with its options: clickhouse-client --host ch.example.org --secure
set -eu
data=${1:?usage: load.sh DATA [SINCE [UNTIL]]}
since=${2:-2d}
until=${3:-}
postern=${POSTERN:-postern}
clickhouse=${CLICKHOUSE:-clickhouse-client}

set -- flows export --data "$data" --format clickhouse --since "$since"
[ -z "$until" ] || set -- "$@" --until "$until"
# Where records are missing, what is there is loaded all the same, and the exit code says so.
status=$(mktemp)
trap 'rm -f "$status"' EXIT
{ "$postern" "$@" || echo "$?" >"$status"; } | $clickhouse --query 'INSERT INTO postern.flows FORMAT JSONEachRow'
if [ -s "$status" ]; then exit "$(cat "$status")"; fi
