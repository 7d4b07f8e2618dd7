//! What the engine starts again by itself. What it does after it has been started again itself is in no scenario: everybody on
//! this machine would be restarted with it.

use evenkeel_core::compose::RestartPolicy;
use evenkeel_core::container::ContainerSpec;
use evenkeel_core::observed::State;

use super::bench::Bench;
use super::{Scenario, scenarios};

pub(super) const ALL: &[Scenario] = scenarios![
    one_whose_process_ends_comes_back,
    one_that_was_stopped_stays,
    one_that_may_fail_twice,
    one_that_ends_well_is_left,
    one_that_keeps_ending_is_given_up,
];

fn with(spec: ContainerSpec, restart: RestartPolicy) -> ContainerSpec {
    ContainerSpec { restart, ..spec }
}

async fn started_again(bench: &Bench, what: &str, times: i64) {
    let again = async || {
        bench.find(what).await.is_some_and(|it| it.state == State::Running && it.restart_count == times)
    };
    bench.until("started again", again).await;
    bench.see(what).await;
}

async fn one_whose_process_ends_comes_back(bench: &Bench) {
    bench.network("home", false).await;
    bench.run(&with(bench.spec("web", &["home"]).await, RestartPolicy::Always)).await;
    bench.see("web").await;
    answers(bench).await;
    bench.hands.end(&bench.id("web"), 3).await;
    started_again(bench, "web", 1).await;
    bench.set_restart("web", RestartPolicy::UnlessStopped).await;
    answers(bench).await;
    bench.hands.end(&bench.id("web"), 0).await;
    started_again(bench, "web", 2).await;
    bench.set_restart("web", RestartPolicy::No).await;
    answers(bench).await;
    bench.hands.end(&bench.id("web"), 3).await;
    bench.note(format!("it ended with {:?}", bench.engine.wait(bench.id("web").as_str()).await.ok()));
    bench.see("web").await;
}

/// A process hears of nobody before it has begun.
async fn answers(bench: &Bench) {
    let address = bench.address("web", "home").await;
    super::wire::until_it_answers(bench, &format!("http://{address}:8000/")).await;
}

async fn one_that_was_stopped_stays(bench: &Bench) {
    bench.run(&with(bench.spec("web", &[]).await, RestartPolicy::Always)).await;
    bench.stop("web").await;
    bench.see("web").await;
    bench.set_restart("web", RestartPolicy::No).await;
    bench.set_restart("web", RestartPolicy::UnlessStopped).await;
    bench.see("web").await;
    bench.start("web").await;
    bench.see("web").await;
    bench.stop("web").await;
    bench.start("web").await;
    bench.set_restart("web", RestartPolicy::OnFailure(3)).await;
    bench.see("web").await;
    bench.remove("web").await;
}

async fn one_that_may_fail_twice(bench: &Bench) {
    let image = bench.app("fault start\n").await;
    let spec = ContainerSpec { image, ..bench.spec("web", &[]).await };
    bench.run(&with(spec, RestartPolicy::OnFailure(2))).await;
    let ended =
        async || bench.find("web").await.is_some_and(|it| it.state == State::Exited && it.restart_count == 2);
    bench.until("given up", ended).await;
    let it = bench.find("web").await.unwrap();
    bench.note(format!("{:?} with {} after {} more", it.state, it.exit_code, it.restart_count));
    bench.start("web").await;
    bench.until("given up again", ended).await;
    let it = bench.find("web").await.unwrap();
    bench.note(format!("{:?} with {} after {} more", it.state, it.exit_code, it.restart_count));
}

async fn one_that_ends_well_is_left(bench: &Bench) {
    bench.network("home", false).await;
    bench.run(&with(bench.spec("web", &["home"]).await, RestartPolicy::OnFailure(0))).await;
    answers(bench).await;
    bench.hands.end(&bench.id("web"), 3).await;
    started_again(bench, "web", 1).await;
    answers(bench).await;
    bench.hands.end(&bench.id("web"), 0).await;
    bench.note(format!("it ended with {:?}", bench.engine.wait(bench.id("web").as_str()).await.ok()));
    bench.see("web").await;
}

async fn one_that_keeps_ending_is_given_up(bench: &Bench) {
    let image = bench.app("fault start\n").await;
    let spec = ContainerSpec { image, ..bench.spec("web", &[]).await };
    bench.run(&with(spec, RestartPolicy::Always)).await;
    let failing = async || bench.find("web").await.is_some_and(|it| it.restart_count >= 2);
    bench.until("started again twice", failing).await;
    let between = async || bench.find("web").await.is_some_and(|it| it.state == State::Restarting);
    bench.until("between two runs", between).await;
    bench.stop("web").await;
    let it = bench.find("web").await.unwrap();
    bench.note(format!("{:?}, {:?}", it.state, it.restart));
    bench.remove("web").await;
    bench.see("web").await;
}
