//! Names and labels as documented, and what a scrape shows.

use evenkeel_core::name::AppName;
use evenkeel_core::status::{Outcome, Status};

use super::Metrics;
use crate::api::tests::fake::{at, sample_status};

fn used() -> (Metrics, Status) {
    let metrics = Metrics::new("1.2.3", "abc").unwrap();
    let app = AppName::new("convertik");
    metrics.rollout_finished(&app, Outcome::Reverted, 12.0);
    metrics.step_finished("build", "done", 3.0);
    metrics.reconciled(&app, "poll", 0.1);
    metrics.git_request("infra", "fetch", "ok", 0.2);
    metrics.git_success("infra", at(0));
    metrics.drift(&app, "stopped");
    metrics.backup(&app, 4_096, at(1), false);
    metrics.backup(&app, 4_096, at(2), true);
    metrics.lead_time(&app, 90.0);
    metrics.time_to_restore(&app, 30.0);
    (metrics, Status { applications: vec![sample_status()] })
}

#[test]
fn every_documented_metric_is_there() {
    let (metrics, status) = used();
    let text = metrics.render(&status);
    let (a, b) = ("a".repeat(40), "b".repeat(40));
    for line in [
        r#"app_info{app="convertik",health="Healthy",phase="Idle",sync="OutOfSync"} 1"#,
        &format!(r#"app_revision_info{{app="convertik",desired="{b}",live="{a}"}} 1"#),
        r#"app_synced{app="convertik"} 0"#,
        r#"app_quarantined{app="convertik"} 1"#,
        r#"app_suspended{app="convertik"} 0"#,
        r#"app_condition{app="convertik",reason="Quarantined"} 1"#,
        r#"rollouts_total{app="convertik",outcome="Reverted"} 1"#,
        r#"rollouts_total{app="convertik",outcome="Succeeded"} 0"#,
        r#"rollout_duration_seconds_count{outcome="Reverted"} 1"#,
        r#"step_duration_seconds_count{outcome="done",step="build"} 1"#,
        "reconcile_duration_seconds_count 1",
        r#"reconciles_total{app="convertik",reason="poll"} 1"#,
        r#"git_requests_total{op="fetch",outcome="ok",source="infra"} 1"#,
        "git_request_duration_seconds_count 1",
        r#"git_last_success_timestamp_seconds{source="infra"} 1772366400"#,
        r#"db_revision_info{app="convertik",current="0001",desired="0002",state="Behind"} 1"#,
        r#"backup_last_success_timestamp_seconds{app="convertik"} 1772366402"#,
        r#"backup_last_verified_timestamp_seconds{app="convertik"} 1772366402"#,
        r#"backup_size_bytes{app="convertik"} 4096"#,
        r#"drift_total{app="convertik",kind="stopped"} 1"#,
        r#"lead_time_seconds_sum{app="convertik"} 90"#,
        r#"time_to_restore_seconds_sum{app="convertik"} 30"#,
        r#"build_info{revision="abc",version="1.2.3"} 1"#,
    ] {
        assert!(
            text.contains(&format!("\nevenkeel_{line}\n")) || text.starts_with(&format!("evenkeel_{line}\n")),
            "{line}\n{text}"
        );
    }
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
}

#[test]
fn outcomes_start_at_zero_and_state_does_not_outlive_itself() {
    let metrics = Metrics::new("1.2.3", "abc").unwrap();
    let status = Status { applications: vec![sample_status()] };
    let text = metrics.render(&status);
    for outcome in ["Succeeded", "Reverted", "RevertFailed", "Cancelled"] {
        assert!(
            text.contains(&format!(r#"evenkeel_rollouts_total{{app="convertik",outcome="{outcome}"}} 0"#)),
            "{text}"
        );
    }
    assert!(!metrics.render(&Status::default()).contains("evenkeel_app_info"));
}

#[test]
fn every_metric_has_help_and_appears_once() {
    let (metrics, status) = used();
    let text = metrics.render(&status);
    let mut helped: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# HELP ")).collect();
    let count = helped.len();
    helped.sort_unstable();
    helped.dedup();
    assert_eq!((helped.len(), text.matches("# TYPE ").count()), (count, count));
}
