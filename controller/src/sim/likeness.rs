//! When two crashes leave the same: all that anything is decided by is alike, and only numbers, ids and times differ.
//!
//! Every crash leaves states in which a further crash may come. Those that are alike are gone on from once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use evenkeel_core::container::label;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::image::Header;
use super::oracle::hooked;
use super::world::{Instance, World};

/// What is on record, as far as anything is decided by it. Of closed rollouts that is how they ended; steps are
/// for people to read.
const RECORDS: [&str; 14] = [
    "SELECT name, live_release, live_revision, attempted_revision, suspended, schema, system_identifier FROM apps",
    "SELECT digest, outputs FROM releases ORDER BY digest",
    "SELECT release, previous, reverting IS NOT NULL FROM rollouts WHERE finished_at IS NULL",
    "SELECT DISTINCT release, outcome FROM rollouts WHERE finished_at IS NOT NULL ORDER BY release, outcome",
    "SELECT key, CASE WHEN key LIKE '%At' OR key = 'pausedFor' OR key = 'backup' THEN '' ELSE value END FROM facts \
     JOIN rollouts ON rollouts.id = rollout WHERE finished_at IS NULL ORDER BY key",
    "SELECT release, direction, from_revisions, to_revisions FROM applied ORDER BY id DESC LIMIT 1",
    "SELECT service, container FROM serving ORDER BY service",
    "SELECT service, config FROM containers WHERE config IS NOT NULL ORDER BY service, config",
    "SELECT reference, base, digest FROM tags ORDER BY reference",
    "SELECT release FROM quarantine ORDER BY release",
    "SELECT reason FROM conditions ORDER BY reason",
    "SELECT count(*) > 0 FROM backups",
    "SELECT value FROM (SELECT value FROM facts WHERE key = 'postStartDue' ORDER BY rollout DESC LIMIT 1) WHERE value <> '[]'",
    "SELECT value FROM (SELECT value FROM facts WHERE key = 'restartsDue' ORDER BY rollout DESC LIMIT 1) WHERE value <> '[]'",
];

/// A second look at a process's ledger.
pub(super) struct Records {
    connection: Connection,
    /// What it held when it was last read: most of what changes is in the world.
    last: Option<(Header, Record)>,
}

/// What a ledger holds.
struct Record {
    /// What is decided by, as text.
    text: String,
    /// The ids of the containers that are known.
    known: BTreeSet<String>,
}

impl Records {
    pub(super) fn of(data_dir: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self {
            connection: Connection::open_with_flags(data_dir.join("ledger.db"), flags).unwrap(),
            last: None,
        }
    }

    /// What it holds at a moment, which the header of its log tells from others.
    fn at(&mut self, header: &Header) -> &Record {
        let last = self.last.take().filter(|(known, _)| known == header);
        &self.last.insert(last.unwrap_or_else(|| (header.clone(), self.read()))).1
    }

    fn read(&self) -> Record {
        let mut text = String::new();
        for query in RECORDS {
            let mut statement = self.connection.prepare_cached(query).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                for column in 0..columns {
                    match row.get_ref(column).unwrap() {
                        ValueRef::Text(value) => text.push_str(std::str::from_utf8(value).unwrap()),
                        other => write!(text, "{other:?}").unwrap(),
                    }
                    text.push(' ');
                }
                text.push('\n');
            }
            text.push('\n');
        }
        let mut statement = self.connection.prepare_cached("SELECT id FROM containers").unwrap();
        let ids = statement.query_map([], |row| row.get(0)).unwrap();
        Record { text, known: ids.map(Result::unwrap).collect() }
    }
}

/// What is there and on record, without numbers, ids and times.
pub(super) fn likeness(world: &World, records: &mut Records, header: &Header) -> String {
    let record = records.at(header);
    let is_known = |it: &Instance| record.known.contains(it.seen.id.as_str());
    let mut text: Vec<String> =
        world.containers.iter().map(|it| container(world, it, is_known(it))).collect();
    text.sort();
    let networks = world.networks.values().map(|network| format!("{} {:?}", network.name, network.subnets));
    text.extend(networks);
    text.extend(world.volumes.iter().map(|(name, cluster)| match cluster {
        None => name.clone(),
        Some(cluster) => format!("{name} {:?}", databases(&cluster.databases)),
    }));
    text.extend(world.tags.iter().map(|(tag, id)| format!("{tag} {}", id.as_str())));
    text.extend(world.backends.iter().map(|backend| {
        let left = age(backend.done_at.saturating_sub(world.clock));
        let alive = world.find(backend.client.as_str()).is_some_and(|it| it.since.is_some());
        format!("{:?} {left} {} {alive} {}", backend.work, backend.orphaned, backend.address)
    }));
    text.push(format!("{} {:?} {:?}", hooked(world), world.violations, world.owners));
    let text = text.join("\n") + "\n\n" + &record.text;
    plain(&pools(&named(world, &text)))
}

