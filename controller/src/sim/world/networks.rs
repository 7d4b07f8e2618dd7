//! Who is on which network, under which names and addresses, and whom a name means.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use evenkeel_core::container::Endpoint;
use evenkeel_core::observed::Joined;

use super::{Instance, NONE, World};

impl World {
    pub(in crate::sim) fn join(&mut self, place: usize, endpoint: &Endpoint) -> Result<(), String> {
        let Some(network) = self.networks.get(&endpoint.network) else {
            return Err(format!("network {} not found", endpoint.network));
        };
        if self.containers[place].seen.networks.contains_key(&endpoint.network) {
            return Ok(());
        }
        if self.containers[place].seen.networks.contains_key(NONE) {
            return Err("it cannot be connected to a network besides none".to_owned());
        }
        let runs = self.containers[place].since.is_some();
        if runs && self.containers[place].torn.contains_key(&endpoint.network) {
            return Err("failed to add an interface: it is there from an attempt that failed".to_owned());
        }
        if runs && self.is_taken(place, endpoint) {
            return Err("Address already in use".to_owned());
        }
        if runs && let Some(port) = self.taken_port(place, Some(&endpoint.network)) {
            self.containers[place].torn.insert(endpoint.network.clone(), endpoint.clone());
            return Err(format!("Bind for 0.0.0.0:{port} failed: port is already allocated"));
        }
        let internal = network.internal;
        let joined = Joined {
            network_id: network.id.clone(),
            ip_address: String::new(),
            aliases: endpoint.aliases.clone(),
            links: endpoint.links.clone(),
        };
        self.busy();
        let (clock, instance) = (self.clock, &mut self.containers[place]);
        if !internal {
            instance.joined_at = Some(clock);
        }
        instance.seen.networks.insert(endpoint.network.clone(), joined);
        instance.endpoints.insert(endpoint.network.clone(), endpoint.clone());
        if runs {
            self.give_address(place, &endpoint.network);
            self.bind(place);
        }
        self.check();
        Ok(())
    }

    pub(in crate::sim) fn leave(&mut self, place: usize, network: &str) {
        let instance = &mut self.containers[place];
        instance.seen.networks.remove(network);
        instance.endpoints.remove(network);
        let alone = instance.seen.networks.is_empty();
        let reachable = self.reachable(place);
        let instance = &mut self.containers[place];
        // Ports that are bound stay so on whatever network is left, an internal one too; not so on newer engines.
        if alone || self.unbinds && !reachable {
            instance.seen.bound_ports.clear();
        }
        if !reachable {
            instance.reachable_since = None;
        }
    }

    /// Whether somebody else has the address that it wants to have.
    pub(super) fn is_taken(&self, place: usize, endpoint: &Endpoint) -> bool {
        let has = |it: &Instance, wanted: &String| {
            it.seen.networks.get(&endpoint.network).is_some_and(|joined| joined.ip_address == *wanted)
        };
        let mut others = self.containers.iter().enumerate().filter(|(other, _)| *other != place);
        endpoint.ipv4_address.as_ref().is_some_and(|wanted| others.any(|(_, it)| has(it, wanted)))
    }

    /// The one that it wants, or the lowest that is free, so that addresses of the dead are soon somebody else's.
    pub(super) fn give_address(&mut self, place: usize, network: &str) {
        let Some(first) =
            self.networks.get(network).and_then(|it| it.subnets.first()).and_then(|it| it.split_once('/'))
        else {
            return;
        };
        let Ok(first) = first.0.parse::<Ipv4Addr>() else { return };
        let used: BTreeSet<String> = self
            .containers
            .iter()
            .filter_map(|it| it.seen.networks.get(network))
            .map(|joined| joined.ip_address.clone())
            .collect();
        let free = (2..).map(|offset| Ipv4Addr::from(u32::from(first) + offset).to_string());
        let own = self.containers[place].endpoints.get(network).and_then(|it| it.ipv4_address.clone());
        let lowest = || free.into_iter().find(|address| !used.contains(address));
        let address = own.or_else(lowest).unwrap_or_default();
        if let Some(joined) = self.containers[place].seen.networks.get_mut(network) {
            joined.ip_address = address;
        }
    }

    /// Whether it is on a network that is not internal.
    pub(in crate::sim) fn reachable(&self, place: usize) -> bool {
        self.containers[place].seen.networks.keys().any(|name| self.leads_outside(name))
    }

    fn leads_outside(&self, network: &str) -> bool {
        self.networks.get(network).is_some_and(|network| !network.internal && network.name != NONE)
    }

    /// Of the ports that it would bind now, one that another container holds.
    pub(super) fn taken_port(&self, place: usize, joining: Option<&str>) -> Option<String> {
        if !joining.is_some_and(|name| self.leads_outside(name)) && !self.reachable(place) {
            return None;
        }
        let held: BTreeSet<&String> = self
            .containers
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place)
            .flat_map(|(_, it)| it.seen.bound_ports.iter().map(|(.., port)| port))
            .collect();
        let mut wanted = self.containers[place].seen.port_bindings.iter().map(|(.., port)| port);
        wanted.find(|port| held.contains(port)).cloned()
    }

    pub(super) fn bind(&mut self, place: usize) {
        if self.reachable(place) {
            let clock = self.clock;
            let instance = &mut self.containers[place];
            instance.seen.bound_ports = instance.seen.port_bindings.clone();
            instance.reachable_since.get_or_insert(clock);
        }
    }

    /// Whom a name means to a container.
    pub(in crate::sim) fn resolve(&self, from: &Instance, name: &str) -> Option<usize> {
        let (network, name) = self.means(from, name)?;
        self.named(network, name)
    }

    /// Where somebody has a name that a container asks for, and how he is called there: its own links first, then the names that
    /// others have on its networks, but for those on which it has a link of that name. Networks that lead outside come first.
    pub(in crate::sim) fn means<'a>(&self, from: &'a Instance, name: &'a str) -> Option<(&'a str, &'a str)> {
        let link = |network: &str| {
            from.endpoints
                .get(network)?
                .links
                .iter()
                .find_map(|(target, alias)| (alias == name).then_some(target.as_str()))
        };
        let names = || from.seen.networks.keys().map(String::as_str);
        let networks = names()
            .filter(|network| self.leads_outside(network))
            .chain(names().filter(|network| !self.leads_outside(network)));
        let there = |(network, name): &(&str, &str)| self.named(network, name).is_some();
        let linked = networks.clone().filter_map(|network| Some((network, link(network)?))).find(there);
        linked.or_else(|| {
            networks.filter(|network| link(network).is_none()).map(|network| (network, name)).find(there)
        })
    }

    /// Who has a name on a network.
    pub(in crate::sim) fn named(&self, network: &str, name: &str) -> Option<usize> {
        self.everybody(network, name).next()
    }

    /// All who have it.
    pub(in crate::sim) fn everybody(&self, network: &str, name: &str) -> impl Iterator<Item = usize> {
        let has = move |it: &Instance| {
            it.since.is_some()
                && it.seen.networks.get(network).is_some_and(|joined| {
                    it.seen.name == name
                        || it.seen.id.short() == name
                        || joined.aliases.iter().any(|alias| alias == name)
                })
        };
        self.containers.iter().enumerate().filter(move |(_, it)| has(it)).map(|(place, _)| place)
    }

    /// Who has an address.
    pub(in crate::sim) fn at(&self, address: &str) -> Option<usize> {
        let has = |it: &Instance| {
            it.since.is_some() && it.seen.networks.values().any(|joined| joined.ip_address == address)
        };
        self.containers.iter().position(has)
    }
}
