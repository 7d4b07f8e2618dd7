//! A repair that fails: what it leaves goes, and what it could not put right holds up nothing else.

use super::drive::{End, deploy, forward, lines};
use super::releases::{SPEC_DB, STACK, release, revisions};
use super::world::{Code, Notes, World};
use crate::name::{RolloutId, ServiceName};
use crate::observed::State;
use crate::plan::{Effect, clear_away, lint, make};
use crate::release::Release;

fn runs() -> (World, Release) {
    let mut world = World::default();
    let release = release(SPEC_DB, STACK, "code-1");
    world.knows(&release, Code { scripts: "a", ..Code::default() });
    deploy(&mut world, &release, 1);
    world.notes = Notes::default();
    (world, release)
}

fn stop(world: &mut World, service: &str) {
    let service = ServiceName::new(service);
    let mut containers = world.observed.containers.iter_mut();
    containers.find(|it| it.service().as_ref() == Some(&service)).unwrap().state = State::Exited;
}

fn plan(world: &mut World, release: &Release) -> String {
    let seen = world.look(release, false);
    let facts = seen.facts(release, RolloutId(3));
    let plan = make(&facts).unwrap();
    assert_eq!(lint(&plan, &facts), Vec::<String>::new());
    lines(&plan).join("\n")
}

#[test]
fn what_is_held_is_left_alone_and_the_others_are_put_right() {
    let (mut world, release) = runs();
    stop(&mut world, "api");
    stop(&mut world, "worker");
    world.held.insert(ServiceName::new("api"));
    insta::assert_snapshot!(plan(&mut world, &release), @"
    start shop-worker-1 — it is stopped (exit code 0)
    prove shop-worker-1 — it was repaired
    ");
    world.observed.containers.retain(|it| it.service() != Some(ServiceName::new("api")));
    insta::assert_snapshot!(plan(&mut world, &release), @"
    start shop-worker-1 — it is stopped (exit code 0)
    prove shop-worker-1 — it was repaired
    ");
    world.held.insert(ServiceName::new("worker"));
    assert_eq!(plan(&mut world, &release), "");
}

/// What moves it stops whatever writes, and starts it again.
#[test]
fn the_schema_does_not_move_without_what_is_held() {
    let (mut world, release) = runs();
    world.schema = revisions("");
    world.books.schema = Some(revisions(""));
    assert_ne!(plan(&mut world, &release), "");
    world.held.insert(ServiceName::new("worker"));
    assert_eq!(plan(&mut world, &release), "");
}

/// It would be made in the namespace of a container that is not there.
#[test]
fn what_lives_with_what_is_held_is_left_alone_too() {
    let compose = STACK.replace(
        "volumes: {data: {}}",
        "  beside: {image: mailer, network_mode: 'service:api'}\nvolumes: {data: {}}",
    );
    let mut world = World::default();
    let release = release(SPEC_DB, &compose, "code-1");
    world.knows(&release, Code { scripts: "a", ..Code::default() });
    deploy(&mut world, &release, 1);
    world.observed.containers.retain(|it| it.service() != Some(ServiceName::new("api")));
    stop(&mut world, "beside");
    world.held.insert(ServiceName::new("api"));
    assert_eq!(plan(&mut world, &release), "");
}

#[test]
fn what_a_repair_made_and_could_not_prove_goes() {
    let (mut world, release) = runs();
    world.observed.containers.retain(|it| it.service() != Some(ServiceName::new("api")));
    let before = world.shape();
    let log = forward(&release, 3).failing(|effect| matches!(effect, Effect::Prove { .. })).run(&mut world);
    assert!(matches!(log.end, End::Failed(_)), "{:?}", log.end);
    let seen = world.look(&release, false);
    let plan = clear_away(&seen.facts(&release, RolloutId(3)));
    insta::assert_snapshot!(lines(&plan).join("\n"), @"
    stop shop-api-1-r3 — the repair failed, and it does not serve
    remove shop-api-1-r3 — the repair failed, and it does not serve
    ");
    for step in &plan.steps {
        world.apply(&release, RolloutId(3), false, &step.effect, false).unwrap();
    }
    assert_eq!(world.shape(), before);
    let seen = world.look(&release, false);
    assert!(clear_away(&seen.facts(&release, RolloutId(1))).is_empty(), "what serves stays");
}
