//! Tells drift from facts. What is live is compared with what is there: a plan's steps do not tell it, because what is only
//! reported has none.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Drift, Kind};
use crate::compose::{IpamPool, Network, Service};
use crate::container::label;
use crate::limits::{ResourceLimits, told};
use crate::observed::{Container, HealthStatus, NetworkState, State};
use crate::plan::schema::{SchemaMove, schema_move};
use crate::plan::service::{Work, final_name, missing_networks, work};
use crate::plan::{Class, Facts, backstage};
use crate::release::ImageSource;
use crate::spec::private_networks;

/// Everything that is not as the release that is live was left, sorted. To be asked of the facts of that release only: of
/// another one, whatever it changes would be found.
pub fn found(facts: &Facts<'_>) -> Vec<Drift> {
    let mut find = Find { facts, found: Vec::new() };
    let project = &facts.desired.project;
    for (name, service) in &project.services {
        find.service(&work(facts, name, service));
    }
    find.networks();
    find.volumes();
    find.orphans();
    if let SchemaMove::Up { from, to, .. } | SchemaMove::Down { from, to, .. } = schema_move(facts) {
        let (from, to) = (crate::plan::revisions(&from), crate::plan::revisions(&to));
        find.push(Kind::Schema, "the database", format!("it is at {from}, the release at {to}"));
    }
    find.found.sort();
    find.found.dedup();
    find.found
}

struct Find<'a, 'f> {
    facts: &'a Facts<'f>,
    found: Vec<Drift>,
}

impl Find<'_, '_> {
    fn push(&mut self, kind: Kind, subject: &str, message: impl Into<String>) {
        self.found.push(Drift { kind, subject: subject.to_owned(), message: message.into() });
    }

    fn service(&mut self, work: &Work<'_>) {
        let right = final_name(&self.facts.desired.project, &work.name, work.service, work.current);
        self.images(work);
        let Some(container) = work.current else {
            return self.push(Kind::Removed, &right, "there is no container of the service");
        };
        if !self.facts.fits(&work.name, container) {
            // One that evenkeel made for another configuration is replaced because of that, not because of anybody.
            if container.label(label::CONFIG).is_none() {
                self.push(Kind::Replaced, &container.name, "evenkeel has not made it");
            }
            return;
        }
        self.state(work, container);
        self.settings(work.service, container);
        self.places(work, container);
        if container.name != right {
            self.push(Kind::Renamed, &right, format!("it is called {}", container.name));
        }
    }

    fn state(&mut self, work: &Work<'_>, container: &Container) {
        let (name, code) = (&container.name, container.exit_code);
        let ended = work.class == Class::OneShot && code == 0;
        match container.state {
            State::Exited | State::Created if ended => {}
            State::Exited if code == KILLED => self.push(Kind::Killed, name, "it was killed"),
            State::Exited => self.push(Kind::Stopped, name, format!("it has stopped (exit code {code})")),
            State::Created => self.push(Kind::Stopped, name, "it was never started"),
            State::Paused => self.push(Kind::Paused, name, "it is paused"),
            State::Removing => self.push(Kind::Removed, name, "it is being removed"),
            State::Dead => self.push(Kind::Dead, name, "the engine has given it up"),
            State::Running | State::Restarting => {}
        }
        let health = container.health.as_ref().filter(|health| health.status == HealthStatus::Unhealthy);
        if let (State::Running, Some(health)) = (container.state, health) {
            let times = health.failing_streak;
            self.push(Kind::Unhealthy, name, format!("its healthcheck failed {times} times in a row"));
        }
    }

    fn settings(&mut self, service: &Service, container: &Container) {
        if container.restart != service.restart {
            self.push(Kind::RestartPolicy, &container.name, "its restart policy is not the release's");
        }
        let changed = ResourceLimits::asked(service).changed(&container.limits);
        if !changed.is_empty() {
            self.push(Kind::Limits, &container.name, told(&changed));
        }
    }

    fn places(&mut self, work: &Work<'_>, container: &Container) {
        if work.service.network_mode.is_some() {
            return;
        }
        for network in missing_networks(self.facts, &work.name, container) {
            if container.networks.contains_key(&network) {
                self.push(Kind::AliasLost, &container.name, format!("it has lost its names on {network}"));
            } else {
                self.push(Kind::NetworkDetached, &container.name, format!("it is not on network {network}"));
            }
        }
        let backstage = self.facts.backstage();
        let is_there = self.facts.observed.networks.contains_key(&backstage);
        let hidden = container.running() && !container.networks.contains_key(&backstage);
        if is_there && hidden && self.facts.needs_backstage() {
            self.push(Kind::NetworkDetached, &container.name, format!("it is not on network {backstage}"));
        }
        for network in self.additional(work.service, container) {
            self.push(
                Kind::NetworkAttached,
                &container.name,
                format!("it is on network {network}, which nothing asks for"),
            );
        }
    }

    fn additional(&self, service: &Service, container: &Container) -> Vec<String> {
        let project = &self.facts.desired.project;
        let own = service.networks.keys().filter_map(|key| project.networks.get(key));
        let mut asked: BTreeSet<String> = own.map(|network| network.name.clone()).collect();
        asked.extend(private_networks(self.facts.desired));
        container.networks.keys().filter(|network| !asked.contains(*network)).cloned().collect()
    }

