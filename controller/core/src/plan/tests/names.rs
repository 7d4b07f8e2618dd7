//! Who is found under which name.

use super::drive::deploy;
use super::releases::{SPEC, release};
use super::world::{Code, World};
use crate::container::Endpoint;
use crate::name::ServiceName;
use crate::release::Release;
use crate::spec::own_endpoints;

const SHOP: &str = "
services:
  api:
    build: .
    container_name: shop-api
    networks: {default: {aliases: [backend, any]}, edge: {}}
  worker: {image: worker, networks: {default: {aliases: [any]}}}
  web: {image: web, depends_on: [api, worker, apart], networks: [default, edge]}
  apart: {image: apart, networks: [elsewhere]}
networks:
  edge: {external: true}
  elsewhere: {}
";

fn places(release: &Release, name: &str, exists: &[&str]) -> Vec<Endpoint> {
    let name = ServiceName::new(name);
    let service = &release.project.services[&name];
    own_endpoints(release, &name, service, |name| exists.contains(&name))
}

fn on<'a>(places: &'a [Endpoint], network: &str) -> &'a Endpoint {
    places.iter().find(|place| place.network == network).unwrap()
}

#[test]
fn a_container_name_is_no_alias_where_it_has_to_change_hands() {
    let places = places(&release(SPEC, SHOP, "code-1"), "api", &[]);
    assert_eq!(on(&places, "shop_default").aliases, ["api", "backend", "any"]);
    assert_eq!(on(&places, "edge").aliases, ["api"]);
}

#[test]
fn what_a_service_depends_on_is_found_by_the_names_of_containers() {
    let release = release(SPEC, SHOP, "code-1");
    let link = |target: &str, alias: &str| (target.to_owned(), alias.to_owned());
    let web = places(&release, "web", &[]);
    // `any` means both of them; `apart` is not on this network.
    let expected = [
        link("shop-api", "api"),
        link("shop-api", "shop-api"),
        link("shop-api", "backend"),
        link("shop-worker-1", "worker"),
    ];
    assert_eq!(on(&web, "shop_default").links, expected);
    assert!(on(&web, "edge").links.is_empty());
    // Compose v1 named it so, and evenkeel keeps the name until it is replaced.
    let web = places(&release, "web", &["shop_worker_1"]);
    assert_eq!(on(&web, "shop_default").links, expected[..3]);
}

#[test]
fn another_name_of_what_it_depends_on_needs_another_container() {
    let before = release(SPEC, SHOP, "code-1");
    let after =
        release(SPEC, &SHOP.replace("container_name: shop-api", "container_name: shop-backend"), "code-1");
    let web = ServiceName::new("web");
    assert_ne!(before.config(&web), after.config(&web));
    assert_eq!(
        crate::plan::differences(&before, &after, &web),
        ["api, which it depends on, has another container_name"]
    );
    let waits = release(SPEC, &SHOP.replace("[api, worker, apart]", "{api: {condition: service_healthy}, worker: {condition: service_started}, apart: {condition: service_started}}"), "code-1");
    assert_eq!(before.config(&web), waits.config(&web), "how it waits makes no difference");
}

/// A hook of a service that this release adds cannot run before that service does.
#[test]
fn a_hook_waits_for_the_service_that_it_runs_in() {
    const API: &str = "\nservices:\n  api: {build: .}\n";
    const BOTH: &str = "\nservices:\n  api: {build: .}\n  web: {image: web, depends_on: [api]}\n";
    let spec = format!("{SPEC}  rollout: {{onTakeover: [{{service: web, exec: [reload]}}]}}\n");
    let mut world = World::default();
    let mut hooks = Vec::new();
    for (number, spec, compose) in [(1, SPEC, API), (2, &spec, BOTH), (3, &spec, BOTH)] {
        let release = release(spec, compose, &format!("code-{number}"));
        world.knows(&release, Code::default());
        let lines = deploy(&mut world, &release, number);
        let words: Vec<&str> = lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
        let of_api = lines.iter().position(|line| line.contains("stop shop-api-1"));
        let hook = words.iter().position(|word| *word == "hook");
        hooks.push((hook < of_api, hook.is_some(), words.iter().filter(|word| **word == "hook").count()));
    }
    assert_eq!(hooks[1], (false, true, 1), "the service is new: once, after everything");
    assert_eq!(hooks[2], (true, true, 1), "it runs already: before the old container is stopped");
}
