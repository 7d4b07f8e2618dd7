//! Volumes, and what outlives a container in them.

use super::bench::Bench;
use super::{Scenario, scenarios};
use crate::engine::VolumeSpec;

pub(super) const ALL: &[Scenario] = scenarios![one_is_made, a_cluster_outlives_its_server];

async fn there(bench: &Bench, what: &str) {
    bench.note(format!("{what} is there: {}", bench.engine.volume_exists(&bench.name(what)).await.unwrap()));
}

async fn one_is_made(bench: &Bench) {
    there(bench, "data").await;
    let spec = VolumeSpec { name: bench.name("data"), ..VolumeSpec::default() };
    bench.tell("make it", &bench.engine.create_volume(&spec).await);
    bench.tell("make it again", &bench.engine.create_volume(&spec).await);
    there(bench, "data").await;
    let mut web = bench.spec("web", &[]).await;
    web.binds = vec![format!("{}:/a:ro", bench.name("data")), format!("{}:/b", bench.name("implied"))];
    bench.create(&web).await;
    there(bench, "implied").await;
    let mut mounts = bench.find("web").await.unwrap().mounts;
    mounts.sort();
    bench.note(format!("mounts {mounts:?}"));
    bench.remove("web").await;
    there(bench, "data").await;
    there(bench, "implied").await;
}

async fn a_cluster_outlives_its_server(bench: &Bench) {
    bench.network("home", true).await;
    let identity = async |what: &str| {
        let seen = bench.databases.observe(&bench.target(what).await).await.unwrap();
        bench.note(format!("cluster {}", bench.nth("cluster", &seen.system_identifier)));
    };
    bench.server("db", Some(bench.name("data"))).await;
    identity("db").await;
    bench.stop("db").await;
    bench.start("db").await;
    bench.accepting("db").await;
    identity("db").await;
    bench.remove("db").await;
    bench.server("db", Some(bench.name("data"))).await;
    identity("db").await;
    bench.remove("db").await;
    bench.server("db", None).await;
    identity("db").await;
    bench.stop("db").await;
    bench.start("db").await;
    bench.accepting("db").await;
    identity("db").await;
}