    fn images(&mut self, work: &Work<'_>) {
        let (desired, images) = (self.facts.desired, &self.facts.observed.images);
        let Some(source) = desired.images.get(&work.name) else { return };
        let Some(id) = self.facts.outputs.images.get(&work.name) else { return };
        let is_there =
            images.values().any(|image| image.id == *id) || self.facts.observed.recorded.contains_key(id);
        if !is_there && work.current.is_none() {
            return self.push(Kind::ImageRemoved, source.reference(), "the engine does not have it any more");
        }
        let ImageSource::Build { name, .. } = source else { return };
        for tag in source.tags().chain([name]) {
            if images.get(tag).is_none_or(|image| image.id != *id) {
                self.push(Kind::ImageRetagged, tag, "it names another image, or none");
            }
        }
    }

    fn networks(&mut self) {
        let observed = &self.facts.observed.networks;
        for (key, network) in &self.facts.desired.project.networks {
            match observed.get(&network.name) {
                None => self.push(Kind::NetworkRemoved, &network.name, "there is no such network"),
                Some(_) if network.external => {}
                Some(there) => {
                    if let Some(difference) = differs(network, there) {
                        self.push(Kind::NetworkChanged, &network.name, difference);
                    }
                    if there.labels.get(label::COMPOSE_NETWORK) != Some(key) {
                        self.push(Kind::Labels, &network.name, "it has not Compose's labels");
                    } else if let Some((label, value)) =
                        network.labels.iter().find(|(label, value)| there.labels.get(*label) != Some(value))
                    {
                        let message = format!("it has not the label {label}={value} of the release");
                        self.push(Kind::Labels, &network.name, message);
                    }
                }
            }
        }
        let private = backstage(&self.facts.desired.project.name);
        match observed.get(&private) {
            None if self.facts.needs_backstage() => {
                self.push(Kind::NetworkRemoved, &private, "there is no such network");
            }
            Some(there) if !there.internal => {
                self.push(Kind::NetworkChanged, &private, "it leads outside, and should not");
            }
            _ => {}
        }
    }

    fn volumes(&mut self) {
        for volume in self.facts.desired.project.volumes.values() {
            if !self.facts.observed.volumes.contains(&volume.name) {
                self.push(Kind::VolumeRemoved, &volume.name, "there is no such volume");
            }
        }
    }

    fn orphans(&mut self) {
        for orphan in self.facts.orphans() {
            let of = orphan.service().map_or("no service".to_owned(), |name| format!("service {name}"));
            let what = if orphan.given_up() {
                "the engine has given it up and could not remove its files; it is removed once they can be"
                    .to_owned()
            } else {
                format!("it says that it is of {of}; evenkeel has not made it")
            };
            self.push(Kind::Orphan, &orphan.name, what);
        }
    }
}

/// The exit code of a process that `SIGKILL` has ended.
const KILLED: i64 = 137;

/// How a network differs from what the Compose file says of it; nothing that it does not say is compared.
fn differs(asked: &Network, there: &NetworkState) -> Option<String> {
    if asked.internal != there.internal {
        let word = |internal: bool| if internal { "internal" } else { "not internal" };
        return Some(format!("it is {}, the release says {}", word(there.internal), word(asked.internal)));
    }
    if let Some(driver) = asked.driver.as_ref().filter(|driver| **driver != there.driver) {
        return Some(format!("its driver is {}, the release says {driver}", there.driver));
    }
    for (key, asked, there) in [
        ("attachable", asked.attachable, there.attachable),
        ("enable_ipv6", asked.enable_ipv6, there.enable_ipv6),
    ] {
        if asked && !there {
            return Some(format!("it is without `{key}`, which the release asks for"));
        }
    }
    if let Some((key, value)) =
        asked.driver_opts.iter().find(|(key, value)| there.options.get(*key) != Some(value))
    {
        let has = there.options.get(key).map_or("not there", String::as_str);
        return Some(format!("its driver's option {key} is {has}, the release says {value}"));
    }
    asked.ipam.iter().find_map(|pool| misses(pool, there))
}

/// What a pool of addresses has not that is asked for.
fn misses(asked: &IpamPool, there: &NetworkState) -> Option<String> {
    let subnet = asked.subnet.as_ref()?;
    let Some(pool) = there.pools.iter().find(|pool| pool.subnet.as_ref() == Some(subnet)) else {
        return Some(format!("its subnets are {}, the release says {subnet}", there.subnets.join(", ")));
    };
    let parts = [("gateway", &asked.gateway, &pool.gateway), ("ip_range", &asked.ip_range, &pool.ip_range)];
    for (key, asked, has) in parts {
        if let Some(asked) =
            asked.as_ref().filter(|asked| !has.as_ref().is_some_and(|has| is_same(asked, has)))
        {
            let has = has.as_deref().unwrap_or("not there");
            return Some(format!("the {key} of {subnet} is {has}, the release says {asked}"));
        }
    }
    let is_there = |(name, address): &(&String, &String)| {
        pool.aux_addresses.get(*name).is_some_and(|there| is_same(address, there))
    };
    let other = asked.aux_addresses.iter().find(|pair| !is_there(pair));
    other.map(|(name, address)| format!("it has not {address} for {name}, which the release says"))
}

/// Addresses are the same however they are written.
fn is_same(asked: &str, there: &str) -> bool {
    match (asked.parse::<IpAddr>(), there.parse::<IpAddr>()) {
        (Ok(asked), Ok(there)) => asked == there,
        _ => asked == there,
    }
}
