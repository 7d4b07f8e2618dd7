//! Registries that are asked where tags lead by now: after what has to be put right, and again soon where they did not answer.

use std::time::Duration;

use evenkeel_core::status::Reason;
use tokio::time::sleep;

use super::enumerate::block_on;
use super::process::{Circumstances, Process};
use super::stage::{Stage, told};
use super::stories::{Commit, Story};

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

/// The tag leads back to where it led first; meanwhile its image has gone from the host, or been replaced there. The commit is another
/// one, of which nothing is on record, and for which nothing else has to change.
#[test]
fn a_tag_that_goes_back_takes_the_image_back_whatever_the_host_has_under_its_name() {
    for has_it in [false, true] {
        let story = Story::of("back again").polled().runs_already();
        let story = story.and(|commit| commit.manifest = commit.manifest.replace("bake: 8s", "bake: 9s"));
        block_on(async {
            let stage = Stage::set(&story);
            let process = stage.start(&stage.beginning().await, 0, Circumstances::default());
            process.settle().await.unwrap();
            let first = process.machine.snapshot().registry[TAG].clone();
            process.machine.look(|world| world.registry.insert(TAG.to_owned(), "sha256:moved".to_owned()));
            process.settle().await.unwrap();
            assert!(process.is_of("shop-poller-1", "poller@sha256:moved"), "{}", told(&process, ""));
            process.machine.look(|world| {
                world.registry.insert(TAG.to_owned(), first.clone());
                let moved = world.tags["poller@sha256:moved"].clone();
                let before =
                    if has_it { world.tags.insert(TAG.to_owned(), moved) } else { world.tags.remove(TAG) };
                world.images.remove(&before.unwrap());
            });
            sleep(Duration::from_secs(61)).await;
            process.driver.pass("look").await;
            assert_eq!(process.led().as_ref(), Some(&first));
            process.driver.follow(&stage.revisions[1]);
            process.settle().await.unwrap_or_else(|why| panic!("{}", told(&process, &why)));
            assert!(process.is_of("shop-poller-1", TAG), "{}", told(&process, ""));
            assert!(!process.is_of("shop-poller-1", "poller@sha256:moved"), "{}", told(&process, ""));
        });
    }
}

/// A commit brings back a tag that was followed before, and that nobody has asked for since.
#[test]
fn where_a_tag_led_long_ago_does_not_count_any_more() {
    let other = |commit: &mut Commit| commit.compose = commit.compose.replace(TAG, "other:1");
    let never = |commit: &mut Commit| {
        commit.compose = commit.compose.replace("    pull_policy: every_1m\n", "    mem_limit: 64m\n");
    };
    let story = Story::of("long ago").polled().runs_already();
    let story = story.and(other).and(|commit| commit.code = "script a\nnew\n").and(never);
    let newest = Some("sha256:newest");
    for (commit, leads_to, expected) in [
        (2, newest, "poller@sha256:newest"),
        // Nobody tells; it is asked for again afterwards.
        (2, None, "poller@sha256:moved"),
        // Nobody wants it asked for: the image counts that is there under its name.
        (3, newest, TAG),
    ] {
        block_on(async {
            let stage = Stage::set(&story);
            let process = stage.start(&stage.beginning().await, 0, Circumstances::default());
            process.settle().await.unwrap();
            process.machine.look(|world| world.registry.insert(TAG.to_owned(), "sha256:moved".to_owned()));
            process.settle().await.unwrap();
            process.driver.follow(&stage.revisions[1]);
            process.settle().await.unwrap();
            assert!(process.is_of("shop-poller-1", "other:1"), "{}", told(&process, ""));
            process.machine.look(|world| {
                world.registry.remove(TAG);
                world.registry.extend(leads_to.map(|digest| (TAG.to_owned(), digest.to_owned())));
            });
            sleep(Duration::from_secs(86_400)).await;
            let rollouts = process.rollouts();
            process.driver.follow(&stage.revisions[commit]);
            process.settle().await.unwrap_or_else(|why| panic!("{}", told(&process, &why)));
            assert!(process.is_of("shop-poller-1", expected), "{expected}: {}", told(&process, ""));
            assert_eq!(process.rollouts(), rollouts + 1, "{expected}: {}", told(&process, ""));
        });
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
