//! Registries that are asked where tags lead by now: after what has to be put right, and again soon where they did not answer.

use std::time::Duration;

use evenkeel_core::status::Reason;
use tokio::time::sleep;

use super::enumerate::block_on;
use super::process::{Circumstances, Process};
use super::stage::{Stage, told};
use super::stories::Story;

const TAG: &str = "poller:1";

impl Process {
    fn stop_api(&self) {
        self.machine.look(|world| {
            let place = world.position("shop-api-1").unwrap();
            world.stop(place);
        });
    }

    fn serves_api(&self) -> bool {
        self.machine.snapshot().find("shop-api-1").is_some_and(|it| it.seen.running())
    }

    /// Where the tag leads, as far as evenkeel knows.
    fn led(&self) -> Option<String> {
        self.ledger
            .tags(&self.app)
            .unwrap()
            .into_iter()
            .find(|tag| tag.reference == TAG)
            .and_then(|tag| tag.digest)
    }
}

#[test]
fn what_runs_is_put_right_before_a_registry_is_asked() {
    let story = Story::of("polls").polled().runs_already();
    block_on(async {
        let stage = Stage::set(&story);
        let process = stage.start(&stage.beginning().await, 0, Circumstances::default());
        process.settle().await.unwrap();
        assert!(process.led().is_some(), "it was asked for");
        process.machine.look(|world| world.registry.insert(TAG.to_owned(), "sha256:moved".to_owned()));
        process.stop_api();
        sleep(Duration::from_secs(61)).await;
        process.driver.pass("look").await;
        assert!(process.serves_api(), "{}", told(&process, ""));
        assert_ne!(process.led().as_deref(), Some("sha256:moved"), "it was asked for first");
        process.driver.pass("look").await;
        assert_eq!(process.led().as_deref(), Some("sha256:moved"));
    });
}

#[test]
fn a_registry_that_was_away_is_asked_again_soon() {
    let story = Story::of("polls").polled_daily().runs_already();
    block_on(async {
        let stage = Stage::set(&story);
        let process = stage.start(&stage.beginning().await, 0, Circumstances::default());
        process.settle().await.unwrap();
        let day = Duration::from_secs(86_400);
        process.machine.look(|world| world.registry.clear());
        sleep(day).await;
        process.driver.pass("look").await;
        process.machine.look(|world| world.registry.insert(TAG.to_owned(), "sha256:moved".to_owned()));
        process.driver.pass("look").await;
        assert_ne!(process.led().as_deref(), Some("sha256:moved"), "it is given some time");
        sleep(Duration::from_secs(60)).await;
        process.driver.pass("look").await;
        assert_eq!(process.led().as_deref(), Some("sha256:moved"));
        assert!(
            process
                .driver
                .conditions()
                .iter()
                .all(|it| it.reason != Reason::Drifted || !it.message.contains("poller"))
        );
    });
}

/// Each of its tags would take all the time that there is.
#[test]
fn a_registry_that_says_nothing_is_asked_once_and_keeps_no_other_waiting() {
    let silent: Vec<String> = (1..=5).map(|number| format!("silent.example/app{number}:1")).collect();
    let images: Vec<&str> = silent.iter().map(String::as_str).collect();
    let story = Story::of("a silent registry").polled().polled_as_well(&images).runs_already();
    block_on(async {
        let stage = Stage::set(&story);
        let mut image = stage.beginning().await;
        image.world.silent.insert("silent.example".to_owned());
        let process = stage.start(&image, 0, Circumstances::default());
        let asked = async || {
            process.machine.look(|world| world.asked.clear());
            sleep(Duration::from_secs(61)).await;
            process.driver.pass("look").await;
            process.machine.look(|world| world.asked.clone())
        };
        process.machine.look(|world| world.registry.insert(TAG.to_owned(), "sha256:moved".to_owned()));
        assert_eq!(asked().await, [TAG, &silent[0]].map(ToString::to_string), "side by side");
        assert_eq!(process.led().as_deref(), Some("sha256:moved"));
        process.settle().await.unwrap();
        sleep(Duration::from_secs(600)).await;
        let later = asked().await;
        assert!(later.iter().filter(|it| silent.contains(it)).count() == 1, "{later:?}");
        assert!(!later.contains(&silent[0]), "it is another one's turn: {later:?}");
        process.machine.look(|world| {
            world.silent.clear();
            world.registry.extend(silent.iter().map(|tag| (tag.clone(), "sha256:1".to_owned())));
        });
        sleep(Duration::from_secs(3_600)).await;
        let back = asked().await;
        assert!(silent.iter().all(|tag| back.contains(tag)), "{back:?}");
    });
}
