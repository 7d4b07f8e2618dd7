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
