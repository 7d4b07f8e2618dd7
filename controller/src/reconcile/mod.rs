//! The loop: look, decide, act, record. A trigger only says *look again*, and is kept as the reason.

mod app;
mod choose;
mod control;
mod daemon;
mod desired;
mod doubt;
mod drift;
#[cfg(test)]
mod driver;
mod events;
mod follow;
mod kept;
mod let_go;
mod owner;
mod pass;
mod pulse;
mod registries;
mod removed;
mod restless;
mod retention;
mod tags;
mod unfinished;
mod validate;
mod view;

pub(crate) use daemon::{Daemon, StartError};
#[cfg(test)]
pub(crate) use driver::Driver;

/// The release of one application at a commit, as the loop reads it.
#[cfg(test)]
pub(crate) async fn desired_release(
    source: &std::sync::Arc<crate::source::Source>,
    revision: &evenkeel_core::name::Revision,
    manifest_path: &str,
    key: &evenkeel_core::release::DigestKey,
) -> Result<evenkeel_core::release::Release, evenkeel_core::located::Faults> {
    let pins = evenkeel_core::tags::Pins::default();
    desired::release(source, revision, manifest_path, key, &pins).await.map(|desired| desired.release)
}

pub(crate) use validate::{ValidateReport, init, validate};
