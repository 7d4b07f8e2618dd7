//! Ports of the host.

use evenkeel_core::compose::Port;
use evenkeel_core::container::ContainerSpec;

use super::bench::Bench;
use super::wire::{ask, until_it_answers};
use super::{Scenario, scenarios};

pub(super) const ALL: &[Scenario] = scenarios![
    bound_while_it_runs,
    bound_with_the_first_way_out,
    held_by_another,
    held_while_joining,
    mended_by_a_restart
];

async fn holder(bench: &Bench, word: &str) {
    for protocol in ["tcp", "udp"] {
        let holder = bench.engine.port_holder(&on_host(bench.port(word), protocol)).await.unwrap();
        bench.note(format!("{word} over {protocol} is held by {:?}", holder.map(|(name, _)| name)));
    }
}

fn on_host(port: u16, protocol: &str) -> Port {
    Port { target: port, published: Some(port), host_ip: None, protocol: protocol.to_owned() }
}

fn outside(bench: &Bench, word: &str) -> String {
    format!("http://127.0.0.1:{}/", bench.port(word))
}

async fn bound_while_it_runs(bench: &Bench) {
    bench.network("front", false).await;
    let mut spec = bench.spec("web", &["front"]).await;
    bench.publish(&mut spec, "a");
    let hidden = ContainerSpec { name: bench.name("hidden"), publish: false, ..spec.clone() };
    bench.create(&spec).await;
    bench.see("web").await;
    holder(bench, "a").await;
    bench.start("web").await;
    bench.see("web").await;
    holder(bench, "a").await;
    until_it_answers(bench, &outside(bench, "a")).await;
    bench.run(&hidden).await;
    bench.see("hidden").await;
    bench.stop("web").await;
    bench.see("web").await;
    holder(bench, "a").await;
    ask(bench, "from outside", &outside(bench, "a")).await;
    bench.start("web").await;
    bench.see("web").await;
    bench.remove("web").await;
    holder(bench, "a").await;
}

async fn bound_with_the_first_way_out(bench: &Bench) {
    bench.network("zz-backstage", true).await;
    bench.network("front", false).await;
    bench.network("second", false).await;
    let mut spec = bench.spec("web", &["zz-backstage"]).await;
    bench.publish(&mut spec, "a");
    bench.run(&spec).await;
    bench.see("web").await;
    holder(bench, "a").await;
    bench.connect("web", &bench.on("front")).await;
    bench.see("web").await;
    until_it_answers(bench, &outside(bench, "a")).await;
    bench.connect("web", &bench.on("second")).await;
    bench.see("web").await;
    bench.disconnect("web", "front").await;
    bench.see("web").await;
    bench.disconnect("web", "second").await;
    bench.see("web").await;
    holder(bench, "a").await;
    ask(bench, "from outside", &outside(bench, "a")).await;
    let mut other = bench.spec("other", &["front"]).await;
    bench.publish(&mut other, "a");
    bench.run(&other).await;
    bench.see("other").await;
    bench.remove("other").await;
    bench.disconnect("web", "zz-backstage").await;
    bench.see("web").await;
    holder(bench, "a").await;
    bench.connect("web", &bench.on("front")).await;
    bench.see("web").await;
}

async fn held_by_another(bench: &Bench) {
    bench.network("front", false).await;
    let mut old = bench.spec("old", &["front"]).await;
    bench.publish(&mut old, "a");
    let new = ContainerSpec { name: bench.name("new"), ..old.clone() };
    bench.run(&old).await;
    bench.create(&new).await;
    bench.start("new").await;
    bench.see("new").await;
    holder(bench, "a").await;
    bench.stop("old").await;
    bench.start("new").await;
    bench.see("new").await;
    bench.start("old").await;
    bench.see("old").await;
    bench.stop("new").await;
    bench.start("old").await;
    bench.see("old").await;
}

/// One that holds a port, and another that cannot join over it.
async fn torn(bench: &Bench) {
    bench.network("zz-backstage", true).await;
    bench.network("front", false).await;
    let mut old = bench.spec("old", &["front"]).await;
    bench.publish(&mut old, "a");
    let mut new = bench.spec("new", &["zz-backstage"]).await;
    bench.publish(&mut new, "a");
    bench.run(&old).await;
    bench.run(&new).await;
    bench.connect("new", &bench.on("front")).await;
    bench.see("new").await;
    bench.stop("old").await;
}

async fn held_while_joining(bench: &Bench) {
    torn(bench).await;
    bench.connect("new", &bench.on("front")).await;
    bench.disconnect("new", "front").await;
    bench.connect("new", &bench.on("front")).await;
    bench.see("new").await;
    bench.stop("new").await;
    bench.see("new").await;
    bench.disconnect("new", "front").await;
    bench.see("new").await;
    bench.connect("new", &bench.on("front")).await;
    bench.start("new").await;
    bench.see("new").await;
}

async fn mended_by_a_restart(bench: &Bench) {
    torn(bench).await;
    bench.stop("new").await;
    bench.see("new").await;
    bench.start("new").await;
    bench.see("new").await;
    bench.connect("new", &bench.on("front")).await;
    bench.see("new").await;
}
