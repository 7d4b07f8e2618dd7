# shellcheck shell=bash disable=SC2154 # the files beside this one share their variables
# The example as a user would have it: a repository, and project directories with env files outside git. Sourced by
# deploy/quickstart.

make_project() {
    mkdir -p -- "$dir"
    chmod 0755 -- "$dir"
    : >"$marker"
    make_network
    make_project_directories
    make_repository
}

make_network() {
    ! docker network inspect caddy >/dev/null 2>&1 || return 0
    : >"$dir/.made-network"
    docker network create caddy >/dev/null
}

make_project_directories() {
    local password example name
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    mkdir -p -- "$dir/projects/convertik" "$dir/projects/caddy"
    for name in .env.production .env.database; do
        example=$root/manifests/convertik/$name.example
        (umask 077 && sed "s/change-me/$password/g" "$example" >"$dir/projects/convertik/$name")
    done
}

make_repository() {
    cp -R -- "$root/manifests/convertik" "$repository"
    # Minutes become seconds, and the story may be played in the evening.
    sed -i -e "s|projectDirectory: /opt/convertik|projectDirectory: $dir/projects/convertik|" \
        -e 's/bake: 5m/bake: 10s/' -e '/^  windows:/,$d' "$repository/evenkeel.yaml"
    sed -i -e "s|projectDirectory: /opt/caddy|projectDirectory: $dir/projects/caddy|" \
        -e 's/bake: 1m/bake: 5s/' "$repository/caddy/evenkeel.yaml"
    git -C "$repository" init --quiet
    git -C "$repository" symbolic-ref HEAD refs/heads/main
    git -C "$repository" config user.name 'Convertik team'
    git -C "$repository" config user.email team@convertik.example
    git -C "$repository" config commit.gpgSign false
    commit 'Convertik 1.0.0, and Caddy in front of it'
}

commit() {
    git -C "$repository" add --all
    git -C "$repository" commit --quiet --message "$1"
}

# Copies an overlay of tests/fixtures/convertik over the tree and commits it.
commit_overlay() {
    cp -R -- "$root/tests/fixtures/convertik/$1/." "$repository/"
    commit "$2"
}

tip() { git -C "$repository" rev-parse HEAD; }
