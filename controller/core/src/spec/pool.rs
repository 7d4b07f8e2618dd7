//! Names backstage that lead to all containers of one service.
//!
//! A container gets its names on a network once, when it joins, and a link leads to one name. So those that were made at different times
//! have to have a name in common; yet one that is not proven must have no name that anybody is led to. Each therefore gets several that
//! nobody uses yet, and whoever is made later gets those of them that no link leads to so far.

use std::collections::{BTreeMap, BTreeSet};

use crate::container::label;
use crate::name::{ContainerId, RolloutId, ServiceName};
use crate::observed::Container;
use crate::plan::backstage;
use crate::release::Release;

/// How many names a rollout gives: so often something can be made anew, and be found together with the rest.
const SPARE: u8 = 4;

/// A service that may have several containers, and what is there of the project.
pub struct Pool<'a> {
    /// The release.
    pub release: &'a Release,
    /// One of the service's containers.
    pub service: &'a ServiceName,
    /// The containers of the project that run now.
    pub peers: &'a [Container],
    /// Which container serves, by service.
    pub serving: &'a BTreeMap<ServiceName, ContainerId>,
}

impl Pool<'_> {
    /// The names backstage of one of them that joins in a rollout; none where it is alone. `proven`: it serves already, so that it may be
    /// led to at once.
    pub fn names(&self, rollout: RolloutId, proven: bool) -> Vec<String> {
        if !self.release.project.services.contains_key(&self.service.numbered(2)) {
            return Vec::new();
        }
        let base = self.service.base();
        let own = (0..SPARE).map(|spare| format!("{base}.{rollout}.{spare}"));
        let asked = if proven { BTreeSet::new() } else { self.asked_for() };
        let free = |name: &String| !asked.contains(name.as_str());
        let with_the_rest = self.in_common(&self.kept()).into_iter().filter(free).take(SPARE.into());
        own.filter(free).chain(with_the_rest).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The name that leads to all of some containers and to no other that is not proven.
    pub(super) fn leads_to(&self, all: &[&Container]) -> Option<String> {
        if all.len() < 2 { None } else { self.in_common(all).into_iter().next() }
    }

    fn in_common(&self, all: &[&Container]) -> BTreeSet<String> {
        let mut sets = all.iter().map(|it| self.shared_names(it));
        let first = sets.next().unwrap_or_default();
        sets.fold(first, |common, names| common.intersection(&names).cloned().collect())
    }

    fn shared_names(&self, container: &Container) -> BTreeSet<String> {
        let joined = container.networks.get(&backstage(&self.release.project.name));
        let prefix = format!("{}.", self.service.base());
        let aliases = joined.into_iter().flat_map(|joined| &joined.aliases);
        aliases.filter(|alias| alias.starts_with(&prefix)).cloned().collect()
    }

    /// Its other containers that serve, and that the release keeps as far as can be told by their configuration.
    fn kept(&self) -> Vec<&Container> {
        let config = self.release.config(self.service);
        let others = self.release.project.services.keys();
        let others = others.filter(|name| name.base() == self.service.base() && *name != self.service);
        let there = others.filter_map(|name| {
            let id = self.serving.get(name)?;
            self.peers.iter().find(|container| container.id == *id)
        });
        there
            .filter(|it| it.label(label::CONFIG).is_none_or(|made_from| made_from == config))
            .filter(|it| !self.shared_names(it).is_empty())
            .collect()
    }

    /// The names that somebody's link leads to.
    fn asked_for(&self) -> BTreeSet<&str> {
        let places = self.peers.iter().flat_map(|container| container.networks.values());
        places.flat_map(|joined| &joined.links).map(|(target, _)| target.as_str()).collect()
    }
}
