//! What is compared: everything that users and operators have, and nothing that only a journal knows.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::container::label;
use evenkeel_core::name::ContainerId;
use evenkeel_core::plan::revisions;
use evenkeel_core::status::{Outcome, Reason, RolloutRecord};

use super::process::Process;
use super::world::{Instance, World};

/// The normal form of the end of a story: one line for each thing.
pub(super) fn end_of(process: &Process) -> Vec<String> {
    let world = process.machine.snapshot();
    let ledger = &process.ledger;
    let app = &process.app;
    let record = ledger.app(app).unwrap();
    let serving: BTreeSet<ContainerId> = ledger.serving(app).unwrap().into_values().collect();
    let mut lines: Vec<String> = world.containers.iter().map(|it| container(it, &serving)).collect();
    lines.extend(world.networks.keys().map(|name| format!("network {name}")));
    lines.extend(world.volumes.iter().map(|(name, cluster)| match cluster {
        None => format!("volume {name}"),
        Some(cluster) => format!("volume {name}, {}", databases(&cluster.databases)),
    }));
    let named = world.tags.iter().filter(|(tag, _)| !tag.starts_with("evenkeel/"));
    lines.extend(named.map(|(tag, id)| format!("tag {tag} of {id}")));
    let short = |digest: &evenkeel_core::name::ReleaseDigest| digest.short().to_owned();
    lines.push(format!("live {:?} at {:?}", record.live_release.as_ref().map(short), record.live_revision));
    lines.push(format!("recorded schema {:?}", record.schema.as_ref().map(revisions)));
    lines.extend(
        ledger.quarantined(app).unwrap().iter().map(|it| format!("quarantined {}", it.release.short())),
    );
    lines.extend(ledger.conditions(app).unwrap().iter().map(|it| condition(it.reason)));
    lines.sort();
    lines
}

/// A release was found to be broken.
pub(super) const BROKEN: &str = "condition: it was found to be broken";

/// Which of the checks is the first to find that a release is broken depends on the moment.
fn condition(reason: Reason) -> String {
    match reason {
        Reason::ProbeFailed | Reason::BakeFailed => BROKEN.to_owned(),
        reason => format!("condition {reason:?}"),
    }
}

/// Whether the hook has run since somebody took over.
pub(super) fn hooked(world: &World) -> bool {
    let joined =
        world.containers.iter().filter(|it| it.seen.bound_ports.len() == 1).filter_map(|it| it.joined_at);
    world.hooked.is_some() && joined.max() <= world.hooked
}

fn container(it: &Instance, serving: &BTreeSet<ContainerId>) -> String {
    // Names backstage are by the rollout that made it: whether what stood before could be used again is no difference to anybody.
    let users = |network: &str| !network.ends_with("_backstage");
    let aliases = |network: &String, aliases: &[String]| -> BTreeSet<String> {
        if users(network) { aliases.iter().cloned().collect() } else { BTreeSet::new() }
    };
    let places: BTreeMap<&String, BTreeSet<String>> =
        it.seen.networks.iter().map(|(name, joined)| (name, aliases(name, &joined.aliases))).collect();
    format!(
        "container {} of {:?} from {}: {:?}, restart {:?}, on {places:?}, ports {:?}, limits {:?}, serves {}",
        it.seen.name,
        it.seen.label(label::CONFIG),
        it.seen.image_id.as_str().get(..24).unwrap_or_default(),
        it.seen.state,
        it.seen.restart,
        it.seen.bound_ports,
        it.seen.limits,
        serving.contains(&it.seen.id),
    )
}

fn databases(databases: &BTreeMap<String, super::cluster::Database>) -> String {
    let one = |(name, database): (&String, &super::cluster::Database)| {
        let (at, left, invalid) = (revisions(&database.revisions()), &database.left, &database.invalid);
        format!("database {name} at {at} with {left:?} and {invalid:?}")
    };
    // What a restore replaced is kept under the number of its rollout: whether there is one depends on who may have written by then.
    let stays = |(name, _): &(&String, &super::cluster::Database)| !name.contains("_r");
    databases.iter().filter(stays).map(one).collect::<Vec<_>>().join(", ")
}

