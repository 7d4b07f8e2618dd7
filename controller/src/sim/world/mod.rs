//! The machine that is looked after: containers, networks, volumes and images, and what time does to them.

mod databases;
mod hooks;
mod life;
mod made;
mod networks;
mod time;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evenkeel_core::container::{ContainerSpec, Endpoint};
use evenkeel_core::name::{ContainerId, ImageId, ProjectName};
use evenkeel_core::observed::{Container, NetworkState};

use made::image_id;
pub(super) use made::tagged;

use crate::engine::Owner;
use crate::sim::cluster::{Backend, Cluster, Database};
use crate::sim::code::{Program, Script};

/// How finely time passes while something is going on.
const STEP: Duration = Duration::from_millis(250);
/// How long a database server takes to accept.
const ACCEPTS: Duration = Duration::from_millis(500);
/// How long an application takes to answer.
const ANSWERS: Duration = Duration::from_millis(500);

/// The network of those that are on none.
pub(super) const NONE: &str = "none";

/// The host.
#[derive(Clone, Default)]
pub(super) struct World {
    /// What time it is there.
    pub(super) clock: Duration,
    pub(super) containers: Vec<Instance>,
    pub(super) networks: BTreeMap<String, NetworkState>,
    pub(super) volumes: BTreeMap<String, Option<Cluster>>,
    pub(super) images: BTreeMap<ImageId, Program>,
    pub(super) tags: BTreeMap<String, ImageId>,
    /// Where tags lead at their registry, for those that it tells of.
    pub(super) registry: BTreeMap<String, String>,
    /// Registries that say nothing at all when they are asked where a tag leads.
    pub(super) silent: BTreeSet<String>,
    /// Which tags registries were asked for.
    pub(super) asked: Vec<String>,
    /// What was to be pulled.
    pub(super) pulls: Vec<String>,
    /// Nothing can be pulled.
    pub(super) registries_are_away: bool,
    /// The engine has no room for another container.
    pub(super) is_full: bool,
    /// Who looks after a project, on record.
    pub(super) owners: BTreeMap<ProjectName, Owner>,
    /// Sessions of migrations.
    pub(super) backends: Vec<Backend>,
    /// Who holds a database: server and name to the number of the holder.
    pub(super) locks: BTreeMap<(ContainerId, String), u64>,
    /// Backups, by id.
    pub(super) backups: BTreeMap<String, Database>,
    /// Rows that users were told are safe.
    pub(super) acknowledged: BTreeSet<u64>,
    /// When the hook ran last.
    pub(super) hooked: Option<Duration>,
    /// Whether ports go with the last network that leads outside: so on Docker Engine 26, and not on 20.10. `EVENKEEL_SIM=newer` plays
    /// the stories so.
    pub(super) unbinds: bool,
    /// What must never happen, and did.
    pub(super) violations: BTreeSet<String>,
    /// Numbers given to containers, networks, clusters and locks.
    numbers: u64,
    busy_until: Duration,
}

/// A container.
#[derive(Clone)]
pub(super) struct Instance {
    /// As inspect shows it.
    pub(super) seen: Container,
    pub(super) spec: ContainerSpec,
    /// Its places, with the names that it has and uses there.
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    /// When it was started last, while it runs.
    pub(super) since: Option<Duration>,
    /// When it joined a network on which it has names.
    pub(super) joined_at: Option<Duration>,
    /// Since when users can reach it.
    reachable_since: Option<Duration>,
    /// Somebody stopped it.
    stopped: bool,
    /// Its healthcheck fails until it begins anew.
    pub(super) damaged: bool,
    /// When the engine starts it again.
    pub(super) again_at: Option<Duration>,
    /// Networks that it could not join because a port was held: what is left of the attempt is in the way of the next, and
    /// becomes a place there when it ends.
    pub(super) torn: BTreeMap<String, Endpoint>,
    /// Hooks of its service that have run in it since somebody started it.
    pub(super) ran: BTreeSet<Vec<String>>,
    /// Those that somebody tried to run.
    pub(super) tried: BTreeSet<Vec<String>>,
    /// What it has been asked for, beside what users ask for.
    pub(super) asked: BTreeSet<String>,
    /// A migration tool's own course.
    pub(super) tool: Tool,
    /// What it printed on its standard output.
    pub(super) output: Vec<String>,
    /// A cluster that lies in no volume.
    pub(super) cluster: Option<Cluster>,
    /// The migrations that code saw when it started.
    pub(super) saw: Option<Vec<Script>>,
}

/// How far a migration tool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// It is none, or has not connected.
    Idle,
    /// Its session works.
    Works,
    /// It ends then, with that code.
    Ends(Duration, i64),
}

impl World {
    pub(super) fn new() -> Self {
        let unbinds = std::env::var("EVENKEEL_SIM").is_ok_and(|how| how == "newer");
        let mut world = Self { unbinds, ..Self::default() };
        world.networks.insert("bridge".to_owned(), world.network("bridge", "172.17.0.0/16", false));
        let none =
            NetworkState { driver: "null".to_owned(), subnets: Vec::new(), ..world.network(NONE, "", false) };
        world.networks.insert(NONE.to_owned(), none);
        world.registry.insert("poller:1".to_owned(), image_id("poller:1", &Program::Postgres).to_string());
        world
    }

    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn network(&self, name: &str, subnet: &str, internal: bool) -> NetworkState {
        NetworkState {
            id: format!("net-{name}"),
            name: name.to_owned(),
            labels: BTreeMap::new(),
            subnets: vec![subnet.to_owned()],
            internal,
            driver: "bridge".to_owned(),
            pools: Vec::new(),
            attachable: false,
            enable_ipv6: false,
            options: BTreeMap::new(),
            containers: Vec::new(),
        }
    }

    /// Adds a network; each has an id of its own, also one that was there before under the same name.
    pub(super) fn add_network(&mut self, name: &str, subnet: Option<String>, internal: bool) -> String {
        let number = self.number();
        let subnet = subnet.unwrap_or_else(|| format!("172.{}.0.0/16", 18 + number % 200));
        let network =
            NetworkState { id: format!("net-{number}-{name}"), ..self.network(name, &subnet, internal) };
        let id = network.id.clone();
        self.networks.insert(name.to_owned(), network);
        id
    }

    pub(super) fn position(&self, id_or_name: &str) -> Option<usize> {
        let is_meant = |it: &Instance| {
            it.seen.id.as_str() == id_or_name
                || it.seen.name == id_or_name
                || it.seen.id.short() == id_or_name
        };
        self.containers.iter().position(is_meant)
    }

    pub(super) fn find(&self, id_or_name: &str) -> Option<&Instance> {
        self.position(id_or_name).map(|place| &self.containers[place])
    }

    pub(super) fn program(&self, instance: &Instance) -> Option<&Program> {
        self.images.get(&instance.seen.image_id)
    }
}

impl Instance {
    pub(super) fn new(seen: Container, spec: ContainerSpec) -> Self {
        Self {
            seen,
            spec,
            endpoints: BTreeMap::new(),
            since: None,
            joined_at: None,
            reachable_since: None,
            stopped: false,
            damaged: false,
            again_at: None,
            torn: BTreeMap::new(),
            ran: BTreeSet::new(),
            tried: BTreeSet::new(),
            asked: BTreeSet::new(),
            tool: Tool::Idle,
            output: Vec::new(),
            cluster: None,
            saw: None,
        }
    }
}
