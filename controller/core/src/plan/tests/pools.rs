//! Whom the name of a service with several containers leads to.

use super::adoption::{self, made_by_compose};
use super::drive::{deploy, forward};
use super::prefixes::{Pair, code, resumes, reverts};
use super::releases::{SPEC, SPEC_EGRESS, STACK, release};
use super::replicas::TWO;
use super::world::{Code, World};
use crate::container::label;
use crate::observed::Container;

/// Who asks for those that are stopped and started, and is proven first: itself, and once more when its port is free.
const ASKS: &str = "
services:
  worker: {image: worker, scale: 2, environment: {STEP: '1'}}
  web:
    image: web
    ports: ['8000:8000']
    environment: {STEP: '1'}
    healthcheck: {test: [CMD, ask, worker]}
    depends_on: [worker]
";

/// Whom a name means to a container.
fn found(world: &World, client: &str, name: &str) -> String {
    let client = world.observed.containers.iter().find(|it| it.name == client).unwrap();
    let mut found: Vec<&str> = world.found(client, name).map(|it| it.name.as_str()).collect();
    found.sort_unstable();
    found.join(" ")
}

/// The same where it is proven.
fn led_to(world: &World) -> String {
    let mut private = world.clone();
    for container in &mut private.observed.containers {
        container.networks.retain(|name, _| name.contains("backstage"));
    }
    found(&private, "shop-web-1", "api")
}

#[test]
fn who_is_made_later_is_led_to_all_that_are_proven_and_nobody_to_one_that_is_not() {
    let of = |count: u32, web: &str| {
        let text = TWO.replace("scale: 2", &format!("scale: {count}"));
        release(SPEC, &text.replace("image: web", &format!("image: {web}")), "code-1")
    };
    let (mut world, mut rollout) = (World::default(), 0);
    let mut go = |count: u32, web: &str| {
        rollout += 1;
        let release = of(count, web);
        world.knows(&release, Code::default());
        deploy(&mut world, &release, rollout);
        led_to(&world)
    };
    assert_eq!(go(2, "web"), "shop-api-1 shop-api-2");
    assert_eq!(go(3, "web"), "shop-api-1 shop-api-2", "it was not proven when the link was made");
    assert_eq!(go(3, "web:2"), "shop-api-1 shop-api-2 shop-api-3");
    assert_eq!(go(2, "web:2"), "shop-api-1 shop-api-2");
    assert_eq!(go(4, "web:2"), "shop-api-1 shop-api-2", "also where the name was asked for by then");
    assert_eq!(go(4, "web:3"), "shop-api-1 shop-api-2 shop-api-3 shop-api-4");
}

/// The next release of both, on a world with the one before.
fn next(spec: &str) -> Pair {
    let (old, new) = (release(spec, ASKS, "code-1"), release(spec, &ASKS.replace("'1'", "'2'"), "code-1"));
    let mut world = World::default();
    for (rollout, release) in (1..).zip([&old, &new]) {
        world.knows(release, Code::default());
        if rollout == 1 {
            deploy(&mut world, release, rollout);
        }
    }
    Pair { world, old, new }
}

/// Wherever the rollout stands, whoever runs finds one of those that run.
#[test]
fn a_link_outlives_whom_it_leads_to() {
    for spec in [SPEC, SPEC_EGRESS] {
        let Pair { world, new, .. } = next(&spec.replace("api: {probe: {http: {path: /, port: 8000}}}", ""));
        let steps = forward(&new, 2).run(&mut world.clone()).steps;
        for stop in 0..=steps {
            let mut world = world.clone();
            let log = forward(&new, 2).stop_after(stop).run(&mut world);
            let runs = |it: &&Container| it.running() && it.name.contains("-web-");
            for client in world.observed.containers.iter().filter(runs) {
                let found = world.found(client, "worker").next();
                assert!(found.is_some(), "{} finds nobody\n{}", client.name, log.lines.join("\n"));
            }
        }
    }
}

#[test]
fn what_asks_for_those_that_are_stopped_and_started_is_proven_wherever_it_is_interrupted() {
    for spec in [SPEC, SPEC_EGRESS] {
        let pair = next(&spec.replace("api: {probe: {http: {path: /, port: 8000}}}", ""));
        resumes(&pair.world, forward(&pair.new, 2));
        reverts(&pair);
    }
}

/// What runs already is put backstage under names that lead nobody to it who is to be proven with its successors.
#[test]
fn what_compose_made_is_not_taken_for_its_successors() {
    let scaled = STACK.replace("    ports: ['8000:8000']\n", "    scale: 2\n");
    let of = |tag: &str| {
        let web =
            format!("  web: {{image: 'web:{tag}', healthcheck: {{test: [CMD, ask]}}, depends_on: [api]}}\n");
        scaled.replace("volumes: {data: {}}", &format!("{web}volumes: {{data: {{}}}}"))
    };
    let (world, _) = made_by_compose(&of("1"));
    let new = release(adoption::SPEC, &of("2"), "code-2");
    let mut known = world.clone();
    known.knows(&new, code("a", true, true));
    let steps = forward(&new, 1).run(&mut known.clone()).steps;
    let mut proven = 0;
    for stop in 0..=steps {
        let mut world = known.clone();
        let log = forward(&new, 1).stop_after(stop).run(&mut world);
        let Some(web) = world.observed.containers.iter().find(|it| it.name == "shop-web-1-r1") else {
            continue;
        };
        let mut found: Vec<&Container> = world.found(web, "api").collect();
        found.retain(|it| it.label(label::ROLLOUT).is_none());
        assert!(found.is_empty(), "web finds {}\n{}", found[0].name, log.lines.join("\n"));
        proven += 1;
    }
    assert!(proven > 0, "web has no candidate");
}
