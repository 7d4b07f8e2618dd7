//! Several containers of a service.

use std::collections::BTreeSet;

use evenkeel_tests::World;
use evenkeel_tests::docker::{docker, name};

const TWO: &str = "  listener:
    image: redis:7
    restart: unless-stopped
    scale: 2
    environment: {WORD: one}
    healthcheck: {test: [CMD, redis-cli, ping], interval: 2s}

networks:
";

#[test]
fn several_containers_take_turns_and_are_more_or_less() {
    let world = World::new();
    let head = world.edit("docker-compose.production.yml", |text| {
        text.replacen("networks:\n  caddy:", &format!("{TWO}  caddy:"), 1)
    });
    let controller = world.start();
    controller.settle(&head, 240);
    let ids = || -> BTreeSet<String> {
        let all = world.docker().of_service("listener");
        all.iter().map(|one| one["Id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let names = || -> BTreeSet<String> {
        let all = world.docker().of_service("listener");
        all.iter().map(|one| name(one).rsplit('-').next().unwrap_or_default().to_owned()).collect()
    };
    let found = || {
        let told = docker(&["exec", &world.docker().id("convertik-api"), "getent", "ahostsv4", "listener"]);
        told.lines().filter_map(|line| line.split(' ').next()).collect::<BTreeSet<_>>().len()
    };
    let first = ids();
    assert_eq!((first.len(), names()), (2, ["1", "2"].map(str::to_owned).into()));

    let changed = world.edit("docker-compose.production.yml", |text| text.replace("WORD: one", "WORD: two"));
    controller.settle(&changed, 180);
    let second = ids();
    assert!(second.len() == 2 && second.is_disjoint(&first), "both are replaced: {first:?} {second:?}");
    assert_eq!(found(), 2, "its name leads to both");

    let three = world.edit("docker-compose.production.yml", |text| text.replace("scale: 2", "scale: 3"));
    controller.settle(&three, 180);
    assert!(ids().len() == 3 && ids().is_superset(&second), "one is new, the others are as before");

    let one = world.edit("docker-compose.production.yml", |text| text.replace("scale: 3", "scale: 1"));
    controller.settle(&one, 180);
    assert!(
        ids().len() == 1 && ids().is_subset(&second) && names() == ["1".to_owned()].into(),
        "{:?}",
        names()
    );
    controller.several_polls();
    world.assert_tidy();
}
