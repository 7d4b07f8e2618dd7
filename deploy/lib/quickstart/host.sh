# shellcheck shell=bash disable=SC2034,SC2154 # the files beside this one share their variables
# What the story needs of this machine, and how all of it goes away again. Sourced by deploy/quickstart.

readonly projects=(convertik caddy)
readonly ports=(8080 8001 5433 6380 9180)

choose_directory() {
    local default=/var/lib/evenkeel-quickstart
    ((EUID == 0)) || default=${XDG_STATE_HOME:-$HOME/.local/state}/evenkeel-quickstart
    dir=$(realpath -m -- "${QUICKSTART_DIR:-$default}")
    # Nothing is ever removed from a directory without it.
    marker=$dir/.evenkeel-quickstart
    repository=$dir/repository
    log=$dir/evenkeel.log
    readonly dir marker repository log
}

ensure_cargo() {
    [[ ! -d $HOME/.cargo/bin ]] || PATH=$PATH:$HOME/.cargo/bin
    command -v cargo >/dev/null || give_up "there is no cargo here to build evenkeel with" \
        "Install Rust from https://rustup.rs, for example:" \
        "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" \
        "then run this again."
}

# The example has fixed names and ports. Where they belong to somebody else, nothing is touched.
refuse_foreign() {
    local project port
    for project in "${projects[@]}"; do
        [[ -z $(of_project container "$project") ]] ||
            give_up "containers of a Compose project '$project' exist here that no earlier run made" \
                "The example uses that name. Look: docker ps -a --filter label=com.docker.compose.project=$project"
        [[ -z $(of_project volume "$project") ]] ||
            give_up "volumes of a Compose project '$project' exist here that no earlier run made" \
                "The example uses that name. Look: docker volume ls --filter label=com.docker.compose.project=$project"
        [[ -z $(docker volume ls -q --filter "label=evenkeel.owner.project=$project") ]] ||
            give_up "an evenkeel that no earlier run made looks after a Compose project '$project' here" \
                "The example uses that name. Look: docker volume inspect evenkeel-owner-$project"
    done
    for port in "${ports[@]}"; do
        ! port_is_taken "$port" ||
            give_up "port $port is taken, and the example needs it" "See who has it: ss -ltnp 'sport = :$port'"
    done
    [[ ! -e $dir || -z $(ls -A -- "$dir") ]] ||
        give_up "$dir is not empty, and no earlier run made it" "Choose another with QUICKSTART_DIR=..."
}

port_is_taken() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# of_project container|volume|network PROJECT: ids or names of what a Compose project has.
of_project() {
    local list=(docker "$1" ls -q --filter "label=com.docker.compose.project=$2")
    [[ $1 != container ]] || list+=(-a --no-trunc)
    "${list[@]}"
}

build_evenkeel() {
    note "cargo build --release (some minutes the first time)"
    (cd "$invoked_in" && cargo build --release --quiet --locked --package evenkeel \
        --manifest-path "$root/Cargo.toml") || give_up "evenkeel could not be built" "The compiler's words are above."
    # Wherever CARGO_TARGET_DIR or cargo's own configuration has put it.
    binary=$(cd "$invoked_in" && cargo metadata --format-version 1 --no-deps --manifest-path "$root/Cargo.toml" |
        jq -r .target_directory)/release/evenkeel
    readonly binary
}

# ---- the way back ----

take_down() {
    heading "Removing what the run made"
    if [[ ! -e $marker ]]; then
        note "there is nothing: $dir was not made by an earlier run"
        return
    fi
    stop_load
    stop_evenkeel
    engine_answers || give_up "no Docker Engine answers, so containers and volumes cannot be removed now" \
        "Start it, then run: deploy/quickstart --down"
    remove_projects
    remove_network
    remove_images
    rm -rf --one-file-system -- "$dir"
    note "gone: containers, volumes, networks and images of the example, and $dir"
}

remove_projects() {
    local project
    for project in "${projects[@]}"; do
        of_project container "$project" | xargs -r docker rm -fv >/dev/null
        of_project volume "$project" | xargs -r docker volume rm >/dev/null
        of_project network "$project" | xargs -r docker network rm >/dev/null
        # evenkeel's record of who looks after the project: an empty volume.
        docker volume ls -q --filter "label=evenkeel.owner.project=$project" | xargs -r docker volume rm >/dev/null
    done
}

# Only where this run made it: others may be on a network of that name.
remove_network() {
    [[ -e $dir/.made-network ]] || return 0
    docker network rm caddy >/dev/null 2>&1 || note "the network caddy stays: something else is on it"
}

remove_images() {
    docker image ls --format '{{.Repository}}:{{.Tag}}' |
        grep -E '^(evenkeel/(convertik|caddy)-|convertik-api:)' | xargs -r docker rmi -f >/dev/null 2>&1 || true
}
