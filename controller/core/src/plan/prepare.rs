//! The first half: all that can be made ready without touching what serves.

use super::deploy::intentions;
use super::hooks::with_hooks;
use super::schema::SchemaMove;
use super::service::{Action, Work, final_name};
use super::{Class, Effect, Facts, Plan, Role, Stage, Step, Strategy, Subject};
use crate::compose::{Mount, MountSource};
use crate::release::{ImageSource, Release};

/// The steps that are still to be prepared; empty when all is ready.
pub(super) fn prepare(facts: &Facts<'_>, works: &[Work<'_>], schema: &SchemaMove) -> Plan {
    let mut steps = Vec::new();
    // Whether a tag that moved leads to another image is known once that is there; so with one that moved back, and has no pin any more.
    let moved = |work: &Work<'_>| {
        let was_moved = facts.live.is_some_and(|live| live.pin(&work.name).is_some());
        (was_moved || facts.desired.pin(&work.name).is_some())
            && !facts.outputs.images.contains_key(&work.name)
    };
    let changes = works.iter().any(|work| work.replaced() || moved(work))
        || !matches!(schema, SchemaMove::Stay | SchemaMove::Keep(_));
    if changes {
        files(facts, &mut steps);
        images(facts, works, &mut steps);
    }
    networks(facts, &mut steps);
    volumes(facts, &mut steps);
    if steps.is_empty() {
        attach(facts, works, &mut steps);
        database(facts, works, schema, &mut steps);
    }
    let steps = with_hooks(facts, steps);
    let notes = if steps.is_empty() { Vec::new() } else { intentions(facts, works) };
    Plan { stage: Stage::Prepare, strategy: Strategy::None, steps, gaps: Vec::new(), notes }
}

fn push(steps: &mut Vec<Step>, effect: Effect, why: impl Into<String>) {
    steps.push(Step { effect, why: why.into() });
}

fn files(facts: &Facts<'_>, steps: &mut Vec<Step>) {
    let mounted = facts.desired.project.services.values().flat_map(|service| &service.mounts);
    let written =
        |mount: &&Mount| matches!(mount.source, MountSource::Repository { .. } | MountSource::Given { .. });
    if mounted.filter(written).count() > 0 && !facts.observed.materialised {
        push(steps, Effect::Materialise, "containers mount files of the release");
    }
}

fn images(facts: &Facts<'_>, works: &[Work<'_>], steps: &mut Vec<Step>) {
    let mut seen = std::collections::BTreeSet::new();
    for work in works {
        let Some(source) = facts.desired.images.get(&work.name) else { continue };
        let reference = source.reference().to_owned();
        // What a repair leaves as it is needs no image.
        let is_kept = facts.is_repair() && !work.replaced() && facts.outputs.images.contains_key(&work.name);
        if is_kept || !lacks_image(facts, work) || !seen.insert(reference.clone()) {
            continue;
        }
        match source {
            ImageSource::Build { name, context, .. } => push(
                steps,
                Effect::Build {
                    service: builder(facts, name).unwrap_or_else(|| work.name.clone()),
                    image: name.clone(),
                },
                format!("the engine has no image of context {}", context.get(..12).unwrap_or(context)),
            ),
            ImageSource::Registry { .. } => push(
                steps,
                Effect::Pull { service: work.name.clone(), reference },
                "the engine does not have it",
            ),
        }
    }
}

/// Whether the image of a service is not there, or nobody knows whether the one that is there is the right one.
pub(super) fn lacks_image(facts: &Facts<'_>, work: &Work<'_>) -> bool {
    !facts.outputs.images.contains_key(&work.name) || facts.image(&work.name).is_none()
}

/// The service that has the `build:`; others may share its image.
fn builder(facts: &Facts<'_>, image: &str) -> Option<crate::name::ServiceName> {
    let project = &facts.desired.project;
    let builds = |name: &crate::name::ServiceName| {
        project.services.get(name).is_some_and(|service| service.build.is_some())
    };
    facts
        .desired
        .images
        .iter()
        .find(|(name, source)| source.reference() == image && builds(name))
        .map(|(name, _)| name.clone())
}

