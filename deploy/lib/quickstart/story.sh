# shellcheck shell=bash disable=SC2016,SC2154 # variables are shared with the files beside this one; jq's own begin with a dollar too
# The story, one function a chapter. Sourced by deploy/quickstart.

play() {
    first_commit
    code_and_migration
    revert_commit
    readme_only
    broken_commit
}

first_commit() {
    heading "A first commit: two applications, from nothing"
    show evenkeel validate "$repository"
    start_evenkeel
    await_application
    await_end "$(tip)"
    await "Caddy to answer for it" 60 serves 1.0.0
    await_live "$(tip)"
    show evenkeel status
    show curl -sS "$caddy_url/api/v1/version"
    expect "the rollout succeeded" happened '.[0].outcome == "Succeeded"'
    expect "1.0.0 answers through Caddy" serves 1.0.0
    expect "the schema is at 0001" schema_is 0001
}

await_application() { await "evenkeel to find the application" 60 holds '.name == "convertik"'; }

code_and_migration() {
    heading "A commit with code and a migration, under load"
    # Suspended, so that there is time to look at the plan before it is carried out.
    evenkeel suspend convertik >/dev/null
    commit_overlay add-column 'Conversions take a note'
    await_seen "$(tip)"
    show evenkeel plan convertik
    start_load
    evenkeel resume convertik >/dev/null
    await_end "$(tip)"
    await_live "$(tip)"
    stop_load
    show evenkeel status convertik
    show curl -sS "$caddy_url/api/v1/version"
    show evenkeel backup list convertik
    report_load
    expect "the rollout succeeded" happened '.[0].outcome == "Succeeded"'
    expect "1.1.0 answers through Caddy" serves 1.1.0
    expect "the schema moved to 0002" schema_is 0002
    expect "a backup was made before the schema moved" a_backup_is_listed
    expect "no request failed" no_request_failed
    expect "every acknowledged row is there" every_row_is_there
}

revert_commit() {
    heading "git revert: code and schema go back together"
    local before
    before=$(tip)
    git -C "$repository" revert --no-edit HEAD >/dev/null
    note "git revert ${before:0:12}"
    start_load
    await_end "$(tip)"
    await_live "$(tip)"
    stop_load
    show evenkeel history convertik --limit 3
    show curl -sS "$caddy_url/api/v1/version"
    report_load
    expect "the rollout succeeded" happened '.[0].outcome == "Succeeded"'
    expect "1.0.0 answers through Caddy again" serves 1.0.0
    expect "the schema is back at 0001" schema_is 0001
    expect "nothing was built" happened 'all(.[0].steps[]; .step != "build")'
    expect "no request failed" no_request_failed
    expect "every acknowledged row is there" every_row_is_there
}

readme_only() {
    heading "A commit that changes nothing that runs"
    local container rollouts
    container=$(docker inspect -f '{{.Id}}' convertik-api)
    rollouts=$(rollouts length)
    commit_overlay readme-only 'Say more in the README'
    await_seen "$(tip)"
    await_live "$(tip)"
    show evenkeel plan convertik
    expect "the commit is live" holds '.liveRevision == $it' "$(tip)"
    expect "no rollout was started" happened 'length == ($it | tonumber)' "$rollouts"
    expect "the container is the same one" container_is "$container"
}

broken_commit() {
    heading "A broken commit: /health answers 500"
    commit_overlay health-500 'Rework the health check'
    start_load
    await_end "$(tip)"
    await "what served before to be all there is" 60 holds '.phase == "Idle"'
    sleep 5 # two polls more, in which it must not be tried again
    stop_load
    show evenkeel status convertik
    show curl -sS "$caddy_url/api/v1/version"
    report_load
    expect "the rollout was reverted" happened '.[0].outcome == "Reverted"'
    expect "1.0.0 still answers through Caddy" serves 1.0.0
    expect "no request failed" no_request_failed
    expect "the release is quarantined, with a reason" quarantined "$(tip)"
    expect "it was tried once" happened '[.[] | select(.revision == $it)] | length == 1' "$(tip)"
}

# ---- what is expected ----

serves() { [[ $(curl -fsS -m 10 "$caddy_url/api/v1/version" | jq -r .app_version) == "$1" ]]; }
schema_is() { holds '.schema.current == [$it] and .schema.state == "AtHead"' "$1"; }
a_backup_is_listed() { evenkeel backup list convertik --output json | jq -e 'length > 0'; }
container_is() { [[ $(docker inspect -f '{{.Id}}' convertik-api) == "$1" ]]; }
quarantined() { holds 'any(.quarantine[]; .revision == $it and (.reason | length > 0))' "$1"; }

where_things_are() {
    heading "evenkeel is left running"
    cat <<TEXT
   the application   http://localhost:8080/docs   (through Caddy; directly: http://localhost:8001)
   metrics           $metrics_url/metrics
   the repository    $repository   (commit on main, and watch)
   the log           $log
   a shorthand       export EVENKEEL_SOCKET=$dir/data/evenkeel.sock PATH="\$PATH:$(dirname "$binary")"

   look              evenkeel status; evenkeel history --steps; evenkeel events
   mend it           git -C $repository revert --no-edit HEAD
   remove it all     deploy/quickstart --down
TEXT
}
