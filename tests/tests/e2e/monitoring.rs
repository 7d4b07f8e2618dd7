//! What operators look at: every metric that is promised, every alert and every panel, on a real Prometheus.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use evenkeel_tests::command::{command, must};
use evenkeel_tests::world::{Port, project};
use evenkeel_tests::{Controller, World, http};

const PROMISED: [&str; 22] = [
    "evenkeel_app_info",
    "evenkeel_app_revision_info",
    "evenkeel_app_synced",
    "evenkeel_app_quarantined",
    "evenkeel_app_suspended",
    "evenkeel_rollouts_total",
    "evenkeel_rollout_duration_seconds_count",
    "evenkeel_step_duration_seconds_count",
    "evenkeel_reconcile_duration_seconds_count",
    "evenkeel_reconciles_total",
    "evenkeel_git_requests_total",
    "evenkeel_git_request_duration_seconds_count",
    "evenkeel_git_last_success_timestamp_seconds",
    "evenkeel_db_revision_info",
    "evenkeel_backup_last_success_timestamp_seconds",
    "evenkeel_backup_last_verified_timestamp_seconds",
    "evenkeel_backup_size_bytes",
    "evenkeel_drift_total",
    "evenkeel_lead_time_seconds_count",
    "evenkeel_time_to_restore_seconds_count",
    "evenkeel_build_info",
    "process_resident_memory_bytes",
];

#[test]
fn every_metric_alert_and_panel_has_data_after_a_story() {
    let world = World::new();
    let controller = world.start();
    controller.settle(&world.repo.head(), 240);
    let prometheus = Prometheus::start(&world, &controller);
    story(&world, &controller);
    every_metric_is_there(&controller);
    rules_are_sound();
    std::thread::sleep(Duration::from_secs(3));
    every_expression_is_answered(&prometheus);
}

/// A migration, a failure that is put back, and a repair.
fn story(world: &World, controller: &Controller) {
    let commit = world.commit_overlay("add-column");
    controller.settle(&commit, 150);
    let commit = world.commit_overlay("health-500");
    controller.quarantine(&commit, 150);
    let commit = world.repo.revert_head();
    controller.settle(&commit, 150);
    evenkeel_tests::docker::docker(&["stop", "-t", "5", &world.names.container("api")]);
    controller.wait("the repair", 60, |now| {
        now.app.settled() && controller.metrics().sum("evenkeel_drift_total", &[]) > 0.0
    });
}

fn every_metric_is_there(controller: &Controller) {
    let scrape = controller.metrics();
    let there = scrape.names();
    let missing: Vec<&str> = PROMISED.into_iter().filter(|name| !there.contains(name)).collect();
    assert!(missing.is_empty(), "promised and not there: {missing:?}");
}

fn rules() -> Vec<PathBuf> {
    found(&project().join("deploy/prometheus"), "yml")
        .into_iter()
        .filter(|path| text(path).contains("\ngroups:") || text(path).starts_with("groups:"))
        .collect()
}

fn rules_are_sound() {
    let rules = rules();
    assert!(!rules.is_empty(), "there are no rules");
    let args = ["check", "rules"].map(PathBuf::from).into_iter().chain(rules);
    must(&mut command("promtool", args));
}

/// An alert that does not fire gives nothing, so that what is asked is what it is made of: in the story there has to have been some. A
/// condition, say, is there only while it holds.
fn every_expression_is_answered(prometheus: &Prometheus) {
    let mut silent = Vec::new();
    for metric in metrics_of(&expressions()) {
        if prometheus.query(&format!("last_over_time({metric}[1h])")) == 0 {
            silent.push(metric);
        }
    }
    assert!(silent.is_empty(), "no data for {silent:?}");
    let mut refused = Vec::new();
    for expression in expressions() {
        if let Err(problem) = prometheus.try_query(&expression) {
            refused.push(format!("{expression}: {problem}"));
        }
    }
    assert!(refused.is_empty(), "refused: {refused:#?}");
}

/// Every expression of the rules and of the dashboards, with the dashboards' variables filled in.
fn expressions() -> Vec<String> {
    let mut all = Vec::new();
    for path in rules() {
        let tree: serde_json::Value = serde_yaml::from_str(&text(&path)).expect("rules are YAML");
        collect(&tree, &mut all);
    }
    for path in found(&project().join("deploy/grafana"), "json") {
        let tree: serde_json::Value = serde_json::from_str(&text(&path)).expect("dashboards are JSON");
        collect(&tree, &mut all);
    }
    all.iter().map(|expression| filled(expression)).collect()
}

fn collect(tree: &serde_json::Value, all: &mut Vec<String>) {
    match tree {
        serde_json::Value::Object(map) => {
            all.extend(map.get("expr").and_then(|expr| expr.as_str()).map(str::to_owned));
            map.values().for_each(|value| collect(value, all));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| collect(value, all)),
        _ => {}
    }
}

fn filled(expression: &str) -> String {
    let mut text =
        expression.replace("$__rate_interval", "1m").replace("$__interval", "1m").replace("$__range", "5m");
    for variable in [
        "$app",
        "${app}",
        "${app:regex}",
        "$instance",
        "${instance}",
        "$job",
        "${job}",
        "$source",
        "${source}",
    ] {
        text = text.replace(variable, ".*");
    }
    text
}

/// The names of our own metrics in expressions.
fn metrics_of(expressions: &[String]) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = expressions.iter().flat_map(|expression| expression.split(move |c| !is_name(c)));
    words.filter(|word| word.starts_with("evenkeel_")).map(str::to_owned).collect()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()))
}

fn found(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let deep = paths.flat_map(|path| if path.is_dir() { found(&path, extension) } else { vec![path] });
    deep.filter(|path| path.extension().is_some_and(|is| is == extension)).collect()
}

/// A Prometheus that scrapes one controller every second.
struct Prometheus {
    child: Child,
    port: Port,
}

impl Prometheus {
    fn start(world: &World, controller: &Controller) -> Self {
        let (directory, port) = (world.directory().join("prometheus"), Port::claim());
        std::fs::create_dir_all(&directory).expect("a world can be written");
        let target = controller.url("").trim_start_matches("http://").to_owned();
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nscrape_configs:\n- job_name: evenkeel\n  \
             static_configs: [{{targets: [\"{target}\"]}}]\n"
        );
        let file = directory.join("prometheus.yml");
        std::fs::write(&file, config).expect("a world can be written");
        let mut prometheus = command("prometheus", [format!("--config.file={}", file.display())]);
        prometheus.arg(format!("--storage.tsdb.path={}", directory.join("data").display()));
        prometheus.arg(format!("--web.listen-address=127.0.0.1:{}", port.number()));
        let child = prometheus.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { child: child.expect("Debian's package `prometheus` is installed"), port }
    }

    /// How many series an expression gives.
    fn query(&self, expression: &str) -> usize {
        self.try_query(expression).unwrap_or_else(|problem| panic!("{expression}: {problem}"))
    }

    fn try_query(&self, expression: &str) -> Result<usize, String> {
        let url = format!("http://127.0.0.1:{}/api/v1/query", self.port.number());
        let request = http::client(Duration::from_secs(10), 0).get(url).query("query", expression);
        let answer = http::read(request.call())?;
        let body: serde_json::Value =
            serde_json::from_str(&answer.body).map_err(|problem| problem.to_string())?;
        let result = body["data"]["result"].as_array().ok_or_else(|| answer.body.clone())?;
        Ok(result.len())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