/// What must hold at every end, whatever the story. A release that fails may have been tried so often.
pub(super) fn faults_of(process: &Process, tries: usize) -> Vec<String> {
    let world = process.machine.snapshot();
    let mut faults: Vec<String> = world.violations.iter().cloned().collect();
    faults.extend(lost_rows(&world));
    faults.extend(temporaries(&world));
    faults.extend(not_whole(&world));
    faults.extend(forgotten_images(process, &world));
    if !world.locks.is_empty() {
        faults.push("the database is still locked".to_owned());
    }
    if !world.backends.is_empty() {
        faults.push("a migration's session is still there".to_owned());
    }
    let attempts = attempts(&process.ledger.history(Some(&process.app), 1_000).unwrap());
    for failed in process.ledger.quarantined(&process.app).unwrap() {
        let times = attempts.get(failed.release.short()).copied().unwrap_or_default();
        if times == 0 || times > tries {
            faults.push(format!("release {} failed and was tried {times} times", failed.release.short()));
        }
    }
    if let Some(open) = process.ledger.open_rollout(&process.app).unwrap() {
        faults.push(format!("rollout {} is still open", open.id));
    }
    faults
}

/// Rows that users were told are safe, and that are in no database and no backup that stands for one.
pub(super) fn lost_rows(world: &World) -> Option<String> {
    let databases = world.volumes.values().flatten().filter_map(|cluster| cluster.databases.get("shop"));
    let mut there: BTreeSet<u64> = databases.clone().flat_map(|shop| &shop.rows).copied().collect();
    // A first release that is put back takes its tables along; the backup before that has the rows.
    if databases.clone().all(|shop| shop.applied.is_empty()) {
        there.extend(world.backups.values().flat_map(|backup| &backup.rows));
    }
    let lost = world.acknowledged.difference(&there).count();
    (lost > 0).then(|| format!("{lost} of {} acknowledged rows are lost", world.acknowledged.len()))
}

fn temporaries(world: &World) -> impl Iterator<Item = String> {
    let is_temporary = |it: &&Instance| {
        matches!(it.seen.label(label::ROLE), Some("one-off" | "scratch" | "stand-in")) || it.since.is_none()
    };
    world
        .containers
        .iter()
        .filter(is_temporary)
        .map(|it| format!("container {} is left behind", it.seen.name))
        .collect::<Vec<_>>()
        .into_iter()
}

/// What evenkeel made and started runs, and its hooks have not since. What Compose made and is put back has none that anybody knows.
fn not_whole(world: &World) -> Vec<String> {
    let made =
        world.containers.iter().filter(|it| it.since.is_some() && it.seen.label(label::CONFIG).is_some());
    let fault = |it: &Instance| {
        let hook = it.is_not_whole()?.command.join(" ");
        Some(format!("{} runs, and `{hook}` has not run since it was started", it.seen.name))
    };
    made.filter_map(fault).collect()
}

/// Images that evenkeel built, and that no release on record has: nobody would ever remove them.
fn forgotten_images(process: &Process, world: &World) -> Vec<String> {
    let releases = process.ledger.releases(&process.app).unwrap();
    let known: BTreeSet<String> = releases
        .iter()
        .filter_map(|(digest, ..)| process.ledger.release(&process.app, digest).unwrap())
        .flat_map(|release| release.images.into_values().map(|image| image.reference().to_owned()))
        .collect();
    let built = world.tags.keys().filter(|tag| tag.starts_with("evenkeel/"));
    built
        .filter(|tag| !known.contains(*tag))
        .map(|tag| format!("image {tag} belongs to no release"))
        .collect()
}

/// How often each release was tried, since it was live if it ever was. What gave way before anything was touched, because what is live had to
/// be put right, was not.
fn attempts(history: &[RolloutRecord]) -> BTreeMap<String, usize> {
    let mut attempts = BTreeMap::new();
    let gave_way = |rollout: &RolloutRecord| {
        rollout.outcome == Some(Outcome::Cancelled)
            && rollout.steps.iter().all(|step| step.stage == "prepare")
    };
    let mut history: Vec<&RolloutRecord> = history.iter().filter(|rollout| !gave_way(rollout)).collect();
    history.sort_by_key(|rollout| rollout.id);
    for rollout in history {
        let times: &mut usize = attempts.entry(rollout.release.short().to_owned()).or_default();
        *times = if rollout.outcome == Some(Outcome::Succeeded) { 0 } else { *times + 1 };
    }
    attempts
}
