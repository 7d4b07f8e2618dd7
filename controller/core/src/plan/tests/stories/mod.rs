//! Plans as people read them, by theme.

mod code_only;
mod found_there;
mod schema_down;
mod schema_up;
mod stopped_first;

use super::drive::{deploy, lines};
use super::releases::release;
use super::world::{Code, World};
use crate::name::RolloutId;
use crate::plan::make;
use crate::release::Release;

/// A manifest that names nothing but the Compose file.
const PLAIN: &str = "\n  compose: {files: [compose.yaml]}\n";

pub(in crate::plan::tests) fn code(scripts: &'static str, additive: bool, exact: bool) -> Code {
    Code { scripts, additive, exact, ..Code::default() }
}

/// Every container name holds an id: what the steps say is the same on every run.
pub(in crate::plan::tests) fn told(lines: &[String]) -> String {
    lines.join("\n")
}

pub(in crate::plan::tests) fn first(spec: &str, compose: &str, has: Code) -> (World, Release, String) {
    let mut world = World::default();
    let release = release(spec, compose, "code-1");
    world.knows(&release, has);
    let lines = deploy(&mut world, &release, 1);
    (world, release, told(&lines))
}

fn second(spec: &str, compose: &str, old: Code, new: Code) -> (World, Release, Release, String) {
    let (mut world, first, _) = first(spec, compose, old);
    let next = release(spec, compose, "code-2");
    world.knows(&next, new);
    let lines = deploy(&mut world, &next, 2);
    (world, first, next, told(&lines))
}

/// What would be done to a world in which somebody has been at work.
pub(super) fn repair(world: &mut World, release: &Release) -> String {
    let seen = world.look(release, false);
    let plan = make(&seen.facts(release, RolloutId(3))).unwrap_or_else(|blocked| panic!("{blocked}"));
    told(&lines(&plan))
}

fn blocked(world: &mut World, release: &Release) -> String {
    let seen = world.look(release, false);
    match make(&seen.facts(release, RolloutId(3))) {
        Ok(plan) => panic!("{}", told(&lines(&plan))),
        Err(blocked) => format!("{:?}: {}", blocked.reason, blocked.message),
    }
}
