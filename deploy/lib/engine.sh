# shellcheck shell=bash
# A Docker Engine that answers, and the packages a script needs. Sourced, not run.
#
#   ensure_engine             an engine answers when this returns 0; else 1 and what to do about it
#   ensure_packages PKG...    installs those that are missing (Debian, Ubuntu)
#
# Both may be called by several processes at once: whoever comes second waits, then finds the work done.

ENGINE_WAIT_SECONDS=${ENGINE_WAIT_SECONDS:-60}
ENGINE_LOG=${ENGINE_LOG:-/var/log/dockerd.log}

engine_say() { printf '%s\n' "$*" >&2; }

# Prints every argument as a line of an error and fails.
engine_fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    (($# == 0)) || printf '       %s\n' "$@" >&2
    return 1
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        engine_fail "'$*' needs root" "Run this as root, or install sudo."
    fi
}

# with_lock NAME COMMAND...: one at a time on this machine. Commands that leave a process behind must close descriptor 9,
# or that process would keep the lock.
with_lock() {
    local file="/tmp/evenkeel-$1-$EUID.lock"
    shift
    (
        flock -w 900 9 || engine_fail "another process has held $file for 15 minutes" || exit
        "$@"
    ) 9>>"$file"
}

ensure_packages() {
    local missing
    missing=$(missing_packages "$@")
    [[ -n $missing ]] || return 0
    with_lock apt install_missing_packages "$@"
}

missing_packages() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
    done
}

install_missing_packages() {
    local missing
    command -v apt-get >/dev/null ||
        engine_fail "no apt-get here to install: $*" "Install them by other means and run this again." || return
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]} > 0)) || return 0
    engine_say "installing ${missing[*]}"
    apt_get update && apt_get install --no-install-recommends "${missing[@]}"
}

# Quiet unless it fails. Services that a package starts must not inherit the lock.
apt_get() {
    local output
    output=$(mktemp)
    if as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
        apt-get -y -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$output" 2>&1 9>&-; then
        rm -f "$output"
    else
        tail -n 20 "$output" >&2
        rm -f "$output"
        engine_fail "apt-get $1 failed" "Its last lines are above."
    fi
}

engine_answers() {
    command -v docker >/dev/null && timeout 5 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

ensure_engine() {
    engine_answers || with_lock engine bring_engine_up
}

bring_engine_up() {
    engine_answers && return
    if [[ -n ${DOCKER_HOST:-} ]] && command -v docker >/dev/null; then
        engine_fail "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST" \
            "Start it, or unset DOCKER_HOST to use this machine's own."
        return
    fi
    ! engine_is_forbidden || return 1
    if ! engine_is_installed; then
        install_engine || return
        ! await_engine 3 || return 0 # the package may have started it
    fi
    start_engine || return
    await_engine "$ENGINE_WAIT_SECONDS" || explain_silence
}

engine_is_installed() {
    command -v docker >/dev/null && PATH="$PATH:/usr/sbin:/sbin" command -v dockerd >/dev/null
}

# Succeeds, and says what to do, when an engine runs that this user may not talk to.
engine_is_forbidden() {
    [[ -S /var/run/docker.sock && ! -w /var/run/docker.sock ]] || return
    engine_fail "an engine runs here, but $(id -un) may not use /var/run/docker.sock" \
        "Run this as root, or add yourself to the group: usermod -aG docker $(id -un), then log in again." || true
}

install_engine() {
    [[ -z ${DOCKER_HOST:-} ]] || engine_say "DOCKER_HOST is set, but there is no docker command to use it with"
    ensure_packages docker.io || return
    # From Debian 13 on, the client is a package of its own.
    command -v docker >/dev/null || ensure_packages docker-cli
}

engine_process_lives() {
    local pid
    pid=$(cat /var/run/docker.pid 2>/dev/null) && [[ -n $pid && -d /proc/$pid ]]
}

start_engine() {
    if engine_process_lives; then
        return
    elif [[ -d /run/systemd/system ]]; then
        as_root systemctl start docker 9>&-
    else
        engine_say "starting dockerd, log in $ENGINE_LOG"
        # It outlives whoever starts it: a lock that it inherited would be held as long.
        # shellcheck disable=SC2016 # expanded by the inner shell, which may be root's
        as_root env PATH="$PATH:/usr/sbin:/sbin" bash -c '
            for fd in /proc/self/fd/*; do
                ((${fd##*/} <= 2)) || eval "exec ${fd##*/}>&-"
            done
            setsid dockerd >>"$1" 2>&1 </dev/null &' - "$ENGINE_LOG"
    fi
}

await_engine() {
    local deadline=$((SECONDS + $1))
    until engine_answers; do
        ((SECONDS < deadline)) || return
        sleep 0.2
    done
}

explain_silence() {
    if [[ -d /run/systemd/system ]]; then
        engine_fail "the Docker Engine did not answer within ${ENGINE_WAIT_SECONDS}s" \
            "Look at: systemctl status docker; journalctl -u docker -n 50"
        return
    fi
    [[ ! -r $ENGINE_LOG ]] || tail -n 5 "$ENGINE_LOG" >&2
    engine_fail "the Docker Engine did not answer within ${ENGINE_WAIT_SECONDS}s" \
        "Look at $ENGINE_LOG. In a container, dockerd needs --privileged and a volume on /var/lib/docker."
}
