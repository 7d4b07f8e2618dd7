//! What is watched during the bake, and who it is measured by.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::container::label;
use evenkeel_core::name::{ContainerId, ServiceName};
use evenkeel_core::plan::backstage;
use evenkeel_core::status::{Phase, Reason};

use super::Failure;
use super::failure::verification;
use super::run::{Run, fact};
use crate::verify::{BakeSubject, Baking, bake};

impl Run<'_> {
    pub(super) async fn bake(&self, seconds: u64) -> Result<Option<String>, Failure> {
        let subjects = self.bake_subjects().await?;
        let since = self.fact(fact::TAKEN_OVER_AT)?.unwrap_or_else(|| self.context.ledger.now().as_second());
        let spec = &self.target.manifest.spec;
        let baking = Baking {
            subjects: &subjects,
            old: &self.measures(&subjects)?,
            urls: &spec.probes,
            patterns: &spec.rollout.fail_on_log,
            window: Duration::from_secs(seconds),
            since,
        };
        let network = backstage(&self.target.project.name);
        let reach = self.reach(&network);
        let said = |line: &str| self.context.say(Phase::Baking, format!("bake: {line}"));
        bake(&reach, &baking, &self.cancel, &said)
            .await
            .map_err(|error| verification(error, Reason::BakeFailed))?;
        Ok(None)
    }

    /// What serves of the release.
    async fn bake_subjects(&self) -> Result<Vec<BakeSubject>, Failure> {
        let rollout = self.id.to_string();
        let mut subjects = Vec::new();
        for (service, id) in self.context.ledger.serving(&self.context.app)? {
            if self.target.project.services.get(&service).is_none_or(|service| service.one_shot) {
                continue;
            }
            let container = self.context.engine.container(id.as_str()).await?;
            let new =
                container.as_ref().is_some_and(|container| container.label(label::ROLLOUT) == Some(&rollout));
            let probe = self.target.options(&service).probe;
            subjects.push(BakeSubject { probe, id: id.to_string(), new, service });
        }
        Ok(subjects)
    }

    /// What served before: what was replaced, and what the release has no number for any more.
    fn measures(&self, subjects: &[BakeSubject]) -> Result<Vec<(ServiceName, ContainerId)>, Failure> {
        let replaced: BTreeMap<ServiceName, ContainerId> = self.fact(fact::OLD)?.unwrap_or_default();
        let serving = self.context.ledger.serving(&self.context.app)?.into_iter();
        let beyond = serving.filter(|(service, _)| !self.target.project.services.contains_key(service));
        let mut measures: Vec<(ServiceName, ContainerId)> = replaced.into_iter().collect();
        for (service, id) in beyond {
            // It may have come to stand for another number.
            let is_known = measures.iter().any(|(_, known)| *known == id)
                || subjects.iter().any(|subject| subject.id == id.as_str());
            if !is_known {
                measures.push((service, id));
            }
        }
        Ok(measures)
    }
}
