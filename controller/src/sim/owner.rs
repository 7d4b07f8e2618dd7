//! Several evenkeels with data directories of their own on one host: one alone touches the project.

use std::path::Path;
use std::time::Duration;

use evenkeel_core::name::{InstanceId, ProjectName, Revision};
use evenkeel_core::status::Reason;
use tempfile::TempDir;
use tokio::time::sleep;

use super::cluster::Cluster;
use super::enumerate::block_on;
use super::image::Image;
use super::oracle;
use super::process::{Circumstances, Process};
use super::reference::recorded;
use super::stage::{Stage, history, told};
use super::stories::{Story, all};
use super::world::World;
use crate::engine::Owner;

/// Between two looks of somebody who has no reason to look.
const LOOK: Duration = Duration::from_secs(61);

fn story(name: &str) -> Story {
    all().into_iter().find(|story| story.name == name).unwrap_or_else(|| panic!("there is no story {name}"))
}

fn project() -> ProjectName {
    "shop".into()
}

/// One host with its locks.
struct Town<'a> {
    stage: Stage<'a>,
    locks: TempDir,
}

impl<'a> Town<'a> {
    fn of(story: &'a Story) -> Self {
        Self { stage: Stage::set(story), locks: TempDir::new().unwrap() }
    }

    fn first(&self, image: &Image, tip: usize) -> Process {
        let how = Circumstances { locks: Some(self.locks.path().to_owned()), ..Circumstances::default() };
        Process::start(image, &self.stage.shared, &self.stage.revisions[tip], how)
    }

    /// Somebody else on the same host, with a data directory of his own.
    fn newcomer(&self, beside: &Process) -> Process {
        self.with(&Image::blank(), beside, self.locks.path())
    }

    fn with(&self, image: &Image, beside: &Process, locks: &Path) -> Process {
        let tip = &self.stage.revisions[self.stage.story.tip];
        beside.beside(image, &self.stage.shared, tip, locks.to_owned())
    }
}

impl Process {
    fn id(&self) -> InstanceId {
        self.ledger.instance().unwrap()
    }

    fn condition(&self, reason: Reason) -> Option<String> {
        self.driver.conditions().into_iter().find(|it| it.reason == reason).map(|it| it.message)
    }

    fn elsewhere(&self) -> String {
        self.condition(Reason::OwnedElsewhere).unwrap_or_else(|| panic!("it does not stand aside"))
    }

    fn is_owner(&self) -> bool {
        self.machine.snapshot().owners.get(&project()).map(|owner| &owner.id) == Some(&self.id())
    }

    /// Looks for a while, and does nothing.
    async fn stands_aside(&self) -> String {
        let before = self.machine.effects();
        for _ in 0..3 {
            assert_eq!(self.driver.pass("look").await, None, "it waits for the next look");
            self.elsewhere();
            sleep(LOOK).await;
        }
        assert_eq!(self.machine.effects(), before, "it does something: {:?}", told(self, ""));
        assert!(self.machine.snapshot().locks.is_empty(), "it locks the database");
        assert_eq!(self.rollouts(), 0);
        self.elsewhere()
    }
}

impl Process {
    /// The project is another's: it looks, and does nothing.
    async fn stands_aside_from(&self, other: &Self) {
        let (effects, rollouts) = (self.machine.effects(), self.rollouts());
        self.driver.pass("look").await;
        assert!(self.elsewhere().contains(other.id().as_str()), "{}", self.elsewhere());
        assert_eq!((self.machine.effects(), self.rollouts()), (effects, rollouts));
    }
}

/// What must hold at every end; the images that the other one built are on nobody's record any more, and stay.
fn faults(process: &Process, tries: usize) -> Vec<String> {
    let mut faults = oracle::faults_of(process, tries);
    faults.retain(|fault| !fault.ends_with("belongs to no release"));
    faults
}

/// What a crash leaves for somebody who has nothing but the host.
fn left(image: &Image) -> Image {
    let mut left = Image::of(&image.world);
    left.world.locks.clear();
    left
}

/// How many migrations the schema is made of.
fn scripts(world: &World) -> usize {
    let shop = |cluster: &Option<Cluster>| Some(cluster.as_ref()?.databases.get("shop")?.applied.len());
    world.volumes.values().filter_map(shop).max().unwrap_or_default()
}

/// A story up to its end, and what every crash on the way leaves.
async fn crashes(town: &Town<'_>) -> Vec<Image> {
    let beginning = town.stage.beginning().await;
    let (images, ..) = recorded(&town.stage, &beginning, town.stage.story.tip, 0).await.unwrap();
    assert!(images.len() > 100, "there is something to crash in");
    images
}

