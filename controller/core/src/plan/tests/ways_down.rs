//! The way down of a schema, by what releases of the past have rehearsed, and in which order things happen on it.

use super::drive::{End, back, deploy, forward, nothing_to_do};
use super::releases::{SPEC_DB, STACK, release, revisions, scripts};
use super::world::{Code, Notes, World};
use crate::database::Rehearsal;
use crate::name::RolloutId;
use crate::plan::way_down::way_down;
use crate::plan::{Effect, KnownScripts};
use crate::release::{RehearsedFrom, Release};
use crate::status::Reason;

fn code(scripts: &'static str, additive: bool, exact: bool) -> Code {
    Code { scripts, additive, exact, ..Code::default() }
}

/// A release that the world knows.
fn known(world: &mut World, number: &str, code: Code) -> Release {
    let release = release(SPEC_DB, STACK, number);
    world.knows(&release, code);
    release
}

/// A release that never came further than this.
fn stopped_after(world: &mut World, release: &Release, rollout: i64, last: fn(&Effect) -> bool) {
    let steps = forward(release, rollout).failing(last).run(&mut world.clone()).steps;
    world.notes = Notes::default();
    forward(release, rollout).stop_after(steps + 1).run(world);
}

fn fails(world: &mut World, release: &Release, rollout: i64) {
    world.notes = Notes::default();
    let there = forward(release, rollout).run(world);
    assert!(matches!(there.end, End::Failed(_)), "{}", there.lines.join("\n"));
}

