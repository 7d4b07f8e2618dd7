//! Networks, and places on them.

use evenkeel_core::container::{ContainerSpec, Endpoint};

use super::bench::Bench;
use super::{Scenario, scenarios};

pub(super) const ALL: &[Scenario] = scenarios![
    one_is_made_and_found,
    joined_and_left,
    addresses_are_used_again,
    an_address_of_ones_own,
    one_that_is_gone,
    one_that_is_another_by_now,
];

async fn on_it(bench: &Bench, what: &str) {
    let network = bench.engine.network(&bench.name(what)).await.unwrap().unwrap();
    let mut names = Vec::new();
    for id in &network.containers {
        names.push(bench.engine.container(id.as_str()).await.unwrap().map(|it| it.name));
    }
    names.sort();
    bench.note(format!("on {what}: {:?}", names.into_iter().flatten().collect::<Vec<_>>()));
}

async fn one_is_made_and_found(bench: &Bench) {
    bench.tell("make one", &bench.try_network("home", true).await);
    bench.tell("make it again", &bench.try_network("home", false).await);
    bench.tell("make another", &bench.try_network("other", false).await);
    for (name, internal) in [("home", true), ("other", false)] {
        let network = bench.engine.network(&bench.name(name)).await.unwrap().unwrap();
        bench.note(format!("{name} is internal: {}, {}", network.internal == internal, network.driver));
        let by_id = bench.engine.network(&network.id).await.unwrap().map(|it| it.name);
        bench.note(format!("by its id it is {by_id:?}"));
        let listed = bench.engine.networks().await.unwrap().contains(&network);
        bench.note(format!("it is listed: {listed}"));
    }
    bench
        .note(format!("nowhere is there: {:?}", bench.engine.network(&bench.name("nowhere")).await.unwrap()));
}

async fn joined_and_left(bench: &Bench) {
    bench.network("home", true).await;
    bench.network("other", true).await;
    bench.run(&bench.spec("web", &["home"]).await).await;
    bench.create(&bench.spec("idle", &["home"]).await).await;
    on_it(bench, "home").await;
    for what in ["web", "idle"] {
        bench.connect(what, &bench.as_alias("other", "first")).await;
        bench.connect(what, &bench.as_alias("other", "second")).await;
        bench.connect(what, &bench.on("nowhere")).await;
        bench.see(what).await;
    }
    on_it(bench, "other").await;
    bench.start("idle").await;
    bench.see("idle").await;
    for what in ["web", "idle"] {
        bench.disconnect(what, "other").await;
        bench.disconnect(what, "other").await;
        bench.disconnect(what, "nowhere").await;
        bench.see(what).await;
        bench.connect(what, &bench.as_alias("other", "second")).await;
        bench.stop(what).await;
        bench.see(what).await;
        bench.disconnect(what, "other").await;
        bench.see(what).await;
    }
    on_it(bench, "home").await;
    bench.start("web").await;
    bench.disconnect("web", "home").await;
    bench.see("web").await;
    bench.connect("web", &bench.on("other")).await;
    bench.see("web").await;
}

async fn addresses_are_used_again(bench: &Bench) {
    bench.network("home", true).await;
    for what in ["a", "b", "c"] {
        bench.run(&bench.spec(what, &["home"]).await).await;
        bench.see(what).await;
    }
    bench.stop("b").await;
    bench.run(&bench.spec("d", &["home"]).await).await;
    bench.see("d").await;
    bench.start("b").await;
    bench.see("b").await;
    bench.remove("a").await;
    bench.disconnect("c", "home").await;
    bench.run(&bench.spec("e", &["home"]).await).await;
    bench.see("e").await;
    bench.connect("c", &bench.on("home")).await;
    bench.see("c").await;
}

async fn an_address_of_ones_own(bench: &Bench) {
    bench.network("home", true).await;
    let subnet = bench.engine.network(&bench.name("home")).await.unwrap().unwrap().subnets[0].clone();
    let first: std::net::Ipv4Addr = subnet.split('/').next().unwrap().parse().unwrap();
    let ninth = std::net::Ipv4Addr::from(u32::from(first) + 9).to_string();
    let fixed = Endpoint { ipv4_address: Some(ninth), ..bench.on("home") };
    let one = ContainerSpec { endpoints: vec![fixed.clone()], ..bench.spec("one", &[]).await };
    let other = ContainerSpec { endpoints: vec![fixed.clone()], ..bench.spec("other", &[]).await };
    bench.run(&one).await;
    bench.see("one").await;
    bench.run(&other).await;
    bench.see("other").await;
    bench.stop("one").await;
    bench.start("other").await;
    bench.see("other").await;
    bench.network("other", true).await;
    bench.run(&bench.spec("third", &["other"]).await).await;
    bench.connect("third", &fixed).await;
    bench.see("third").await;
    bench.stop("third").await;
    bench.connect("third", &fixed).await;
    bench.start("third").await;
    bench.see("third").await;
    bench.run(&bench.spec("alone", &[]).await).await;
    bench.connect("alone", &bench.on("home")).await;
    bench.see("alone").await;
}

async fn one_that_is_gone(bench: &Bench) {
    bench.network("home", true).await;
    bench.network("lost", true).await;
    bench.run(&bench.spec("web", &["home", "lost"]).await).await;
    bench.stop("web").await;
    bench.hands.remove_network(&bench.name("lost")).await;
    bench.see("web").await;
    bench.start("web").await;
    bench.see("web").await;
    bench.disconnect("web", "lost").await;
    bench.see("web").await;
    bench.start("web").await;
    bench.see("web").await;
}

async fn one_that_is_another_by_now(bench: &Bench) {
    bench.network("home", true).await;
    bench.network("lost", true).await;
    bench.run(&bench.spec("web", &["home", "lost"]).await).await;
    bench.stop("web").await;
    bench.hands.remove_network(&bench.name("lost")).await;
    bench.network("lost", true).await;
    bench.start("web").await;
    bench.see("web").await;
    bench.connect("web", &bench.on("lost")).await;
    bench.disconnect("web", "lost").await;
    bench.connect("web", &bench.on("lost")).await;
    bench.start("web").await;
    bench.see("web").await;
}
