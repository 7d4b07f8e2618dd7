//! Repairs of what cannot be put right: they leave nothing behind, come later and later, and hold up no other service.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_core::container::label;
use evenkeel_core::status::Reason;
use tokio::time::sleep;

use super::code::{Fault, Program};
use super::enumerate::{block_on, full};
use super::image::{Image, Moment};
use super::oracle::faults_of;
use super::process::{Circumstances, Process};
use super::stage::{Stage, told};
use super::stories::Story;
use super::world::World;

/// Of the crashes, an ordinary run takes one in so many.
const CRASHES: usize = 3;

/// Whatever is made from the application's image from now on answers like this.
fn code_is(world: &mut World, fault: Fault) {
    for program in world.images.values_mut() {
        if let Program::App(code) = program {
            code.fault = fault;
        }
    }
}

fn remove(world: &mut World, name: &str) {
    let place = world.position(name).unwrap_or_else(|| panic!("there is no {name}"));
    world.remove(place);
}

/// A stack that runs, but for a service that was removed and does not work any more.
async fn beyond_repair(stage: &Stage<'_>) -> Image {
    let mut image = stage.beginning().await;
    code_is(&mut image.world, Fault::Probe);
    remove(&mut image.world, "shop-api-1");
    image
}

impl Process {
    fn of_service(&self, service: &str) -> Vec<String> {
        let world = self.machine.snapshot();
        let is_meant = |it: &&super::world::Instance| it.seen.label(label::COMPOSE_SERVICE) == Some(service);
        world.containers.iter().filter(is_meant).map(|it| it.seen.name.clone()).collect()
    }

    pub(super) fn runs(&self, name: &str) -> bool {
        self.machine.snapshot().find(name).is_some_and(|it| it.seen.running())
    }

    fn drifted(&self) -> String {
        let conditions = self.driver.conditions().into_iter();
        conditions.filter(|it| it.reason == Reason::Drifted).map(|it| it.message).collect()
    }

    /// Tries until it is left alone for a while; for how long.
    async fn until_held(&self) -> Result<Duration, String> {
        for _ in 0..8 {
            let rollouts = self.rollouts();
            let wait = self.driver.pass("look").await.unwrap_or_default();
            if self.rollouts() == rollouts && self.drifted().contains("it was made anew") {
                return Ok(wait);
            }
            let open = self.ledger.open_rollout(&self.app).unwrap();
            if open.is_none() && !self.of_service("api").is_empty() {
                return Err(told(self, &format!("{:?} are left", self.of_service("api"))));
            }
            sleep(wait).await;
        }
        Err(told(self, "it is never left alone"))
    }

    /// Once the code works, all of it comes to its end.
    async fn is_put_right(&self) -> Result<(), String> {
        self.machine.look(|world| code_is(world, Fault::None));
        self.settle().await.map_err(|why| told(self, &why))?;
        let faults = faults_of(self, 1);
        if !faults.is_empty() {
            return Err(told(self, &faults.join("; ")));
        }
        let api = self.of_service("api");
        if api == ["shop-api-1"] && self.runs("shop-api-1") {
            Ok(())
        } else {
            Err(told(self, &format!("{api:?}")))
        }
    }
}

#[test]
fn what_cannot_be_put_right_is_tried_later_and_later_and_holds_up_nothing_else() {
    let story = Story::of("beyond repair").runs_already();
    block_on(async {
        let stage = Stage::set(&story);
        let process = stage.start(&beyond_repair(&stage).await, 0, Circumstances::default());
        let mut waits = Vec::new();
        for _ in 0..3 {
            let wait = process.until_held().await.unwrap();
            waits.push(wait.as_secs());
            // The rest of the application is put right meanwhile.
            process.machine.look(|world| {
                let place = world.position("shop-worker-1").unwrap();
                world.stop(place);
            });
            let put_right = process.driver.pass("look").await;
            assert_eq!(put_right, Some(Duration::from_secs(1)), "{}", told(&process, ""));
            assert!(
                process.runs("shop-worker-1") && process.of_service("api").is_empty(),
                "{}",
                told(&process, "")
            );
            sleep(wait).await;
        }
        assert!(waits.is_sorted() && waits[0] < waits[2], "{waits:?}");
        process.is_put_right().await.unwrap();
        assert!(!process.drifted().contains("crash-loop"), "{}", process.drifted());
    });
}

/// Nobody can tell which of them it was that failed.
#[test]
fn what_went_away_together_is_put_right_where_it_can_be() {
    let story = Story::of("both").runs_already();
    block_on(async {
        let stage = Stage::set(&story);
        let mut image = beyond_repair(&stage).await;
        remove(&mut image.world, "shop-worker-1");
        let process = stage.start(&image, 0, Circumstances::default());
        for _ in 0..12 {
            let wait = process.driver.pass("look").await.unwrap_or_default();
            if process.runs("shop-worker-1") {
                break;
            }
            sleep(wait).await;
        }
        assert!(process.runs("shop-worker-1"), "{}", told(&process, ""));
        process.is_put_right().await.unwrap();
    });
}

