//! Requests and connections.

use std::time::Duration;

use evenkeel_core::container::ContainerSpec;

use super::bench::Bench;
use super::{Scenario, scenarios};
use crate::verify::Ask;

pub(super) const ALL: &[Scenario] = scenarios![whoever_answers, whoever_does_not];

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(5);

async fn status(bench: &Bench, url: &str) -> Option<u16> {
    let ask = Ask { method: "GET", url, host: None, timeout: TIMEOUT };
    bench.wire.http(ask, false).await.ok().map(|answer| answer.status)
}

/// Asks once, and writes the status down.
pub(super) async fn ask(bench: &Bench, what: &str, url: &str) {
    bench.note(format!("{what}: {:?}", status(bench, url).await));
}

/// Asks until there is an answer.
pub(super) async fn until_it_answers(bench: &Bench, url: &str) {
    bench.until("it answers", async || status(bench, url).await.is_some()).await;
}

async fn connect(bench: &Bench, address: &str, port: u16) {
    let connected = bench.wire.connect(address, port, TIMEOUT).await;
    bench.note(format!("port {port} accepts: {}", connected.is_ok()));
}

async fn whoever_answers(bench: &Bench) {
    bench.network("home", false).await;
    bench.network("inside", true).await;
    for (what, code) in [("good", ""), ("broken", "fault probe\n"), ("half", "fault smoke\n")] {
        let image = bench.app(code).await;
        bench.run(&ContainerSpec { image, ..bench.spec(what, &["home", "inside"]).await }).await;
        for network in ["home", "inside"] {
            let address = bench.address(what, network).await;
            let url = |path: &str| format!("http://{address}:8000{path}");
            until_it_answers(bench, &url("/")).await;
            ask(bench, what, &url("/")).await;
            ask(bench, what, &url("/smoke")).await;
            connect(bench, &address, 8000).await;
            connect(bench, &address, 8001).await;
            ask(bench, "another port", &format!("http://{address}:8001/")).await;
        }
    }
}

async fn whoever_does_not(bench: &Bench) {
    bench.network("home", false).await;
    let image = bench.app("fault start\n").await;
    let mut spec = bench.spec("web", &["home"]).await;
    bench.publish(&mut spec, "a");
    bench.run(&spec).await;
    let address = bench.address("web", "home").await;
    let inside = format!("http://{address}:8000/");
    until_it_answers(bench, &inside).await;
    bench.hands.pause(&bench.id("web")).await;
    ask(bench, "paused", &inside).await;
    connect(bench, &address, 8000).await;
    bench.engine.unpause(bench.id("web").as_str()).await.unwrap();
    ask(bench, "unpaused", &inside).await;
    bench.stop("web").await;
    ask(bench, "stopped", &inside).await;
    connect(bench, &address, 8000).await;
    ask(bench, "stopped, from outside", &format!("http://127.0.0.1:{}/", bench.port("a"))).await;
    bench.run(&ContainerSpec { image, name: bench.name("other"), publish: false, ..spec }).await;
    let waited = bench.engine.wait(bench.id("other").as_str()).await;
    bench.note(format!("it ended with {:?}", waited.ok()));
    ask(bench, "ended", &inside).await;
    let last = address.rsplit_once('.').unwrap();
    let nobody = format!("{}.{}", last.0, last.1.parse::<u8>().unwrap() + 20);
    connect(bench, &nobody, 8000).await;
    let server = bench.server("db", None).await;
    connect(bench, &server.host, 5432).await;
    connect(bench, &server.host, 8000).await;
    ask(bench, "a database", &format!("http://{}:8000/", server.host)).await;
}
