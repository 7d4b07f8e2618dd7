//! Smoke checks: each of them asks every container of its service.

use evenkeel_core::manifest::Smoke;
use evenkeel_core::name::ServiceName;
use evenkeel_core::plan::backstage;
use evenkeel_core::status::Reason;

use super::Failure;
use super::failure::verification;
use super::run::Run;
use crate::verify::smoke;

impl Run<'_> {
    /// Those that may change something are on record before they are sent, container by container, so that a crash repeats none.
    pub(super) async fn smoke(&self) -> Result<Option<String>, Failure> {
        let containers = self.context.engine.containers(&self.target.project.name).await?;
        let serving = self.context.ledger.serving(&self.context.app)?;
        let network = backstage(&self.target.project.name);
        for (index, check) in self.target.manifest.spec.smoke.iter().enumerate() {
            for name in self.asked(check) {
                let key = key(index, name);
                if !check.reads() && self.fact::<bool>(&key)?.unwrap_or(false) {
                    continue;
                }
                self.set_fact(&key, &true)?;
                let id = name.and_then(|name| serving.get(name));
                let container = containers.iter().find(|container| Some(&container.id) == id);
                let checked = smoke(&self.reach(&network), check, container).await;
                checked.map_err(|error| verification(error, Reason::ProbeFailed))?;
            }
        }
        Ok(None)
    }

    /// The containers that a check asks; an address outside is asked once.
    fn asked<'c>(&'c self, check: &'c Smoke) -> Vec<Option<&'c ServiceName>> {
        let Some(request) = check.http.as_ref().filter(|_| check.url.is_none()) else { return vec![None] };
        let further = self.target.project.further(&request.service);
        [&request.service].into_iter().chain(further).map(Some).collect()
    }
}

/// Under which a check of a container is on record.
fn key(index: usize, name: Option<&ServiceName>) -> String {
    match name.map_or(1, ServiceName::number) {
        1 => format!("smoke{index}"),
        number => format!("smoke{index}#{number}"),
    }
}
