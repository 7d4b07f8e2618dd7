//! What has to be restarted with what it depends on: on record from the moment that this serves anew, so that a crash loses none.

use std::collections::BTreeSet;

use evenkeel_core::compose::restarted_with;
use evenkeel_core::name::ServiceName;

use super::run::{Run, fact, newest};
use super::{Context, Failure};

/// The services that have yet to be restarted.
pub(super) fn due(context: &Context) -> Result<BTreeSet<ServiceName>, Failure> {
    newest(context, fact::RESTARTS_DUE)
}

impl Run<'_> {
    /// A container of a service that has served before is about to begin: whoever asks for it is restarted afterwards. The service
    /// itself has no need to any more.
    pub(super) fn serves_anew(&self, service: &ServiceName) -> Result<(), Failure> {
        let project = &self.target.project;
        let before = due(self.context)?;
        let mut now = before.clone();
        now.remove(service);
        if self.context.ledger.serving(&self.context.app)?.contains_key(service) {
            now.extend(restarted_with(project, service).cloned());
        }
        now.retain(|name| project.services.contains_key(name));
        if now == before { Ok(()) } else { self.set_fact(fact::RESTARTS_DUE, &now) }
    }
}
