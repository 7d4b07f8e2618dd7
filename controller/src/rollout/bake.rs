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
use crate::verify::{BakeSubject, Baking, Old, bake};

impl Run<'_> {
    pub(super) async fn bake(&self, seconds: u64) -> Result<Option<String>, Failure> {
        let subjects = self.bake_subjects().await?;
        let spec = &self.target.manifest.spec;
        let now = self.context.ledger.now().as_second();
        let baking = Baking {
            subjects: &subjects,
            old: &self.old(&subjects, now)?,
            urls: &spec.probes,
            patterns: &spec.rollout.fail_on_log,
            window: Duration::from_secs(seconds),
            now,
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
        let now = self.context.ledger.now().as_second();
        let since: BTreeMap<ServiceName, i64> = self.fact(fact::SERVES_SINCE)?.unwrap_or_default();
        let mut subjects = Vec::new();
        for (service, id) in self.context.ledger.serving(&self.context.app)? {
            if self.target.project.services.get(&service).is_none_or(|service| service.one_shot) {
                continue;
            }
            let container = self.context.engine.container(id.as_str()).await?;
            let new =
                container.as_ref().is_some_and(|container| container.label(label::ROLLOUT) == Some(&rollout));
            let new_since = new.then(|| since.get(&service).copied().unwrap_or(now));
            let probe = self.target.options(&service).probe;
            subjects.push(BakeSubject { probe, id: id.to_string(), new_since, service });
        }
        Ok(subjects)
    }

    /// What served before: what was replaced, and what the release has no number for any more.
    fn old(&self, subjects: &[BakeSubject], now: i64) -> Result<Vec<Old>, Failure> {
        let replaced: BTreeMap<ServiceName, ContainerId> = self.fact(fact::OLD)?.unwrap_or_default();
        let since: BTreeMap<ServiceName, i64> = self.fact(fact::SERVES_SINCE)?.unwrap_or_default();
        // Behind a fence it had been stopped before.
        let paused_at: Option<i64> = self.fact(fact::PAUSED_AT)?.map(|at: i64| at / 1_000);
        let until = |service: &ServiceName| {
            since.get(service).copied().into_iter().chain(paused_at).min().unwrap_or(now)
        };
        let mut old: Vec<Old> = replaced
            .into_iter()
            .map(|(service, id)| Old { until: until(&service), id: id.to_string(), service })
            .collect();
        let serving = self.context.ledger.serving(&self.context.app)?.into_iter();
        for (service, id) in
            serving.filter(|(service, _)| !self.target.project.services.contains_key(service))
        {
            // It may have come to stand for another number.
            let is_known = old.iter().any(|known| known.id == id.as_str())
                || subjects.iter().any(|subject| subject.id == id.as_str());
            if !is_known {
                old.push(Old { service, id: id.to_string(), until: now });
            }
        }
        Ok(old)
    }
}
