//! Plans as people read them.

use super::drive::deploy;
use super::releases::{API, SPEC, release};
use super::world::{Code, World};

#[test]
fn first_deploy_without_a_database() {
    let mut world = World::default();
    let first = release(SPEC, API, "code-1");
    world.knows(&first, Code::default());
    insta::assert_snapshot!(deploy(&mut world, &first, 1).join("\n"), @"");
}
