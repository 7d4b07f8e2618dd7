//! What is live is looked after while the branch asks for what it cannot be taken to, and the branch is followed again once it can.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_core::status::{AppStatus, Outcome, Reason, Sync};
use tokio::time::sleep;

use super::enumerate::{block_on, full};
use super::image::{Image, Moment};
use super::oracle::faults_of;
use super::process::{Circumstances, Process};
use super::stage::{Stage, history, told};
use super::stories::{Commit, Story};
use super::world::World;

const TAG: &str = "poller:1";
const MOVED: &str = "poller@sha256:moved";
const NEXT: &str = "script a\nnew\n";

impl Process {
    fn meddle_with(&self, name: &str, how: impl FnOnce(&mut World, usize)) {
        self.machine.look(|world| {
            let place = world.position(name).unwrap_or_else(|| panic!("there is no {name}"));
            how(world, place);
        });
    }

    /// Whether a container was made from what a reference leads to.
    pub(super) fn is_of(&self, name: &str, reference: &str) -> bool {
        let world = self.machine.snapshot();
        let image = world.find(name).map(|it| &it.seen.image_id);
        image.is_some() && image == world.tags.get(reference)
    }

    /// What a tag leads to from now on, at its registry.
    fn leads_to(&self, digest: &str) {
        self.machine.look(|world| world.registry.insert(TAG.to_owned(), digest.to_owned()));
    }

    /// Passes, each when the one before asks for it, until something holds.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..30 {
            if holds(self) {
                return;
            }
            let wait = self.driver.pass("look").await;
            sleep(wait.unwrap_or(Duration::from_secs(61))).await;
        }
        assert!(holds(self), "{}", told(self, &format!("not {what}: {:?}", self.driver.conditions())));
    }

    pub(super) fn says(&self, reason: Reason) -> String {
        let conditions = self.driver.conditions().into_iter();
        conditions.filter(|it| it.reason == reason).map(|it| it.message).collect()
    }
}

/// A commit that cannot be gone to, and what status has to say of it.
struct Hindrance {
    name: &'static str,
    live: &'static str,
    change: fn(&mut Commit),
    reason: Reason,
    says: &'static str,
}

fn compose(commit: &mut Commit, from: &str, to: &str) {
    assert!(commit.compose.contains(from), "{from}");
    commit.compose = commit.compose.replace(from, to);
}

const FIRST: &str = "script a\n";

fn hindrances() -> [Hindrance; 6] {
    let preflight = Reason::PreflightFailed;
    [
        Hindrance {
            name: "another major version",
            live: FIRST,
            change: |commit| compose(commit, "postgres:15", "postgres:16"),
            reason: preflight,
            says: "allowMajorUpgrade",
        },
        Hindrance {
            name: "a network that is not there",
            live: FIRST,
            change: |commit| {
                compose(
                    commit,
                    "volumes: {data: {}}",
                    "networks: {default: {external: true, name: gone}}\nvolumes: {data: {}}",
                );
            },
            reason: preflight,
            says: "the external network gone does not exist",
        },
        Hindrance {
            name: "a build's agent that is not there",
            live: FIRST,
            change: |commit| {
                commit.code = NEXT;
                compose(commit, "build: ./api", "build: {context: ./api, ssh: [default=/nowhere/agent]}");
            },
            reason: preflight,
            says: "/nowhere/agent",
        },
        Hindrance {
            name: "a migration that branches off",
            live: "script a\nscript b\n",
            change: |commit| commit.code = "script a\nscript c\n",
            reason: Reason::DatabaseDiverged,
            says: "waits for that",
        },
        Hindrance {
            name: "a Compose file that cannot be read",
            live: FIRST,
            change: |commit| compose(commit, "services:", "servces:"),
            reason: Reason::ManifestInvalid,
            says: "servces",
        },
        Hindrance {
            name: "a manifest that cannot be read",
            live: FIRST,
            change: |commit| commit.manifest = "kind: [".to_owned(),
            reason: Reason::ManifestInvalid,
            says: "evenkeel.yaml",
        },
    ]
}

