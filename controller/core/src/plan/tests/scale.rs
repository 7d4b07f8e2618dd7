//! A service that is scaled to nothing, and back.

use super::drive::{deploy, forward};
use super::prefixes::{Pair, pair, resumes, reverts, supersedes};
use super::releases::{SPEC, release};
use super::world::Code;

/// An application, and a service beside it that keeps data.
const TWO: &str = "
services:
  api: {build: ., image: shop-api, restart: always}
  search:
    image: search
    restart: always
    volumes: ['index:/index']
volumes: {index: {}}
";

fn to_none() -> Pair {
    let mut pair = pair(SPEC, TWO, Code::default(), Code::default());
    let none = TWO.replace("    image: search\n", "    image: search\n    deploy: {replicas: 0}\n");
    pair.new = release(SPEC, &none, "code-1");
    pair.world.knows(&pair.new, Code::default());
    pair
}

#[test]
fn replicas_0_stops_and_removes_what_is_there_and_nothing_else() {
    let Pair { mut world, old, new } = to_none();
    let api = world.observed.containers.iter().find(|it| it.name == "shop-api-1").cloned();
    insta::assert_snapshot!(deploy(&mut world, &new, 2).join("\n"), @"
    deploy:
      set-restart shop-search-1 — the Compose file no longer has service search
      stop shop-search-1 — the Compose file no longer has service search
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-search-1 — the Compose file no longer has its service
    ");
    assert!(world.observed.volumes.contains("shop_index"), "{:?}", world.observed.volumes);
    insta::assert_snapshot!(deploy(&mut world, &old, 3).join("\n"), @"
    deploy:
      create shop-search-1-r3 — no container of it exists
      rename shop-search-1-r3 to shop-search-1 — it serves under its own name
      start shop-search-1 — it takes its place
      prove shop-search-1 — it must work before anything that depends on it moves on
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
    ");
    assert_eq!(world.observed.containers.iter().find(|it| it.name == "shop-api-1").cloned(), api);
}

#[test]
fn whatever_interrupts_it() {
    let pair = to_none();
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
    supersedes(&pair, &pair.old, Code::default());
}
