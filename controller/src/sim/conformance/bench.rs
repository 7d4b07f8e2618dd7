//! Where a scenario is played: one side's traits, and the words in which it is written down.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::compose::{IpamPool, Port, RestartPolicy};
use evenkeel_core::container::{ContainerSpec, Endpoint, label};
use evenkeel_core::name::{ContainerId, ProjectName};
use evenkeel_core::secret::Secret;
use tempfile::TempDir;
use tokio::time::sleep;

use super::context;
use super::errors::{Kind, outcome};
use super::hands::Hands;
use super::transcript::Transcript;
use crate::database::{Databases, Target};
use crate::engine::{BuildRequest, Engine, EngineError, NetworkSpec};
use crate::verify::Wire;

/// How often something is looked at again, and how often at most.
const AGAIN: (Duration, usize) = (Duration::from_millis(50), 600);
/// The grace of a container that is stopped: what it does with its signal is its own affair.
pub(super) const GRACE: Option<Duration> = Some(Duration::ZERO);

/// One side, for one scenario.
pub(super) struct Bench {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) databases: Arc<dyn Databases>,
    pub(super) wire: Arc<dyn Wire>,
    pub(super) hands: Box<dyn Hands>,
    pub(super) directory: TempDir,
    prefix: String,
    pub(super) notes: RefCell<Notes>,
}

/// What was written down, and what short words stand for.
#[derive(Default)]
pub(super) struct Notes {
    transcript: Transcript,
    ids: BTreeMap<String, ContainerId>,
    pub(super) starts: BTreeMap<String, Vec<String>>,
    pub(super) ports: Vec<(String, u16)>,
    networks: u8,
    seen: BTreeMap<&'static str, Vec<String>>,
}

