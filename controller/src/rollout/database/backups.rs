//! Backups, for a rollout and for an operator.

use std::collections::BTreeSet;

use evenkeel_core::database::{Backup, Reason as BackupReason};
use evenkeel_core::name::RolloutId;
use evenkeel_core::release::Release;
use evenkeel_core::status::Reason;

use super::super::{Context, Failure};
use super::LOCK_WAIT;
use crate::database::{BackupRequest, DatabaseError, Store};

/// Makes a backup, decodes it, and lets old ones go.
pub(crate) async fn backup_now(
    context: &Context,
    release: &Release,
    rollout: Option<RolloutId>,
    reason: BackupReason,
) -> Result<Backup, Failure> {
    let (target, _helper) = context.database_with_programs(release).await?;
    let service =
        &release.manifest.spec.database.as_ref().map(|database| database.migrations.service.clone());
    let image = service
        .as_ref()
        .and_then(|service| release.images.get(service))
        .map(|source| source.reference().to_owned());
    let request = BackupRequest { reason, image, now: context.ledger.now() };
    let store = context.store();
    let engine = context.engine.as_ref();
    let backup = context.databases.back_up(engine, &store, &target, request).await.map_err(backup_failure)?;
    context.backup_made(&backup);
    let json = serde_json::to_value(&backup).unwrap_or_default();
    context.ledger.put_backup(&context.app, rollout, &backup.id, &json)?;
    prune(context, release, &store).await?;
    Ok(backup)
}

pub(super) fn backup_failure(error: DatabaseError) -> Failure {
    match Failure::from(error) {
        Failure::Release { message, .. } => Failure::transient(Reason::BackupFailed, message),
        Failure::Transient { message, .. } => Failure::transient(Reason::BackupFailed, message),
        other => other,
    }
}

/// Old backups go, but never the last good one, nor one that the open rollout points to.
async fn prune(context: &Context, release: &Release, store: &Store) -> Result<(), Failure> {
    let keep = release.manifest.spec.database.as_ref().map_or(14, |database| database.backup.keep);
    let open = context.ledger.open_rollout(&context.app)?.map(|open| open.id);
    let pointed: BTreeSet<String> = context
        .ledger
        .backups(&context.app)?
        .into_iter()
        .filter(|backup| backup.rollout.is_some() && backup.rollout == open)
        .map(|backup| backup.id)
        .collect();
    for gone in store.prune(usize::try_from(keep).unwrap_or(usize::MAX), &pointed).await? {
        context.ledger.remove_backup(&context.app, &gone)?;
    }
    Ok(())
}

/// Verifies a backup; with `restored` also by restoring it beside.
pub(crate) async fn verify_now(
    context: &Context,
    release: &Release,
    id: &str,
    restored: bool,
) -> Result<Backup, Failure> {
    let (target, _helper) = context.database_with_programs(release).await?;
    let store = context.store();
    let (engine, now) = (context.engine.as_ref(), context.ledger.now());
    let verified = context.databases.verify(engine, &store, &target, id, restored, now).await;
    // Also where it turned out to be broken, which is on record by now.
    if let Ok(backup) = store.get(id).await {
        let json = serde_json::to_value(&backup).unwrap_or_default();
        context.ledger.put_backup(&context.app, None, id, &json)?;
        context.backup_made(&backup);
    }
    Ok(verified?)
}

/// Puts a backup in place of the database; the name under which the replaced one is kept.
pub(crate) async fn restore_now(context: &Context, release: &Release, id: &str) -> Result<String, Failure> {
    let (target, _helper) = context.database_with_programs(release).await?;
    let databases = &context.databases;
    let lock = databases.lock(&target, LOCK_WAIT).await?;
    let tag = context.ledger.now().as_second().to_string();
    let restored = databases.restore(context.engine.as_ref(), &context.store(), &target, id, &tag).await?;
    drop(lock);
    let seen = databases.observe(&target).await?;
    context.ledger.set_schema(&context.app, &seen.current.revisions, &seen.system_identifier)?;
    Ok(restored.kept_as)
}

impl Context {
    pub(super) fn store(&self) -> Store {
        Store::new(self.backup_dir())
    }

    fn backup_made(&self, backup: &Backup) {
        self.metrics.backup(&self.app, backup.size, backup.created_at, backup.good());
    }
}
