//! What counts events, and when something last happened.

use evenkeel_core::name::AppName;
use evenkeel_core::status::Outcome;
use prometheus::core::Collector;
use prometheus::{CounterVec, GaugeVec, Histogram, HistogramOpts, HistogramVec, Opts, Registry};

use super::state::word;

/// From a quick look to a slow one.
const SHORT: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// From one engine call to a long build, migration or bake.
const STEP: [f64; 14] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0];
/// From a rollout of seconds to one with an hour of bake.
const ROLLOUT: [f64; 12] =
    [5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0];
/// From minutes to days.
const LEAD: [f64; 13] = [
    10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0, 604_800.0,
];

/// The metrics that events move.
pub(super) struct Counters {
    pub(super) rollouts: CounterVec,
    pub(super) rollout_duration: HistogramVec,
    pub(super) step_duration: HistogramVec,
    pub(super) reconciles: CounterVec,
    pub(super) reconcile_duration: Histogram,
    pub(super) git_requests: CounterVec,
    pub(super) git_request_duration: Histogram,
    pub(super) git_last_success: GaugeVec,
    pub(super) backup_last_success: GaugeVec,
    pub(super) backup_last_verified: GaugeVec,
    pub(super) backup_size: GaugeVec,
    pub(super) drift: CounterVec,
    pub(super) lead_time: HistogramVec,
    pub(super) time_to_restore: HistogramVec,
}

impl Counters {
    /// Makes and registers them.
    pub(super) fn register(
        registry: &Registry,
        version: &str,
        revision: &str,
    ) -> Result<Self, prometheus::Error> {
        build_info(registry, version, revision)?;
        let to = registry;
        Ok(Self {
            rollouts: counter(to, "rollouts_total", "Rollouts that ended, by outcome.", &["app", "outcome"])?,
            rollout_duration: histograms(
                to,
                "rollout_duration_seconds",
                "How long rollouts took.",
                &ROLLOUT,
                &["outcome"],
            )?,
            step_duration: histograms(
                to,
                "step_duration_seconds",
                "How long steps of rollouts took.",
                &STEP,
                &["step", "outcome"],
            )?,
            reconciles: counter(
                to,
                "reconciles_total",
                "Looks at an application, by what asked for them.",
                &["app", "reason"],
            )?,
            reconcile_duration: histogram(
                to,
                "reconcile_duration_seconds",
                "How long a look at an application took, without its rollout.",
            )?,
            git_requests: counter(
                to,
                "git_requests_total",
                "Requests to git hosts.",
                &["source", "op", "outcome"],
            )?,
            git_request_duration: histogram(
                to,
                "git_request_duration_seconds",
                "How long requests to git hosts took.",
            )?,
            git_last_success: gauge(
                to,
                "git_last_success_timestamp_seconds",
                "When a source was last read.",
                &["source"],
            )?,
            backup_last_success: gauge(
                to,
                "backup_last_success_timestamp_seconds",
                "When a backup was last made.",
                &["app"],
            )?,
            backup_last_verified: gauge(
                to,
                "backup_last_verified_timestamp_seconds",
                "When a backup was last verified.",
                &["app"],
            )?,
            backup_size: gauge(to, "backup_size_bytes", "Size of the last backup.", &["app"])?,
            drift: counter(
                to,
                "drift_total",
                "Times that what ran was not what evenkeel had left, by kind.",
                &["app", "kind"],
            )?,
            lead_time: histograms(to, "lead_time_seconds", "From commit to live.", &LEAD, &["app"])?,
            time_to_restore: histograms(
                to,
                "time_to_restore_seconds",
                "From the first failure to working again.",
                &LEAD,
                &["app"],
            )?,
        })
    }

    /// Makes an application's counters, so that `rate()` sees the step from 0 to 1.
    pub(super) fn start_at_zero(&self, app: &AppName) {
        for outcome in [Outcome::Succeeded, Outcome::Reverted, Outcome::RevertFailed, Outcome::Cancelled] {
            let outcome = word(&outcome);
            self.rollouts.with_label_values(&[app.as_str(), &outcome]);
            self.rollout_duration.with_label_values(&[&outcome]);
        }
        self.lead_time.with_label_values(&[app.as_str()]);
        self.time_to_restore.with_label_values(&[app.as_str()]);
    }
}

/// A metric's full name and help.
pub(super) fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("evenkeel")
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counter(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<CounterVec, prometheus::Error> {
    register(registry, CounterVec::new(opts(name, help), labels)?)
}

fn gauge(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<GaugeVec, prometheus::Error> {
    register(registry, GaugeVec::new(opts(name, help), labels)?)
}

fn histogram(registry: &Registry, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
    let opts = HistogramOpts::from(opts(name, help)).buckets(SHORT.to_vec());
    register(registry, Histogram::with_opts(opts)?)
}

fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
    labels: &[&str],
) -> Result<HistogramVec, prometheus::Error> {
    let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
    register(registry, HistogramVec::new(opts, labels)?)
}

fn build_info(registry: &Registry, version: &str, revision: &str) -> Result<(), prometheus::Error> {
    let info = gauge(registry, "build_info", "The evenkeel that runs.", &["version", "revision"])?;
    info.with_label_values(&[version, revision]).set(1.0);
    Ok(())
}
