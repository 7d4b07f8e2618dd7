//! What a migration does to a schema, and what is left of one whose client was killed.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::container::ContainerSpec;
use evenkeel_core::database::fingerprint::{Change, additive, compare};
use evenkeel_core::database::{Fingerprint, Kind};
use evenkeel_core::secret::Secret;

use super::bench::Bench;
use super::{Scenario, scenarios};
use crate::database::{OneOff, Quarry, Target};

pub(super) const ALL: &[Scenario] =
    scenarios![up_and_down, a_killed_client, a_killed_client_that_is_waited_for, one_that_fails_half_way,];

/// How long sessions may take to end.
const HUNT: Duration = Duration::from_secs(10);

/// A container that runs the migration tool.
pub(super) async fn tool(bench: &Bench, what: &str, code: &str, command: &[&str]) -> ContainerSpec {
    let image = bench.app(code).await;
    let mut spec = ContainerSpec { image, ..bench.spec(what, &["home"]).await };
    spec.service
        .environment
        .insert("DATABASE_URL".to_owned(), Secret::new("postgresql://shop:pw@db:5432/shop"));
    spec.service.entrypoint = Some(vec!["alembic".to_owned()]);
    spec.service.command = Some(command.iter().map(|&word| word.to_owned()).collect());
    spec
}

/// Runs it to its end.
pub(super) async fn migrate(bench: &Bench, what: &str, code: &str, command: &[&str]) {
    bench.run(&tool(bench, what, code, command).await).await;
    let ended = bench.engine.wait(bench.id(what).as_str()).await;
    bench.note(format!("{command:?} ends with {:?}", ended.ok()));
    bench.remove(what).await;
}

/// Where the schema stands, and by what it differs from another one.
pub(super) async fn stands(bench: &Bench, target: &Target, before: &Fingerprint) -> Fingerprint {
    let seen = bench.databases.observe(target).await;
    match &seen {
        Ok(seen) => {
            bench.note(format!("it is at {:?}, tables {}", seen.current.revisions, seen.current.tables))
        }
        Err(_) => bench.tell("it is observed", &seen),
    }
    let now = match bench.databases.fingerprint(target).await {
        Ok(now) => now.without_table("public.alembic_version"),
        failed => {
            bench.tell("it is read", &failed);
            return before.clone();
        }
    };
    // What the server brings by itself, and what a role may do, is not simulated.
    let compared = [Kind::Table, Kind::Column, Kind::Constraint, Kind::Index];
    for it in compare(before, &now).into_iter().filter(|it| compared.contains(&it.key.kind)) {
        let how = match it.change {
            Change::Added { .. } => "new",
            Change::Removed { .. } => "gone",
            Change::Changed { .. } => "changed",
        };
        bench.note(format!("{how}: {} {} on {:?}", it.key.kind.word(), it.key.name, it.key.on));
    }
    bench.note(format!("nothing but additions: {}", additive(before, &now).is_ok()));
    now
}

const CODE: &str = "script a\nscript b\nscript c breaking\nscript d inexact\nscript e fails\n";

async fn up_and_down(bench: &Bench) {
    bench.network("home", true).await;
    let target = bench.server("db", None).await;
    let one_off = OneOff {
        spec: ContainerSpec { name: bench.name("scripts"), ..tool(bench, "tool", CODE, &[]).await },
        command: vec!["alembic".to_owned()],
        quarry: Quarry::default(),
    };
    let scripts = crate::database::scripts(bench.engine.as_ref(), &one_off).await.unwrap();
    bench.note(format!("the scripts are {scripts:?}"));
    let empty = stands(bench, &target, &Fingerprint::default()).await;
    migrate(bench, "tool", CODE, &["upgrade", "a"]).await;
    let a = stands(bench, &target, &empty).await;
    migrate(bench, "tool", CODE, &["upgrade", "b"]).await;
    let b = stands(bench, &target, &a).await;
    migrate(bench, "tool", CODE, &["upgrade", "b"]).await;
    stands(bench, &target, &b).await;
    migrate(bench, "tool", CODE, &["downgrade", "a"]).await;
    stands(bench, &target, &a).await;
    migrate(bench, "tool", CODE, &["upgrade", "d"]).await;
    let d = stands(bench, &target, &b).await;
    migrate(bench, "tool", CODE, &["upgrade", "e"]).await;
    stands(bench, &target, &d).await;
    migrate(bench, "tool", "script a\nscript b\n", &["upgrade", "b"]).await;
    migrate(bench, "tool", CODE, &["downgrade", "b"]).await;
    stands(bench, &target, &b).await;
    migrate(bench, "tool", CODE, &["downgrade", "base"]).await;
    stands(bench, &target, &empty).await;
    bench.stop("db").await;
    migrate(bench, "tool", CODE, &["upgrade", "a"]).await;
}

/// Starts a migration that has to wait; whom to hunt once it is under way.
async fn under_way(bench: &Bench, code: &str) -> Quarry {
    bench.hands.bar(&bench.id("db")).await;
    bench.run(&tool(bench, "tool", code, &["upgrade", "b"]).await).await;
    let address: Option<IpAddr> = bench.address("tool", "home").await.parse().ok();
    bench.until("under way", async || locked(bench).await).await;
    bench.note(format!("sessions: {}", bench.hands.sessions(&bench.id("db")).await));
    Quarry { addresses: BTreeSet::from_iter(address), ..Quarry::default() }
}

