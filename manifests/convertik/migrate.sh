#!/usr/bin/env bash
# Alembic inside the running API container.
#
#   ./migrate.sh upgrade [REVISION]      default: head
#   ./migrate.sh downgrade [REVISION]    default: one step back
#   ./migrate.sh current
#   ./migrate.sh history
set -euo pipefail

container=${CONVERTIK_API:-convertik-api}

case ${1:-} in
    upgrade) command=(upgrade "${2:-head}") ;;
    downgrade) command=(downgrade "${2:--1}") ;;
    current | history) command=("$1" --verbose) ;;
    *)
        sed -n '/^#   /s/^#   //p' "$0" >&2
        exit 2
        ;;
esac
exec docker exec "$container" alembic "${command[@]}"