/// Releases with these scripts, the newest first, each rehearsed from a place: additive, exact.
type History<'a> = &'a [(&'a str, &'a [(&'a str, bool, bool)])];

/// The scripts of the release that goes down, and what is known of it.
fn way(history: History<'_>, from: &str, to: &str) -> Option<(String, bool, bool)> {
    let mut world = World::default();
    let desired = known(&mut world, "code-1", code("a", true, true));
    world.books.applied = Some(revisions(from));
    let seen = world.look(&desired, false);
    let known_scripts: Vec<KnownScripts> = history
        .iter()
        .enumerate()
        .map(|(number, (names, rehearsed))| KnownScripts {
            release: release(SPEC_DB, STACK, &format!("code-{number}")).digest,
            scripts: scripts(names),
            rehearsals: rehearsed
                .iter()
                .map(|&(from, additive, exact)| RehearsedFrom {
                    from: revisions(from),
                    to: None,
                    fingerprint: String::new(),
                    rehearsal: Rehearsal { runs: true, additive, exact, ..Rehearsal::default() },
                })
                .collect(),
        })
        .collect();
    let mut facts = seen.facts(&desired, RolloutId(1));
    facts.known_scripts = &known_scripts;
    let way = way_down(&facts, &revisions(from), &revisions(to))?;
    let with = known_scripts.iter().position(|known| known.release == *way.with).unwrap();
    Some((history[with].0.to_owned(), way.additive, way.exact))
}

#[test]
fn a_rehearsal_belongs_to_its_move_and_not_to_the_newest_release() {
    let told = |scripts: &str, additive, exact| Some((scripts.to_owned(), additive, exact));
    // The newest found the schema where it wanted it.
    assert_eq!(way(&[("a b", &[]), ("a b", &[("a", true, true)])], "b", "a"), told("a b", true, true));
    // The newest went on from there, and badly.
    assert_eq!(
        way(&[("a b c", &[("b", false, false)]), ("a b", &[("a", true, true)])], "b", "a"),
        told("a b", true, true)
    );
    // Both together.
    assert_eq!(
        way(&[("a b c", &[("b", false, true)]), ("a b", &[("a", true, true)])], "c", "a"),
        told("a b c", false, true)
    );
    assert_eq!(
        way(&[("a b c", &[("b", true, true)]), ("a b", &[("a", true, false)])], "c", "a"),
        told("a b c", true, false)
    );
    // One that began below, or ended above: a part of what only adds in the end may do more than that.
    assert_eq!(way(&[("a b", &[("", true, true)])], "b", "a"), told("a b", false, true));
    assert_eq!(way(&[("a b", &[]), ("a b c", &[("a", true, true)])], "b", "a"), told("a b c", false, true));
    assert_eq!(
        way(&[("a b c", &[("a", false, false)]), ("a b", &[("a", true, true)])], "b", "a"),
        told("a b", true, true)
    );
    // A part of the way is not the way.
    assert_eq!(way(&[("a b c", &[("b", true, true)]), ("a b", &[])], "c", "a"), told("a b c", false, false));
    assert_eq!(way(&[("a b", &[])], "b", "a"), told("a b", false, false));
    assert_eq!(way(&[("a", &[("", true, true)])], "b", "a"), None);
    // What the same release showed from elsewhere is still true.
    assert_eq!(
        way(&[("a b c", &[("b", true, true), ("a", false, true)])], "c", "a"),
        told("a b c", false, true)
    );
}

#[test]
fn a_release_that_found_the_schema_moved_goes_back_by_what_the_one_before_it_rehearsed() {
    let mut world = World::default();
    let old = known(&mut world, "code-1", code("a", true, true));
    deploy(&mut world, &old, 1);
    let overtaken = known(&mut world, "code-2", code("a b", false, true));
    stopped_after(&mut world, &overtaken, 2, |effect| matches!(effect, Effect::Migrate { .. }));
    assert_eq!(world.schema, revisions("b"));
    let broken = known(&mut world, "code-3", Code { broken: true, ..code("a b", false, true) });
    fails(&mut world, &broken, 3);
    assert!(matches!(back(&old, 3).run(&mut world).end, End::Finished));
    nothing_to_do(&mut world, &old);
}

const SPEC_KEEP: &str = "
  compose: {files: [compose.yaml]}
  database: {service: db, migrations: {tool: alembic, service: api, onRevert: keep}}
  services: {api: {probe: {http: {path: /, port: 8000}}}}
";

/// Its release was taken back long ago, and nobody has its scripts any more.
#[test]
fn a_schema_that_is_kept_needs_nobody_who_could_take_it_down() {
    let mut world = World::default();
    let kept = |world: &mut World, number: &str, scripts: &'static str| {
        let release = release(SPEC_KEEP, STACK, number);
        world.knows(&release, code(scripts, true, true));
        release
    };
    let old = kept(&mut world, "code-1", "0 a");
    deploy(&mut world, &old, 1);
    let taken_back = kept(&mut world, "code-2", "0 a b");
    deploy(&mut world, &taken_back, 2);
    deploy(&mut world, &old, 3);
    assert_eq!(world.schema, revisions("b"));
    world.releases.retain(|known| known.digest != taken_back.digest);
    world.books.outputs.remove(&taken_back.digest);
    nothing_to_do(&mut world, &old);
    let next = kept(&mut world, "code-3", "0 a");
    deploy(&mut world, &next, 4);
    let below = kept(&mut world, "code-4", "0");
    deploy(&mut world, &below, 5);
    assert_eq!(world.schema, revisions("b"));
    // A branch beside it, and one from above: its own migrations have not been made.
    for (number, scripts) in [("code-5", "0 x"), ("code-6", "0 a x")] {
        let beside = kept(&mut world, number, scripts);
        let end = forward(&beside, 6).run(&mut world).end;
        assert!(
            matches!(&end, End::Blocked(blocked) if blocked.reason == Reason::DatabaseDiverged),
            "{scripts}: {end:?}"
        );
    }
}

#[test]
fn on_the_way_back_up_the_kept_code_waits_for_its_schema() {
    let mut world = World::default();
    let old = known(&mut world, "code-1", code("a", true, true));
    deploy(&mut world, &old, 1);
    let live = known(&mut world, "code-2", code("a b", true, true));
    deploy(&mut world, &live, 2);
    let reverting = known(&mut world, "code-3", Code { broken: true, ..code("a", true, true) });
    // The schema went down behind the fence that stopped the code of the live release.
    world.notes = Notes { force_fenced: true, ..Notes::default() };
    let there = forward(&reverting, 3).run(&mut world);
    assert!(matches!(there.end, End::Failed(_)), "{}", there.lines.join("\n"));
    assert_eq!(world.schema, revisions("a"), "{}", there.lines.join("\n"));
    for (written, what) in [(false, "restore at b"), (true, "migrate a → b")] {
        let mut world = world.clone();
        world.notes.written = written;
        let log = back(&live, 3).run(&mut world);
        let at = |what: &str| log.lines.iter().position(|line| line.trim().starts_with(what));
        let (up, start) = (at(what), at("start shop-api-1"));
        assert!(up.is_some() && up < start, "{}", log.lines.join("\n"));
        nothing_to_do(&mut world, &live);
    }
}