/// Taken over from whoever crashed, it comes to the end that the branch asks for: tidy, with every row, and not tried twice.
async fn takes_over(second: &Process, from: &InstanceId, tip: &Revision) {
    second.driver.claim(&project(), Some(from)).await.unwrap();
    second.settle().await.unwrap_or_else(|why| panic!("{}", told(second, &why)));
    let live = second.ledger.app(&second.app).unwrap().live_revision;
    assert_eq!(live.as_ref(), Some(tip), "{}", told(second, ""));
    assert_eq!(faults(second, 1), Vec::<String>::new(), "{}", told(second, ""));
}

#[test]
fn wherever_the_owner_crashed_nobody_else_does_anything_until_an_operator_says_so() {
    let story = story("fenced migration");
    block_on(async {
        let town = Town::of(&story);
        let tip = &town.stage.revisions[story.tip];
        for image in crashes(&town).await {
            let owner = image.world.owners[&project()].id.clone();
            let second = town.first(&left(&image), story.tip);
            let why = second.stands_aside().await;
            assert!(why.contains(&format!("claim shop --from {owner}")), "at {}: {why}", image.place);
            takes_over(&second, &owner, tip).await;
            // The one who crashed is started again: now it is the other who stands aside.
            let first = town.with(&image, &second, town.locks.path());
            let (effects, rollouts) = (second.machine.effects(), first.rollouts());
            first.driver.pass("start").await;
            assert!(first.elsewhere().contains(second.id().as_str()), "at {}", image.place);
            assert_eq!(
                (second.machine.effects(), first.rollouts()),
                (effects, rollouts),
                "at {}",
                image.place
            );
        }
    });
}

#[test]
fn a_schema_that_the_owner_moved_is_never_taken_down_by_who_takes_over() {
    let story = story("fenced migration, taken back while down");
    let back = story.moves_to.unwrap();
    block_on(async {
        let town = Town::of(&story);
        for image in crashes(&town).await.into_iter().step_by(3) {
            let owner = image.world.owners[&project()].id.clone();
            let second = town.first(&left(&image), back);
            second.stands_aside().await;
            if scripts(&second.machine.snapshot()) == 1 {
                takes_over(&second, &owner, &town.stage.revisions[back]).await;
                continue;
            }
            second.driver.claim(&project(), Some(&owner)).await.unwrap();
            for _ in 0..3 {
                second.driver.pass("look").await;
                sleep(LOOK).await;
            }
            assert!(second.condition(Reason::DatabaseAhead).is_some(), "at {}", image.place);
            let world = second.machine.snapshot();
            assert_eq!((scripts(&world), world.violations.len()), (2, 0), "at {}", image.place);
        }
    });
}

/// Not even what it was putting back when it crashed.
#[test]
fn whoever_was_taken_over_from_finishes_nothing() {
    let story = story("code fails its bake on a fenced migration");
    block_on(async {
        let town = Town::of(&story);
        let mut reverting = 0;
        for mut image in crashes(&town).await.into_iter().step_by(3) {
            image.world.locks.clear();
            let other = Owner { id: "another".into(), ..image.world.owners[&project()].clone() };
            image.world.owners.insert(project(), other);
            let first = town.first(&image, story.tip);
            let open = first.ledger.open_rollout(&first.app).unwrap();
            reverting += usize::from(open.is_some_and(|open| open.reverting.is_some()));
            let rollouts = first.rollouts();
            first.driver.pass("start").await;
            assert!(first.elsewhere().contains("another"), "at {}", image.place);
            assert_eq!((first.machine.effects(), first.rollouts()), (0, rollouts), "at {}", image.place);
        }
        assert!(reverting > 0, "it was putting nothing back");
    });
}

#[test]
fn another_one_stands_aside_while_the_owner_works() {
    let story = story("fenced migration");
    block_on(async {
        let town = Town::of(&story);
        let beginning = town.stage.beginning().await;
        let owner = town.first(&beginning, story.tip);
        let other = town.newcomer(&owner);
        let looks = async {
            loop {
                other.driver.pass("look").await;
                assert!(other.elsewhere().contains(owner.id().as_str()));
                assert_eq!(other.rollouts(), 0);
                sleep(Duration::from_millis(300)).await;
            }
        };
        // Cancel-safe: what the other does is nothing.
        tokio::select! {
            settled = owner.settle() => settled.unwrap(),
            () = looks => {}
        }
        let live = owner.ledger.app(&owner.app).unwrap().live_revision;
        assert_eq!(live.as_ref(), Some(&town.stage.revisions[story.tip]));
        assert_eq!(faults(&owner, 1), Vec::<String>::new(), "{}", told(&owner, ""));
        let refused = other.driver.claim(&project(), Some(&owner.id())).await.unwrap_err();
        assert!(refused.contains(&format!("pid {}", std::process::id())), "it lives: {refused}");
        let refused = other.driver.claim(&project(), Some(&"0123456789abcdef".into())).await.unwrap_err();
        assert!(refused.contains(owner.id().as_str()), "another is named: {refused}");
        assert!(owner.is_owner());
    });
}

