//! Servers, what they say of themselves, and the lock.

use std::time::Duration;

use super::bench::Bench;
use super::{Scenario, scenarios};
use crate::database::Target;

pub(super) const ALL: &[Scenario] =
    scenarios![a_server_is_reached, a_lock_is_one_rollouts_only, a_lock_ends_with_its_server,];

async fn reached(bench: &Bench, what: &str, target: &Target) {
    bench.tell(format!("{what}: it accepts"), &bench.databases.accepts(target).await);
    bench.tell(format!("{what}: it is observed"), &bench.databases.observe(target).await);
    bench.tell(format!("{what}: it is read"), &bench.databases.fingerprint(target).await);
}

async fn a_server_is_reached(bench: &Bench) {
    bench.network("home", true).await;
    let target = bench.server("db", None).await;
    reached(bench, "up", &target).await;
    let seen = bench.databases.observe(&target).await.unwrap();
    bench.note(format!("{:?}, version {}", seen.current, seen.server_version / 10_000));
    let missing = Target { name: "elsewhere".to_owned(), ..target.clone() };
    reached(bench, "no such database", &missing).await;
    bench.hands.pause(&bench.id("db")).await;
    bench.tell("paused: it accepts", &bench.databases.accepts(&target).await);
    bench.engine.unpause(bench.id("db").as_str()).await.unwrap();
    reached(bench, "unpaused", &target).await;
    bench.stop("db").await;
    bench.tell("stopped: it accepts", &bench.databases.accepts(&target).await);
    bench.run(&bench.spec("app", &["home"]).await).await;
    bench.note(format!("it has the address: {}", bench.address("app", "home").await == target.host));
    reached(bench, "somebody else at its address", &target).await;
}

async fn lock(
    bench: &Bench,
    what: &str,
    target: &Target,
    wait: u64,
) -> Option<Box<dyn crate::database::Held>> {
    let lock = bench.databases.lock(target, Duration::from_secs(wait)).await;
    bench.tell(format!("lock {what}"), &lock);
    lock.ok()
}

async fn a_lock_is_one_rollouts_only(bench: &Bench) {
    bench.network("home", true).await;
    let target = bench.server("db", None).await;
    let other = bench.server("other", None).await;
    let Some(first) = lock(bench, "first", &target, 0).await else { return };
    bench.note(format!("held: {}", first.is_held().await));
    lock(bench, "second", &target, 0).await;
    lock(bench, "second, waiting", &target, 1).await;
    let _same_name = lock(bench, "another server's", &other, 0).await;
    bench.note(format!("held: {}", first.is_held().await));
    drop(first);
    let Some(again) = lock(bench, "once it is free", &target, 5).await else { return };
    bench.note(format!("held: {}", again.is_held().await));
    lock(bench, "no such database", &Target { name: "elsewhere".to_owned(), ..target.clone() }, 0).await;
}

async fn a_lock_ends_with_its_server(bench: &Bench) {
    bench.network("home", true).await;
    let target = bench.server("db", None).await;
    let Some(held) = lock(bench, "first", &target, 0).await else { return };
    bench.stop("db").await;
    bench.note(format!("stopped: held {}", held.is_held().await));
    bench.start("db").await;
    let target = bench.accepting("db").await;
    bench.note(format!("started: held {}", held.is_held().await));
    let Some(again) = lock(bench, "second", &target, 0).await else { return };
    drop(held);
    bench.note(format!("the first is dropped: held {}", again.is_held().await));
    lock(bench, "third", &target, 0).await;
    bench.remove("db").await;
    bench.note(format!("removed: held {}", again.is_held().await));
}
