//! Servers of databases, and the sessions of migrations on them.

use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::name::ContainerId;
use evenkeel_core::observed::State;

use super::{ACCEPTS, STEP, Tool, World};
use crate::sim::cluster::{Backend, Cluster, Database, Work};
use crate::sim::code::{Code, Program};

impl World {
    /// The cluster of a server's container, whether or not it runs.
    pub(super) fn cluster(&mut self, place: usize) -> &mut Cluster {
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
    pub(in crate::sim) fn server(&mut self, address: &str) -> Result<(ContainerId, &mut Cluster), String> {
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
    pub(super) fn database_of(&mut self, place: usize) -> Option<(ContainerId, &mut Database)> {
        let server = self.resolve(&self.containers[place], "db")?;
        let (id, cluster) = self.accepting(server).ok()?;
        cluster.databases.get_mut("shop").map(|database| (id, database))
    }

    pub(in crate::sim) fn is_tool(&self, place: usize) -> bool {
        let entrypoint = &self.containers[place].spec.service.entrypoint;
        entrypoint.as_ref().is_some_and(|words| words.first().is_some_and(|word| word == "alembic"))
    }

    pub(super) fn migrate(&mut self, place: usize, code: &Code, age: Duration) {
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

    fn connect_tool(&mut self, place: usize, code: &Code, command: &[String]) -> Result<Tool, String> {
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
            "upgrade" => Work::Up { scripts: code.scripts[at.min(index)..index].to_vec(), apart: code.apart },
            _ => Work::Down { count: at.saturating_sub(index), apart: code.apart },
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
        self.check();
        self.busy();
        Ok(Tool::Works)
    }

    /// Sessions of migrations come to their end: with `COMMIT` where somebody is there to say it.
    pub(super) fn sessions(&mut self) {
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
    pub(in crate::sim) fn migrates(&self) -> bool {
        !self.backends.is_empty()
            || (0..self.containers.len())
                .any(|place| self.containers[place].since.is_some() && self.is_tool(place))
    }

    /// Ends sessions from outside; their transactions are rolled back.
    pub(in crate::sim) fn terminate(&mut self, doomed: impl Fn(&Backend) -> bool) -> Vec<Backend> {
        let (doomed, rest): (Vec<Backend>, Vec<Backend>) =
            std::mem::take(&mut self.backends).into_iter().partition(doomed);
        self.backends = rest;
        for backend in &doomed {
            self.conclude(&Backend { orphaned: true, ..backend.clone() });
        }
        doomed
    }
}