#[test]
fn a_copy_of_the_data_directory_stands_aside_while_the_owner_lives() {
    let story = story("code only");
    block_on(async {
        let town = Town::of(&story);
        let beginning = town.stage.beginning().await;
        let owner = town.first(&beginning, 0);
        owner.settle().await.unwrap();
        let copy = town.with(&beginning, &owner, town.locks.path());
        assert_eq!(copy.id(), owner.id());
        let effects = owner.machine.effects();
        copy.driver.pass("look").await;
        assert!(copy.elsewhere().contains(&format!("pid {}", std::process::id())), "{}", copy.elsewhere());
        assert_eq!(owner.machine.effects(), effects);
        drop(owner);
        copy.settle().await.unwrap();
        assert_eq!(copy.condition(Reason::OwnedElsewhere), None);
    });
}

#[test]
fn a_record_that_was_swept_away_is_made_again_by_its_owner_and_by_another_only_if_that_one_is_gone() {
    let story = story("code only");
    block_on(async {
        let town = Town::of(&story);
        let elsewhere = TempDir::new().unwrap();
        let owner = town.first(&town.stage.beginning().await, 0);
        owner.settle().await.unwrap();
        // On another host, with the same engine: no lock keeps the two apart.
        let other = town.with(&Image::blank(), &owner, elsewhere.path());
        other.stands_aside().await;
        let sweep = || owner.machine.look(|world| world.owners.clear());
        sweep();
        other.driver.pass("event").await;
        assert!(other.elsewhere().contains("nobody is on record"), "{}", other.elsewhere());
        owner.driver.pass("event").await;
        assert!(owner.is_owner());
        other.stands_aside().await;
        sweep();
        other.driver.pass("event").await;
        sleep(LOOK).await;
        other.driver.pass("look").await;
        assert!(!other.is_owner(), "it waits for longer than a look");
        sleep(LOOK).await;
        other.driver.pass("look").await;
        assert!(other.is_owner());
        owner.stands_aside_from(&other).await;
    });
}

#[test]
fn what_was_let_go_of_is_taken_up_by_another_and_only_at_an_operators_word_by_the_same() {
    let story = story("code only");
    block_on(async {
        let town = Town::of(&story);
        let owner = town.first(&town.stage.beginning().await, 0);
        owner.settle().await.unwrap();
        let other = town.newcomer(&owner);
        owner.driver.disown(&project()).await.unwrap();
        assert!(owner.machine.snapshot().owners.is_empty());
        owner.driver.pass("look").await;
        assert!(owner.elsewhere().contains("`evenkeel claim shop`"), "{}", owner.elsewhere());
        other.settle().await.unwrap();
        assert!(other.is_owner());
        owner.stands_aside_from(&other).await;
        other.driver.disown(&project()).await.unwrap();
        owner.driver.claim(&project(), None).await.unwrap();
        owner.settle().await.unwrap();
        assert!(owner.is_owner() && owner.condition(Reason::OwnedElsewhere).is_none());
    });
}

/// An operator gives the project to another host while its owner is at work there: he should not, and it comes to a halt.
#[test]
fn a_rollout_halts_when_its_project_is_given_away() {
    let story = story("fenced migration");
    block_on(async {
        let town = Town::of(&story);
        let elsewhere = TempDir::new().unwrap();
        let owner = town.first(&town.stage.beginning().await, story.tip);
        let other = town.with(&Image::blank(), &owner, elsewhere.path());
        let give = async {
            sleep(Duration::from_secs(4)).await;
            other.driver.claim(&project(), Some(&owner.id())).await.unwrap();
        };
        tokio::join!(owner.driver.pass("commit"), give);
        assert_eq!(history(&owner).first().unwrap().outcome, None, "{}", told(&owner, "it does not halt"));
        owner.stands_aside_from(&other).await;
        other.settle().await.unwrap();
        let live = other.ledger.app(&other.app).unwrap().live_revision;
        assert_eq!(live.as_ref(), Some(&town.stage.revisions[story.tip]));
        assert_eq!(faults(&other, 1), Vec::<String>::new(), "{}", told(&other, ""));
    });
}

/// What another ledger's rollouts made is not taken for this one's, whatever their numbers.
#[test]
fn rollouts_are_counted_on_from_those_of_the_one_before() {
    let story = story("code only");
    block_on(async {
        let town = Town::of(&story);
        let owner = town.first(&town.stage.beginning().await, story.tip);
        owner.settle().await.unwrap();
        let last = history(&owner).iter().map(|rollout| rollout.id).max().unwrap();
        assert!(last > 1);
        let (id, other) = (owner.id(), town.newcomer(&owner));
        drop(owner);
        other.driver.pass("look").await;
        takes_over(&other, &id, &town.stage.revisions[story.tip]).await;
        assert!(history(&other).iter().all(|rollout| rollout.id > last));
    });
}
