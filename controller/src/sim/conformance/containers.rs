//! A container's life.

use std::time::Duration;

use evenkeel_core::compose::{Healthcheck, RestartPolicy};
use evenkeel_core::container::ContainerSpec;
use evenkeel_core::limits::ResourceLimits;
use evenkeel_core::observed::HealthStatus;

use super::bench::{Bench, GRACE};
use super::{Scenario, scenarios};
use crate::engine::Exec;

pub(super) const ALL: &[Scenario] = scenarios![
    from_creation_to_removal,
    what_is_not_there,
    a_name_that_is_taken,
    one_that_ends_as_it_starts,
    one_that_is_paused,
    limits_are_set,
    a_healthcheck_is_seen,
    what_cannot_be_created,
    a_project_is_listed,
    commands_in_it,
    one_that_is_withdrawn,
];

async fn from_creation_to_removal(bench: &Bench) {
    bench.network("home", false).await;
    let spec = bench.spec("web", &["home"]).await;
    bench.create(&ContainerSpec { endpoints: vec![bench.as_alias("home", "site")], ..spec }).await;
    bench.see("web").await;
    bench.start("web").await;
    bench.see("web").await;
    bench.start("web").await;
    bench.see("web").await;
    bench.stop("web").await;
    bench.see("web").await;
    bench.stop("web").await;
    exec(bench, "web").await;
    bench.start("web").await;
    exec(bench, "web").await;
    bench.see("web").await;
    bench.remove("web").await;
    bench.see("web").await;
    bench.remove("web").await;
    bench.stop("web").await;
    bench.disconnect("web", "home").await;
    let network = bench.engine.network(&bench.name("home")).await.unwrap();
    bench.note(format!("on home: {}", network.unwrap().containers.len()));
}

async fn exec(bench: &Bench, what: &str) {
    let exec = Exec { command: vec!["true".to_owned()], ..Exec::default() };
    let result = bench.engine.exec(bench.id(what).as_str(), exec).await;
    bench.tell(format!("run a command in {what}"), &result);
    if let Ok(outcome) = result {
        bench.note(format!("it ends with {}", outcome.exit_code));
    }
}

async fn one_that_is_withdrawn(bench: &Bench) {
    let spec = bench.spec("web", &[]).await;
    bench.create(&spec).await;
    bench.withdraw("web").await;
    bench.see("web").await;
    bench.withdraw("web").await;
    bench.create(&spec).await;
    bench.start("web").await;
    bench.withdraw("web").await;
    bench.see("web").await;
}

async fn what_is_not_there(bench: &Bench) {
    bench.network("home", true).await;
    bench.start("nobody").await;
    bench.stop("nobody").await;
    bench.rename("nobody", "somebody").await;
    bench.set_restart("nobody", RestartPolicy::Always).await;
    bench.connect("nobody", &bench.on("home")).await;
    bench.disconnect("nobody", "home").await;
    bench.disconnect("nobody", "nowhere").await;
    bench.remove("nobody").await;
    exec(bench, "nobody").await;
    let id = bench.id("nobody");
    bench.tell("limit it", &bench.engine.set_limits(id.as_str(), &memory(64)).await);
    bench.tell("unpause it", &bench.engine.unpause(id.as_str()).await);
    bench.tell("wait for it", &bench.engine.wait(id.as_str()).await);
    bench.tell("read its log", &bench.engine.logs(id.as_str(), 0, None).await);
    bench.note(format!("{:?}", bench.engine.containers(&bench.project()).await.unwrap()));
}

async fn a_name_that_is_taken(bench: &Bench) {
    let (one, other) = (bench.spec("one", &[]).await, bench.spec("other", &[]).await);
    bench.run(&one).await;
    bench.create(&one).await;
    bench.create(&other).await;
    bench.rename("other", "one").await;
    bench.rename("other", "other").await;
    bench.rename("one", "aside").await;
    let found = bench.engine.container(&bench.name("one")).await.unwrap();
    bench.note(format!("by its old name it is found: {}", found.is_some()));
    let found = bench.engine.container(&bench.name("aside")).await.unwrap();
    bench.note(format!("by its new name it is found: {}", found.is_some_and(|it| it.id == bench.id("one"))));
    let found = bench.engine.container(bench.id("one").short()).await.unwrap();
    bench.note(format!("by its short id it is found: {}", found.is_some()));
    bench.rename("other", "one").await;
    bench.see("one").await;
    bench.see("other").await;
    bench.stop("one").await;
    bench.rename("one", "one").await;
    bench.rename("one", "two").await;
    bench.see("one").await;
    bench.create(&other).await;
}

async fn one_that_ends_as_it_starts(bench: &Bench) {
    bench.network("home", false).await;
    let image = bench.app("fault start\n").await;
    let spec = ContainerSpec { image, ..bench.spec("web", &["home"]).await };
    bench.create(&spec).await;
    let waited = bench.engine.wait(bench.id("web").as_str()).await;
    bench.note(format!("before it was started one waits for {:?}", waited.ok()));
    for _ in 0..2 {
        bench.start("web").await;
        let waited = bench.engine.wait(bench.id("web").as_str()).await;
        bench.note(format!("it ended with {:?}", waited.ok()));
        bench.see("web").await;
    }
    bench.stop("web").await;
    exec(bench, "web").await;
    bench.set_restart("web", RestartPolicy::UnlessStopped).await;
    bench.tell("unpause it", &bench.engine.unpause(bench.id("web").as_str()).await);
    bench.see("web").await;
    bench.remove("web").await;
}

