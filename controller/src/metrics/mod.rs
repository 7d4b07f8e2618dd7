//! Metrics: counters beside the events that they count, and gauges of state that are made anew from the status when scraped.

mod counters;
mod state;

#[cfg(test)]
mod tests;

use evenkeel_core::name::AppName;
use evenkeel_core::status::{Outcome, Status};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};

use counters::Counters;

pub(crate) use state::word;

/// Every metric of the process.
pub(crate) struct Metrics {
    registry: Registry,
    counters: Counters,
}

impl Metrics {
    /// The metrics, registered.
    ///
    /// # Errors
    /// When two have one name: a mistake in this folder.
    pub(crate) fn new(version: &str, revision: &str) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = Counters::register(&registry, version, revision)?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Self { registry, counters })
    }

    /// A rollout ended.
    pub(crate) fn rollout_finished(&self, app: &AppName, outcome: Outcome, seconds: f64) {
        let outcome = state::word(&outcome);
        self.counters.rollouts.with_label_values(&[app.as_str(), &outcome]).inc();
        self.counters.rollout_duration.with_label_values(&[&outcome]).observe(seconds);
    }

    /// A step ended: `done`, `already`, `failed`, `interrupted`.
    pub(crate) fn step_finished(&self, step: &str, outcome: &str, seconds: f64) {
        self.counters.step_duration.with_label_values(&[step, outcome]).observe(seconds);
    }

    /// evenkeel looked at an application, and why.
    pub(crate) fn reconciled(&self, app: &AppName, reason: &str, seconds: f64) {
        self.counters.reconciles.with_label_values(&[app.as_str(), reason]).inc();
        self.counters.reconcile_duration.observe(seconds);
    }

    /// A request to a git host ended.
    pub(crate) fn git_request(&self, source: &str, op: &str, outcome: &str, seconds: f64) {
        self.counters.git_requests.with_label_values(&[source, op, outcome]).inc();
        self.counters.git_request_duration.observe(seconds);
    }

    /// A source was read.
    pub(crate) fn git_success(&self, source: &str, at: jiff::Timestamp) {
        self.counters.git_last_success.with_label_values(&[source]).set(seconds(at));
    }

    /// What runs was not what evenkeel had left.
    pub(crate) fn drift(&self, app: &AppName, kind: &str) {
        self.counters.drift.with_label_values(&[app.as_str(), kind]).inc();
    }

    /// A backup was made, or an old one verified.
    pub(crate) fn backup(&self, app: &AppName, bytes: u64, at: jiff::Timestamp, verified: bool) {
        let app = [app.as_str()];
        #[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
        self.counters.backup_size.with_label_values(&app).set(bytes as f64);
        self.counters.backup_last_success.with_label_values(&app).set(seconds(at));
        if verified {
            self.counters.backup_last_verified.with_label_values(&app).set(seconds(at));
        }
    }

    /// A commit went live, so long after it was made.
    pub(crate) fn lead_time(&self, app: &AppName, seconds: f64) {
        self.counters.lead_time.with_label_values(&[app.as_str()]).observe(seconds);
    }

    /// An application that was failing works again, so long after it began to fail.
    pub(crate) fn time_to_restore(&self, app: &AppName, seconds: f64) {
        self.counters.time_to_restore.with_label_values(&[app.as_str()]).observe(seconds);
    }

    /// All of it in Prometheus' text format.
    pub(crate) fn render(&self, status: &Status) -> String {
        for app in &status.applications {
            self.counters.start_at_zero(&app.name);
        }
        let families: Vec<MetricFamily> =
            self.registry.gather().into_iter().chain(state::families(status)).collect();
        TextEncoder::new().encode_to_string(&families).unwrap_or_else(|error| {
            tracing::error!(%error, "metrics cannot be written");
            String::new()
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact to the millisecond for every date of ours")]
fn seconds(at: jiff::Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}