/// Status says plainly that the commit waits, and why.
fn is_told(process: &Process, hindrance: &Hindrance) {
    let AppStatus { sync, next, .. } = process.driver.status();
    let said = process.says(hindrance.reason);
    assert!(said.contains(hindrance.says), "{}: {said}", hindrance.name);
    assert!(
        sync != Sync::Synced || hindrance.reason == Reason::ManifestInvalid,
        "{}: {next}",
        hindrance.name
    );
    assert!(next.contains("what is live is"), "{}: {next}", hindrance.name);
}

#[test]
fn what_is_live_is_looked_after_while_a_commit_is_refused() {
    for hindrance in hindrances() {
        let lifted = |commit: &mut Commit| {
            commit.code = if hindrance.live == FIRST { NEXT } else { "script a\nscript b\nnew\n" }
        };
        let mut story = Story::of(hindrance.name).polled().runs_already();
        story.commits[0].code = hindrance.live;
        let story = story.and(hindrance.change).and(lifted);
        block_on(async {
            let stage = Stage::set(&story);
            let process = stage.start(&stage.beginning().await, 1, Circumstances::default());
            let live = |process: &Process| process.ledger.app(&process.app).unwrap().live_revision;
            process.until("refused", |it| it.says(hindrance.reason).contains(hindrance.says)).await;
            is_told(&process, &hindrance);

            process.meddle_with("shop-api-1", |world, place| world.stop(place));
            process.meddle_with("shop-worker-1", World::remove);
            process.until("put right", |it| it.runs("shop-api-1") && it.runs("shop-worker-1")).await;
            process.until("over", |it| it.ledger.open_rollout(&it.app).unwrap().is_none()).await;
            is_told(&process, &hindrance);

            process.leads_to("sha256:moved");
            process.until("followed", |it| it.is_of("shop-poller-1", MOVED)).await;
            process.until("over", |it| it.ledger.open_rollout(&it.app).unwrap().is_none()).await;
            is_told(&process, &hindrance);
            assert_eq!(live(&process).as_ref(), Some(&stage.revisions[0]), "{}", told(&process, ""));

            process.driver.follow(&stage.revisions[2]);
            process.settle().await.unwrap_or_else(|why| panic!("{}", told(&process, &why)));
            assert_eq!(
                live(&process).as_ref(),
                Some(&stage.revisions[2]),
                "{}",
                told(&process, hindrance.name)
            );
            assert_eq!(process.says(hindrance.reason), "");
            assert!(process.is_of("shop-poller-1", MOVED));
            assert_eq!(faults_of(&process, 1), Vec::<String>::new(), "{}", told(&process, hindrance.name));
        });
    }
}

/// Of the crashes, an ordinary run takes one in so many.
const CRASHES: usize = 5;

