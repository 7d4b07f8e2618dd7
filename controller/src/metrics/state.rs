//! State gauges. They live for one scrape, so that no series outlives what it tells of.

use evenkeel_core::status::{AppStatus, SchemaStatus, Status, Sync};
use prometheus::GaugeVec;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use serde::Serialize;

use super::counters::opts;

/// The gauges of a status.
pub(super) fn families(status: &Status) -> Vec<MetricFamily> {
    match Gauges::new() {
        Ok(gauges) => {
            status.applications.iter().for_each(|app| gauges.set(app));
            gauges.collect()
        }
        Err(error) => {
            tracing::error!(%error, "state metrics cannot be made");
            Vec::new()
        }
    }
}

struct Gauges {
    info: GaugeVec,
    revision: GaugeVec,
    synced: GaugeVec,
    quarantined: GaugeVec,
    suspended: GaugeVec,
    condition: GaugeVec,
    database: GaugeVec,
}

impl Gauges {
    fn new() -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str, labels: &[&str]| GaugeVec::new(opts(name, help), labels);
        Ok(Self {
            info: gauge(
                "app_info",
                "An application's state; always 1.",
                &["app", "sync", "health", "phase"],
            )?,
            revision: gauge(
                "app_revision_info",
                "An application's commits; always 1.",
                &["app", "desired", "live"],
            )?,
            synced: gauge("app_synced", "Whether what runs is what the branch asks for.", &["app"])?,
            quarantined: gauge("app_quarantined", "How many releases are in quarantine.", &["app"])?,
            suspended: gauge("app_suspended", "Whether an operator suspended it.", &["app"])?,
            condition: gauge("app_condition", "A condition that holds; always 1.", &["app", "reason"])?,
            database: gauge(
                "db_revision_info",
                "Where the schema stands; always 1.",
                &["app", "desired", "current", "state"],
            )?,
        })
    }

    fn set(&self, app: &AppStatus) {
        let name = app.name.as_str();
        let commit = |revision: &Option<evenkeel_core::name::Revision>| {
            revision.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        self.info
            .with_label_values(&[name, &word(&app.sync), &word(&app.health), &word(&app.phase)])
            .set(1.0);
        self.revision
            .with_label_values(&[name, &commit(&app.desired_revision), &commit(&app.live_revision)])
            .set(1.0);
        self.synced.with_label_values(&[name]).set(f64::from(app.sync == Sync::Synced));
        #[expect(clippy::cast_precision_loss, reason = "never so many")]
        self.quarantined.with_label_values(&[name]).set(app.quarantine.len() as f64);
        self.suspended.with_label_values(&[name]).set(f64::from(suspended(app)));
        for condition in &app.conditions {
            self.condition.with_label_values(&[name, &word(&condition.reason)]).set(1.0);
        }
        if let Some(schema) = &app.schema {
            self.set_schema(name, schema);
        }
    }

    fn set_schema(&self, app: &str, schema: &SchemaStatus) {
        let SchemaStatus { desired, current, state } = schema;
        let state = state.as_ref().map_or_else(|| "Unknown".to_owned(), word);
        self.database.with_label_values(&[app, &desired.join(","), &current.join(","), &state]).set(1.0);
    }

    fn collect(self) -> Vec<MetricFamily> {
        let Self { info, revision, synced, quarantined, suspended, condition, database } = self;
        [info, revision, synced, quarantined, suspended, condition, database]
            .iter()
            .flat_map(Collector::collect)
            .filter(|family| !family.get_metric().is_empty())
            .collect()
    }
}

fn suspended(app: &AppStatus) -> bool {
    use evenkeel_core::status::{HealthWord, Reason};
    app.health == HealthWord::Suspended
        || app.conditions.iter().any(|condition| condition.reason == Reason::Suspended)
}

/// The word that status shows for a value, so that both say the same.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
