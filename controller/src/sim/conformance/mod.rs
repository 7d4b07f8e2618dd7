//! The simulated host against the real one: the same scenarios are played on both, and what is seen has to be the same.
//!
//! `scenario → on the simulation, on this machine's engine and on PostgreSQL → two transcripts → compared line by line`. A
//! scenario reaches both through the traits that production uses, and through [`hands::Hands`] for what a person does beside evenkeel.
//! What is written down has nothing that may differ: names without their prefix, addresses by their place in the network, times
//! and ids by their order. One difference fails the test, with both transcripts side by side.
//!
//! Where they differ it is the simulation that is wrong, unless production mistakes what the engine says.

mod backups;
mod bench;
mod containers;
mod context;
mod databases;
mod errors;
mod hands;
mod images;
mod migrations;
mod names;
mod networks;
mod ports;
mod reads;
mod real;
mod restarts;
mod simulated;
mod transcript;
mod volumes;
mod wire;

use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use bench::Bench;
use transcript::Transcript;

/// How many scenarios go on at a time on the real side: each waits most of its time.
const ABREAST: usize = 6;
/// How long one scenario may take.
const LIMIT: Duration = Duration::from_secs(300);

/// One scenario: a name, and what happens.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    play: for<'a> fn(&'a Bench) -> LocalBoxFuture<'a, ()>,
}

/// A table of scenarios by the names of their functions.
macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        &[$(super::Scenario { name: stringify!($name), play: |bench| Box::pin($name(bench)) }),+]
    };
}
use scenarios;

/// Plays scenarios on both sides, and compares.
fn agree(group: &str, scenarios: &[Scenario]) {
    let began = Instant::now();
    let simulated = on_the_simulation(scenarios);
    let real = on_the_real_one(scenarios);
    let pairs = || scenarios.iter().zip(real.iter().zip(&simulated));
    let told: Vec<String> = pairs()
        .filter_map(|(scenario, (real, simulated))| real.differs_from(simulated, scenario.name))
        .collect();
    let lines: usize = real.iter().map(Transcript::len).sum();
    println!(
        "{group}: {} scenarios, {lines} lines compared, {:.0} s",
        scenarios.len(),
        began.elapsed().as_secs_f64()
    );
    if std::env::var_os("EVENKEEL_TRANSCRIPTS").is_some() {
        pairs().for_each(|(scenario, (real, _))| println!("\n{}\n{real}", scenario.name));
    }
    assert!(told.is_empty(), "they disagree (-: the real one, +: the simulation)\n{}", told.join("\n"));
}

/// One scenario on one side; whether it comes to an end is seen, too.
async fn played(scenario: &Scenario, bench: &Bench) -> Transcript {
    if timeout(LIMIT, (scenario.play)(bench)).await.is_err() {
        bench.note("it has no end");
    }
    bench.transcript()
}

fn on_the_simulation(scenarios: &[Scenario]) -> Vec<Transcript> {
    let unbinds = real::unbinds();
    let play = |scenario| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let bench = simulated::bench(unbinds);
            played(scenario, &bench).await
        })
    };
    scenarios.iter().map(play).collect()
}

fn on_the_real_one(scenarios: &[Scenario]) -> Vec<Transcript> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let play = async |(number, scenario): (usize, &Scenario)| {
        let bench = real::bench(number);
        played(scenario, &bench).await
    };
    runtime.block_on(stream::iter(scenarios.iter().enumerate()).map(play).buffered(ABREAST).collect())
}

#[test]
fn containers_live_alike() {
    agree("containers", containers::ALL);
}

#[test]
fn containers_come_back_alike() {
    agree("restarts", restarts::ALL);
}

#[test]
fn networks_are_joined_and_left_alike() {
    agree("networks", networks::ALL);
}

#[test]
fn names_mean_the_same() {
    agree("names", names::ALL);
}

#[test]
fn ports_are_bound_alike() {
    agree("ports", ports::ALL);
}

#[test]
fn images_are_built_and_named_alike() {
    agree("images", images::ALL);
}

#[test]
fn volumes_keep_the_same() {
    agree("volumes", volumes::ALL);
}

#[test]
fn requests_and_connections_end_alike() {
    agree("wire", wire::ALL);
}

#[test]
fn databases_are_reached_and_locked_alike() {
    agree("databases", databases::ALL);
}

#[test]
fn migrations_move_a_schema_alike() {
    agree("migrations", migrations::ALL);
}

#[test]
fn backups_and_scratch_servers_are_made_alike() {
    agree("backups", backups::ALL);
}
