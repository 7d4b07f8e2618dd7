//! What a plan makes of a world that a crash has left.

use super::drive::{deploy, forward, lines};
use super::releases::{API, SPEC_DB, STACK, release};
use super::world::{Code, Notes, World};
use crate::container::label;
use crate::name::{RolloutId, ServiceName};
use crate::observed::State;
use crate::plan::{Effect, Plan, make};
use crate::release::Release;

/// A release with hooks.
const SPEC_HOOK: &str = "
  compose: {files: [compose.yaml]}
  services: {api: {probe: {http: {path: /, port: 8000}}}}
  smoke: [{http: {service: api, port: 8000, path: /}}]
  rollout: {onTakeover: [{service: proxy, exec: [reload]}]}
";

/// A rollout that ends after the first step that is like this.
fn interrupted(spec: &str, compose: &str, code: Code, is_last: fn(&Effect) -> bool) -> (World, Release) {
    let mut world = World::default();
    let release = release(spec, compose, "code-1");
    world.knows(&release, code);
    let all = forward(&release, 1).run(&mut world.clone()).steps;
    for steps in 1..=all {
        let mut tried = world.clone();
        tried.notes = Notes::default();
        forward(&release, 1).stop_after(steps).run(&mut tried);
        let before = forward(&release, 1).failing(is_last).run(&mut world.clone()).steps;
        if steps == before {
            return (tried, release);
        }
    }
    panic!("there is no such step");
}

fn next(world: &mut World, release: &Release) -> Plan {
    let seen = world.look(release, false);
    make(&seen.facts(release, RolloutId(1))).unwrap_or_else(|blocked| panic!("{blocked}"))
}

#[test]
fn a_hook_that_may_have_been_swallowed_runs_again() {
    let joins = |effect: &Effect| matches!(effect, Effect::Join { .. });
    let (mut world, release) = interrupted(SPEC_HOOK, API, Code::default(), joins);
    let plan = next(&mut world, &release);
    let names: Vec<&str> = plan.steps.iter().map(|step| step.effect.name()).collect();
    assert_eq!(
        names,
        ["rename", "tag", "hook", "prove", "smoke", "bake", "mark-live"],
        "{}",
        lines(&plan).join("\n")
    );
}

#[test]
fn half_a_container_is_made_anew() {
    let creates_worker = |effect: &Effect| matches!(effect, Effect::Create { container, .. } if container.service.as_str() == "worker");
    let code = Code { scripts: "a", additive: true, exact: true, ..Code::default() };
    let (mut world, release) = interrupted(SPEC_DB, STACK, code, creates_worker);
    let creates = |plan: &Plan| plan.steps.iter().any(|step| creates_worker(&step.effect));
    assert!(!creates(&next(&mut world, &release)), "a whole one is used");
    let worker = ServiceName::new("worker");
    let half =
        world.observed.containers.iter_mut().find(|it| it.service().as_ref() == Some(&worker)).unwrap();
    half.networks.pop_last();
    assert!(creates(&next(&mut world, &release)));
}

#[test]
fn nothing_that_writes_is_started_on_a_schema_that_nobody_could_look_at() {
    let mut world = World::default();
    let release = release(SPEC_DB, STACK, "code-1");
    world.knows(&release, Code { scripts: "a", additive: true, exact: true, ..Code::default() });
    deploy(&mut world, &release, 1);
    let api = world.observed.containers.iter_mut().find(|it| it.label(label::COMPOSE_SERVICE) == Some("api"));
    api.unwrap().state = State::Exited;
    world.unreachable = Some("it is starting".to_owned());
    let seen = world.look(&release, false);
    let blocked = make(&seen.facts(&release, RolloutId(0))).unwrap_err();
    assert_eq!(blocked.message, "it is starting");
    world.unreachable = None;
    assert!(next(&mut world, &release).steps.iter().any(|step| step.effect.name() == "start"));
}
