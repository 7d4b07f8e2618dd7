# shellcheck shell=bash
# The images that the examples and the tests are made from. Sourced, not run; needs an engine (engine.sh).
#
#   ensure_base_images [IMAGE...]    present locally, pulled, or built from Debian's packages, in that order of preference

ensure_base_images() {
    "$(dirname "${BASH_SOURCE[0]}")/../../tests/images/build" "$@"
}
