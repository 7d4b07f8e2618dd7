//! Whom a name means: a container's own, an alias, a link.

use evenkeel_core::container::{ContainerSpec, Endpoint};

use super::bench::Bench;
use super::{Scenario, scenarios};

pub(super) const ALL: &[Scenario] = scenarios![
    names_and_aliases,
    a_name_changes_hands,
    two_with_one_alias,
    the_same_alias_on_two_networks,
    a_link_by_name,
    a_link_by_id,
    a_link_and_an_alias,
    a_link_to_whoever_comes,
    a_link_to_an_alias_of_two,
    a_link_where_it_serves,
];

async fn aliased(bench: &Bench, what: &str, network: &str, alias: &str) {
    let spec = bench.spec(what, &[]).await;
    bench.run(&ContainerSpec { endpoints: vec![bench.as_alias(network, alias)], ..spec }).await;
}

async fn names_and_aliases(bench: &Bench) {
    bench.network("home", true).await;
    bench.network("other", true).await;
    aliased(bench, "web", "home", "site").await;
    bench.run(&bench.spec("client", &["home"]).await).await;
    bench.run(&bench.spec("stranger", &["other"]).await).await;
    let own = bench.name("web");
    let names = ["site", own.as_str()];
    bench.meant("client", &["nobody", "site", &own]).await;
    bench.meant("stranger", &names).await;
    bench.meant("web", &names).await;
    bench.hands.pause(&bench.id("web")).await;
    bench.meant("client", &names).await;
    bench.engine.unpause(bench.id("web").as_str()).await.unwrap();
    bench.connect("web", &bench.as_alias("other", "shop")).await;
    bench.meant("stranger", &["site", "shop", &own]).await;
    bench.meant("client", &["site", "shop", &own]).await;
    bench.stop("web").await;
    bench.meant("client", &names).await;
    bench.start("web").await;
    bench.meant("client", &names).await;
    bench.disconnect("web", "home").await;
    bench.meant("client", &names).await;
    bench.meant("stranger", &["site", "shop", &own]).await;
    bench.connect("web", &bench.on("home")).await;
    bench.meant("client", &names).await;
    let short = bench.id("web").short().to_owned();
    let found = bench.hands.resolve(&bench.id("client"), &[&short]).await;
    bench.note(format!("its short id is a name: {}", found[0].contains(&bench.address("web", "home").await)));
    bench.remove("web").await;
    bench.meant("client", &names).await;
}

async fn a_name_changes_hands(bench: &Bench) {
    bench.network("home", true).await;
    bench.network("other", true).await;
    aliased(bench, "old", "home", "site").await;
    bench.run(&bench.spec("new", &["home", "other"]).await).await;
    bench.connect("old", &bench.on("other")).await;
    for (what, network) in [("client", "home"), ("stranger", "other")] {
        let spec = bench.spec(what, &[]).await;
        let link = bench.linked(network, &bench.name("web"), "store");
        bench.run(&ContainerSpec { endpoints: vec![link], ..spec }).await;
    }
    let web = bench.name("web");
    let names = ["store", web.as_str(), "site"];
    bench.meant("client", &names).await;
    for (what, to) in [("old", "web"), ("old", "aside"), ("new", "web")] {
        bench.rename(what, to).await;
        bench.meant("client", &names).await;
        bench.meant("stranger", &names).await;
    }
    let (old, new) = (bench.name("old"), bench.name("new"));
    bench.meant("client", &[&old, &new, &bench.name("aside")]).await;
    bench.stop("old").await;
    bench.rename("old", "further").await;
    bench.start("old").await;
    bench.meant("client", &["site", &bench.name("aside"), &bench.name("further")]).await;
}

async fn two_with_one_alias(bench: &Bench) {
    bench.network("home", true).await;
    bench.run(&bench.spec("client", &["home"]).await).await;
    aliased(bench, "one", "home", "site").await;
    aliased(bench, "other", "home", "site").await;
    bench.meant("client", &["site"]).await;
    bench.stop("one").await;
    bench.meant("client", &["site"]).await;
    bench.start("one").await;
    bench.disconnect("other", "home").await;
    bench.meant("client", &["site"]).await;
    // A name of one's own that is another's alias.
    let third = bench.name("third");
    aliased(bench, "fourth", "home", &third).await;
    bench.run(&bench.spec("third", &["home"]).await).await;
    bench.meant("client", &[&third]).await;
}

async fn the_same_alias_on_two_networks(bench: &Bench) {
    bench.network("a-inside", true).await;
    bench.network("b-inside", true).await;
    bench.network("c-outside", false).await;
    bench.network("d-outside", false).await;
    for (what, network) in [("a", "a-inside"), ("b", "b-inside"), ("c", "c-outside"), ("d", "d-outside")] {
        aliased(bench, what, network, "site").await;
    }
    for (what, networks) in [
        ("both-inside", ["b-inside", "a-inside"]),
        ("both-outside", ["d-outside", "c-outside"]),
        ("inside-first", ["a-inside", "d-outside"]),
        ("outside-first", ["d-outside", "a-inside"]),
    ] {
        bench.run(&bench.spec(what, &networks).await).await;
        bench.meant(what, &["site"]).await;
    }
    bench.stop("a").await;
    bench.meant("both-inside", &["site"]).await;
    bench.meant("inside-first", &["site"]).await;
}