fn networks(facts: &Facts<'_>, steps: &mut Vec<Step>) {
    for (key, network) in &facts.desired.project.networks {
        if !network.external && !facts.observed.networks.contains_key(&network.name) {
            let effect = Effect::CreateNetwork { key: key.clone(), name: network.name.clone() };
            push(steps, effect, "it does not exist");
        }
    }
    let backstage = facts.backstage();
    if facts.needs_backstage() && !facts.observed.networks.contains_key(&backstage) {
        push(
            steps,
            Effect::CreateBackstage { name: backstage },
            "releases are proven there before anybody reaches them",
        );
    }
}

fn volumes(facts: &Facts<'_>, steps: &mut Vec<Step>) {
    for (key, volume) in &facts.desired.project.volumes {
        if !volume.external && !facts.observed.volumes.contains(&volume.name) {
            let effect = Effect::CreateVolume { key: key.clone(), name: volume.name.clone() };
            let had = |live: &Release| live.project.volumes.values().any(|it| it.name == volume.name);
            let lost = facts.live.is_some_and(had);
            push(
                steps,
                effect,
                if lost {
                    "somebody removed it, and what was in it; it begins empty"
                } else {
                    "it does not exist"
                },
            );
        }
    }
}

/// Running containers that candidates will need are put on the backstage network, nameless: candidates bring names for them.
fn attach(facts: &Facts<'_>, works: &[Work<'_>], steps: &mut Vec<Step>) {
    let backstage = facts.backstage();
    if !facts.needs_backstage() {
        return;
    }
    for work in works.iter().filter(|work| work.service.network_mode.is_none()) {
        let Some(current) = work.current.filter(|container| container.running()) else { continue };
        if !current.networks.contains_key(&backstage) {
            let container = Subject {
                service: work.name.clone(),
                name: current.name.clone(),
                id: Some(current.id.clone()),
            };
            push(
                steps,
                Effect::Attach { container, network: backstage.clone() },
                "candidates reach it there",
            );
        }
    }
}

/// The database is brought up first where it does not run; then scripts and a rehearsal tell what the migration is.
fn database(facts: &Facts<'_>, works: &[Work<'_>], schema: &SchemaMove, steps: &mut Vec<Step>) {
    let Some(spec) = &facts.desired.manifest.spec.database else { return };
    if let Some(service) = &spec.service
        && let Some(work) = works.iter().find(|work| work.name == *service)
    {
        bring_up(facts, work, steps);
    }
    if !steps.is_empty() {
        return;
    }
    if facts.outputs.scripts.is_none() {
        let effect = Effect::ReadScripts { service: spec.migrations.service.clone() };
        return push(steps, effect, "the migration heads in its image are not known yet");
    }
    if let SchemaMove::Up { from, to, rehearsed: false, .. } = schema {
        let effect = Effect::Rehearse { from: from.clone(), to: to.clone() };
        push(steps, effect, "the migration is tried on a scratch server before anything is touched");
    }
}

/// Creates or starts the database's container, where none runs. One that runs is left to the second half.
fn bring_up(facts: &Facts<'_>, work: &Work<'_>, steps: &mut Vec<Step>) {
    if work.serves() {
        return;
    }
    let name = final_name(&facts.desired.project, &work.name, work.service, work.current);
    let new = Subject { service: work.name.clone(), name, id: None };
    match &work.action {
        Action::Keep(repairs) => steps.extend(repairs.iter().cloned()),
        Action::Replace(why) if work.current.is_none() && work.class != Class::OneShot => {
            push(steps, Effect::Create { container: new.clone(), role: Role::Replacement }, why.clone());
            push(
                steps,
                Effect::Start { container: new.clone() },
                "the schema can only be looked at while it runs",
            );
            push(
                steps,
                Effect::Prove { containers: vec![new] },
                "the schema can only be looked at while it runs",
            );
        }
        Action::Replace(_) => {
            let Some(current) = work.current else { return };
            let old = Subject {
                service: work.name.clone(),
                name: current.name.clone(),
                id: Some(current.id.clone()),
            };
            push(
                steps,
                Effect::Start { container: old.clone() },
                "the schema can only be looked at while it runs",
            );
            push(
                steps,
                Effect::Prove { containers: vec![old] },
                "the schema can only be looked at while it runs",
            );
        }
    }
}
