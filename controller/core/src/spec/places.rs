//! Which networks a container is on, under which names, and whom it knows there.

use std::collections::BTreeMap;

use super::Making;
use super::beside::outside;
use super::pool::Pool;
use crate::compose::Service;
use crate::container::{Endpoint, label};
use crate::name::ServiceName;
use crate::observed::{Container, Joined};
use crate::plan::{Role, backstage, final_name};
use crate::release::Release;

impl Making<'_> {
    /// The networks of the service with all its names; and the backstage network, nameless but for those that links lead to.
    pub(super) fn own_endpoints(&self, service: &Service) -> Vec<Endpoint> {
        let mut endpoints = own_endpoints(self.release, self.service, service);
        if self.backstage && service.network_mode.is_none() {
            endpoints.push(Endpoint {
                network: backstage(&self.release.project.name),
                aliases: self.own_pool().for_replacement(self.rollout),
                ..Endpoint::default()
            });
        }
        endpoints
    }

    /// The backstage network, with names for everybody else of the project that is on it; and what the manifest adds.
    pub(super) fn private_endpoints(&self) -> Vec<Endpoint> {
        let mut links = self.links();
        let mut aliases = self.own_pool().for_candidate(self.rollout);
        let mut take = || (std::mem::take(&mut links), std::mem::take(&mut aliases));
        let networks = private_networks(self.release).into_iter();
        networks
            .map(|network| {
                let (links, aliases) = take();
                Endpoint { network, links, aliases, ..Endpoint::default() }
            })
            .collect()
    }

    /// For every other service: its candidate of this rollout where there is one, else the container that serves. That one by its
    /// name, which its successors will have: whoever has the link is led to them at once, and to nobody who is about to stop.
    fn links(&self) -> Vec<(String, String)> {
        let (own, mut links) = (self.spec(), Vec::new());
        let others = self.release.project.services.iter();
        let others = others.filter(|(name, _)| name.base() != self.service.base() && name.number() == 1);
        for (name, service) in others {
            let Some(container) = self.provider(name) else { continue };
            let lasting = final_name(&self.release.project, name, service, Some(container));
            let target = match self.pool(name, container) {
                Some(pool) => pool,
                None if container.name == lasting => lasting,
                None => container.id.short().to_owned(),
            };
            let aliases = own.links.iter().filter(|(other, _)| other == name).map(|(_, alias)| alias.clone());
            let mut names = names(name, service);
            names.extend(aliases.filter(|alias| alias != name.as_str()));
            links.extend(names.into_iter().map(|alias| (target.clone(), alias)));
        }
        links
    }

    /// The name backstage that leads to all of a service's containers, where it has several.
    fn pool(&self, name: &ServiceName, first: &Container) -> Option<String> {
        let further: Option<Vec<&Container>> =
            self.release.project.further(name).map(|other| self.provider(other)).collect();
        let all: Vec<&Container> = [first].into_iter().chain(further?).collect();
        let Self { release, peers, serving, .. } = *self;
        Pool { release, service: name, peers, serving }.leads_to(&all)
    }

    fn own_pool(&self) -> Pool<'_> {
        let Self { release, service, peers, serving, .. } = *self;
        Pool { release, service, peers, serving }
    }

    /// Other services' namespaces become those of the containers that they have, or are about to have. Which these are, for the
    /// label.
    pub(super) fn share_namespaces(&self, service: &mut Service) -> Option<String> {
        let lenders: BTreeMap<ServiceName, Option<String>> =
            service.lenders().map(|lender| (lender.clone(), self.lender(&lender))).collect();
        for mode in [&mut service.network_mode, &mut service.pid, &mut service.ipc] {
            let Some(other) = mode.as_ref().and_then(|mode| mode.strip_prefix("service:")) else { continue };
            let Some(Some(id)) = lenders.get(other) else { continue };
            *mode = Some(format!("container:{id}"));
        }
        let known = lenders.iter().filter_map(|(name, id)| Some(format!("{name}={}", id.as_ref()?)));
        let known: Vec<String> = known.collect();
        (!known.is_empty()).then(|| known.join(","))
    }

    /// The container of a service that is going to serve.
    fn lender(&self, service: &ServiceName) -> Option<String> {
        let rollout = self.rollout.to_string();
        let lasting = [Some(Role::Successor.as_str()), Some(Role::Replacement.as_str())];
        let made = self.peers.iter().find(|container| {
            container.instance(&self.release.project).as_ref() == Some(service)
                && container.label(label::ROLLOUT) == Some(&rollout)
                && lasting.contains(&container.label(label::ROLE))
        });
        made.map(|container| &container.id).or_else(|| self.serving.get(service)).map(ToString::to_string)
    }

    fn provider(&self, service: &ServiceName) -> Option<&Container> {
        let backstage = backstage(&self.release.project.name);
        let of_service = |container: &&Container| {
            container.instance(&self.release.project).as_ref() == Some(service)
                && container.networks.contains_key(&backstage)
        };
        let rollout = self.rollout.to_string();
        let ours = |role: Role| {
            let is = move |it: &&Container| it.label(label::ROLE) == Some(role.as_str());
            let of_rollout = |it: &&Container| it.label(label::ROLLOUT) == Some(&rollout);
            self.peers.iter().filter(of_service).filter(of_rollout).find(is)
        };
        // One that has to wait for its port is stood in for.
        let candidate = ours(Role::Successor).filter(|it| it.running());
        let candidate = candidate.or_else(|| ours(Role::StandIn).filter(|it| it.running()));
        candidate.or_else(|| ours(Role::Successor)).or_else(|| {
            let id = self.serving.get(service);
            self.peers.iter().filter(of_service).find(|container| Some(&container.id) == id)
        })
    }
}

