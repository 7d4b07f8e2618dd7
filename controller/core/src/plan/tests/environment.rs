//! Variables that are named without a value: containers do not get them, not their image's either.

use super::drive::{deploy, nothing_to_do};
use super::prefixes::{Pair, resumes};
use super::releases::{SPEC, release};
use super::world::{Code, World};
use crate::name::RolloutId;
use crate::observed::Container;
use crate::plan::make;
use crate::release::Release;
use crate::secret::Secret;

const NAMED: &str = "
services:
  api: {build: ., image: shop-api}
  web: {image: web, healthcheck: {test: [CMD, check]}, environment: [WORD]}
";

fn web(world: &mut World) -> &mut Container {
    world.observed.containers.iter_mut().find(|it| it.name == "shop-web-1").unwrap()
}

/// A world where the first of two Compose files runs, in a container with this environment, of an image with that one.
fn runs(compose: [&str; 2], image: &[&str], container: &[&str]) -> Pair {
    let [old, new] = compose.map(|compose| release(SPEC, compose, "code-1"));
    let mut world = World::default();
    for release in [&new, &old] {
        world.knows(release, Code::default());
    }
    deploy(&mut world, &old, 1);
    let of_image = image.iter().map(|it| (*it).to_owned()).collect();
    world.observed.images.get_mut("web").unwrap().environment = of_image;
    web(&mut world).environment = container.iter().map(|it| Secret::new(*it)).collect();
    Pair { world, old, new }
}

/// What is done about its container, and why.
fn becomes(world: &World, release: &Release) -> String {
    let mut world = world.clone();
    let seen = world.look(release, false);
    let plan = make(&seen.facts(release, RolloutId(2))).unwrap();
    let steps = super::drive::lines(&plan);
    steps.into_iter().find(|line| line.contains("create shop-web-1-r2")).unwrap_or_default()
}

#[test]
fn what_is_named_without_a_value_is_taken_from_the_image() {
    let Pair { world, new, .. } = runs([&NAMED.replace("WORD", "OTHER=1"), NAMED], &["WORD=image"], &[]);
    assert!(becomes(&world, &new).contains("environment: OTHER, WORD changed"), "{}", becomes(&world, &new));
    let without = NAMED.replace(", environment: [WORD]", "");
    let Pair { mut world, old, new } = runs([&without, NAMED], &["WORD=image"], &["WORD=image"]);
    assert_eq!(becomes(&world, &new), "  create shop-web-1-r2 — environment: WORD changed");
    assert_ne!(old.digest, new.digest, "it is another release");
    deploy(&mut world, &new, 2);
    web(&mut world).environment = vec![Secret::new("WORD")];
    nothing_to_do(&mut world, &new);
    assert_eq!(becomes(&world, &old), "  create shop-web-1-r2 — environment: WORD changed");
}

/// An earlier evenkeel, and some versions of `docker compose` 2, left such variables out.
#[test]
fn what_was_made_without_it_is_kept_where_the_image_has_none() {
    for environment in [&["PATH=/bin"][..], &["PATH=/bin", "WORD"]] {
        let Pair { mut world, old, .. } = runs([NAMED, NAMED], &["PATH=/bin"], environment);
        nothing_to_do(&mut world, &old);
    }
    let without = NAMED.replace(", environment: [WORD]", "");
    let Pair { world, new, .. } = runs([NAMED, &without], &["PATH=/bin"], &["PATH=/bin", "WORD"]);
    assert_eq!(becomes(&world, &new), "", "to its container it is the same");
    let Pair { world, old, .. } = runs([NAMED, NAMED], &["WORD=image"], &["WORD=image"]);
    let why = "  create shop-web-1-r2 — environment: it has the variable WORD, which is to have no value";
    assert_eq!(becomes(&world, &old), why);
    resumes(&world, super::drive::forward(&old, 2));
}
