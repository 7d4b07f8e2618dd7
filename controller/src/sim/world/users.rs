//! What answers on the wire, who uses it, and what must never be seen then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evenkeel_core::container::label;
use evenkeel_core::observed::State;

use super::{ACCEPTS, ANSWERS, Instance, World};
use crate::sim::code::{Fault, Program};

/// How long code with a late fault works.
const LATE: Duration = Duration::from_secs(2);

impl World {
    /// Whether a connection to one of its ports is accepted; one that is paused accepts, and says nothing.
    pub(in crate::sim) fn listens(&self, place: usize, port: u16) -> bool {
        let it = &self.containers[place];
        let up = |takes| it.since.is_some_and(|since| self.clock >= since + takes);
        match self.program(it) {
            Some(Program::Postgres) => port == 5432 && up(ACCEPTS),
            Some(Program::App(_)) => port == 8000 && up(ANSWERS) && !self.is_tool(place),
            None => false,
        }
    }

    /// Whom a connection to an address leads to, and to which of its ports: the host's own leads to who has bound the port.
    pub(in crate::sim) fn reached(&self, address: &str, port: u16) -> Option<(usize, u16)> {
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
    pub(in crate::sim) fn answer(&mut self, place: usize, path: &str) -> Result<Result<(), String>, String> {
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
    pub(super) fn users(&mut self) {
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
    pub(in crate::sim) fn write(&mut self, server: usize, database: &str, row: u64) -> bool {
        let id = &self.containers[server].seen.id;
        if self.backends.iter().any(|backend| backend.server == *id) {
            return false;
        }
        let Some(database) = self.cluster(server).databases.get_mut(database) else { return false };
        database.rows.insert(row);
        true
    }

    /// Who has a link to a name that several share and finds nobody, though one of them serves.
    fn lost(&self) -> Vec<String> {
        let serves = |service: &str| {
            let of =
                |place: &usize| self.containers[*place].seen.label(label::COMPOSE_SERVICE) == Some(service);
            let runs = |place: &usize| self.containers[*place].since.is_some() && self.reachable(*place);
            (0..self.containers.len()).filter(of).any(|place| runs(&place))
        };
        let mut found = Vec::new();
        for it in self.containers.iter().filter(|it| it.since.is_some()) {
            for (target, name) in it.endpoints.values().flat_map(|endpoint| &endpoint.links) {
                let is_shared = target.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'));
                if is_shared && self.resolve(it, name).is_none() && serves(name) {
                    found.push(format!("{} finds nobody called {name}", it.seen.name));
                }
            }
        }
        found
    }

    /// Two writers on a volume; code that users reach on a schema that it cannot run on; names that lead nowhere.
    pub(in crate::sim) fn check(&mut self) {
        let mut writers: BTreeMap<String, String> = BTreeMap::new();
        let mut found = self.lost();
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
        let mut migrated = BTreeSet::new();
        for backend in &self.backends {
            if !migrated.insert((&backend.server, &backend.database)) {
                found.push(format!("two migrations work on {} at once", backend.database));
            }
        }
        self.violations.extend(found);
    }
}
