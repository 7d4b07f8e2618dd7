//! Samples.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use evenkeel_core::compose::Project;
use evenkeel_core::name::{AppName, Revision};
use evenkeel_core::plan::{Effect, Plan, Stage, Step, Strategy};
use evenkeel_core::release::{DigestKey, Parts, Release};
use jiff::Timestamp;

use crate::ledger::Ledger;

/// A clock that moves on by a second whenever it is read.
pub(super) fn tick() -> Timestamp {
    static SECONDS: AtomicI64 = AtomicI64::new(1_700_000_000);
    Timestamp::from_second(SECONDS.fetch_add(1, Ordering::SeqCst)).unwrap()
}

pub(super) fn open(dir: &Path) -> Ledger {
    Ledger::open_with_clock(dir, tick).unwrap()
}

pub(super) fn app() -> AppName {
    AppName::new("convertik")
}

pub(super) fn revision(digit: char) -> Revision {
    Revision::new(digit.to_string().repeat(40))
}

pub(super) fn release(digit: char) -> Release {
    let manifest = serde_json::json!({
        "apiVersion": "evenkeel/v1", "kind": "Application", "metadata": {"name": "convertik"},
        "spec": {"compose": {"files": [format!("compose-{digit}.yml")]}},
    });
    let key = DigestKey::new(vec![digit as u8; 32]);
    Release::new(
        &key,
        Parts {
            pins: evenkeel_core::tags::Pins::default(),
            revision: revision(digit),
            manifest_path: "evenkeel.yaml".to_owned(),
            manifest: serde_json::from_value(manifest).unwrap(),
            project: project(),
            contexts: BTreeMap::new(),
        },
    )
}

fn project() -> Project {
    Project {
        name: "convertik".into(),
        directory: "/opt/convertik".to_owned(),
        files: vec!["compose.yml".to_owned()],
        services: BTreeMap::new(),
        networks: BTreeMap::new(),
        volumes: BTreeMap::new(),
        host_files: Vec::new(),
        classic: BTreeMap::new(),
        inactive: std::collections::BTreeSet::new(),
        modern: BTreeMap::new(),
    }
}

pub(super) fn step(seconds: u64) -> Step {
    Step { effect: Effect::Bake { seconds }, why: "the manifest says so".to_owned() }
}

pub(super) fn plan(steps: Vec<Step>) -> Plan {
    Plan { stage: Stage::Deploy, strategy: Strategy::Online, steps, gaps: Vec::new(), notes: Vec::new() }
}
