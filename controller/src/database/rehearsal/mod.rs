//! The migration, tried on a scratch server that has the real schema and none of its rows.
//!
//! `server → roles, schema, revision → up → down → up`, with a fingerprint between any two. The scratch server is a container of
//! the database's own image, so that extensions and locales are there; nothing is ever done to the real one but reading.

mod schema;
mod server;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::BTreeSet;

use evenkeel_core::container::ContainerSpec;
use evenkeel_core::database::fingerprint::{additive, compare};
use evenkeel_core::database::{Fingerprint, Rehearsal, RehearsalFailure, Stage, downgrade_target};
use evenkeel_core::name::SchemaRevision;
use tokio::time::Instant;

use super::access::Databases;
use super::error::DatabaseError;
use super::migration::{Limits, OneOff, Outcome, run};
use super::target::Target;
use crate::engine::Engine;

/// A rehearsal to make.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    /// The real database; only read.
    pub target: &'a Target,
    /// The scratch server: the database's own image, `PGDATA` on tmpfs, `-c fsync=off`, on an internal network that evenkeel
    /// reaches, a name that is the same each time. Roles, authentication and database are set here.
    pub scratch: ContainerSpec,
    /// Where it listens: the migration asks for the real one's port.
    pub port: u16,
    /// The migration, on whose network the database's name already means the scratch server.
    pub one_off: OneOff,
    /// Where the schema stands: the rows of the revision table.
    pub from: BTreeSet<SchemaRevision>,
    /// Where it is to go: the release's one head.
    pub to: SchemaRevision,
    /// What each of the three ways may take.
    pub limits: Limits,
}

/// Rehearses. A migration that fails is a finding, not an error; the scratch server is gone afterwards whatever happened.
///
/// # Errors
/// When the engine fails, no scratch server can be made, or the real schema cannot be read or loaded there.
pub(crate) async fn rehearse(
    engine: &dyn Engine,
    databases: &dyn Databases,
    request: &Request<'_>,
) -> Result<Rehearsal, DatabaseError> {
    let began = Instant::now();
    let rehearsed = on_scratch(engine, databases, request).await;
    let removed = server::remove(engine, &request.scratch).await;
    let mut rehearsal = rehearsed?;
    removed?;
    rehearsal.seconds = began.elapsed().as_secs_f64();
    Ok(rehearsal)
}

async fn on_scratch(
    engine: &dyn Engine,
    databases: &dyn Databases,
    request: &Request<'_>,
) -> Result<Rehearsal, DatabaseError> {
    let scratch = databases.scratch(engine, request).await?;
    Stand { engine, databases, request, scratch }.rehearse().await
}

/// The scratch server, with the schema of the real one.
pub(super) async fn scratch(engine: &dyn Engine, request: &Request<'_>) -> Result<Target, DatabaseError> {
    let scratch = server::start(engine, request).await?;
    schema::load(engine, request, &scratch).await?;
    Ok(scratch)
}

struct Stand<'a> {
    engine: &'a dyn Engine,
    databases: &'a dyn Databases,
    request: &'a Request<'a>,
    scratch: Target,
}

impl Stand<'_> {
    async fn rehearse(&self) -> Result<Rehearsal, DatabaseError> {
        let before = self.databases.fingerprint(&self.scratch).await?;
        let up = self.go("upgrade", self.request.to.as_str()).await?;
        if !up.succeeded() {
            return Ok(Rehearsal { failure: failure(Stage::Upgrade, up.tail), ..Rehearsal::default() });
        }
        let upgraded = self.databases.fingerprint(&self.scratch).await?;
        let additive_differences = additive(&before, &upgraded).err().unwrap_or_default();
        let rehearsal = Rehearsal {
            runs: true,
            additive: additive_differences.is_empty(),
            additive_differences,
            upgraded_digest: upgraded.digest(),
            ..Rehearsal::default()
        };
        self.back_and_again(rehearsal, &before, &upgraded).await
    }

    /// The way down has to lead to the same schema and the same revisions, and the second way up to where the first one did.
    async fn back_and_again(
        &self,
        mut rehearsal: Rehearsal,
        before: &Fingerprint,
        upgraded: &Fingerprint,
    ) -> Result<Rehearsal, DatabaseError> {
        let down = self.go("downgrade", &downgrade_target(&self.request.from)).await?;
        if !down.succeeded() {
            return Ok(Rehearsal { failure: failure(Stage::Downgrade, down.tail), ..rehearsal });
        }
        rehearsal.exact_differences = compare(before, &self.databases.fingerprint(&self.scratch).await?);
        if let Some(astray) = self.astray().await? {
            return Ok(Rehearsal { failure: failure(Stage::Downgrade, vec![astray]), ..rehearsal });
        }
        let again = self.go("upgrade", self.request.to.as_str()).await?;
        if !again.succeeded() {
            return Ok(Rehearsal { failure: failure(Stage::UpgradeAgain, again.tail), ..rehearsal });
        }
        rehearsal
            .exact_differences
            .extend(compare(upgraded, &self.databases.fingerprint(&self.scratch).await?));
        rehearsal.exact = rehearsal.exact_differences.is_empty();
        Ok(rehearsal)
    }

    async fn go(&self, verb: &str, to: &str) -> Result<Outcome, DatabaseError> {
        let arguments = [verb.to_owned(), to.to_owned()];
        let Request { one_off, limits, .. } = self.request;
        run(self.engine, self.databases, one_off, &arguments, &self.scratch, *limits).await
    }

    /// Which revisions the way down led to, where those are the wrong ones.
    async fn astray(&self) -> Result<Option<String>, DatabaseError> {
        let at = self.databases.observe(&self.scratch).await?.current.revisions;
        let wrong = || {
            format!(
                "the revision table holds {at:?} after the downgrade, and held {:?} before",
                self.request.from
            )
        };
        Ok((at != self.request.from).then(wrong))
    }
}

fn failure(stage: Stage, tail: Vec<String>) -> Option<RehearsalFailure> {
    Some(RehearsalFailure { stage, tail })
}