/// The try goes on as long as a registry does not answer: what has its image is put right all the same.
#[test]
fn an_image_that_cannot_be_pulled_holds_up_nothing_else() {
    let story = Story::of("no registry").with_a_cache().runs_already();
    block_on(async {
        let stage = Stage::set(&story);
        let mut image = stage.beginning().await;
        remove(&mut image.world, "shop-cache-1");
        image.world.tags.remove("mailer:1");
        image.world.registries_are_away = true;
        let process = stage.start(&image, 0, Circumstances::default());
        process.driver.pass("look").await;
        process.machine.look(|world| {
            let place = world.position("shop-worker-1").unwrap();
            world.stop(place);
        });
        for _ in 0..4 {
            process.driver.pass("event").await;
        }
        assert!(process.runs("shop-worker-1"), "{}", told(&process, ""));
        assert!(process.drifted().contains("mailer:1: it was asked for"), "{}", process.drifted());
        process.machine.look(|world| world.registries_are_away = false);
        process.settle().await.unwrap();
        assert!(process.runs("shop-cache-1"), "{}", told(&process, ""));
        assert_eq!(faults_of(&process, 1), Vec::<String>::new());
    });
}

/// One alone is asked for it, as often as if there were no other.
#[test]
fn an_image_that_several_need_is_asked_for_as_if_one_did() {
    let pulls = |story: &Story, missing: &[&str]| {
        let mut pulls = Vec::new();
        block_on(async {
            let stage = Stage::set(story);
            let mut image = stage.beginning().await;
            missing.iter().for_each(|name| remove(&mut image.world, name));
            image.world.tags.remove("mailer:1");
            image.world.registries_are_away = true;
            let process = stage.start(&image, 0, Circumstances::default());
            for second in 0..90 {
                process.machine.look(|world| world.pulls.clear());
                process.driver.pass("event").await;
                pulls.extend(
                    process.machine.look(|world| world.pulls.clone()).into_iter().map(|it| (second, it)),
                );
                sleep(Duration::from_secs(1)).await;
            }
            process.machine.look(|world| {
                let place = world.position("shop-worker-1").unwrap();
                world.stop(place);
                world.pulls.clear();
            });
            process.driver.pass("event").await;
            assert!(process.runs("shop-worker-1"), "{}", told(&process, ""));
            assert_eq!(process.machine.look(|world| world.pulls.clone()), Vec::<String>::new());
            process.machine.look(|world| world.registries_are_away = false);
            process.settle().await.unwrap();
            assert!(missing.iter().all(|name| process.runs(name)), "{}", told(&process, ""));
            assert_eq!(faults_of(&process, 1), Vec::<String>::new());
        });
        pulls
    };
    let (one, two) =
        (Story::of("one").with_a_cache().runs_already(), Story::of("two").with_two_caches().runs_already());
    let alone = pulls(&one, &["shop-cache-1"]);
    assert!(alone.len() > 3, "{alone:?}");
    assert_eq!(pulls(&two, &["shop-cache-1", "shop-store-1"]), alone);
    // The other one runs on: it needs no image.
    assert_eq!(pulls(&two, &["shop-store-1"]), alone);
}

#[test]
fn a_crash_in_a_repair_that_fails_leaves_nothing_behind() {
    let story = Story::of("beyond repair").runs_already();
    let mut failures = Vec::new();
    block_on(async {
        let stage = Stage::set(&story);
        let beginning = beyond_repair(&stage).await;
        let images: Arc<Mutex<Vec<Image>>> = Arc::default();
        let sink = Arc::clone(&images);
        let take = move |moment: &mut Moment<'_>| sink.lock().unwrap().push(moment.image());
        let how = Circumstances { sink: Some(Box::new(take)), ..Circumstances::default() };
        let process = stage.start(&beginning, 0, how);
        process.driver.pass("look").await;
        assert!(process.of_service("api").is_empty(), "{}", told(&process, ""));
        drop(process);
        let images = std::mem::take(&mut *images.lock().unwrap());
        assert!(images.len() > 10, "there is something to crash in");
        for image in images.iter().step_by(if full() { 1 } else { CRASHES }) {
            let mut left = image.clone();
            left.world.locks.clear();
            let process = stage.start(&left, 0, Circumstances::default());
            let end = match process.until_held().await {
                Ok(_) => process.is_put_right().await,
                Err(why) => Err(why),
            };
            failures.extend(end.err().map(|why| format!("after {}: {why}", image.place)));
        }
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
