//! Observes: everything that a plan is made from, read at one moment.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::compose::{MountSource, Port, PullPolicy, newer};
use evenkeel_core::container::label;
use evenkeel_core::name::{ContainerId, ImageId, ReleaseDigest, RolloutId, SchemaRevision, ServiceName};
use evenkeel_core::observed::Image;
use evenkeel_core::plan::{
    DatabaseFacts, Direction, Facts, Hints, KnownScripts, Observed, backstage, final_name,
};
use evenkeel_core::release::{ImageSource, Outputs, Release, is_another};
use evenkeel_core::tags::polled;

use super::{Context, Failure};
use crate::ledger::Applied;
use crate::source::{Given, Releases};

/// Owned facts; [`Gathered::facts`] lends them to the planner.
pub(crate) struct Gathered {
    pub(crate) outputs: Outputs,
    pub(crate) observed: Observed,
    pub(crate) database: Option<DatabaseFacts>,
    pub(crate) known_scripts: Vec<KnownScripts>,
    pub(crate) known: BTreeSet<ContainerId>,
    pub(crate) vetted: BTreeMap<ContainerId, String>,
    pub(crate) serving: BTreeMap<ServiceName, ContainerId>,
    pub(crate) hints: Hints,
    pub(crate) live: Option<Release>,
}

impl Gathered {
    /// Looks at everything that concerns a release.
    pub(crate) async fn look(
        context: &Context,
        release: &Release,
        hints: Hints,
        rollout: Option<RolloutId>,
    ) -> Result<Self, Failure> {
        let ledger = &context.ledger;
        let mut outputs = ledger.outputs(&context.app, &release.digest)?;
        let mut observed = observe(context, release).await?;
        let record = ledger.app(&context.app)?;
        let live = match &record.live_release {
            Some(digest) => ledger.release(&context.app, digest)?,
            None => None,
        };
        note_images(context, release, live.as_ref(), &observed, &mut outputs).await?;
        observed.recorded = recorded(context, release, &outputs, &observed).await?;
        let restarts_due = super::dependents::due(context)?;
        let untold = super::on_takeover::untold(context)?;
        let post_start_due = super::hooks::due(context)?;
        let serving = ledger.serving(&context.app)?;
        let database =
            super::database::facts(context, release, &outputs, &observed, &serving, &hints, rollout).await?;
        // That look may have put a migration on record that was done.
        let moves = ledger.applied(&context.app)?;
        let hints = Hints {
            began_at: began_at(&moves, rollout),
            // The last move only: what somebody moved by hand since is not evenkeel's to take down.
            applied: moves.last().map(|last| last.to.clone()).into_iter().collect(),
            post_start_due,
            restarts_due,
            untold,
            ..hints
        };
        let containers = ledger.containers(&context.app)?;
        let vetted = containers.iter().filter_map(|it| Some((it.id.clone(), it.config.clone()?)));
        Ok(Self {
            database,
            known_scripts: known_scripts(context)?,
            vetted: vetted.collect(),
            known: containers.into_iter().map(|container| container.id).collect(),
            serving,
            hints,
            live,
            observed,
            outputs,
        })
    }

    /// The facts, for the planner.
    pub(crate) fn facts<'a>(&'a self, release: &'a Release, rollout: RolloutId) -> Facts<'a> {
        Facts {
            desired: release,
            outputs: &self.outputs,
            live: self.live.as_ref(),
            observed: &self.observed,
            database: self.database.as_ref(),
            known_scripts: &self.known_scripts,
            rollout,
            known: &self.known,
            vetted: &self.vetted,
            serving: &self.serving,
            hints: &self.hints,
        }
    }
}

/// What the engine shows of a release's project.
async fn observe(context: &Context, release: &Release) -> Result<Observed, Failure> {
    let engine = context.engine.as_ref();
    let project = &release.project;
    let mut observed =
        Observed { containers: engine.containers(&project.name).await?, ..Observed::default() };
    let names =
        project.networks.values().map(|network| network.name.clone()).chain([backstage(&project.name)]);
    for name in names {
        if let Some(network) = engine.network(&name).await? {
            observed.networks.insert(name, network);
        }
    }
    for volume in project.volumes.values() {
        if engine.volume_exists(&volume.name).await? {
            observed.volumes.insert(volume.name.clone());
        }
    }
    for reference in references(release) {
        if let Some(image) = engine.image(&reference).await? {
            observed.images.insert(reference, image);
        }
    }
    if !newer(project).is_empty() {
        observed.engine_api = minor(&engine.info().await?.api_version);
    }
    observed.materialised = materialised(context, release);
    observed.port_holders = port_holders(context, release).await?;
    observed.name_holders = name_holders(context, release, &observed).await?;
    Ok(observed)
}

