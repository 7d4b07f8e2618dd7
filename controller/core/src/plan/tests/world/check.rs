//! Who is found under a name, and what holds after every step.

use std::collections::BTreeSet;

use super::World;
use crate::observed::{Container, Joined};

impl World {
    /// What holds after every step: a port, a name and a written volume have one owner; and nobody serves on a schema that it
    /// cannot run on.
    pub(super) fn check(&self) -> Result<(), String> {
        let containers = &self.observed.containers;
        let names: BTreeSet<&str> = containers.iter().map(|it| it.name.as_str()).collect();
        if names.len() != containers.len() {
            return Err("a name is had twice".to_owned());
        }
        let binds = containers
            .iter()
            .filter(|it| it.running() && self.reachable(it))
            .flat_map(|it| &it.port_bindings);
        let mut bound = BTreeSet::new();
        for port in binds {
            if !bound.insert(port) {
                return Err(format!("port {port:?} is already allocated"));
            }
        }
        let mounts =
            containers.iter().filter(|it| it.running()).flat_map(|it| &it.mounts).filter(|mount| mount.2);
        let mut written = BTreeSet::new();
        for (volume, ..) in mounts {
            if !written.insert(volume) {
                return Err(format!("two containers write to {volume}"));
            }
        }
        for container in containers.iter().filter(|it| it.running() && self.reachable(it)) {
            let Some((release, code)) = self.code_of(container) else { continue };
            let is_database = container.service().as_ref() == release.database_service();
            if !is_database && !self.runs_on_schema(release, code) {
                return Err(format!(
                    "{} serves on schema {}",
                    container.name,
                    crate::plan::revisions(&self.schema)
                ));
            }
        }
        Ok(())
    }

    /// Whether it is on a network that is not internal: then its ports are bound, and others reach it.
    pub(in crate::plan::tests) fn reachable(&self, container: &Container) -> bool {
        container.networks.keys().any(|name| {
            name == "bridge" || self.observed.networks.get(name).is_some_and(|network| !network.internal)
        })
    }

    /// Who runs and is meant by a name that a container asks for: its own links first, then the names that others have on its networks,
    /// but for those on which it has a link of that name. Networks that lead outside come first.
    pub(in crate::plan::tests) fn found<'a>(
        &'a self,
        client: &'a Container,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Container> {
        let internal = |network: &str| self.observed.networks.get(network).is_some_and(|it| it.internal);
        let mut networks: Vec<(&str, &Joined)> =
            client.networks.iter().map(|(network, joined)| (network.as_str(), joined)).collect();
        networks.sort_by_key(|(network, _)| internal(network));
        let link = |joined: &'a Joined| {
            let mut links = joined.links.iter().rev();
            links.find_map(|(target, alias)| (alias == name).then_some(target.as_str()))
        };
        let linked = networks.iter().filter_map(|(network, joined)| Some((*network, link(joined)?)));
        let plain = networks.iter().filter(|(_, joined)| link(joined).is_none());
        let ways = linked.chain(plain.map(|(network, _)| (*network, name))).collect::<Vec<_>>();
        let way = ways.into_iter().find(|(network, name)| self.named(network, name).next().is_some());
        way.into_iter().flat_map(|(network, name)| self.named(network, name))
    }

    /// Who runs and has a name on a network.
    pub(super) fn named<'a>(
        &'a self,
        network: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Container> {
        self.observed.containers.iter().filter(move |it| {
            it.running()
                && it.networks.get(network).is_some_and(|joined| {
                    it.name == name
                        || it.id.short() == name
                        || joined.aliases.iter().any(|alias| alias == name)
                })
        })
    }
}