fn container(world: &World, it: &Instance, known: bool) -> String {
    let seen = &it.seen;
    let places: BTreeMap<&String, (bool, &String, BTreeSet<&String>)> = seen
        .networks
        .iter()
        .map(|(name, joined)| {
            let is_stale = world.networks.get(name).is_none_or(|network| network.id != joined.network_id);
            (name, (is_stale, &joined.ip_address, joined.aliases.iter().collect()))
        })
        .collect();
    let links: BTreeSet<&(String, String)> =
        it.endpoints.values().flat_map(|endpoint| &endpoint.links).collect();
    let since = it.since.map(|since| age(world.clock.saturating_sub(since)));
    let cluster = it.cluster.as_ref().map(|cluster| databases(&cluster.databases));
    format!(
        "{} {:?} {:?} {} {:?} {} {:?} {places:?} {links:?} {:?} {:?} {:?} {since:?} {:?} {:?} {cluster:?} {known} {} \
         {:?} {} {} {:?}",
        seen.name,
        seen.label(label::CONFIG),
        seen.label(label::ROLE),
        seen.image_id.as_str(),
        seen.state,
        seen.exit_code,
        seen.restart,
        seen.bound_ports,
        seen.limits,
        seen.health.as_ref().map(|health| health.status),
        std::mem::discriminant(&it.tool),
        it.saw.as_ref().map(Vec::len),
        it.output.len(),
        it.torn.keys(),
        it.again_at.is_some(),
        seen.restart_count,
        it.ran,
    )
}

fn databases(databases: &BTreeMap<String, super::cluster::Database>) -> Vec<String> {
    let one = |(name, database): (&String, &super::cluster::Database)| {
        let rows = !database.rows.is_empty();
        format!("{name} {:?} {:?} {:?} {rows}", database.revisions(), database.left, database.invalid)
    };
    databases.iter().map(one).collect()
}

/// Names in place of the ids of containers, which are long or short.
fn named(world: &World, text: &str) -> String {
    const SHORT: usize = 12;
    let names: HashMap<&str, &str> =
        world.containers.iter().map(|it| (it.seen.id.short(), it.seen.name.as_str())).collect();
    let mut out = String::with_capacity(text.len());
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let mut rest = text;
    while let Some(begin) = rest.bytes().position(|byte| is_digit(&byte)) {
        let length = rest.as_bytes()[begin..].iter().take_while(|byte| is_digit(byte)).count();
        let (before, word) = (&rest[..begin], &rest[begin..begin + length]);
        out.push_str(before);
        match word.get(..SHORT).and_then(|short| names.get(short)) {
            Some(name) if length == SHORT => write!(out, "short id of {name}").unwrap(),
            Some(name) => write!(out, "id of {name}").unwrap(),
            None => out.push_str(word),
        }
        rest = &rest[begin + length..];
    }
    out.push_str(rest);
    out
}

/// Names that the containers of a service share backstage are numbered by rollouts: which is older is what matters.
fn pools(text: &str) -> String {
    let numbers = |text: &str| -> BTreeSet<u64> {
        let after = text.split(".r").skip(1);
        let digits =
            |rest: &str| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse();
        after.filter_map(|rest| digits(rest).ok()).collect()
    };
    let mut out = text.to_owned();
    for (rank, number) in numbers(text).into_iter().enumerate() {
        out = out.replace(&format!(".r{number}."), &format!(".r:{rank}."));
    }
    out
}

/// How long, as coarsely as it matters: whether something answers, is healthy, has been watched.
fn age(age: Duration) -> &'static str {
    match age.as_millis() {
        0..500 => "just now",
        500..1_000 => "a moment",
        1_000..2_000 => "a second",
        2_000..10_000 => "seconds",
        _ => "long",
    }
}

/// Numbers of more than three figures are times, sizes or ids; those after `-r` and `_r` are rollouts.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    let (mut copied, mut at) = (0, 0);
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let begin = at;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        let is_rollout = begin >= 2 && bytes[begin - 1] == b'r' && matches!(bytes[begin - 2], b'-' | b'_');
        if is_rollout || at - begin > 3 {
            out.push_str(&text[copied..begin]);
            out.push('#');
            copied = at;
        }
    }
    out.push_str(&text[copied..]);
    out
}
