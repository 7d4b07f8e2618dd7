# shellcheck shell=bash disable=SC2016,SC2154 # variables are shared with the files beside this one; jq's own begin with a dollar too
# evenkeel itself: started, asked, waited for, stopped. Sourced by deploy/quickstart.

readonly metrics_url=http://127.0.0.1:9180

start_evenkeel() {
    local command=("$binary" run --repo "$repository" --branch main --poll 2s
        --data-dir "$dir/data" --listen 127.0.0.1:9180)
    note "${command[*]}"
    NO_COLOR=1 setsid "${command[@]}" >>"$log" 2>&1 </dev/null &
    echo $! >"$dir/evenkeel.pid"
    await "evenkeel to be ready" 30 curl -fsS -o /dev/null "$metrics_url/readyz"
}

# The pid in the file, where that process is still ours: numbers are used again.
evenkeel_pid() {
    local pid
    pid=$(cat "$dir/evenkeel.pid" 2>/dev/null) || return
    [[ -n $pid ]] && grep -qzxF -- "$dir/data" "/proc/$pid/cmdline" 2>/dev/null && printf '%s' "$pid"
}

stop_evenkeel() {
    local pid deadline=$((SECONDS + 45))
    pid=$(evenkeel_pid) || return 0
    kill -TERM "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null && ((SECONDS < deadline)); do sleep 0.2; done
    kill -KILL "$pid" 2>/dev/null || true
}

# As a reader would call it, with the socket of this run.
evenkeel() { EVENKEEL_SOCKET=$dir/data/evenkeel.sock "$binary" "$@"; }

# status FILTER: jq over the application convertik.
status() { evenkeel status --output json | jq -r ".applications[] | select(.name == \"convertik\") | $1"; }

# rollouts FILTER: jq over its rollouts, the newest first.
rollouts() { evenkeel history convertik --output json | jq -r "$1"; }

# holds FILTER ARGUMENT: whether jq says true over the status of convertik, with ARGUMENT as $it.
holds() {
    evenkeel status --output json |
        jq -e --arg it "${2:-}" ".applications[] | select(.name == \"convertik\") | $1" >/dev/null
}

# happened FILTER ARGUMENT: the same over its rollouts.
happened() { evenkeel history convertik --output json | jq -e --arg it "${2:-}" "$1" >/dev/null; }

# await WHAT SECONDS COMMAND...: until it succeeds; says which phase is reached meanwhile.
await() {
    local what=$1 start=$SECONDS deadline=$((SECONDS + $2)) phase='' now
    shift 2
    until "$@" >/dev/null 2>&1; do
        evenkeel_pid >/dev/null || lost "evenkeel has ended while this waited for $what"
        ((SECONDS < deadline)) || lost "waited too long for $what"
        now=$(status .phase 2>/dev/null || true)
        [[ $now == "$phase" || -z $now ]] || note "$(printf '%4ds  %s' $((SECONDS - start)) "$now")"
        phase=$now
        sleep 0.3
    done
}

lost() {
    {
        evenkeel status || true
        evenkeel history --steps --limit 3 || true
        tail -n 30 "$log"
    } >&2 2>/dev/null
    give_up "$1" "Status, history and the log's end are above; all of the log: $log"
}

# A rollout for this commit has ended, however it ended.
await_end() { await "the end of its rollout" 600 happened 'any(.[]; .revision == $it and .outcome != null)' "$1"; }

await_live() { await "the commit to be live" 60 holds '.liveRevision == $it and .phase == "Idle"' "$1"; }

await_seen() { await "evenkeel to see the commit" 60 holds '.desiredRevision == $it' "$1"; }
