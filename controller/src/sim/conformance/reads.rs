//! What is seen, in words that are the same on both sides.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use evenkeel_core::limits::ResourceLimits;
use evenkeel_core::observed::{Container, Joined};

use super::bench::Bench;

impl Bench {
    pub(super) async fn find(&self, what: &str) -> Option<Container> {
        self.engine.container(self.id(what).as_str()).await.unwrap()
    }

    /// How a container's limits differ from what was asked for.
    pub(super) async fn limits(&self, what: &str, asked: &ResourceLimits) {
        let limits = self.find(what).await.unwrap().limits;
        self.note(format!("{what}: {:?}", asked.changed(&limits)));
    }

    /// The container as inspect shows it.
    pub(super) async fn see(&self, what: &str) {
        let Some(it) = self.find(what).await else { return self.note(format!("{what} is not there")) };
        let started = self.started(what, &it);
        let mut places = Vec::new();
        for (network, joined) in &it.networks {
            places.push(self.place(network, joined).await);
        }
        let error = if it.error.is_empty() { "" } else { ", with an error" };
        let exit_code = match it.exit_code {
            // A signal may come before the process has begun, and then it is the engine's own that ends.
            2 | 137 | 143 => "killed".to_owned(),
            other => format!("exit code {other}"),
        };
        self.note(format!(
            "{what} is {}: {:?}, {exit_code}, restart {:?}, {started}, on [{}], binds {:?} of {:?}{error}",
            it.name,
            it.state,
            it.restart,
            places.join("; "),
            self.ports(&it.bound_ports),
            self.ports(&it.port_bindings),
        ));
    }

    fn started(&self, what: &str, it: &Container) -> String {
        let mut notes = self.notes.borrow_mut();
        let known = notes.starts.entry(what.to_owned()).or_default();
        if it.started_at.is_empty() {
            return "never started".to_owned();
        }
        if !known.contains(&it.started_at) {
            known.push(it.started_at.clone());
        }
        format!("as it was started time {}", known.iter().position(|at| *at == it.started_at).unwrap() + 1)
    }

    async fn place(&self, network: &str, joined: &Joined) -> String {
        let address = self.short(network, &joined.ip_address).await;
        format!("{network} {address} as {:?}", joined.aliases)
    }

    /// An address by its place in the network.
    async fn short(&self, network: &str, address: &str) -> String {
        let Ok(address) = address.parse::<Ipv4Addr>() else { return "nowhere".to_owned() };
        let network = self.engine.network(network).await.unwrap();
        let subnet = network.and_then(|it| it.subnets.first().cloned()).unwrap_or_default();
        let first = subnet.split('/').next().and_then(|first| first.parse::<Ipv4Addr>().ok());
        let first = first.map_or(0, u32::from);
        format!(".{}", u32::from(address).wrapping_sub(first))
    }

    fn ports(&self, ports: &[(String, String, String)]) -> Vec<String> {
        let notes = self.notes.borrow();
        let word = |published: &String| {
            let known = notes.ports.iter().find(|(_, port)| port.to_string() == *published);
            known.map_or_else(|| published.clone(), |(word, _)| word.clone())
        };
        ports.iter().map(|(port, address, host)| format!("{port} at {address}{}", word(host))).collect()
    }

    /// Who is meant by names in a container.
    pub(super) async fn meant(&self, from: &str, names: &[&str]) {
        let everybody = self.engine.containers(&self.project()).await.unwrap();
        let found = self.hands.resolve(&self.id(from), names).await;
        for (name, addresses) in names.iter().zip(found) {
            let mut who = BTreeSet::new();
            for address in &addresses {
                for it in &everybody {
                    for (network, joined) in &it.networks {
                        if joined.ip_address == *address {
                            who.insert(format!("{} on {network}", it.name));
                        }
                    }
                }
            }
            let unknown = if addresses.len() > who.len() { ", and nobody" } else { "" };
            self.note(format!("{name} is to {from} {who:?}{unknown}"));
        }
    }

    /// The address of a container on a network.
    pub(super) async fn address(&self, what: &str, network: &str) -> String {
        let it = self.find(what).await;
        let joined = it.and_then(|it| it.networks.get(&self.name(network)).cloned());
        joined.unwrap_or_default().ip_address
    }
}
