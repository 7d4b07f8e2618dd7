//! The machine that is looked after: containers, networks, volumes and images, and what time does to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use evenkeel_core::compose::RestartPolicy;
use evenkeel_core::container::{ContainerSpec, Endpoint};
use evenkeel_core::name::{ContainerId, ImageId, ProjectName};
use evenkeel_core::observed::{Container, Health, HealthStatus, Joined, NetworkState, State};

use super::cluster::{Backend, Cluster, Database};
use super::code::{Fault, Program, Script};
use crate::engine::Owner;

/// How finely time passes while something is going on.
const STEP: Duration = Duration::from_millis(250);
/// How long after a start or a stop something may still be going on.
const BUSY: Duration = Duration::from_secs(15);
/// How long a database server takes to accept.
const ACCEPTS: Duration = Duration::from_millis(500);
/// How long an application takes to answer.
const ANSWERS: Duration = Duration::from_millis(500);
/// How long a healthcheck takes to pass.
const HEALTHY: Duration = Duration::from_secs(1);
/// How long code with a late fault works.
const LATE: Duration = Duration::from_secs(2);

/// The first pause before a process that ended is started again; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(100);
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
    /// When the engine starts it again.
    pub(super) again_at: Option<Duration>,
    /// Networks that it could not join because a port was held: what is left of the attempt is in the way of the next, and
    /// becomes a place there when it ends.
    pub(super) torn: BTreeMap<String, Endpoint>,
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
        let mut world = Self::default();
        world.networks.insert("bridge".to_owned(), world.network("bridge", "172.17.0.0/16", false));
        let none =
            NetworkState { driver: "null".to_owned(), subnets: Vec::new(), ..world.network(NONE, "", false) };
        world.networks.insert(NONE.to_owned(), none);
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

    // ---- life cycle

    /// Starts a container; the engine's words when it cannot, which it notes down.
    pub(super) fn start(&mut self, place: usize) -> Result<(), String> {
        match self.containers[place].seen.state {
            State::Running => return Ok(()),
            State::Paused => return Err("it is paused".to_owned()),
            _ => {}
        }
        self.containers[place].seen.restart_count = 0;
        self.launch(place)
    }

    fn launch(&mut self, place: usize) -> Result<(), String> {
        if let Some(obstacle) = self.obstacle(place) {
            let seen = &mut self.containers[place].seen;
            seen.error.clone_from(&obstacle);
            if seen.exit_code == 0 {
                seen.exit_code = 128;
            }
            return Err(obstacle);
        }
        self.busy();
        let clock = self.clock;
        let number = self.number();
        let instance = &mut self.containers[place];
        instance.seen.state = State::Running;
        instance.seen.started_at = format!("start-{number}");
        (instance.seen.exit_code, instance.seen.error) = (0, String::new());
        instance.since = Some(clock);
        (instance.stopped, instance.again_at, instance.tool, instance.saw) = (false, None, Tool::Idle, None);
        for name in self.containers[place].seen.networks.keys().cloned().collect::<Vec<_>>() {
            self.give_address(place, &name);
        }
        if self.is_checked(place) {
            self.show_health(place, HealthStatus::Starting);
        }
        self.bind(place);
        self.check();
        Ok(())
    }

    /// What a start fails over.
    fn obstacle(&self, place: usize) -> Option<String> {
        let it = &self.containers[place];
        let is_stale = |(name, joined): &(&String, &Joined)| {
            self.networks.get(*name).is_none_or(|network| network.id != joined.network_id)
        };
        if let Some((name, _)) = it.seen.networks.iter().find(is_stale) {
            return Some(format!("network {name} not found"));
        }
        if it.endpoints.values().any(|endpoint| self.is_taken(place, endpoint)) {
            return Some("Address already in use".to_owned());
        }
        let port = self.taken_port(place, None)?;
        Some(format!("Bind for 0.0.0.0:{port} failed: port is already allocated"))
    }

    /// Ends a container that runs; what it was doing on a database goes on for a while.
    pub(super) fn end(&mut self, place: usize, exit_code: i64) {
        self.busy();
        let instance = &mut self.containers[place];
        instance.seen.state = State::Exited;
        instance.seen.exit_code = exit_code;
        instance.seen.bound_ports.clear();
        instance.seen.networks.values_mut().for_each(|joined| joined.ip_address.clear());
        (instance.since, instance.reachable_since) = (None, None);
        let id = instance.seen.id.clone();
        let torn = std::mem::take(&mut instance.torn);
        for endpoint in torn.values() {
            // It is known to be there: whoever lost a network by this name cannot start.
            let _ = self.join(place, endpoint);
        }
        if self.is_checked(place) {
            self.show_health(place, HealthStatus::Unhealthy);
        }
        self.hang_up(&id);
        self.locks.retain(|(server, _), _| *server != id);
        let until = self.clock + Duration::from_secs(3);
        for backend in self.backends.iter_mut().filter(|backend| backend.client == id) {
            backend.orphaned = true;
            backend.done_at = backend.done_at.max(until);
        }
    }

    /// A server has ended: those who were connected notice.
    fn hang_up(&mut self, server: &ContainerId) {
        let ends = self.clock + STEP;
        let (lost, rest): (Vec<Backend>, Vec<Backend>) =
            std::mem::take(&mut self.backends).into_iter().partition(|backend| backend.server == *server);
        self.backends = rest;
        for backend in lost {
            if let Some(client) = self.position(backend.client.as_str()) {
                self.containers[client].tool = Tool::Ends(ends, 1);
            }
        }
    }

    /// A process ends by itself: the engine starts it again where its policy says so.
    pub(super) fn end_by_itself(&mut self, place: usize, exit_code: i64) {
        self.end(place, exit_code);
        let clock = self.clock;
        let it = &mut self.containers[place];
        let tried = it.seen.restart_count;
        let comes_back = match it.seen.restart {
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure(most) => exit_code != 0 && (most == 0 || tried < most),
            RestartPolicy::No => false,
        };
        if comes_back {
            it.seen.state = State::Restarting;
            it.again_at = Some(clock + PAUSE * (1 << tried.clamp(0, 9)));
        }
    }

    fn come_back(&mut self, place: usize) {
        let it = &mut self.containers[place];
        if it.again_at.take_if(|at| *at <= self.clock).is_some() {
            it.seen.restart_count += 1;
            if self.launch(place).is_err() {
                self.containers[place].seen.state = State::Exited;
            }
        }
    }

    pub(super) fn stop(&mut self, place: usize) {
        if self.containers[place].since.is_some() {
            self.end(place, 137);
        }
        let it = &mut self.containers[place];
        if it.seen.state == State::Restarting {
            it.seen.state = State::Exited;
        }
        (it.stopped, it.again_at) = (true, None);
    }

    pub(super) fn remove(&mut self, place: usize) {
        if self.containers[place].since.is_some() {
            self.end(place, 137);
        }
        self.containers.remove(place);
        self.check();
    }

    /// The host loses power and comes back: the engine starts what its policy says.
    pub(super) fn reboot(&mut self) {
        self.down_and_up(Duration::from_secs(20));
    }

    /// The engine goes down with all its containers, and comes back.
    pub(super) fn restart_engine(&mut self) {
        self.down_and_up(Duration::ZERO);
    }

    fn down_and_up(&mut self, after: Duration) {
        self.backends.clear();
        self.locks.clear();
        for place in 0..self.containers.len() {
            if self.containers[place].since.is_some() {
                self.end(place, 255);
            }
        }
        self.backends.clear();
        self.clock += after;
        for place in 0..self.containers.len() {
            let it = &mut self.containers[place];
            if it.again_at.take().is_some() {
                it.seen.state = State::Exited;
            }
            let comes_back = match it.seen.restart {
                RestartPolicy::Always => true,
                RestartPolicy::UnlessStopped => !it.stopped,
                RestartPolicy::No | RestartPolicy::OnFailure(_) => false,
            };
            if comes_back && it.seen.state == State::Exited {
                // What is in the way is noted down with it.
                let _ = self.start(place);
            }
        }
    }

    /// Takes away all that tells of evenkeel: what is left, Compose could have made.
    pub(super) fn as_compose_made_it(&mut self) {
        self.tags.retain(|tag, _| !tag.starts_with("evenkeel/"));
        self.owners.clear();
        self.networks.retain(|name, _| !name.ends_with("_backstage"));
        for it in &mut self.containers {
            it.seen.labels.retain(|name, _| !name.starts_with("evenkeel."));
            it.seen.networks.retain(|name, _| !name.ends_with("_backstage"));
            it.endpoints.retain(|name, _| !name.ends_with("_backstage"));
            if it.seen.image.starts_with("evenkeel/") {
                "shop-api".clone_into(&mut it.seen.image);
            }
            for (source, ..) in it.seen.mounts.iter_mut().filter(|(source, ..)| source.starts_with('/')) {
                "/srv/shop/app.ini".clone_into(source);
            }
        }
    }

    // ---- networks

    pub(super) fn join(&mut self, place: usize, endpoint: &Endpoint) -> Result<(), String> {
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

    pub(super) fn leave(&mut self, place: usize, network: &str) {
        let instance = &mut self.containers[place];
        instance.seen.networks.remove(network);
        instance.endpoints.remove(network);
        // Ports that are bound stay so on whatever network is left, an internal one too.
        if instance.seen.networks.is_empty() {
            instance.seen.bound_ports.clear();
        }
        if !self.reachable(place) {
            self.containers[place].reachable_since = None;
        }
    }

    /// Whether somebody else has the address that it wants to have.
    fn is_taken(&self, place: usize, endpoint: &Endpoint) -> bool {
        let has = |it: &Instance, wanted: &String| {
            it.seen.networks.get(&endpoint.network).is_some_and(|joined| joined.ip_address == *wanted)
        };
        let mut others = self.containers.iter().enumerate().filter(|(other, _)| *other != place);
        endpoint.ipv4_address.as_ref().is_some_and(|wanted| others.any(|(_, it)| has(it, wanted)))
    }

    /// The one that it wants, or the lowest that is free, so that addresses of the dead are soon somebody else's.
    fn give_address(&mut self, place: usize, network: &str) {
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
    pub(super) fn reachable(&self, place: usize) -> bool {
        self.containers[place].seen.networks.keys().any(|name| self.leads_outside(name))
    }

    fn leads_outside(&self, network: &str) -> bool {
        self.networks.get(network).is_some_and(|network| !network.internal && network.name != NONE)
    }

    /// Of the ports that it would bind now, one that another container holds.
    fn taken_port(&self, place: usize, joining: Option<&str>) -> Option<String> {
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

    fn bind(&mut self, place: usize) {
        if self.reachable(place) {
            let clock = self.clock;
            let instance = &mut self.containers[place];
            instance.seen.bound_ports = instance.seen.port_bindings.clone();
            instance.reachable_since.get_or_insert(clock);
        }
    }

    /// Whom a name means to a container.
    pub(super) fn resolve(&self, from: &Instance, name: &str) -> Option<usize> {
        let (network, name) = self.means(from, name)?;
        self.named(network, name)
    }

    /// Where somebody has a name that a container asks for, and how he is called there: its own links first, then the names that
    /// others have on its networks, but for those on which it has a link of that name. Networks that lead outside come first.
    pub(super) fn means<'a>(&self, from: &'a Instance, name: &'a str) -> Option<(&'a str, &'a str)> {
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
    pub(super) fn named(&self, network: &str, name: &str) -> Option<usize> {
        self.everybody(network, name).next()
    }

    /// All who have it.
    pub(super) fn everybody(&self, network: &str, name: &str) -> impl Iterator<Item = usize> {
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
    pub(super) fn at(&self, address: &str) -> Option<usize> {
        let has = |it: &Instance| {
            it.since.is_some() && it.seen.networks.values().any(|joined| joined.ip_address == address)
        };
        self.containers.iter().position(has)
    }

    // ---- databases

    /// The cluster of a server's container, whether or not it runs.
    fn cluster(&mut self, place: usize) -> &mut Cluster {
        let number = self.number();
        let instance = &mut self.containers[place];
        let volume = instance.spec.binds.iter().find_map(|bind| {
            let (source, target) = bind.split_once(':')?;
            (target == "/var/lib/postgresql/data" && !source.starts_with('/')).then(|| source.to_owned())
        });
        let name = instance.spec.service.environment.get("POSTGRES_DB");
        let name = name.map_or_else(|| "postgres".to_owned(), |name| name.expose().to_owned());
        let cluster = match volume {
            Some(volume) => self.volumes.entry(volume).or_default(),
            None => &mut instance.cluster,
        };
        cluster.get_or_insert_with(|| Cluster {
            system_identifier: format!("7{number:018}"),
            databases: [(name, Database::default())].into(),
        })
    }

    /// The cluster of a server that accepts at this address; who it is.
    pub(super) fn server(&mut self, address: &str) -> Result<(ContainerId, &mut Cluster), String> {
        let place = self.at(address).ok_or_else(|| "no route to host".to_owned())?;
        self.accepting(place)
    }

    fn accepting(&mut self, place: usize) -> Result<(ContainerId, &mut Cluster), String> {
        let it = &self.containers[place];
        let is_server = self.program(it) == Some(&Program::Postgres);
        let accepts = it.since.is_some_and(|since| self.clock >= since + ACCEPTS);
        if !is_server || !accepts || it.seen.state == State::Paused {
            return Err("connection refused".to_owned());
        }
        let id = it.seen.id.clone();
        Ok((id, self.cluster(place)))
    }

    /// The database that an application's container reaches under the name `db`.
    fn database_of(&mut self, place: usize) -> Option<(ContainerId, &mut Database)> {
        let server = self.resolve(&self.containers[place], "db")?;
        let (id, cluster) = self.accepting(server).ok()?;
        cluster.databases.get_mut("shop").map(|database| (id, database))
    }

    // ---- time

    pub(super) fn busy(&mut self) {
        self.busy_until = self.busy_until.max(self.clock + BUSY);
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Duration) {
        while self.clock < now {
            let step = if self.clock < self.busy_until { STEP } else { now - self.clock };
            self.clock = (self.clock + step).min(now);
            self.pass();
        }
    }

    fn pass(&mut self) {
        for place in 0..self.containers.len() {
            self.live(place);
        }
        self.sessions();
        self.users();
        self.check();
    }

    fn live(&mut self, place: usize) {
        self.come_back(place);
        let Some(since) = self.containers[place].since else { return };
        let age = self.clock.saturating_sub(since);
        if self.is_checked(place) && age >= HEALTHY {
            self.show_health(place, HealthStatus::Healthy);
        }
        let Some(Program::App(code)) = self.program(&self.containers[place]).cloned() else { return };
        if self.is_tool(place) {
            return self.migrate(place, &code, age);
        }
        if code.fault == Fault::Start && age >= Duration::from_millis(250) {
            self.end_by_itself(place, 1);
        } else if age >= ANSWERS && self.containers[place].saw.is_none() {
            let applied = self.database_of(place).map(|(_, database)| database.applied.clone());
            self.containers[place].saw = applied;
        }
    }

    fn is_checked(&self, place: usize) -> bool {
        let check = self.containers[place].spec.service.healthcheck.as_ref();
        check.is_some_and(|check| check.test.first().is_some_and(|word| word != "NONE"))
    }

    fn show_health(&mut self, place: usize, status: HealthStatus) {
        self.containers[place].seen.health = Some(Health {
            status,
            failing_streak: 0,
            last_output: String::new(),
            command: Vec::new(),
            timeout: Duration::ZERO,
        });
    }

    pub(super) fn is_tool(&self, place: usize) -> bool {
        let entrypoint = &self.containers[place].spec.service.entrypoint;
        entrypoint.as_ref().is_some_and(|words| words.first().is_some_and(|word| word == "alembic"))
    }

    fn migrate(&mut self, place: usize, code: &super::code::Code, age: Duration) {
        let clock = self.clock;
        match self.containers[place].tool.clone() {
            Tool::Idle if age >= Duration::from_millis(250) => {
                let command = self.containers[place].spec.service.command.clone().unwrap_or_default();
                self.containers[place].tool =
                    self.connect_tool(place, code, &command).unwrap_or_else(|words| {
                        // The tool's own complaint, or an exception of its driver.
                        let exit_code = if words.starts_with("Can't locate") { 255 } else { 1 };
                        self.containers[place].output.push(words);
                        Tool::Ends(clock, exit_code)
                    });
            }
            Tool::Ends(at, exit_code) if clock >= at => self.end_by_itself(place, exit_code),
            _ => {}
        }
    }

    fn connect_tool(
        &mut self,
        place: usize,
        code: &super::code::Code,
        command: &[String],
    ) -> Result<Tool, String> {
        use super::cluster::Work;
        let soon = self.clock + STEP;
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let (verb, to) = match words.as_slice() {
            ["history", ..] => {
                self.containers[place].output = code.history();
                return Ok(Tool::Ends(soon, 0));
            }
            [verb @ ("upgrade" | "downgrade"), to] => (*verb, *to),
            _ => return Err("no such command".to_owned()),
        };
        let (client, address) = {
            let it = &self.containers[place].seen;
            (it.id.clone(), it.networks.values().find_map(|joined| joined.ip_address.parse::<IpAddr>().ok()))
        };
        let (server, database) = self.database_of(place).ok_or("could not connect to server")?;
        let at = database.applied.len();
        if let Some(last) = database.applied.last()
            && !code.scripts.iter().any(|script| script.revision == last.revision)
        {
            return Err(format!("Can't locate revision identified by '{}'", last.revision));
        }
        let index = code.scripts.iter().position(|script| script.revision == to).map_or(0, |index| index + 1);
        let work = match verb {
            "upgrade" => Work::Up(code.scripts[at.min(index)..index].to_vec()),
            _ => Work::Down(at.saturating_sub(index)),
        };
        let done_at = self.clock + Duration::from_secs(2);
        self.backends.push(Backend {
            server,
            database: "shop".to_owned(),
            client,
            address: address.ok_or("no network")?,
            work,
            done_at,
            orphaned: false,
        });
        self.busy();
        Ok(Tool::Works)
    }

    /// Sessions of migrations come to their end: with `COMMIT` where somebody is there to say it.
    fn sessions(&mut self) {
        let clock = self.clock;
        let (done, going): (Vec<Backend>, Vec<Backend>) =
            std::mem::take(&mut self.backends).into_iter().partition(|backend| clock >= backend.done_at);
        self.backends = going;
        for backend in done {
            self.conclude(&backend);
        }
    }

    fn conclude(&mut self, backend: &Backend) {
        let ends = self.clock + STEP;
        let Some(server) = self.position(backend.server.as_str()) else { return };
        let Some(database) = self.cluster(server).databases.get_mut(&backend.database) else { return };
        let ended = if backend.orphaned {
            backend.work.abandon(database);
            return;
        } else {
            backend.work.commit(database)
        };
        if let Some(place) = self.position(backend.client.as_str()) {
            let instance = &mut self.containers[place];
            instance.tool = Tool::Ends(ends, i64::from(ended.is_err()));
            instance.output.extend(ended.err());
        }
        self.check();
    }

    /// Whether a migration is under way.
    pub(super) fn migrates(&self) -> bool {
        !self.backends.is_empty()
            || (0..self.containers.len())
                .any(|place| self.containers[place].since.is_some() && self.is_tool(place))
    }

    /// Ends sessions from outside; their transactions are rolled back.
    pub(super) fn terminate(&mut self, doomed: impl Fn(&Backend) -> bool) -> Vec<Backend> {
        let (doomed, rest): (Vec<Backend>, Vec<Backend>) =
            std::mem::take(&mut self.backends).into_iter().partition(doomed);
        self.backends = rest;
        for backend in &doomed {
            self.conclude(&Backend { orphaned: true, ..backend.clone() });
        }
        doomed
    }

    // ---- applications and their users

    /// Whether a connection to one of its ports is accepted; one that is paused accepts, and says nothing.
    pub(super) fn listens(&self, place: usize, port: u16) -> bool {
        let it = &self.containers[place];
        let up = |takes| it.since.is_some_and(|since| self.clock >= since + takes);
        match self.program(it) {
            Some(Program::Postgres) => port == 5432 && up(ACCEPTS),
            Some(Program::App(_)) => port == 8000 && up(ANSWERS) && !self.is_tool(place),
            None => false,
        }
    }

    /// Whom a connection to an address leads to, and to which of its ports: the host's own leads to who has bound the port.
    pub(super) fn reached(&self, address: &str, port: u16) -> Option<(usize, u16)> {
        if address != "127.0.0.1" {
            return self.at(address).map(|place| (place, port));
        }
        let bound = |it: &Instance| {
            let mut bound = it.seen.bound_ports.iter().filter(|(.., host)| *host == port.to_string());
            bound.find_map(|(inside, ..)| inside.split('/').next()?.parse().ok())
        };
        self.containers.iter().enumerate().find_map(|(place, it)| Some((place, bound(it)?)))
    }

    /// What an application's container answers; an error that it shows, or none at all.
    pub(super) fn answer(&mut self, place: usize, path: &str) -> Result<Result<(), String>, String> {
        let it = &self.containers[place];
        let Some(Program::App(code)) = self.program(it).cloned() else {
            return Err("connection refused".to_owned());
        };
        let up = it.since.is_some_and(|since| self.clock >= since + ANSWERS);
        if !up || it.seen.state != State::Running || self.is_tool(place) {
            return Err("connection refused".to_owned());
        }
        let late = it.reachable_since.is_some_and(|since| self.clock >= since + LATE);
        let (saw, own) = (it.saw.clone(), code.scripts.clone());
        let broken = match code.fault {
            Fault::Probe => true,
            Fault::Late => late,
            Fault::Smoke => path == "/smoke",
            Fault::None | Fault::Build | Fault::Start => false,
        };
        if broken {
            return Ok(Err("it is broken".to_owned()));
        }
        if code.scripts.is_empty() {
            return Ok(Ok(()));
        }
        let Some((_, database)) = self.database_of(place) else { return Ok(Err("no database".to_owned())) };
        let refuses = code.picky && saw.is_some_and(|saw| saw != own);
        if refuses || !code.runs_on(&database.applied) {
            return Ok(Err(format!("it cannot run on schema {:?}", database.revisions())));
        }
        Ok(Ok(()))
    }

    /// Users write a row through whatever is there, inside the project and from outside, and remember what was acknowledged.
    fn users(&mut self) {
        let inside = self.named("shop_default", "api");
        let published = |it: &Instance| it.seen.bound_ports.iter().any(|(.., port)| port == "8000");
        let outside = self.containers.iter().position(published);
        for place in [inside, outside].into_iter().flatten() {
            if self.answer(place, "/") != Ok(Ok(())) {
                continue;
            }
            let row = self.clock.as_millis().try_into().unwrap_or(u64::MAX);
            let Some((server, database)) = self.database_of(place) else { continue };
            if database.rows.len() < 400
                && let Some(server) = self.position(server.as_str())
                && self.write(server, "shop", row)
            {
                self.acknowledged.insert(row);
            }
        }
    }

    /// Writes a row; whether it is written. A migration holds its locks to the end: whoever writes waits, and nobody tells him
    /// that it is done.
    pub(super) fn write(&mut self, server: usize, database: &str, row: u64) -> bool {
        let id = &self.containers[server].seen.id;
        if self.backends.iter().any(|backend| backend.server == *id) {
            return false;
        }
        let Some(database) = self.cluster(server).databases.get_mut(database) else { return false };
        database.rows.insert(row);
        true
    }

    // ---- what must never be

    /// Two writers on a volume; code that users reach on a schema that it cannot run on.
    pub(super) fn check(&mut self) {
        let mut writers: BTreeMap<String, String> = BTreeMap::new();
        let mut found = Vec::new();
        for it in self.containers.iter().filter(|it| it.since.is_some()) {
            for (volume, _, writable) in it.seen.mounts.iter().filter(|(volume, ..)| !volume.starts_with('/'))
            {
                if *writable && let Some(other) = writers.insert(volume.clone(), it.seen.name.clone()) {
                    found.push(format!("{other} and {} both write to {volume}", it.seen.name));
                }
            }
        }
        for place in 0..self.containers.len() {
            if self.containers[place].since.is_none() || !self.reachable(place) || self.is_tool(place) {
                continue;
            }
            let Some(Program::App(code)) = self.program(&self.containers[place]).cloned() else { continue };
            let Some((_, database)) = self.database_of(place) else { continue };
            if !code.runs_on(&database.applied) {
                let at = database.revisions();
                found.push(format!("{} serves on schema {at:?}", self.containers[place].seen.name));
            }
        }
        self.violations.extend(found);
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
            again_at: None,
            torn: BTreeMap::new(),
            tool: Tool::Idle,
            output: Vec::new(),
            cluster: None,
            saw: None,
        }
    }
}