/// 44 for `1.44`.
fn minor(api_version: &str) -> Option<u16> {
    api_version.strip_prefix("1.")?.parse().ok()
}

/// Every name under which the release looks for an image.
fn references(release: &Release) -> BTreeSet<String> {
    let mut references = BTreeSet::new();
    for source in release.images.values() {
        references.insert(source.reference().to_owned());
        references.extend(source.tags().cloned());
    }
    references
}

fn materialised(context: &Context, release: &Release) -> bool {
    let files = Releases::new(&context.data_dir).directory(&context.app, &release.digest);
    let releases = Releases::new(&context.data_dir);
    mounted_files(release).iter().all(|path| files.join(path).exists())
        && given_files(release)
            .iter()
            .all(|given| releases.given(&context.app, &release.digest).join(&given.name).exists())
}

/// Files that the Compose file gives the content of.
pub(super) fn given_files(release: &Release) -> Vec<Given> {
    let mounts = release.project.services.values().flat_map(|service| &service.mounts);
    let mut files: Vec<Given> = mounts
        .filter_map(|mount| match mount.source.clone() {
            MountSource::Given { name, content, mode, uid, gid } => {
                Some(Given { name, content, mode, uid, gid })
            }
            _ => None,
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files.dedup_by(|a, b| a.name == b.name);
    files
}

/// Files and directories of the repository that containers mount.
pub(super) fn mounted_files(release: &Release) -> BTreeSet<String> {
    let mounts = release.project.services.values().flat_map(|service| &service.mounts);
    mounts
        .filter_map(|mount| match &mount.source {
            MountSource::Repository { path, .. } => Some(path.clone()),
            _ => None,
        })
        .collect()
}

/// Who else holds the ports that the project publishes.
async fn port_holders(context: &Context, release: &Release) -> Result<BTreeMap<Port, String>, Failure> {
    let mut holders = BTreeMap::new();
    let ports = release.project.services.values().flat_map(|service| &service.ports);
    for port in ports.filter(|port| port.published.is_some()) {
        if let Some((name, project)) = context.engine.port_holder(port).await?
            && project.as_deref() != Some(release.project.name.as_str())
        {
            let of = project.map(|project| format!(" of project {project}")).unwrap_or_default();
            holders.insert(port.clone(), format!("container {name}{of}"));
        }
    }
    Ok(holders)
}

/// Who else has a name that a container of the project is going to have.
async fn name_holders(
    context: &Context,
    release: &Release,
    observed: &Observed,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut holders = BTreeMap::new();
    for (key, service) in &release.project.services {
        let name = final_name(&release.project, key, service, None);
        if observed.containers.iter().any(|container| container.name == name) {
            continue;
        }
        if let Some(holder) = context.engine.container(&name).await? {
            let project = holder.label(label::COMPOSE_PROJECT);
            let of = project.map(|project| format!(" of project {project}")).unwrap_or_default();
            holders.insert(name, format!("container {}{of}", holder.id.short()));
        } else if let Some(holder) = claimed(context, &name).await? {
            holders.insert(name, holder);
        }
    }
    Ok(holders)
}

/// Which other application has the name, while none of its containers does: in a rollout it passes from one to the next.
async fn claimed(context: &Context, name: &str) -> Result<Option<String>, Failure> {
    for other in context.ledger.apps()?.into_iter().filter(|other| other.name != context.app) {
        let Some(live) = &other.live_release else { continue };
        let Some(release) = context.ledger.release(&other.name, live)? else { continue };
        let project = &release.project;
        let mut names = project.services.iter().map(|(key, it)| final_name(project, key, it, None));
        if names.any(|it| it == name) && !context.engine.containers(&project.name).await?.is_empty() {
            return Ok(Some(format!("application {} of project {}", other.name, project.name)));
        }
    }
    Ok(None)
}

/// The images on record whose name leads to another one by now, where the engine still has them.
async fn recorded(
    context: &Context,
    release: &Release,
    outputs: &Outputs,
    observed: &Observed,
) -> Result<BTreeMap<ImageId, Image>, Failure> {
    let mut recorded = BTreeMap::new();
    for (service, source) in &release.images {
        let Some(id) = outputs.images.get(service) else { continue };
        let is_another = observed.images.get(source.reference()).is_some_and(|named| named.id != *id);
        if is_another && let Some(image) = context.engine.image(id.as_str()).await? {
            recorded.insert(id.clone(), image);
        }
    }
    Ok(recorded)
}

/// The ids of images that are there already are outputs too: with them a moved tag is noticed.
async fn note_images(
    context: &Context,
    release: &Release,
    live: Option<&Release>,
    observed: &Observed,
    outputs: &mut Outputs,
) -> Result<(), Failure> {
    let before = outputs.clone();
    let withdrawn = withdrawn(context, release, live, observed)?;
    for (service, source) in &release.images {
        let policy = release.project.services.get(service).map(|service| service.pull_policy);
        if policy == Some(PullPolicy::Always) || withdrawn.contains(service) {
            continue;
        }
        if let (None, Some(image)) = (outputs.images.get(service), observed.images.get(source.reference())) {
            let image =
                super::twin::as_it_runs(context, release, &observed.containers, source, image).await?;
            outputs.image_is(service, source.reference(), &image);
        }
    }
    if *outputs != before && context.ledger.release(&context.app, &release.digest)?.is_some() {
        // A rollout may have recorded scripts or a rehearsal while the engine was asked: only the images are added.
        let mut now = context.ledger.outputs(&context.app, &release.digest)?;
        for (service, image) in &outputs.images {
            now.images.entry(service.clone()).or_insert_with(|| image.clone());
        }
        for (service, digest) in &outputs.digests {
            // Of the image that is on record, not of one that a rollout has replaced meanwhile.
            if now.images.get(service) == outputs.images.get(service) {
                now.digests.entry(service.clone()).or_insert_with(|| digest.clone());
            }
        }
        context.ledger.put_outputs(&context.app, &release.digest, &now)?;
        *outputs = now;
    }
    Ok(())
}

/// The services whose tag has moved back, while the image of its name on this host is another one than it leads to now.
fn withdrawn(
    context: &Context,
    release: &Release,
    live: Option<&Release>,
    observed: &Observed,
) -> Result<BTreeSet<ServiceName>, Failure> {
    let has_pin = |of: &Release, name: &ServiceName| of.pin(name).is_some();
    let names = release.images.keys();
    let back = names.filter(|name| live.is_some_and(|live| has_pin(live, name)) && !has_pin(release, name));
    let mut back: BTreeSet<ServiceName> = back.cloned().collect();
    if back.is_empty() {
        return Ok(back);
    }
    let (tags, polled) = (context.ledger.tags(&context.app)?, polled(release));
    back.retain(|name| {
        let reference = release.images.get(name).map(ImageSource::reference);
        let Some(reference) = reference.filter(|it| polled.contains_key(*it)) else { return false };
        let digest = tags.iter().find(|tag| tag.reference == reference).and_then(|tag| tag.digest.as_ref());
        let image = observed.images.get(reference);
        image.zip(digest).is_some_and(|(image, digest)| is_another(reference, image, digest))
    });
    Ok(back)
}

/// Where the schema stood before a rollout moved it.
fn began_at(moves: &[Applied], rollout: Option<RolloutId>) -> Option<BTreeSet<SchemaRevision>> {
    let first = moves.iter().find(|applied| Some(applied.rollout) == rollout)?;
    (first.direction == Direction::Up).then(|| first.from.clone())
}

/// Releases of the past whose images can move the schema down; the newest first.
fn known_scripts(context: &Context) -> Result<Vec<KnownScripts>, Failure> {
    let mut known = Vec::new();
    let releases: Vec<ReleaseDigest> =
        context.ledger.releases(&context.app)?.into_iter().map(|(digest, ..)| digest).collect();
    for digest in releases {
        let outputs = context.ledger.outputs(&context.app, &digest)?;
        let rehearsals = outputs.rehearsals().cloned().collect();
        let Some(scripts) = outputs.scripts else { continue };
        known.push(KnownScripts { release: digest, scripts, rehearsals });
    }
    Ok(known)
}
