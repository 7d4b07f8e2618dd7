//! Releases that are taken back, and their schema with them.

use super::super::drive::{back, deploy, forward, nothing_to_do};
use super::super::releases::{SPEC_DB, STACK, release};
use super::super::world::{Code, Notes};
use super::{blocked, code, first, second, told};

#[test]
fn additive_migration_taken_back() {
    let (mut world, old, ..) = second(SPEC_DB, STACK, code("a", true, true), code("a b", true, true));
    insta::assert_snapshot!(told(&deploy(&mut world, &old, 3)), @"
    deploy, online:
      create shop-api-1-r3 — the build context . changed
      start shop-api-1-r3 — in private: no user reaches it there
      create shop-api-1-r3-stand-in — the published port is still held; a portless copy carries the names meanwhile
      start shop-api-1-r3-stand-in — in private
      prove shop-api-1-r3, shop-api-1-r3-stand-in — nothing that serves is touched before its successor is proven
      create shop-worker-1-r3 — the build context . changed
      set-restart shop-worker-1 — it must not come back by itself
      rename shop-worker-1 to shop-worker-1-000000000006-old — its successor gets the name
      stop shop-worker-1-000000000006-old — its successor serves
      rename shop-worker-1-r3 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      join shop-api-1-r3-stand-in — it carries the names while the port changes hands
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r3-stand-in — it serves meanwhile
      stop shop-api-1-000000000004-old — its successor serves
      join shop-api-1-r3 — the port is free
      hand-over the name shop-api-1 to shop-api-1-r3 — it serves under its own name
      stop shop-api-1-r3-stand-in — the successor serves; it drains
      remove shop-api-1-r3-stand-in — it was temporary
      backup at b — behind the newer code's stop: all that it wrote is in it
      migrate b → a — the older code serves; the newer image is the only one that has the script
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000004-old — it is no longer needed
      remove shop-worker-1-000000000006-old — it is no longer needed
    ");
}

#[test]
fn migration_that_is_not_additive_taken_back() {
    let (mut world, old, ..) = second(SPEC_DB, STACK, code("a", true, true), code("a b", false, true));
    insta::assert_snapshot!(told(&deploy(&mut world, &old, 3)), @"
    deploy, fenced:
      create shop-api-1-r3 — the build context . changed
      set-restart shop-api-1 — fence
      stop shop-api-1 — fence: the older code cannot run on the newer schema
      set-restart shop-worker-1 — fence
      stop shop-worker-1 — fence: the older code cannot run on the newer schema
      backup at b — what was written since goes into it
      migrate b → a — with the newer image, the only one that has the script
      start shop-api-1-r3 — in private: no user reaches it there
      prove shop-api-1-r3 — nothing that serves is touched before its successor is proven
      create shop-worker-1-r3 — the build context . changed
      rename shop-worker-1 to shop-worker-1-000000000005-old — its successor gets the name
      rename shop-worker-1-r3 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      join shop-api-1-r3 — it is proven
      hand-over the name shop-api-1 to shop-api-1-r3 — it serves under its own name
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000004-old — it is no longer needed
      remove shop-worker-1-000000000005-old — it is no longer needed
    ");
}

/// Proven on the newer schema, the older code fails: the schema goes down first.
#[test]
fn older_code_that_takes_no_newer_schema() {
    let (mut world, old, ..) = second(SPEC_DB, STACK, code("a", true, true), code("a b", true, true));
    world.code.insert(old.digest.clone(), Code { picky: true, ..code("a", true, true) });
    insta::assert_snapshot!(told(&deploy(&mut world, &old, 3)), @"
    deploy, online:
      create shop-api-1-r3 — the build context . changed
      start shop-api-1-r3 — in private: no user reaches it there
      create shop-api-1-r3-stand-in — the published port is still held; a portless copy carries the names meanwhile
      start shop-api-1-r3-stand-in — in private
      prove shop-api-1-r3, shop-api-1-r3-stand-in — nothing that serves is touched before its successor is proven
    deploy, fenced:
      set-restart shop-api-1 — fence
      stop shop-api-1 — fence: the older code cannot run on the newer schema
      stop shop-api-1-r3 — fence: the older code cannot run on the newer schema
      set-restart shop-api-1-r3-stand-in — fence
      stop shop-api-1-r3-stand-in — fence: the older code cannot run on the newer schema
      set-restart shop-worker-1 — fence
      stop shop-worker-1 — fence: the older code cannot run on the newer schema
      backup at b — what was written since goes into it
      migrate b → a — with the newer image, the only one that has the script
      start shop-api-1-r3 — in private: no user reaches it there
      prove shop-api-1-r3 — nothing that serves is touched before its successor is proven
      create shop-worker-1-r3 — the build context . changed
      rename shop-worker-1 to shop-worker-1-000000000006-old — its successor gets the name
      rename shop-worker-1-r3 to shop-worker-1 — it serves under its own name
      start shop-worker-1 — it takes its place
      prove shop-worker-1 — it must work before anything that depends on it moves on
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      join shop-api-1-r3 — it is proven
      hand-over the name shop-api-1 to shop-api-1-r3 — it serves under its own name
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000004-old — it is no longer needed
      remove shop-api-1-r3-stand-in — it is no longer needed
      remove shop-worker-1-000000000006-old — it is no longer needed
    ");
}

#[test]
fn inexact_downgrade_of_additions_is_kept() {
    let (mut world, old, ..) = second(SPEC_DB, STACK, code("a", true, true), code("a b", true, false));
    world.notes = Notes::default();
    let log = forward(&old, 3).run(&mut world);
    assert!(!log.lines.iter().any(|line| line.contains("migrate")), "{}", log.lines.join("\n"));
    nothing_to_do(&mut world, &old);
}

#[test]
fn inexact_downgrade_of_more_than_additions_is_blocked() {
    let (mut world, old, ..) = second(SPEC_DB, STACK, code("a", true, true), code("a b", false, false));
    insta::assert_snapshot!(blocked(&mut world, &old), @r"
    RevertFailed: the downgrade from b does not lead back exactly, and the older code cannot run on it; nothing more is done. `evenkeel backup list` shows what can be restored, and from when
    ");
}

/// Nobody wrote through the new code: the backup from behind the fence goes back.
#[test]
fn inexact_and_fenced_but_never_taken_over_is_restored() {
    let (mut world, old, _) = first(SPEC_DB, STACK, code("a", true, true));
    let next = release(SPEC_DB, STACK, "code-2");
    world.knows(&next, Code { broken: true, ..code("a b", false, false) });
    world.notes = Notes::default();
    let there = forward(&next, 2).run(&mut world);
    assert!(matches!(there.end, super::super::drive::End::Failed(_)), "{}", there.lines.join("\n"));
    insta::assert_snapshot!(told(&back(&old, 2).run(&mut world).lines), @"
    deploy, fenced:
      set-restart shop-api-1-r2 — fence
      stop shop-api-1-r2 — fence: the backup goes back behind it
      restore at a — it has the schema and the rows as they were, and nobody wrote since
      set-restart shop-api-1 — its restart policy is no, the release says always
      start shop-api-1 — it is stopped (exit code 0)
      prove shop-api-1 — it was repaired
      set-restart shop-worker-1 — its restart policy is no, the release says unless-stopped
      start shop-worker-1 — it is stopped (exit code 0)
      prove shop-worker-1 — it was repaired
      remove shop-api-1-r2 — it is no longer needed
    ");
    nothing_to_do(&mut world, &old);
}

/// What the downgrade took away is in the backup from behind its fence, and no upgrade would bring it back.
#[test]
fn a_revert_whose_older_code_fails_behind_the_fence_is_taken_back_with_its_backup() {
    let (mut world, old, newer, _) = second(SPEC_DB, STACK, code("a", true, true), code("a b", false, true));
    world.notes = Notes::default();
    let there = forward(&old, 3)
        .failing(|effect| matches!(effect, crate::plan::Effect::Prove { .. }))
        .run(&mut world);
    assert!(matches!(there.end, super::super::drive::End::Failed(_)), "{}", there.lines.join("\n"));
    assert_eq!(world.schema, super::super::releases::revisions("a"));
    let log = back(&newer, 3).run(&mut world);
    insta::assert_snapshot!(told(&log.lines), @"
    deploy, fenced:
      set-restart shop-api-1-r3 — fence
      stop shop-api-1-r3 — fence: the backup goes back behind it
      restore at b — it has the schema and the rows as they were, and nobody wrote since
      set-restart shop-api-1 — its restart policy is no, the release says always
      start shop-api-1 — it is stopped (exit code 0)
      prove shop-api-1 — it was repaired
      set-restart shop-worker-1 — its restart policy is no, the release says unless-stopped
      start shop-worker-1 — it is stopped (exit code 0)
      prove shop-worker-1 — it was repaired
      remove shop-api-1-r3 — it is no longer needed
    ");
    assert_eq!(world.schema, super::super::releases::revisions("b"));
    world.notes = Notes::default();
    nothing_to_do(&mut world, &newer);
}

/// A downgrade that leads back exactly takes a moment; a backup of much data does not.
#[test]
fn exact_and_fenced_but_never_taken_over_goes_down() {
    let (mut world, old, _) = first(SPEC_DB, STACK, code("a", true, true));
    let next = release(SPEC_DB, STACK, "code-2");
    world.knows(&next, Code { broken: true, ..code("a b", false, true) });
    world.notes = Notes::default();
    forward(&next, 2).run(&mut world);
    let lines = back(&old, 2).run(&mut world).lines;
    let moves = lines.iter().filter(|line| ["restore", "migrate"].iter().any(|it| line.contains(it)));
    insta::assert_snapshot!(moves.cloned().collect::<Vec<_>>().join("\n"), @"  migrate b → a — with the newer image, the only one that has the script");
    nothing_to_do(&mut world, &old);
}