/// Whether users have to wait.
async fn locked(bench: &Bench) -> bool {
    bench.hands.sessions(&bench.id("db")).await > 0 && !bench.hands.write(&bench.id("db"), 99).await
}

async fn written(bench: &Bench, row: u64) {
    bench.note(format!("a row is written: {}", bench.hands.write(&bench.id("db"), row).await));
}

const BARRED: &str = "script a\nscript b barred\n";

async fn a_killed_client(bench: &Bench) {
    bench.network("home", true).await;
    let target = bench.server("db", None).await;
    migrate(bench, "first", BARRED, &["upgrade", "a"]).await;
    written(bench, 1).await;
    let a = stands(bench, &target, &Fingerprint::default()).await;
    let quarry = under_way(bench, BARRED).await;
    written(bench, 2).await;
    stands(bench, &target, &a).await;
    bench.stop("tool").await;
    bench.see("tool").await;
    bench.note(format!("sessions: {}", bench.hands.sessions(&bench.id("db")).await));
    written(bench, 3).await;
    let others = Quarry { addresses: BTreeSet::from(["192.0.2.1".parse().unwrap()]), ..Quarry::default() };
    hunt(bench, &target, &others, "somebody else's").await;
    hunt(bench, &target, &quarry, "its").await;
    hunt(bench, &target, &quarry, "its").await;
    bench.note(format!("sessions: {}", bench.hands.sessions(&bench.id("db")).await));
    written(bench, 4).await;
    stands(bench, &target, &a).await;
    bench.remove("tool").await;
    bench.hands.unbar(&bench.id("db")).await;
    migrate(bench, "tool", BARRED, &["upgrade", "b"]).await;
    stands(bench, &target, &a).await;
}

async fn hunt(bench: &Bench, target: &Target, quarry: &Quarry, whose: &str) {
    let found = bench.databases.hunt(target, quarry, HUNT).await;
    bench.tell(format!("end {whose} sessions"), &found);
    bench.note(format!("found {}", found.map_or(0, |found| found.len())));
}

async fn a_killed_client_that_is_waited_for(bench: &Bench) {
    bench.network("home", true).await;
    let target = bench.server("db", None).await;
    migrate(bench, "first", BARRED, &["upgrade", "a"]).await;
    let a = stands(bench, &target, &Fingerprint::default()).await;
    under_way(bench, BARRED).await;
    bench.remove("tool").await;
    bench.note(format!("sessions: {}", bench.hands.sessions(&bench.id("db")).await));
    bench.hands.unbar(&bench.id("db")).await;
    bench.until("its session ends", async || bench.hands.sessions(&bench.id("db")).await == 0).await;
    stands(bench, &target, &a).await;
    written(bench, 1).await;
    // And one whose server goes away under it.
    under_way(bench, BARRED).await;
    bench.stop("db").await;
    bench.start("db").await;
    let target = bench.accepting("db").await;
    stands(bench, &target, &a).await;
    let ended = bench.engine.wait(bench.id("tool").as_str()).await;
    bench.note(format!("the tool ends with {:?}", ended.ok()));
}

const HALF: &str = "script a\nscript b half\n";
const TWO: &str = "script a\nscript b\nscript c half\n";
const APART: &str = "apart\nscript a\nscript b stays-on-rows\nscript c\nscript d fails-on-rows\n";
const ROWS: &str = "script a\nscript b fails-on-rows\n";
const STAYS: &str = "script a\nscript b stays-on-rows\n";

async fn one_that_fails_half_way(bench: &Bench) {
    bench.network("home", true).await;
    let target = bench.server("db", None).await;
    migrate(bench, "tool", HALF, &["upgrade", "a"]).await;
    let a = stands(bench, &target, &Fingerprint::default()).await;
    written(bench, 1).await;
    written(bench, 2).await;
    migrate(bench, "tool", ROWS, &["upgrade", "b"]).await;
    stands(bench, &target, &a).await;
    migrate(bench, "tool", HALF, &["upgrade", "b"]).await;
    let left = stands(bench, &target, &a).await;
    bench.note(format!("invalid: {:?}", left.invalid_indexes()));
    let indexes: Vec<String> = left.invalid_indexes().into_iter().collect();
    bench.tell("drop what is invalid", &bench.databases.drop_indexes(&target, &indexes).await);
    bench.tell("drop it again", &bench.databases.drop_indexes(&target, &indexes).await);
    // What goes on outside any transaction has committed what came before it.
    migrate(bench, "tool", TWO, &["upgrade", "c"]).await;
    let left = stands(bench, &target, &a).await;
    bench.note(format!("invalid: {:?}", left.invalid_indexes()));
    let indexes: Vec<String> = left.invalid_indexes().into_iter().collect();
    bench.tell("drop what is invalid", &bench.databases.drop_indexes(&target, &indexes).await);
    migrate(bench, "tool", TWO, &["downgrade", "a"]).await;
    stands(bench, &target, &a).await;
    migrate(bench, "tool", STAYS, &["upgrade", "b"]).await;
    let b = stands(bench, &target, &a).await;
    migrate(bench, "tool", STAYS, &["downgrade", "a"]).await;
    stands(bench, &target, &b).await;
    // Each with a transaction of its own.
    migrate(bench, "tool", APART, &["upgrade", "d"]).await;
    stands(bench, &target, &b).await;
    migrate(bench, "tool", APART, &["downgrade", "a"]).await;
    stands(bench, &target, &b).await;
    stands(bench, &target, &a).await;
    let tables = left.objects().keys().filter(|key| key.kind == Kind::Table).count();
    bench.note(format!("{tables} table"));
}
