//! Images and their tags.

use evenkeel_core::container::ContainerSpec;

use super::bench::Bench;
use super::{Scenario, scenarios};

pub(super) const ALL: &[Scenario] = scenarios![a_tag_moves, a_build_fails, an_image_in_use_stays];

/// Which image a reference leads to, by their order.
async fn leads(bench: &Bench, what: &str) {
    let image = bench.engine.image(&bench.name(what)).await.unwrap();
    let which = image.map(|image| bench.nth("image", image.id.as_str()));
    bench.note(format!("{what} is image {which:?}"));
}

async fn a_tag_moves(bench: &Bench) {
    leads(bench, "shop:1").await;
    let first = bench.build(&bench.name("shop:1"), "script a\n").await;
    bench.tell("build", &first);
    let first = first.unwrap().id;
    leads(bench, "shop:1").await;
    bench.run(&ContainerSpec { image: bench.name("shop:1"), ..bench.spec("web", &[]).await }).await;
    let second = bench.build(&bench.name("shop:1"), "script b\n").await;
    bench.tell("build", &second);
    leads(bench, "shop:1").await;
    let it = bench.find("web").await.unwrap();
    bench.note(format!("it runs {} of it", bench.nth("image", it.image_id.as_str())));
    bench.note(format!("it was made from {}", it.image));
    bench
        .note(format!("the first is there: {}", bench.engine.image(first.as_str()).await.unwrap().is_some()));
    bench.tell("tag it", &bench.engine.tag(&first, &bench.name("shop:old")).await);
    leads(bench, "shop:old").await;
    bench.tell("move the tag back", &bench.engine.tag(&first, &bench.name("shop:1")).await);
    leads(bench, "shop:1").await;
    let tags = bench.engine.image(first.as_str()).await.unwrap().unwrap().tags.len();
    bench.note(format!("it has {tags} tags"));
    bench.tell("tag without a word", &bench.engine.tag(&first, &bench.name("plain")).await);
    leads(bench, "plain").await;
    leads(bench, "plain:latest").await;
    let missing = format!("sha256:{}", "0".repeat(64)).as_str().into();
    bench.tell("tag what is not there", &bench.engine.tag(&missing, &bench.name("shop:3")).await);
    leads(bench, "shop:3").await;
}

async fn a_build_fails(bench: &Bench) {
    let tag = bench.name("shop:1");
    bench.tell("build", &bench.build(&tag, "fault build\n").await);
    leads(bench, "shop:1").await;
    bench.tell("build", &bench.build(&tag, "").await);
    leads(bench, "shop:1").await;
    bench.tell("build", &bench.build(&tag, "fault build\n").await);
    leads(bench, "shop:1").await;
}

async fn an_image_in_use_stays(bench: &Bench) {
    let tag = bench.name("shop:1");
    let id = bench.build(&tag, "script a\n").await.unwrap().id;
    bench.run(&ContainerSpec { image: tag.clone(), ..bench.spec("web", &[]).await }).await;
    for round in ["running", "stopped"] {
        bench.tell(format!("remove its only tag while {round}"), &bench.engine.remove_image(&tag).await);
        leads(bench, "shop:1").await;
        bench.stop("web").await;
    }
    bench.engine.tag(&id, &bench.name("shop:2")).await.unwrap();
    bench.tell("remove one of two", &bench.engine.remove_image(&tag).await);
    leads(bench, "shop:1").await;
    leads(bench, "shop:2").await;
    bench.remove("web").await;
    bench.tell("remove the last", &bench.engine.remove_image(&bench.name("shop:2")).await);
    leads(bench, "shop:2").await;
    bench.note(format!("it is there: {}", bench.engine.image(id.as_str()).await.unwrap().is_some()));
    bench.tell("remove it again", &bench.engine.remove_image(&bench.name("shop:2")).await);
}
