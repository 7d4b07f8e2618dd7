//! The way back of a schema where the plain one is closed: half done, begun elsewhere, or with nobody to go back to.

use super::drive::{End, back, deploy, forward, nothing_to_do};
use super::releases::{SPEC_DB, STACK, release, revisions};
use super::stories::{code, first, told};
use super::world::{Books, Code, Notes, World};
use crate::plan::{Effect, HalfDone};
use crate::release::Release;

/// What a migration that stopped half way left.
fn wreck(additive: bool, index: Option<&str>) -> HalfDone {
    HalfDone {
        differences: Vec::new(),
        invalid_indexes: index.map(str::to_owned).into_iter().collect(),
        additive,
    }
}

/// A is live; B moved the schema and served when something newer came. The world, A, and C, which fails.
fn overtaken(c: Code) -> (World, Release, Release) {
    let (mut world, a, _) = first(SPEC_DB, STACK, code("a", true, true));
    let b = release(SPEC_DB, STACK, "code-2");
    world.knows(&b, code("a b", true, true));
    world.notes = Notes::default();
    let there = forward(&b, 2).failing(|effect| matches!(effect, Effect::Bake { .. })).run(&mut world);
    assert!(matches!(there.end, End::Failed(_)), "{}", there.lines.join("\n"));
    let next = release(SPEC_DB, STACK, "code-3");
    world.knows(&next, c);
    world.notes = Notes::default();
    (world, a, next)
}

/// Goes back to what serves then; what is done to the schema on the way.
fn taken_back(world: &mut World, a: &Release, rollout: i64) -> String {
    let log = back(a, rollout).run(world);
    assert!(matches!(log.end, End::Finished), "{:?}\n{}", log.end, log.lines.join("\n"));
    nothing_to_do(world, a);
    schema_lines(&log.lines)
}

