//! Who is found under which name.

use super::drive::deploy;
use super::releases::{SPEC, release};
use super::world::{Code, World};
use crate::container::Endpoint;
use crate::name::{ImageId, RolloutId, ServiceName};
use crate::plan::Role;
use crate::release::Release;
use crate::spec::{Making, own_endpoints};

const SHOP: &str = "
services:
  api:
    build: .
    container_name: shop-api
    networks: {default: {aliases: [backend, any]}, edge: {}}
  worker: {image: worker, networks: {default: {aliases: [any]}}}
networks:
  edge: {external: true}
";

fn places(release: &Release, name: &str) -> Vec<Endpoint> {
    let name = ServiceName::new(name);
    let service = &release.project.services[&name];
    own_endpoints(release, &name, service)
}

fn on<'a>(places: &'a [Endpoint], network: &str) -> &'a Endpoint {
    places.iter().find(|place| place.network == network).unwrap()
}

#[test]
fn a_container_name_is_no_alias_where_it_has_to_change_hands() {
    let places = places(&release(SPEC, SHOP, "code-1"), "api");
    assert_eq!(on(&places, "shop_default").aliases, ["api", "backend", "any"]);
    assert_eq!(on(&places, "edge").aliases, ["api"]);
}

/// Links to a name follow it; those to the candidate of the same rollout, which does not have the name yet, are to that one.
#[test]
fn a_candidate_finds_what_serves_by_its_name() {
    const BOTH: &str = "\nservices:\n  api: {build: .}\n  web: {image: web, depends_on: [api]}\n";
    let spec = SPEC.replace("services: {", "services: {web: {probe: {tcp: {port: 80}}}, ");
    let release = release(&spec, BOTH, "code-1");
    let mut world = World::default();
    world.knows(&release, Code::default());
    deploy(&mut world, &release, 1);
    let serving = ("shop-api-1".to_owned(), "api".to_owned());
    assert_eq!(link(&world, &release, 2), serving, "it serves");
    assert_eq!(link(&world, &release, 1), serving, "its own rollout's, which serves by now");
    let api = world.observed.containers.iter_mut().find(|it| it.name == "shop-api-1").unwrap();
    api.name = "shop-api-1-r1".to_owned();
    let id = api.id.short().to_owned();
    assert_eq!(link(&world, &release, 1), (id, "api".to_owned()), "it does not have the name yet");
}

/// The link that a candidate of `web` brings for `api`.
fn link(world: &World, release: &Release, rollout: i64) -> (String, String) {
    let making = Making {
        release,
        service: &ServiceName::new("web"),
        image: &ImageId::new("sha256:web"),
        rollout: RolloutId(rollout),
        peers: &world.observed.containers,
        serving: &world.books.serving,
        files: "",
        backstage: true,
    };
    making.container("candidate", Role::Successor).endpoints[0].links[0].clone()
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