/// The networks of a container that nobody is to reach yet: the private one first.
pub(crate) fn private_networks(release: &Release) -> Vec<String> {
    let project = &release.project;
    let extra = release.manifest.spec.rollout.dependency_networks.iter().map(|key| {
        project.networks.get(key).map_or(key.as_str(), |network| network.name.as_str()).to_owned()
    });
    let bridge = needs_bridge(release).then(|| "bridge".to_owned());
    [backstage(&project.name)].into_iter().chain(extra).chain(bridge).collect()
}

/// Whether a container is on every network that one of its part is created on. The engine creates it on the first and joins it
/// to the others: a crash in between leaves it half made. `has_backstage`: whether there is the private network.
pub fn whole(
    release: &Release,
    name: &ServiceName,
    role: Role,
    has_backstage: bool,
    container: &Container,
) -> bool {
    let Some(service) = release.project.services.get(name) else { return true };
    let own = own_endpoints(release, name, service).into_iter().map(|endpoint| endpoint.network);
    let wanted: Vec<String> = match role {
        Role::Successor | Role::StandIn => private_networks(release),
        Role::Replacement if has_backstage && service.network_mode.is_none() => {
            own.chain([backstage(&release.project.name)]).collect()
        }
        Role::Replacement => own.collect(),
    };
    wanted.iter().all(|network| container.networks.contains_key(network))
}

/// Whether candidates need a way out before they can be proven.
fn needs_bridge(release: &Release) -> bool {
    release.manifest.spec.rollout.candidate_egress || outside(release)
}

/// Whether candidates are on more than the private network from the start. There the engine binds published ports at once.
pub fn binds_at_start(release: &Release) -> bool {
    needs_bridge(release) || !release.manifest.spec.rollout.dependency_networks.is_empty()
}

/// A service's places on its own networks, with its names.
///
/// A name that is an alias leads to whoever has joined with it until it leaves, the one that is about to stop too; a container's
/// own name changes hands at once. So the container's name is no alias beside.
pub fn own_endpoints(release: &Release, name: &ServiceName, service: &Service) -> Vec<Endpoint> {
    let mut attachments: Vec<_> = service.networks.iter().collect();
    attachments.sort_by_key(|(key, attachment)| (-attachment.priority, (*key).clone()));
    attachments
        .into_iter()
        .filter_map(|(key, attachment)| {
            let network = release.project.networks.get(key)?;
            let mut aliases = vec![name.base().to_owned()];
            aliases.extend(attachment.aliases.iter().cloned());
            aliases.dedup();
            aliases.retain(|alias| Some(alias) != service.container_name.as_ref());
            Some(Endpoint {
                network: network.name.clone(),
                aliases,
                links: own_links(service),
                ipv4_address: attachment.ipv4_address.clone(),
                ipv6_address: attachment.ipv6_address.clone(),
                mac_address: attachment.mac_address.clone(),
                link_local_ips: attachment.link_local_ips.clone(),
                driver_opts: attachment.driver_opts.clone(),
            })
        })
        .collect()
}

/// The same once it serves. Links that it has backstage lead to whoever was proven when it was made; a service with several containers
/// may get more of them, and these links, which go before, lead to all who have the service's name by then.
pub fn serving_endpoints(release: &Release, name: &ServiceName, service: &Service) -> Vec<Endpoint> {
    let mut endpoints = own_endpoints(release, name, service);
    for endpoint in &mut endpoints {
        endpoint.links.extend(several_on(release, name, &endpoint.network));
    }
    endpoints
}

/// Other services with several containers that are on a network.
fn several_on(release: &Release, own: &ServiceName, network: &str) -> Vec<(String, String)> {
    let project = &release.project;
    let is_on = |service: &Service| {
        let mut places = service.networks.keys().filter_map(|key| project.networks.get(key));
        places.any(|place| place.name == network)
    };
    let second = project.services.iter().filter(|(name, _)| name.number() == 2 && name.base() != own.base());
    let there = second.filter(|(_, service)| is_on(service)).map(|(name, _)| name.base().to_owned());
    there.map(|name| (name.clone(), name)).collect()
}

/// The names that only this service has for others. The engine resolves a link's target as a name of the network, so the service's
/// name leads to whoever serves.
fn own_links(service: &Service) -> Vec<(String, String)> {
    let other = service.links.iter().filter(|(name, alias)| alias != name.as_str());
    other.map(|(name, alias)| (name.to_string(), alias.clone())).collect()
}

/// Whether a container that is on a network answers to all its names there. Its own name needs no alias.
pub fn answers(endpoint: &Endpoint, joined: &Joined) -> bool {
    endpoint.aliases.iter().all(|alias| joined.aliases.contains(alias))
}

/// The names that everybody may use for a service.
pub fn names(name: &ServiceName, service: &Service) -> Vec<String> {
    let mut names = vec![name.base().to_owned()];
    names.extend(service.container_name.clone().filter(|container| *container != names[0]));
    names
}
