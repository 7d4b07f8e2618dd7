//! The simulated side.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use evenkeel_core::name::ContainerId;
use evenkeel_core::observed::State;

use super::bench::Bench;
use super::hands::Hands;
use crate::engine::Engine;
use crate::sim::machine::Machine;
use crate::sim::world::World;

/// A person at the simulated host.
struct Person(Machine);

/// A host of its own. `unbinds`: in the way of newer engines.
pub(super) fn bench(unbinds: bool) -> Bench {
    let mut world = World::new();
    world.unbinds = unbinds;
    let machine = Machine::new(world);
    let share = || Arc::new(machine.clone());
    Bench::new(share(), share(), share(), Box::new(Person(machine.clone())), "tests-0-000000".to_owned())
}

impl Person {
    fn at<T>(&self, container: &ContainerId, read: impl FnOnce(&mut World, usize) -> T) -> T {
        self.0.look(|world| {
            let place = world.position(container.as_str()).unwrap();
            read(world, place)
        })
    }

    fn addresses(&self, from: &ContainerId, name: &str) -> BTreeSet<String> {
        self.at(from, |world, place| {
            let from = &world.containers[place];
            let Some((network, target)) = world.means(from, name) else { return BTreeSet::new() };
            let places = world.everybody(network, target);
            places.map(|place| world.containers[place].seen.networks[network].ip_address.clone()).collect()
        })
    }
}

#[async_trait(?Send)]
impl Hands for Person {
    fn free_port(&self, number: u16) -> u16 {
        18_000 + number
    }

    fn subnet(&self, number: u8) -> String {
        format!("10.232.{number}.0/26")
    }

    async fn postgres(&self, engine: &dyn Engine) -> &'static str {
        // Whatever is pulled there is PostgreSQL.
        engine.pull("postgres:15", &|_| ()).await.unwrap();
        "postgres:15"
    }

    async fn pause(&self, container: &ContainerId) {
        self.at(container, |world, place| world.containers[place].seen.state = State::Paused);
    }

    async fn end(&self, container: &ContainerId, exit_code: u8) {
        self.at(container, |world, place| world.end_by_itself(place, exit_code.into()));
    }

    async fn remove_network(&self, name: &str) {
        self.0.look(|world| world.networks.remove(name)).unwrap();
    }

    async fn resolve(&self, from: &ContainerId, names: &[&str]) -> Vec<BTreeSet<String>> {
        names.iter().map(|name| self.addresses(from, name)).collect()
    }

    async fn write(&self, server: &ContainerId, row: u64) -> bool {
        self.at(server, |world, place| world.write(place, "shop", row))
    }

    // There, migrations take longer than it takes to kill them.
    async fn bar(&self, _server: &ContainerId) {}

    async fn unbar(&self, _server: &ContainerId) {}

    async fn sessions(&self, server: &ContainerId) -> usize {
        self.0.look(|world| world.backends.iter().filter(|it| it.server == *server).count())
    }
}
