# shellcheck shell=bash disable=SC2154 # the files beside this one share their variables
# A light load through Caddy: a write and a read, some ten times a second, all of it on record. Sourced by deploy/quickstart.

readonly caddy_url=http://127.0.0.1:8080

start_load() {
    : >"$dir/load.log"
    load_began=$EPOCHSECONDS
    rm -f -- "$dir/load.stop"
    drive_load &
    load_pid=$!
    sleep 3
}

stop_load() {
    [[ -n ${load_pid:-} ]] || return 0
    : >"$dir/load.stop"
    wait "$load_pid" 2>/dev/null || true
    load_pid=''
}

# A line a request: when it ended, what it was, the HTTP status (000: no answer), and the id that a write was acknowledged with.
drive_load() {
    local id=1
    while [[ ! -e $dir/load.stop && -d $dir ]]; do
        write_row
        ask -o /dev/null "$caddy_url/api/v1/conversions/$id"
        printf '%s read %s\n' "$EPOCHREALTIME" "$answer"
        sleep 0.07
    done >>"$dir/load.log"
}

write_row() {
    ask -H 'content-type: application/json' -d '{"source": "EUR", "target": "USD", "amount": 10}' \
        "$caddy_url/api/v1/conversions"
    local status=${answer##*$'\n'}
    if [[ $status == 201 && $answer =~ \"id\":([0-9]+) ]]; then id=${BASH_REMATCH[1]}; fi
    printf '%s write %s %s\n' "$EPOCHREALTIME" "$status" "$([[ $status != 201 ]] || printf '%s' "$id")"
}

ask() { answer=$(curl -s -m 15 -w '\n%{http_code}' "$@") || true; answer=${answer#$'\n'}; }

load_total() { wc -l <"$dir/load.log"; }
load_failed() { awk '$3 !~ /^20[01]$/' "$dir/load.log" | wc -l; }

# The longest time between two answers, in milliseconds.
load_gap() {
    awk '$3 ~ /^20[01]$/ { if (last && $1 - last > gap) gap = $1 - last; last = $1 }
        END { printf "%d", gap * 1000 }' "$dir/load.log"
}

report_load() {
    note "requests through Caddy meanwhile: $(load_total), failed: $(load_failed), longest gap: $(load_gap) ms"
    # When, what, and the status.
    awk '$3 !~ /^20[01]$/ { print $1, $2, $3 }' "$dir/load.log" | while read -r line; do note "  failed: $line"; done
    (($(lost_by_caddy) == 0)) ||
        note "  $(lost_by_caddy) of that by Caddy: before 2.11.2 it answers a POST with 502 where nobody had the name for the moment that" \
            "a try took (caddyserver/caddy#7546); newer ones try again"
}

# Writes that Caddy did not send again, though nobody had received them: it says so in its log.
lost_by_caddy() {
    docker logs --since "$load_began" caddy 2>&1 | grep -c 'invalid Read on closed Body' || true
}

no_request_failed() { (($(load_total) > 0 && $(load_failed) <= $(lost_by_caddy))); }

# Every row whose id reached a client is in the database.
every_row_is_there() {
    local acknowledged
    acknowledged=$(awk '$2 == "write" && $3 == 201 { print $4 }' "$dir/load.log" | sort -un)
    [[ -n $acknowledged ]] || return
    [[ $(sql "SELECT count(*) FROM conversions WHERE id IN (${acknowledged//$'\n'/,})") == "$(wc -l <<<"$acknowledged")" ]]
}

sql() { docker exec convertik-db psql -h 127.0.0.1 -U convertik -d convertik -Atc "$1"; }
