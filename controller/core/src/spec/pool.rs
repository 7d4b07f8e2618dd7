//! Names backstage that lead to all containers of one service.
//!
//! A container gets its names on a network once, when it joins, and a link leads to one name. So those that were made at different times
//! have to have a name in common; yet one that is not proven must have no name that anybody is led to. Each therefore gets several that
//! nobody uses yet, and whoever is made later gets those of them that no link leads to so far.
//!
//! What is stopped and started takes the place of one that links lead to: it serves as soon as it starts, and has the names of that one
//! too.

use std::collections::{BTreeMap, BTreeSet};

use crate::container::label;
use crate::name::{ContainerId, RolloutId, ServiceName};
use crate::observed::{Container, State};
use crate::plan::{Role, backstage};
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
    /// The names backstage of one that is yet to be proven: none that anybody is led to. None where it is alone.
    pub fn for_candidate(&self, rollout: RolloutId) -> Vec<String> {
        if !self.are_several() {
            return Vec::new();
        }
        let asked = self.asked_for();
        let free = |name: &String| !asked.contains(name.as_str());
        let with_the_rest = self.in_common(&self.kept()).into_iter().filter(free).take(SPARE.into());
        let own = self.own(rollout, "").filter(free);
        own.chain(with_the_rest).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The names of one that serves as soon as it starts, in the place of what is stopped before: links to that one lead to it.
    pub fn for_replacement(&self, rollout: RolloutId) -> Vec<String> {
        self.beside_those_that_serve(rollout, "")
    }

    /// The names of one that serves already, and was not backstage so far. They are others than those of the rollout's candidates:
    /// whoever is to be proven with these is not to be led to it.
    pub fn for_found(&self, rollout: RolloutId) -> Vec<String> {
        self.beside_those_that_serve(rollout, "found.")
    }

    /// The name that leads to all of some containers and, as long as there is a choice, to no other.
    pub(super) fn leads_to(&self, all: &[&Container]) -> Option<String> {
        if all.len() < 2 {
            return None;
        }
        let others = self.own_containers().filter(|it| !all.iter().any(|one| one.id == it.id));
        let others: Vec<BTreeSet<String>> =
            others.filter(|it| it.state != State::Exited).map(|it| self.names_of(it)).collect();
        let led_too = |name: &String| others.iter().filter(|names| names.contains(name)).count();
        self.in_common(all).into_iter().min_by_key(led_too)
    }

    fn are_several(&self) -> bool {
        self.release.project.services.contains_key(&self.service.numbered(2))
    }

    /// New names of a rollout.
    fn own(&self, rollout: RolloutId, kind: &str) -> impl Iterator<Item = String> {
        let base = self.service.base();
        (0..SPARE).map(move |spare| format!("{base}.{rollout}.{kind}{spare}"))
    }

    /// New names where there are several; those that links to what serves lead to; and some that all who serve have, for links that
    /// are made before the last of them is replaced. Not all of these: there would be more with every rollout.
    fn beside_those_that_serve(&self, rollout: RolloutId, kind: &str) -> Vec<String> {
        let asked = self.asked_for();
        let private: BTreeSet<String> =
            self.unproven(rollout).flat_map(|container| self.names_of(container)).collect();
        let had: BTreeSet<String> = self.own_containers().flat_map(|it| self.names_of(it)).collect();
        let led_to = had.into_iter().filter(|name| asked.contains(name.as_str()) && !private.contains(name));
        let serving: Vec<&Container> =
            self.own_containers().filter(|it| self.serves(it) && !self.names_of(it).is_empty()).collect();
        let own = self.own(rollout, kind).filter(|_| self.are_several());
        let names = own.chain(led_to).chain(self.in_common(&serving).into_iter().take(SPARE.into()));
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn in_common(&self, all: &[&Container]) -> BTreeSet<String> {
        let mut sets = all.iter().map(|it| self.names_of(it));
        let first = sets.next().unwrap_or_default();
        sets.fold(first, |common, names| common.intersection(&names).cloned().collect())
    }

    fn names_of(&self, container: &Container) -> BTreeSet<String> {
        let joined = container.networks.get(&backstage(&self.release.project.name));
        let prefix = format!("{}.", self.service.base());
        let aliases = joined.into_iter().flat_map(|joined| &joined.aliases);
        aliases.filter(|alias| alias.starts_with(&prefix)).cloned().collect()
    }

    /// Whatever is there of the service, of each number.
    fn own_containers(&self) -> impl Iterator<Item = &Container> {
        let base = self.service.base();
        self.peers.iter().filter(move |container| container.label(label::COMPOSE_SERVICE) == Some(base))
    }

    fn serves(&self, container: &Container) -> bool {
        self.serving.values().any(|id| container.id == *id)
    }

    /// Candidates of a rollout.
    fn unproven(&self, rollout: RolloutId) -> impl Iterator<Item = &Container> {
        let rollout = rollout.to_string();
        self.own_containers().filter(move |it| {
            let role = it.label(label::ROLE);
            [Role::Successor, Role::StandIn].iter().any(|candidate| role == Some(candidate.as_str()))
                && it.label(label::ROLLOUT) == Some(&rollout)
                && !self.serves(it)
        })
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
            .filter(|it| !self.names_of(it).is_empty())
            .collect()
    }

    /// The names that somebody's link leads to.
    fn asked_for(&self) -> BTreeSet<&str> {
        let places = self.peers.iter().flat_map(|container| container.networks.values());
        places.flat_map(|joined| &joined.links).map(|(target, _)| target.as_str()).collect()
    }
}