/// What was begun for the live commit comes to its end, whatever is wanted then and cannot be gone to.
#[test]
fn a_crash_while_a_tag_is_followed_beside_a_refused_commit_changes_no_end() {
    let story = Story::of("a crash beside").polled().runs_already();
    let story = story.and(|commit| compose(commit, "postgres:15", "postgres:16"));
    let mut failures = Vec::new();
    block_on(async {
        let stage = Stage::set(&story);
        let before = stage.start(&stage.beginning().await, 1, Circumstances::default());
        before.until("refused", |it| it.says(Reason::PreflightFailed).contains("allowMajorUpgrade")).await;
        before.leads_to("sha256:moved");
        before.meddle_with("shop-worker-1", World::remove);
        let beginning = before.killed();
        let images: Arc<Mutex<Vec<Image>>> = Arc::default();
        let sink = Arc::clone(&images);
        let take = move |moment: &mut Moment<'_>| sink.lock().unwrap().push(moment.image());
        let how = Circumstances { sink: Some(Box::new(take)), ..Circumstances::default() };
        let process = stage.start(&beginning, 1, how);
        let is_done = |it: &Process| {
            it.is_of("shop-poller-1", MOVED)
                && it.runs("shop-worker-1")
                && it.ledger.open_rollout(&it.app).unwrap().is_none()
        };
        process.until("followed", is_done).await;
        let rollouts = process.rollouts();
        drop(process);
        let images = std::mem::take(&mut *images.lock().unwrap());
        assert!(images.len() > 20, "there is something to crash in");
        for image in images.iter().step_by(if full() { 1 } else { CRASHES }) {
            let mut left = image.clone();
            left.world.locks.clear();
            let process = stage.start(&left, 1, Circumstances::default());
            process.until("followed", is_done).await;
            let mut faults = faults_of(&process, 1);
            if process.rollouts() != rollouts {
                faults.push(format!("{} rollouts instead of {rollouts}", process.rollouts()));
            }
            if !faults.is_empty() {
                failures.push(told(&process, &format!("after {}: {}", image.place, faults.join("; "))));
            }
        }
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// It is rolled out as long as nothing is to be put right, and begun anew after that.
#[test]
fn what_is_live_is_put_right_while_a_registry_is_away_that_a_commit_needs() {
    let later = |commit: &mut Commit| compose(commit, "image: poller:1", "image: later:1");
    let story = Story::of("no registry").polled().runs_already().and(later);
    block_on(async {
        let stage = Stage::set(&story);
        let mut image = stage.beginning().await;
        image.world.registries_are_away = true;
        let process = stage.start(&image, 1, Circumstances::default());
        process.until("waiting", |it| it.says(Reason::BuildFailed).contains("later:1")).await;
        let tried = process.rollouts();
        for _ in 0..3 {
            process.driver.pass("look").await;
        }
        assert_eq!(process.rollouts(), tried, "the same rollout goes on");
        process.meddle_with("shop-api-1", |world, place| world.stop(place));
        process.until("put right", |it| it.runs("shop-api-1")).await;
        process.machine.look(|world| world.registries_are_away = false);
        process.settle().await.unwrap_or_else(|why| panic!("{}", told(&process, &why)));
        assert!(process.is_of("shop-poller-1", "later:1"));
        assert_eq!(faults_of(&process, 1), Vec::<String>::new(), "{}", told(&process, ""));
    });
}

/// With the tag the commit is another release, which is tried; and where that fails too, the live commit's is gone to.
#[test]
fn a_tag_is_followed_while_a_commit_is_in_quarantine() {
    let story = Story::of("in quarantine").polled().runs_already();
    let story = story.and(|commit| commit.code = "script a\nfault start\n");
    block_on(async {
        let stage = Stage::set(&story);
        let process = stage.start(&stage.beginning().await, 1, Circumstances::default());
        process.until("in quarantine", |it| !it.says(Reason::Quarantined).is_empty()).await;
        process.leads_to("sha256:moved");
        process.settle().await.unwrap_or_else(|why| panic!("{}", told(&process, &why)));
        assert!(process.is_of("shop-poller-1", MOVED), "{}", told(&process, ""));
        let outcomes: Vec<_> = history(&process).iter().rev().skip(1).filter_map(|it| it.outcome).collect();
        assert_eq!(
            outcomes,
            [Outcome::Reverted, Outcome::Reverted, Outcome::Succeeded],
            "{}",
            told(&process, "")
        );
        let record = process.ledger.app(&process.app).unwrap();
        assert_eq!(record.live_revision.as_ref(), Some(&stage.revisions[0]));
        process.idle(3).await.unwrap_or_else(|why| panic!("{}", told(&process, &why)));
    });
}

/// What runs then is nobody's release: it is not taken further back, nor on.
#[test]
fn what_could_not_be_put_back_is_left_as_it_is() {
    let story = Story::of("could not be put back").runs_already();
    let story = story.and(|commit| compose(commit, "postgres:15", "postgres:16"));
    let story = story.and(|commit| compose(commit, "services:", "servces:"));
    block_on(async {
        let stage = Stage::set(&story);
        let process = stage.start(&stage.beginning().await, 1, Circumstances::default());
        let now = process.ledger.now();
        let condition = |message: &str| evenkeel_core::status::Condition {
            reason: Reason::RevertFailed,
            message: message.to_owned(),
            since: now,
        };
        process.ledger.set_condition(&process.app, &condition("as it stands")).unwrap();
        process.meddle_with("shop-worker-1", |world, place| world.stop(place));
        let effects = process.machine.effects();
        for commit in [1, 2] {
            process.driver.follow(&stage.revisions[commit]);
            for _ in 0..3 {
                process.driver.pass("look").await;
                sleep(Duration::from_secs(61)).await;
            }
            assert_eq!(process.machine.effects(), effects, "{}", told(&process, ""));
            assert!(process.says(Reason::RevertFailed).contains("as it stands"));
        }
    });
}
