//! What is done to each of a service's containers, and leaves nothing behind that two ends could differ in.

use super::enumerate::block_on;
use super::process::Circumstances;
use super::stage::{IDLE, Stage};
use super::stories::all;

/// A release is not proven by one of its containers.
#[test]
fn a_smoke_check_asks_each_of_them() {
    let story = all().into_iter().find(|story| story.name == "replicas: code only").unwrap();
    let asked = block_on(async {
        let stage = Stage::set(&story);
        let beginning = stage.beginning().await;
        let how = Circumstances::default();
        let (_, process) = stage.run(&beginning, story.tip, how, IDLE).await.unwrap();
        let containers = process.machine.snapshot().containers;
        let asked = containers.into_iter().filter(|it| it.asked.contains("/smoke"));
        asked.map(|it| it.seen.name).collect::<std::collections::BTreeSet<_>>()
    });
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["shop-api-1", "shop-api-2"]);
}