impl Bench {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        databases: Arc<dyn Databases>,
        wire: Arc<dyn Wire>,
        hands: Box<dyn Hands>,
        prefix: String,
    ) -> Self {
        let (directory, notes) = (TempDir::new().unwrap(), RefCell::default());
        Self { engine, databases, wire, hands, directory, prefix, notes }
    }

    pub(super) fn transcript(&self) -> Transcript {
        self.notes.borrow().transcript.clone()
    }

    /// Writes a line down.
    pub(super) fn note(&self, line: impl Into<String>) {
        let line = line.into().replace(&format!("{}-", self.prefix), "");
        self.notes.borrow_mut().transcript.add(line);
    }

    /// Writes down how something ended.
    pub(super) fn tell<T, E: Kind>(&self, what: impl std::fmt::Display, result: &Result<T, E>) {
        self.note(format!("{what}: {}", outcome(result)));
    }

    /// Looks again until it holds; written down where it never does.
    pub(super) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        for _ in 0..AGAIN.1 {
            if holds().await {
                return;
            }
            sleep(AGAIN.0).await;
        }
        self.note(format!("never {what}"));
    }

    /// By how manieth a value of its kind is known.
    pub(super) fn nth(&self, kind: &'static str, value: &str) -> usize {
        let mut notes = self.notes.borrow_mut();
        let known = notes.seen.entry(kind).or_default();
        let place = known.iter().position(|it| it == value).unwrap_or_else(|| {
            known.push(value.to_owned());
            known.len() - 1
        });
        place + 1
    }

    // ---- names

    /// The whole name of something.
    pub(super) fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.prefix)
    }

    pub(super) fn project(&self) -> ProjectName {
        ProjectName::new(self.prefix.as_str())
    }

    /// A container's id, also of one that is gone; the name of one that never was.
    pub(super) fn id(&self, what: &str) -> ContainerId {
        let known = self.notes.borrow().ids.get(what).cloned();
        known.unwrap_or_else(|| ContainerId::new(self.name(what)))
    }

    /// A port of the host, by a word for it.
    pub(super) fn port(&self, word: &str) -> u16 {
        let mut notes = self.notes.borrow_mut();
        if let Some((_, port)) = notes.ports.iter().find(|(known, _)| known == word) {
            return *port;
        }
        let port = self.hands.free_port(u16::try_from(notes.ports.len()).unwrap());
        notes.ports.push((word.to_owned(), port));
        port
    }

    // ---- what scenarios are made of

    /// An image that runs an application, built from what its file says.
    pub(super) async fn app(&self, code: &str) -> String {
        let image = self.name(&format!("app{}:1", self.nth("code", code)));
        self.build(&image, code).await.unwrap();
        image
    }

    pub(super) async fn build(
        &self,
        image: &str,
        code: &str,
    ) -> Result<evenkeel_core::observed::Image, EngineError> {
        let path = self.directory.path().join("context.tar");
        context::write(&path, code);
        let request = BuildRequest {
            tag: image.to_owned(),
            context: path,
            dockerfile: "Dockerfile".to_owned(),
            args: BTreeMap::new(),
            target: None,
            // Or another scenario's image of the same content would be the same image.
            labels: BTreeMap::from([("evenkeel.test".to_owned(), self.prefix.clone())]),
            network: Some("none".to_owned()),
            extra_hosts: Vec::new(),
            shm_size: None,
            ulimits: BTreeMap::new(),
            cache_from: Vec::new(),
            platform: None,
            cache: true,
            pull: false,
            secrets: BTreeMap::new(),
            agents: BTreeMap::new(),
            timeout: Duration::from_secs(120),
        };
        self.engine.build(request, &|_| ()).await
    }

    /// A network that nobody leaves by, or one.
    pub(super) async fn network(&self, what: &str, internal: bool) -> String {
        let result = self.try_network(what, internal).await;
        result.unwrap();
        self.name(what)
    }

    /// The same, where that may be refused.
    pub(super) async fn try_network(&self, what: &str, internal: bool) -> Result<String, EngineError> {
        loop {
            let number = self.notes.borrow().networks;
            self.notes.borrow_mut().networks += 1;
            let pool = IpamPool { subnet: Some(self.hands.subnet(number)), ..IpamPool::default() };
            let spec =
                NetworkSpec { name: self.name(what), internal, ipam: vec![pool], ..NetworkSpec::default() };
            match self.engine.create_network(&spec).await {
                // Somebody else on this engine has the subnet.
                Err(EngineError::Refused { reason, .. }) if reason.contains("overlaps") => {}
                result => return result,
            }
        }
    }

    /// A container of an application, on these networks.
    pub(super) async fn spec(&self, what: &str, networks: &[&str]) -> ContainerSpec {
        let image = self.app("").await;
        let mut spec = ContainerSpec {
            name: self.name(what),
            image,
            labels: BTreeMap::from([(label::COMPOSE_PROJECT.to_owned(), self.prefix.clone())]),
            endpoints: networks.iter().map(|network| self.on(network)).collect(),
            ..ContainerSpec::default()
        };
        // A name that nobody has is not asked for elsewhere.
        (spec.service.dns, spec.service.dns_opt) =
            (vec!["127.0.0.1".to_owned()], vec!["timeout:1".to_owned(), "attempts:1".to_owned()]);
        spec
    }

    pub(super) fn on(&self, network: &str) -> Endpoint {
        Endpoint { network: self.name(network), ..Endpoint::default() }
    }

    pub(super) fn as_alias(&self, network: &str, alias: &str) -> Endpoint {
        Endpoint { aliases: vec![alias.to_owned()], ..self.on(network) }
    }

    /// A place with a link: to a container by name, or by the id that it has by now.
    pub(super) fn linked(&self, network: &str, target: &str, alias: &str) -> Endpoint {
        Endpoint { links: vec![(target.to_owned(), alias.to_owned())], ..self.on(network) }
    }

    /// Publishes the application's port at one of the host's.
    pub(super) fn publish(&self, spec: &mut ContainerSpec, word: &str) {
        let published = Some(self.port(word));
        spec.service.ports =
            vec![Port { target: context::PORT, published, host_ip: None, protocol: "tcp".to_owned() }];
        spec.publish = true;
    }

    // ---- effects, written down

    pub(super) async fn create(&self, spec: &ContainerSpec) {
        let created = self.engine.create(spec).await;
        self.tell(format!("create {}", spec.name), &created);
        if let Ok(id) = created {
            let what = spec.name.strip_prefix(&format!("{}-", self.prefix)).unwrap().to_owned();
            self.notes.borrow_mut().ids.insert(what, id);
        }
    }

    /// Creates and starts it.
    pub(super) async fn run(&self, spec: &ContainerSpec) {
        self.create(spec).await;
        let what = spec.name.strip_prefix(&format!("{}-", self.prefix)).unwrap();
        self.start(what).await;
    }

    pub(super) async fn start(&self, what: &str) {
        self.tell(format!("start {what}"), &self.engine.start(self.id(what).as_str()).await);
    }

    pub(super) async fn stop(&self, what: &str) {
        self.tell(format!("stop {what}"), &self.engine.stop(self.id(what).as_str(), GRACE).await);
    }

    pub(super) async fn remove(&self, what: &str) {
        self.tell(format!("remove {what}"), &self.engine.remove(self.id(what).as_str(), true).await);
    }

    pub(super) async fn withdraw(&self, what: &str) {
        self.tell(format!("withdraw {what}"), &self.engine.withdraw(self.id(what).as_str()).await);
    }

    pub(super) async fn rename(&self, what: &str, to: &str) {
        let result = self.engine.rename(self.id(what).as_str(), &self.name(to)).await;
        self.tell(format!("rename {what} to {to}"), &result);
    }

    pub(super) async fn connect(&self, what: &str, endpoint: &Endpoint) {
        let result = self.engine.connect(self.id(what).as_str(), endpoint).await;
        self.tell(format!("connect {what} to {}", endpoint.network), &result);
    }

    pub(super) async fn disconnect(&self, what: &str, network: &str) {
        let result = self.engine.disconnect(self.id(what).as_str(), &self.name(network)).await;
        self.tell(format!("disconnect {what} from {network}"), &result);
    }

    pub(super) async fn set_restart(&self, what: &str, policy: RestartPolicy) {
        let result = self.engine.set_restart(self.id(what).as_str(), policy).await;
        self.tell(format!("restart policy of {what} {policy:?}"), &result);
    }

    // ---- databases

    /// A server with the database `shop`, named `db`, that accepts; its cluster in memory unless it has a place.
    pub(super) async fn server(&self, what: &str, bind: Option<String>) -> Target {
        let mut spec = self.spec(what, &[]).await;
        spec.image = self.hands.postgres(self.engine.as_ref()).await.to_owned();
        spec.endpoints = vec![self.as_alias("home", "db")];
        for (name, value) in [("POSTGRES_USER", "shop"), ("POSTGRES_DB", "shop"), ("POSTGRES_PASSWORD", "pw")]
        {
            spec.service.environment.insert(name.to_owned(), Secret::new(value));
        }
        spec.service.command = Some(["postgres", "-c", "fsync=off"].map(str::to_owned).to_vec());
        match bind {
            Some(volume) => spec.binds = vec![format!("{volume}:/var/lib/postgresql/data")],
            None => spec.anonymous = vec!["/var/lib/postgresql/data".to_owned()],
        }
        self.run(&spec).await;
        self.accepting(what).await
    }

    /// Where a server's database is reached now, once it accepts.
    pub(super) async fn accepting(&self, what: &str) -> Target {
        let target = self.target(what).await;
        self.until("accepts", async || self.databases.accepts(&target).await.is_ok()).await;
        target
    }

    /// Where a server's database is reached now.
    pub(super) async fn target(&self, what: &str) -> Target {
        let host = self.address(what, "home").await;
        let url = format!("postgresql://shop:pw@{host}:5432/shop");
        let target = Target::from_url(&Secret::new(url)).unwrap();
        Target { programs: Some(crate::database::Programs::Server(self.id(what))), ..target }
    }
}