async fn a_link_by_name(bench: &Bench) {
    bench.network("home", true).await;
    aliased(bench, "db", "home", "data").await;
    let link = bench.linked("home", &bench.name("db"), "store");
    bench.run(&ContainerSpec { endpoints: vec![link], ..bench.spec("client", &[]).await }).await;
    bench.run(&bench.spec("stranger", &["home"]).await).await;
    let own = bench.name("db");
    let names = ["store", "data", own.as_str()];
    bench.meant("client", &names).await;
    bench.meant("stranger", &names).await;
    bench.rename("db", "aside").await;
    bench.meant("client", &names).await;
    bench.rename("db", "db").await;
    bench.stop("db").await;
    bench.meant("client", &names).await;
    bench.remove("db").await;
    aliased(bench, "db", "home", "data").await;
    bench.meant("client", &names).await;
    bench.stop("client").await;
    bench.start("client").await;
    bench.meant("client", &names).await;
}

async fn a_link_by_id(bench: &Bench) {
    bench.network("home", true).await;
    bench.network("other", true).await;
    aliased(bench, "db", "home", "data").await;
    let link = bench.linked("home", bench.id("db").short(), "store");
    bench.run(&ContainerSpec { endpoints: vec![link], ..bench.spec("client", &[]).await }).await;
    bench.meant("client", &["store"]).await;
    bench.rename("db", "aside").await;
    bench.meant("client", &["store"]).await;
    bench.connect("db", &bench.on("other")).await;
    bench.disconnect("db", "home").await;
    bench.meant("client", &["store"]).await;
    bench.connect("db", &bench.on("home")).await;
    bench.meant("client", &["store"]).await;
    bench.stop("db").await;
    bench.meant("client", &["store"]).await;
    bench.remove("db").await;
    aliased(bench, "db", "home", "data").await;
    bench.meant("client", &["store", "data"]).await;
}

async fn a_link_and_an_alias(bench: &Bench) {
    bench.network("home", true).await;
    bench.network("zz-private", true).await;
    aliased(bench, "live", "home", "db").await;
    bench.run(&bench.spec("scratch", &["zz-private"]).await).await;
    let link = bench.linked("zz-private", bench.id("scratch").short(), "db");
    let endpoints = vec![link, bench.on("home")];
    bench.run(&ContainerSpec { endpoints, ..bench.spec("client", &[]).await }).await;
    bench.meant("client", &["db"]).await;
    bench.stop("scratch").await;
    bench.meant("client", &["db"]).await;
    bench.start("scratch").await;
    bench.meant("client", &["db"]).await;
    bench.disconnect("client", "zz-private").await;
    bench.meant("client", &["db"]).await;
    // A link that leads nowhere, on the very network on which somebody has the name.
    let link = Endpoint { links: vec![("nobody".to_owned(), "db".to_owned())], ..bench.on("home") };
    bench.run(&ContainerSpec { endpoints: vec![link], ..bench.spec("lost", &[]).await }).await;
    bench.meant("lost", &["db"]).await;
    let both = bench.linked("home", "db", "store");
    bench.run(&ContainerSpec { endpoints: vec![both], ..bench.spec("third", &[]).await }).await;
    bench.meant("third", &["db", "store"]).await;
}

async fn a_link_to_whoever_comes(bench: &Bench) {
    bench.network("home", true).await;
    bench.network("zz-private", true).await;
    bench.create(&bench.spec("db", &["home"]).await).await;
    let link = bench.linked("zz-private", bench.id("db").short(), "store");
    bench.run(&ContainerSpec { endpoints: vec![link], ..bench.spec("client", &[]).await }).await;
    bench.meant("client", &["store"]).await;
    bench.start("db").await;
    bench.meant("client", &["store"]).await;
    bench.connect("db", &bench.on("zz-private")).await;
    bench.meant("client", &["store"]).await;
    bench.connect("client", &bench.linked("home", bench.id("db").short(), "home-store")).await;
    bench.meant("client", &["store", "home-store"]).await;
}

async fn a_link_to_an_alias_of_two(bench: &Bench) {
    bench.network("home", true).await;
    bench.network("zz-back", true).await;
    for what in ["one", "other"] {
        aliased(bench, what, "zz-back", "pool").await;
        bench.connect(what, &bench.as_alias("home", "site")).await;
    }
    let links = vec![("pool".to_owned(), "site".to_owned())];
    let linked = Endpoint { links, ..bench.on("zz-back") };
    let client = bench.spec("client", &[]).await;
    bench.run(&ContainerSpec { endpoints: vec![linked], ..client }).await;
    bench.meant("client", &["site", "pool"]).await;
    bench.connect("client", &bench.on("home")).await;
    bench.meant("client", &["site"]).await;
    for what in ["one", "other"] {
        bench.stop(what).await;
        bench.meant("client", &["site"]).await;
        bench.disconnect(what, "zz-back").await;
        bench.start(what).await;
        bench.meant("client", &["site"]).await;
    }
}

async fn a_link_where_it_serves(bench: &Bench) {
    bench.network("home", false).await;
    bench.network("zz-back", true).await;
    for what in ["one", "other"] {
        aliased(bench, what, "zz-back", what).await;
        bench.connect(what, &bench.as_alias("home", "site")).await;
    }
    let links = vec![("one".to_owned(), "site".to_owned())];
    let linked = Endpoint { links, ..bench.on("zz-back") };
    let client = bench.spec("client", &[]).await;
    bench.run(&ContainerSpec { endpoints: vec![linked], ..client }).await;
    bench.meant("client", &["site"]).await;
    let links = vec![("site".to_owned(), "site".to_owned())];
    bench.connect("client", &Endpoint { links, ..bench.on("home") }).await;
    bench.meant("client", &["site"]).await;
    for what in ["one", "other"] {
        bench.stop(what).await;
        bench.meant("client", &["site"]).await;
    }
    bench.start("other").await;
    bench.meant("client", &["site"]).await;
}