async fn one_that_is_paused(bench: &Bench) {
    bench.network("home", false).await;
    bench.network("further", true).await;
    bench.run(&bench.spec("web", &["home"]).await).await;
    let id = bench.id("web");
    bench.tell("unpause one that is not paused", &bench.engine.unpause(id.as_str()).await);
    bench.hands.pause(&id).await;
    bench.see("web").await;
    bench.start("web").await;
    exec(bench, "web").await;
    bench.rename("web", "aside").await;
    bench.set_restart("web", RestartPolicy::Always).await;
    bench.connect("web", &bench.on("further")).await;
    bench.see("web").await;
    bench.tell("unpause it", &bench.engine.unpause(id.as_str()).await);
    bench.see("web").await;
    bench.hands.pause(&id).await;
    bench.stop("web").await;
    bench.see("web").await;
    bench.start("web").await;
    bench.hands.pause(&id).await;
    bench.remove("web").await;
    bench.see("web").await;
}

async fn limits_are_set(bench: &Bench) {
    bench.run(&bench.spec("web", &[]).await).await;
    let id = bench.id("web");
    let more = ResourceLimits { nano_cpus: Some(500_000_000), ..memory(128) };
    let all = ResourceLimits {
        memory_reservation: Some(32 << 20),
        cpu_shares: Some(512),
        pids: Some(100),
        cpuset: Some("0".to_owned()),
        ..more.clone()
    };
    let freed = ResourceLimits { pids: None, ..all.clone() };
    for limits in
        [&memory(64), &more, &all, &freed, &ResourceLimits { cpuset: None, ..freed.clone() }, &memory(96)]
    {
        let result = bench.engine.set_limits(id.as_str(), limits).await;
        bench.tell(format!("{limits:?}"), &result);
        bench.limits("web", limits).await;
    }
    bench.engine.stop(id.as_str(), GRACE).await.unwrap();
    let limits = ResourceLimits { nano_cpus: Some(250_000_000), ..freed };
    bench.tell("limits of one that is stopped", &bench.engine.set_limits(id.as_str(), &limits).await);
    bench.limits("web", &limits).await;
}

fn memory(mebibytes: i64) -> ResourceLimits {
    let bytes = mebibytes << 20;
    ResourceLimits { memory: Some(bytes), memory_swap: Some(2 * bytes), ..Default::default() }
}

async fn a_healthcheck_is_seen(bench: &Bench) {
    let mut spec = bench.spec("web", &[]).await;
    let test = ["CMD", "true"].map(str::to_owned).to_vec();
    // Long enough to look in between, also on a busy machine.
    let interval = Some(Duration::from_secs(4));
    spec.service.healthcheck = Some(Healthcheck { test, interval, ..Healthcheck::default() });
    bench.create(&spec).await;
    let health = async || bench.find("web").await.unwrap().health.map(|health| health.status);
    bench.note(format!("created: {:?}", health().await));
    for _ in 0..2 {
        bench.start("web").await;
        bench.note(format!("started: {:?}", health().await));
        bench.until("it is healthy", async || health().await == Some(HealthStatus::Healthy)).await;
        bench.stop("web").await;
        bench.note(format!("stopped: {:?}", health().await));
    }
    bench.run(&bench.spec("unchecked", &[]).await).await;
    let health = bench.find("unchecked").await.unwrap().health;
    bench.note(format!("without a check: {health:?}"));
}

async fn what_cannot_be_created(bench: &Bench) {
    bench.network("home", true).await;
    let spec = bench.spec("web", &["home"]).await;
    bench.create(&ContainerSpec { image: bench.name("no-such-image:1"), ..spec.clone() }).await;
    bench.see("web").await;
    bench
        .create(&ContainerSpec { endpoints: vec![bench.on("home"), bench.on("nowhere")], ..spec.clone() })
        .await;
    bench.see("web").await;
    bench.create(&ContainerSpec { endpoints: vec![bench.on("nowhere")], ..spec.clone() }).await;
    let created = bench.engine.container(&bench.name("web")).await.unwrap();
    bench.note(format!("without its first network it is there: {}", created.is_some()));
    if created.is_some() {
        bench.start("web").await;
        bench.see("web").await;
        bench.remove("web").await;
    }
    bench.run(&spec).await;
    bench.see("web").await;
}

async fn a_project_is_listed(bench: &Bench) {
    bench.run(&bench.spec("up", &[]).await).await;
    bench.create(&bench.spec("down", &[]).await).await;
    let mut spec = bench.spec("stranger", &[]).await;
    spec.labels.clear();
    bench.create(&spec).await;
    let mut names: Vec<String> =
        bench.engine.containers(&bench.project()).await.unwrap().into_iter().map(|it| it.name).collect();
    names.sort();
    bench.note(format!("in the project: {names:?}"));
}

/// As whom and where a command is run, and what with, changes nothing about how it ends.
async fn commands_in_it(bench: &Bench) {
    bench.network("home", false).await;
    bench.run(&bench.spec("web", &["home"]).await).await;
    for word in ["true", "false"] {
        let exec = Exec {
            command: vec![word.to_owned()],
            environment: vec!["WORD=ahoy".to_owned()],
            user: Some("0".to_owned()),
            working_dir: Some("/".to_owned()),
            ..Exec::default()
        };
        let result = bench.engine.exec(bench.id("web").as_str(), exec).await;
        bench.tell(format!("run {word} in it"), &result);
        bench.note(format!("it ends with {:?}", result.ok().map(|outcome| outcome.exit_code)));
    }
    bench.see("web").await;
    bench.stop("web").await;
    exec(bench, "web").await;
}
