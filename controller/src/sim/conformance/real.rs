//! The real side: the engine of this machine, PostgreSQL in its containers, this machine's own network.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use evenkeel_core::name::ContainerId;

use super::bench::Bench;
use super::context::BAR;
use super::hands::Hands;
use crate::database::Postgres;
use crate::engine::{Engine, connect};
use crate::verify::Sockets;

/// The image with PostgreSQL.
const POSTGRES: &str = "postgres:15";

/// How many hold a bar.
const HOLDERS: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";

/// Whatever bears the scenario's name goes with this.
struct Person {
    prefix: String,
}

/// A bench of its own, for the so-manieth scenario of this process.
pub(super) fn bench(number: usize) -> Bench {
    // The form by which `tests/run` knows whose things these are.
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_micros();
    let prefix = format!("tests-{:x}-{:05x}{number:x}", std::process::id(), moment & 0xf_ffff);
    let engine = Arc::new(connect(None).unwrap());
    Bench::new(
        engine,
        Arc::new(Postgres),
        Arc::new(Sockets),
        Box::new(Person { prefix: prefix.clone() }),
        prefix,
    )
}

/// Whether ports go with the last network that leads outside. Seen of 26, and not of 20.10; nobody has looked at those between.
pub(super) fn unbinds() -> bool {
    let version = docker(&["version", "--format", "{{.Server.Version}}"]).unwrap();
    let major = version.split('.').next().and_then(|major| major.parse::<u16>().ok());
    major.unwrap() >= 26
}

/// Runs the engine's client; its output, or what it complains of.
fn docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(arguments).output().expect("a docker client");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

async fn client(arguments: &[&str]) -> Result<String, String> {
    let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
    let run = move || docker(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn sql(server: &ContainerId, statement: &str) -> Result<String, String> {
    let psql = ["psql", "-h", "/var/run/postgresql", "-U", "shop", "-d", "shop", "-tA", "-c", statement];
    client(&[&["exec", "-e", "PGPASSWORD=pw", server.as_str()], &psql[..]].concat()).await
}

#[async_trait(?Send)]
impl Hands for Person {
    fn free_port(&self, _number: u16) -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    fn subnet(&self, _number: u8) -> String {
        let (block, quarter) = (fastrand::u16(..), 64 * fastrand::u16(..4));
        format!("10.{}.{}.{quarter}/26", 232 + block % 4, block >> 8)
    }

    async fn postgres(&self, engine: &dyn Engine) -> &'static str {
        let there = engine.image(POSTGRES).await.unwrap();
        assert!(there.is_some(), "the image {POSTGRES} is not there: tests/images/build makes it");
        POSTGRES
    }

    async fn pause(&self, container: &ContainerId) {
        // The kernel may be too busy to stop every thread in time.
        for _ in 0..9 {
            if client(&["pause", container.as_str()]).await.is_ok() {
                return;
            }
        }
        client(&["pause", container.as_str()]).await.unwrap();
    }

    async fn end(&self, container: &ContainerId, exit_code: u8) {
        let signal = format!("import os, signal; os.kill(1, signal.SIGRTMIN + {exit_code})");
        // The command may be torn away with the container.
        let _ = client(&["exec", container.as_str(), "python3", "-c", &signal]).await;
    }

    async fn remove_network(&self, name: &str) {
        client(&["network", "rm", name]).await.unwrap();
    }

    async fn resolve(&self, from: &ContainerId, names: &[&str]) -> Vec<BTreeSet<String>> {
        // All at once: a name that nobody has takes a second.
        let script = "for name; do getent ahostsv4 \"$name\" | sed \"s|^|$name |\" & done; wait";
        let command = [&["exec", from.as_str(), "sh", "-c", script, "sh"], names].concat();
        let answer = client(&command).await.unwrap();
        let lines = || answer.lines().filter_map(|line| line.split_once(' '));
        let address = |rest: &str| rest.split_whitespace().next().map(str::to_owned);
        let of =
            |name| lines().filter(move |(it, _)| it == name).filter_map(|(_, rest)| address(rest)).collect();
        names.iter().map(of).collect()
    }

    async fn write(&self, server: &ContainerId, row: u64) -> bool {
        let first =
            "SELECT attname FROM pg_attribute WHERE attrelid = 'public.entries'::regclass AND attnum = 1";
        let column = sql(server, first).await.unwrap();
        let statement =
            format!("SET lock_timeout = '300ms'; INSERT INTO public.entries ({column}) VALUES ('{row}')");
        sql(server, &statement).await.is_ok()
    }

    async fn bar(&self, server: &ContainerId) {
        let held = format!("SELECT pg_advisory_lock({BAR}), pg_sleep(600)");
        let psql = ["psql", "-h", "/var/run/postgresql", "-U", "shop", "-d", "shop", "-c", &held];
        let named = ["exec", "-d", "-e", "PGPASSWORD=pw", "-e", "PGAPPNAME=bar", server.as_str()];
        client(&[&named[..], &psql].concat()).await.unwrap();
        while sql(server, HOLDERS).await.unwrap() == "0" {}
    }

    async fn unbar(&self, server: &ContainerId) {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bar'";
        sql(server, end).await.unwrap();
    }

    async fn sessions(&self, server: &ContainerId) -> usize {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' \
            AND datname = 'shop' AND pid <> pg_backend_pid() AND application_name NOT IN ('evenkeel', 'bar')";
        sql(server, others).await.unwrap().parse().unwrap()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let mine = format!("name={}-", self.prefix);
        let reference = format!("reference={}-*", self.prefix);
        for (list, remove) in [
            (["ps", "-aq", "--filter", mine.as_str()].as_slice(), ["rm", "-fv"].as_slice()),
            (&["network", "ls", "-q", "--filter", &mine], &["network", "rm"]),
            (&["volume", "ls", "-q", "--filter", &mine], &["volume", "rm"]),
            (&["images", "--filter", &reference, "--format", "{{.Repository}}:{{.Tag}}"], &["rmi", "-f"]),
        ] {
            let found = docker(list).unwrap_or_default();
            if !found.is_empty() {
                let _ = docker(&[remove, &found.split_whitespace().collect::<Vec<_>>()].concat());
            }
        }
    }
}
