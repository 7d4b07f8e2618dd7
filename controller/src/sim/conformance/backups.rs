//! Backups that are put back, and servers for rehearsals.

use std::time::Duration;

use evenkeel_core::container::ContainerSpec;
use evenkeel_core::database::{Fingerprint, Reason};
use jiff::Timestamp;

use super::bench::Bench;
use super::migrations::{migrate, stands, tool};
use super::{Scenario, scenarios};
use crate::database::{BackupRequest, Limits, OneOff, Quarry, RehearsalRequest, Store, Target};

pub(super) const ALL: &[Scenario] = scenarios![one_is_put_back, a_scratch_server];

const CODE: &str = "script a\nscript b\n";

async fn one_is_put_back(bench: &Bench) {
    bench.network("home", true).await;
    let target = bench.server("db", None).await;
    migrate(bench, "tool", CODE, &["upgrade", "a"]).await;
    for row in 1..4 {
        bench.hands.write(&bench.id("db"), row).await;
    }
    let a = stands(bench, &target, &Fingerprint::default()).await;
    let store = Store::new(bench.directory.path().join("backups"));
    let engine = bench.engine.as_ref();
    let request = BackupRequest { reason: Reason::Migration, image: None, now: Timestamp::UNIX_EPOCH };
    let backup = bench.databases.back_up(engine, &store, &target, request.clone()).await;
    bench.tell("back up", &backup);
    let backup = backup.unwrap();
    bench.note(format!(
        "{:?} of {} at {:?}, {:?}",
        backup.level, backup.database, backup.revisions, backup.broken
    ));
    let rows: Vec<_> = backup.rows.iter().filter(|(table, _)| table.contains("entries")).collect();
    bench.note(format!("rows {rows:?}"));
    migrate(bench, "tool", CODE, &["upgrade", "b"]).await;
    bench.hands.write(&bench.id("db"), 4).await;
    let b = stands(bench, &target, &a).await;
    for round in ["put back", "put back again"] {
        let restored = bench.databases.restore(engine, &store, &target, &backup.id, "r7").await;
        bench.tell(round, &restored);
        bench.note(format!("{:?}", restored.ok()));
        stands(bench, &target, &a).await;
    }
    let kept = Target { name: "shop_before_r7".to_owned(), ..target.clone() };
    stands(bench, &kept, &b).await;
    let again = bench.databases.back_up(engine, &store, &target, request).await.unwrap();
    let rows: Vec<_> = again.rows.iter().filter(|(table, _)| table.contains("entries")).collect();
    bench.note(format!("rows {rows:?}"));
    bench.tell(
        "put back what is not there",
        &bench.databases.restore(engine, &store, &target, "none", "r8").await,
    );
    bench.stop("db").await;
    bench.tell(
        "put back where nobody is",
        &bench.databases.restore(engine, &store, &target, &backup.id, "r9").await,
    );
}

async fn a_scratch_server(bench: &Bench) {
    bench.network("home", true).await;
    let target = bench.server("db", None).await;
    migrate(bench, "tool", CODE, &["upgrade", "a"]).await;
    bench.hands.write(&bench.id("db"), 1).await;
    let a = stands(bench, &target, &Fingerprint::default()).await;
    let mut scratch = bench.spec("scratch", &["home"]).await;
    scratch.image = bench.hands.postgres(bench.engine.as_ref()).await.to_owned();
    scratch.service.command = Some(["postgres", "-c", "fsync=off"].map(str::to_owned).to_vec());
    scratch.tmpfs = [("/var/lib/postgresql/data".to_owned(), String::new())].into();
    let limit = Duration::from_secs(30);
    let request = RehearsalRequest {
        target: &target,
        scratch,
        port: 5432,
        one_off: OneOff {
            spec: ContainerSpec { name: bench.name("one-off"), ..tool(bench, "one-off", CODE, &[]).await },
            command: vec!["alembic".to_owned()],
            quarry: Quarry::default(),
        },
        from: bench.databases.observe(&target).await.unwrap().current.revisions,
        to: "b".into(),
        limits: Limits { timeout: limit, max_blocking: limit },
    };
    let engine = bench.engine.as_ref();
    for _ in 0..2 {
        let scratch = bench.databases.scratch(engine, &request).await;
        bench.tell("a scratch server", &scratch);
        let scratch = scratch.unwrap();
        let identity = bench.databases.observe(&scratch).await.unwrap().system_identifier;
        bench.note(format!("cluster {}", bench.nth("cluster", &identity)));
        stands(bench, &scratch, &a).await;
    }
    let identity = bench.databases.observe(&target).await.unwrap().system_identifier;
    bench.note(format!("cluster {}", bench.nth("cluster", &identity)));
    stands(bench, &target, &a).await;
    let created = engine.container(&bench.name("scratch")).await.unwrap();
    bench.note(format!("it runs: {}", created.is_some_and(|it| it.running())));
}
