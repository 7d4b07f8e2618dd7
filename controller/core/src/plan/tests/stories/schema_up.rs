//! Migrations, and schemas that somebody else has moved.

use super::super::drive::forward;
use super::super::releases::{SPEC_DB, STACK, release};
use super::{blocked, code, first, second};

#[test]
fn additive_migration() {
    insta::assert_snapshot!(second(SPEC_DB, STACK, code("a", true, true), code("a b", true, true)).3, @"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
    prepare:
      read-scripts api — the migration heads in its image are not known yet
    prepare:
      rehearse a → b — the migration is tried on a scratch server before anything is touched
    deploy, online:
      backup at a — no migration without a backup that was decoded in full
      migrate a → b — it only adds: the old code runs on
      create shop-api-1-r2 — the build context . changed
      start shop-api-1-r2 — in private: no user reaches it there
      create shop-api-1-r2-stand-in — the published port is still held; a portless copy carries the names meanwhile
      start shop-api-1-r2-stand-in — in private
      prove shop-api-1-r2, shop-api-1-r2-stand-in — nothing that serves is touched before its successor is proven
      create shop-worker-1-r2 — the build context . changed
      set-restart shop-worker-1 — it must not come back by itself
      rename shop-worker-1 to shop-worker-1-000000000003-old — its successor gets the name
      stop shop-worker-1-000000000003-old — its successor serves
      rename shop-worker-1-r2 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      join shop-api-1-r2-stand-in — it carries the names while the port changes hands
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r2-stand-in — it serves meanwhile
      stop shop-api-1-000000000002-old — its successor serves
      join shop-api-1-r2 — the port is free
      hand-over the name shop-api-1 to shop-api-1-r2 — it serves under its own name
      stop shop-api-1-r2-stand-in — the successor serves; it drains
      remove shop-api-1-r2-stand-in — it was temporary
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000002-old — it is no longer needed
      remove shop-worker-1-000000000003-old — it is no longer needed
    ");
}

#[test]
fn migration_that_is_not_additive() {
    insta::assert_snapshot!(second(SPEC_DB, STACK, code("a", true, true), code("a b", false, true)).3, @"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
    prepare:
      read-scripts api — the migration heads in its image are not known yet
    prepare:
      rehearse a → b — the migration is tried on a scratch server before anything is touched
    deploy, fenced:
      create shop-api-1-r2 — the build context . changed
      set-restart shop-api-1 — fence
      stop shop-api-1 — fence: the migration is not additive, so nothing may write while it runs
      set-restart shop-worker-1 — fence
      stop shop-worker-1 — fence: the migration is not additive, so nothing may write while it runs
      backup at a — no migration without a backup that was decoded in full
      migrate a → b — behind the fence
      start shop-api-1-r2 — in private: no user reaches it there
      prove shop-api-1-r2 — nothing that serves is touched before its successor is proven
      create shop-worker-1-r2 — the build context . changed
      rename shop-worker-1 to shop-worker-1-000000000003-old — its successor gets the name
      rename shop-worker-1-r2 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      join shop-api-1-r2 — it is proven
      hand-over the name shop-api-1 to shop-api-1-r2 — it serves under its own name
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000002-old — it is no longer needed
      remove shop-worker-1-000000000003-old — it is no longer needed
    ");
}

#[test]
fn schema_that_nobody_knows() {
    let (mut world, live, _) = first(SPEC_DB, STACK, code("a", true, true));
    world.schema = super::super::releases::revisions("x");
    insta::assert_snapshot!(blocked(&mut world, &live), @r"
    DatabaseAhead: the database is at x, which this release does not know and evenkeel did not apply; nothing is done to it. Bring it back to a by hand, or merge the commit that has the revision
    ");
}

/// The live release's own schema: only its authors know how the two go together.
#[test]
fn schema_that_leads_elsewhere() {
    let (mut world, ..) = second(SPEC_DB, STACK, code("a", true, true), code("a b", true, true));
    let fork = release(SPEC_DB, STACK, "code-3");
    world.knows(&fork, code("a c", true, true));
    let read = forward(&fork, 3).stop_after(2).run(&mut world);
    assert!(read.lines.iter().any(|line| line.contains("read-scripts")), "{}", read.lines.join("\n"));
    insta::assert_snapshot!(blocked(&mut world, &fork), @"DatabaseDiverged: the database is at b, where evenkeel brought it with another release, and nothing that is known leads from there to c; nothing is done to it. Put the new migrations on top of b, or first deploy a commit whose head is one that both have in common");
}