/// The backup of the release that failed is of where its migration began, and that is not where the older code had the schema.
#[test]
fn a_backup_goes_back_to_where_it_was_made_and_the_way_goes_on_from_there() {
    let (mut world, a, c) = overtaken(Code { broken: true, ..code("a b c", false, false) });
    let there = forward(&c, 3).run(&mut world);
    assert!(matches!(there.end, End::Failed(_)), "{}", there.lines.join("\n"));
    insta::assert_snapshot!(taken_back(&mut world, &a, 3), @"
    prepare:
      restore at b — it has the schema and the rows as they were, and nobody wrote since
    deploy, online:
      start shop-api-1-000000000002-old — it is stopped (exit code 0)
      start shop-worker-1-000000000003-old — it is stopped (exit code 0)
      backup at b — behind the newer code's stop: all that it wrote is in it
      migrate b → a — the older code serves; the newer image is the only one that has the script
    ");
    assert_eq!(world.schema, revisions("a"));
}

/// The same where the migration stopped half way, so that the revision says nothing of it.
#[test]
fn a_wreck_above_the_older_code_is_mended_before_the_schema_goes_down() {
    let (mut world, a, c) = overtaken(code("a b c", false, true));
    let fails = |effect: &Effect| matches!(effect, Effect::Migrate { .. });
    forward(&c, 3).failing(fails).run(&mut world);
    world.half_done = Some(wreck(false, None));
    insta::assert_snapshot!(taken_back(&mut world, &a, 3), @"
    prepare:
      restore at b — the migration failed halfway, and nobody wrote since the backup
    deploy, online:
      start shop-api-1-000000000002-old — it is stopped (exit code 0)
      start shop-worker-1-000000000003-old — it is stopped (exit code 0)
      backup at b — behind the newer code's stop: all that it wrote is in it
      migrate b → a — the older code serves; the newer image is the only one that has the script
    ");
}

/// Left-overs that only add are swept first, and then the schema goes down.
#[test]
fn additions_above_the_older_code_are_swept_before_the_schema_goes_down() {
    let (mut world, a, c) = overtaken(code("a b c", true, true));
    let fails = |effect: &Effect| matches!(effect, Effect::Migrate { .. });
    forward(&c, 3).failing(fails).run(&mut world);
    world.half_done = Some(wreck(true, Some("notes_index")));
    insta::assert_snapshot!(taken_back(&mut world, &a, 3), @"
    prepare:
      drop-invalid-indexes notes_index — the failed migration left them invalid
    deploy, online:
      start shop-api-1-r3-back — in private: no user reaches it there
      start shop-api-1-r3-back-stand-in — in private
      start shop-worker-1 — it takes its place
      backup at b — behind the newer code's stop: all that it wrote is in it
      migrate b → a — the older code serves; the newer image is the only one that has the script
    ");
}

/// The older code serves by then, and has shown that it runs on the additions.
#[test]
fn a_downgrade_that_fails_behind_the_older_code_leaves_it_serving() {
    let (mut world, a, _) = first(SPEC_DB, STACK, code("a", true, true));
    let b = release(SPEC_DB, STACK, "code-2");
    world.knows(&b, code("a b", true, true));
    world.notes = Notes::default();
    forward(&b, 2).failing(|effect| matches!(effect, Effect::Bake { .. })).run(&mut world);
    let log = back(&a, 2).failing(|effect| matches!(effect, Effect::Migrate { .. })).run(&mut world);
    assert!(matches!(log.end, End::Finished), "{:?}\n{}", log.end, log.lines.join("\n"));
    let fences = log.lines.iter().filter(|line| line.contains("fence"));
    assert_eq!(fences.collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(world.schema, revisions("b"));
    nothing_to_do(&mut world, &a);
}

/// A stack that somebody else made, and its first release, which fails.
fn adopted(next: Code) -> (World, Release) {
    let (mut world, ..) = first(SPEC_DB, STACK, code("a", true, true));
    for container in &mut world.observed.containers {
        container.labels.retain(|name, _| !name.starts_with("evenkeel."));
    }
    world.books = Books::default();
    world.notes = Notes::default();
    let release = release(SPEC_DB, STACK, "code-2");
    world.knows(&release, next);
    (world, release)
}

#[test]
fn a_first_release_that_changed_the_schema_is_undone_with_its_backup() {
    let (mut world, next) = adopted(Code { broken: true, ..code("a b", false, false) });
    let there = forward(&next, 2).run(&mut world);
    assert!(matches!(there.end, End::Failed(_)), "{}", there.lines.join("\n"));
    let log = forward(&next, 2).undo(&mut world);
    insta::assert_snapshot!(told(&log.lines), @"
    set-restart shop-api-1-r2 — it must not come back by itself
    stop shop-api-1-r2 — its release failed
    restore at a — the release that changed the schema failed, and nobody wrote since
    remove shop-api-1-r2 — its release failed
    set-restart shop-api-1 — as it was before
    start shop-api-1 — as it was before
    set-restart shop-worker-1 — as it was before
    start shop-worker-1 — as it was before
    ");
    assert_eq!(world.schema, revisions("a"));
}

#[test]
fn a_first_release_whose_migration_stopped_half_way_is_undone_with_its_backup() {
    let (mut world, next) = adopted(code("a b", false, true));
    let fails = |effect: &Effect| matches!(effect, Effect::Migrate { .. });
    forward(&next, 2).failing(fails).run(&mut world);
    world.half_done = Some(wreck(false, None));
    let log = forward(&next, 2).undo(&mut world);
    insta::assert_snapshot!(schema_lines(&log.lines), @"
    restore at a — the release that changed the schema failed, and nobody wrote since
    start shop-api-1 — as it was before
    start shop-worker-1 — as it was before
    ");
}

/// Users have written to the new code: neither the backup nor the older code is right, so what serves stays.
#[test]
fn what_stood_before_is_not_started_on_a_schema_that_is_not_its_own() {
    let (mut world, next) = adopted(code("a b", false, false));
    forward(&next, 2).failing(|effect| matches!(effect, Effect::Bake { .. })).run(&mut world);
    let containers = world.observed.containers.clone();
    let log = forward(&next, 2).undo(&mut world);
    let End::Blocked(blocked) = &log.end else { panic!("{:?}\n{}", log.end, log.lines.join("\n")) };
    assert_eq!(blocked.reason, crate::status::Reason::RevertFailed);
    assert_eq!(world.observed.containers, containers);
}

/// What is done to the schema, in which plan.
fn schema_lines(lines: &[String]) -> String {
    let words = ["prepare", "deploy", "restore", "migrate", "drop", "backup", "start"];
    let is_told = |line: &&String| words.iter().any(|word| line.trim_start().starts_with(word));
    lines.iter().filter(is_told).cloned().collect::<Vec<_>>().join("\n")
}

#[test]
fn a_release_after_all_that_finds_nothing_in_its_way() {
    let (mut world, next) = adopted(Code { broken: true, ..code("a b", false, false) });
    forward(&next, 2).run(&mut world);
    forward(&next, 2).undo(&mut world);
    world.knows(&next, code("a b", false, true));
    deploy(&mut world, &next, 3);
}

/// What is stopped and started has users from its start on. Here it is the API, for it writes to a volume.
#[test]
fn what_users_wrote_to_one_that_is_stopped_and_started_is_not_put_back_over() {
    let stack = STACK
        .replace("  api:\n", "  api:\n    volumes: ['uploads:/uploads']\n")
        .replace("volumes: {data: {}}", "volumes: {data: {}, uploads: {}}");
    let (mut world, a, _) = first(SPEC_DB, &stack, code("a", true, true));
    let b = release(SPEC_DB, &stack, "code-2");
    world.knows(&b, code("a b", false, false));
    world.notes = Notes::default();
    let there = forward(&b, 2).failing(|effect| matches!(effect, Effect::Bake { .. })).run(&mut world);
    assert!(matches!(there.end, End::Failed(_)), "{}", there.lines.join("\n"));
    assert!(!world.notes.taken_over && world.notes.written, "{}", there.lines.join("\n"));
    let log = back(&a, 2).run(&mut world);
    let End::Blocked(blocked) = &log.end else { panic!("{:?}\n{}", log.end, log.lines.join("\n")) };
    assert_eq!(blocked.reason, crate::status::Reason::RevertFailed);
}

/// The host has restarted, and Compose's database does not come back with it.
#[test]
fn nothing_older_is_started_before_the_schema_has_been_looked_at() {
    let (mut world, next) = adopted(Code { broken: true, ..code("a b", false, false) });
    forward(&next, 2).run(&mut world);
    for container in &mut world.observed.containers {
        container.state = crate::observed::State::Exited;
    }
    let log = forward(&next, 2).undo(&mut world);
    insta::assert_snapshot!(told(&log.lines), @"  start shop-db-1 — as it was before");
    assert_eq!(world.schema, revisions("b"));
    forward(&next, 2).undo(&mut world);
    assert_eq!(world.schema, revisions("a"));
}

/// Its migration has stopped at b, on its way from a to c: each script has a transaction of its own. What it has done is on record.
fn stops_between(world: &mut World, next: &Release, rollout: i64, wreck: HalfDone) {
    forward(next, rollout).failing(|effect| matches!(effect, Effect::Migrate { .. })).run(world);
    let (a, b) = (revisions("a"), revisions("b"));
    let fingerprint = world.fingerprint();
    let outputs = world.books.outputs.get_mut(&next.digest).unwrap();
    outputs.keep_part(&a, &b, fingerprint, wreck.additive);
    world.notes.began_at = Some(a);
    world.is_moved(&b);
    world.half_done = Some(wreck);
}

/// A is live; what comes next has two migrations.
fn two_migrations(additive: bool, exact: bool) -> (World, Release, Release) {
    let (mut world, a, _) = first(SPEC_DB, STACK, code("a", true, true));
    let next = release(SPEC_DB, STACK, "code-2");
    world.knows(&next, code("a b c", additive, exact));
    world.notes = Notes::default();
    (world, a, next)
}

#[test]
fn a_fenced_migration_that_stops_between_two_scripts_comes_from_its_backup() {
    let (mut world, a, next) = two_migrations(false, true);
    stops_between(&mut world, &next, 2, wreck(false, None));
    insta::assert_snapshot!(taken_back(&mut world, &a, 2), @"
    deploy, fenced:
      restore at a — the migration failed halfway, and nobody wrote since the backup
      start shop-api-1 — it is stopped (exit code 0)
      start shop-worker-1 — it is stopped (exit code 0)
    ");
    assert_eq!(world.schema, revisions("a"));
}

#[test]
fn what_stops_between_two_scripts_goes_down_where_it_only_adds() {
    let (mut world, a, next) = two_migrations(true, true);
    stops_between(&mut world, &next, 2, wreck(true, Some("notes_index")));
    insta::assert_snapshot!(taken_back(&mut world, &a, 2), @"
    prepare:
      drop-invalid-indexes notes_index — the failed migration left them invalid
    deploy, online:
      backup at b — behind the newer code's stop: all that it wrote is in it
      migrate b → a — the older code serves; the newer image is the only one that has the script
    ");
    assert_eq!(world.schema, revisions("a"));
}

/// Also for good: nobody is blocked by it afterwards.
#[test]
fn what_stops_between_two_scripts_stays_where_it_only_adds_and_nothing_leads_back() {
    let (mut world, a, next) = two_migrations(true, false);
    stops_between(&mut world, &next, 2, wreck(true, None));
    insta::assert_snapshot!(taken_back(&mut world, &a, 2), @"");
    assert_eq!(world.schema, revisions("b"));
    world.notes = Notes::default();
    nothing_to_do(&mut world, &a);
}

#[test]
fn a_first_release_whose_migration_stops_between_two_scripts_is_undone() {
    for additive in [false, true] {
        let (mut world, next) = adopted(code("a b c", additive, true));
        stops_between(&mut world, &next, 2, wreck(additive, None));
        let log = forward(&next, 2).undo(&mut world);
        assert!(matches!(log.end, End::Finished), "{:?}\n{}", log.end, log.lines.join("\n"));
        assert_eq!(world.schema, revisions("a"), "{}", log.lines.join("\n"));
    }
}

/// Begun online, ended by a crash at b, and gone on from there behind a fence: the backup is of b.
#[test]
fn a_first_release_whose_backup_was_taken_half_way_goes_on_down_before_anything_older_starts() {
    let (mut world, next) = adopted(code("a b c", false, true));
    stops_between(&mut world, &next, 2, wreck(false, None));
    world.notes.backup = Some(revisions("b"));
    let log = forward(&next, 2).undo(&mut world);
    insta::assert_snapshot!(schema_lines(&log.lines), @"  restore at b — the release that changed the schema failed, and nobody wrote since");
    let log = forward(&next, 2).undo(&mut world);
    insta::assert_snapshot!(schema_lines(&log.lines), @"
    migrate b → a — the release that moved the schema failed, and nobody writes to it any more
    start shop-api-1 — as it was before
    start shop-worker-1 — as it was before
    ");
    assert_eq!(world.schema, revisions("a"));
}

/// Nothing leads down from where the backup is: nobody waits for ever, and nothing older is started.
#[test]
fn a_first_release_whose_backup_was_taken_half_way_and_leads_nowhere_stays_and_says_so() {
    let (mut world, next) = adopted(code("a b c", false, false));
    stops_between(&mut world, &next, 2, wreck(false, None));
    world.notes.backup = Some(revisions("b"));
    forward(&next, 2).undo(&mut world);
    let log = forward(&next, 2).undo(&mut world);
    let End::Blocked(blocked) = &log.end else { panic!("{:?}\n{}", log.end, log.lines.join("\n")) };
    assert_eq!(blocked.reason, crate::status::Reason::RevertFailed);
}

/// The fence is down, and users write: the backup is not theirs.
#[test]
fn a_backup_does_not_go_back_over_what_users_wrote_where_somebody_moved_the_schema_meanwhile() {
    let (mut world, a, next) = two_migrations(false, true);
    stops_between(&mut world, &next, 2, wreck(false, None));
    world.notes.taken_over = true;
    let log = back(&a, 2).run(&mut world);
    let End::Blocked(blocked) = &log.end else { panic!("{:?}\n{}", log.end, log.lines.join("\n")) };
    assert_eq!(blocked.reason, crate::status::Reason::RevertFailed);
    assert_eq!(world.schema, revisions("b"));
}
