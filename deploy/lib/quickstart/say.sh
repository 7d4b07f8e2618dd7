# shellcheck shell=bash
# How the story is told, and what it expects. Sourced by deploy/quickstart.

failures=0

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    bold=$'\e[1m' good=$'\e[32m' bad=$'\e[31m' faint=$'\e[2m' off=$'\e[0m'
else
    bold='' good='' bad='' faint='' off=''
fi

heading() { printf '\n%s== %s ==%s\n\n' "$bold" "$*" "$off"; }
note() { printf '   %s\n' "$*"; }

# Shows a command as a reader would type it, then what it prints, long lines cut: evidence can be a page. Its exit status is for
# the reader, not for the script.
show() {
    printf '\n   %s$ %s%s\n' "$faint" "$*" "$off"
    "$@" 2>&1 | sed -E 's/^(.{180}).+/\1…/; s/^/   /' || true
    printf '\n'
}

# expect SENTENCE COMMAND...: the story goes on when it does not hold, but the exit status will tell.
expect() {
    local sentence=$1
    shift
    if "$@" >/dev/null 2>&1; then
        printf '   %sok%s      %s\n' "$good" "$off" "$sentence"
    else
        printf '   %sFAILED%s  %s\n' "$bad" "$off" "$sentence"
        failures=$((failures + 1))
    fi
}

# Ends the run with what was wrong and where to look.
give_up() {
    printf '%serror%s: %s\n' "$bad" "$off" "$1" >&2
    shift
    (($# == 0)) || printf '       %s\n' "$@" >&2
    exit 1
}

conclude() {
    heading "The end"
    if ((failures > 0)); then
        printf '   %s%s of the expectations above did not hold%s\n' "$bad" "$failures" "$off"
        exit 1
    fi
    printf '   %severy expectation held%s\n' "$good" "$off"
}
