//! What evenkeel makes of a case: a commit, its release, the plan, and of its steps those that create.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use evenkeel_core::name::{AppName, ReleaseDigest, Revision};
use evenkeel_core::plan::{Effect, Role, Stage, make};
use evenkeel_core::release::Release;
use tempfile::TempDir;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::super::run::{Order, Run};
use super::super::{Context, Helpers, Live};
use super::case::Case;
use super::fields::Seen;
use super::inspect::seen;
use crate::database::Postgres;
use crate::engine::connect;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::owner::{Ownership, Surroundings};
use crate::reconcile::desired_release;
use crate::source::testing::Repo;
use crate::source::{Releases, Source};
use crate::verify::Sockets;

/// As in a rollout: plans that find out nothing new would go round in circles.
const PLANS: usize = 16;

pub(super) fn create(case: &Case) -> Seen {
    let data_dir = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let digest = runtime.block_on(roll_out(case, &data_dir));
    let files = Releases::new(data_dir.path()).directory(&AppName::new(case.project.as_str()), &digest);
    seen(case, files.parent())
}

fn manifest(case: &Case) -> String {
    let (name, directory) = (&case.project, case.directory.path().display());
    let mut text = format!(
        "apiVersion: evenkeel/v1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n  compose:\n    \
         projectName: {name}\n    projectDirectory: {directory}\n    files:\n"
    );
    for file in case.compose_files() {
        let _ = writeln!(text, "      - {file}");
    }
    text
}

/// A commit of the case.
fn committed(case: &Case) -> (Repo, Revision) {
    let repo = Repo::new();
    case.files.iter().for_each(|(path, text)| repo.write(path, text));
    repo.write("evenkeel.yaml", &manifest(case));
    let revision = repo.commit("a case of the corpus");
    (repo, revision)
}

async fn read(source: &Arc<Source>, revision: &Revision, ledger: &Ledger) -> Release {
    let key = ledger.digest_key().unwrap();
    let release = desired_release(source, revision, "evenkeel.yaml", &key).await;
    release.unwrap_or_else(|faults| panic!("{faults}"))
}

/// What evenkeel reads in it.
pub(super) fn release(case: &Case) -> Release {
    let data_dir = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (repo, revision) = committed(case);
    let ledger = Ledger::open(data_dir.path()).unwrap();
    runtime.block_on(read(&Arc::new(repo.mirrored()), &revision, &ledger))
}

async fn roll_out(case: &Case, data_dir: &TempDir) -> ReleaseDigest {
    let (repo, revision) = committed(case);
    let source = Arc::new(repo.mirrored());
    let ledger = Ledger::open(data_dir.path()).unwrap();
    let release = read(&source, &revision, &ledger).await;
    let surroundings =
        Surroundings { host: "here".to_owned(), lock_places: vec![data_dir.path().to_owned()] };
    let app = AppName::new(case.project.as_str());
    let ownership = Ownership::new(ledger.clone(), data_dir.path().to_owned(), surroundings).unwrap();
    let context = Context {
        engine: Arc::new(connect(None).unwrap()),
        databases: Arc::new(Postgres),
        wire: Arc::new(Sockets),
        ledger: ledger.clone(),
        ownership: Arc::new(ownership),
        source,
        app: app.clone(),
        data_dir: data_dir.path().to_owned(),
        metrics: Arc::new(Metrics::new("0", "0").unwrap()),
        progress: broadcast::Sender::new(1),
        live: Arc::new(Mutex::new(Live::default())),
        helpers: Helpers::default(),
    };
    ledger.put_release(&release).unwrap();
    let id = ledger.begin_rollout(&app, &release.digest, &revision, "the oracle", None).unwrap();
    let order = Order {
        held: std::collections::BTreeSet::new(),
        context: &context,
        release: &release,
        id,
        previous: None,
        repair: false,
        cancel: CancellationToken::new(),
        parked: CancellationToken::new(),
    };
    create_all(&Run::new(&order)).await;
    release.digest
}

async fn create_all(run: &Run<'_>) {
    for _ in 0..PLANS {
        let gathered = run.look().await.unwrap_or_else(|failure| panic!("{failure}"));
        let plan = make(&gathered.facts(run.target, run.id)).unwrap_or_else(|blocked| panic!("{blocked}"));
        for step in plan.steps.iter().filter(|step| creates(&step.effect)) {
            let made = run.perform(&step.effect).await;
            made.unwrap_or_else(|failure| panic!("{}: {failure}", step.effect.name()));
        }
        if plan.stage == Stage::Deploy {
            return;
        }
    }
    panic!("{PLANS} plans, and still something to prepare");
}

/// A stand-in carries a name for a moment only: it is not what there is in the end.
fn creates(effect: &Effect) -> bool {
    match effect {
        Effect::Create { role, .. } | Effect::Join { role, .. } => *role != Role::StandIn,
        Effect::Materialise
        | Effect::Build { .. }
        | Effect::Pull { .. }
        | Effect::CreateNetwork { .. }
        | Effect::CreateBackstage { .. }
        | Effect::CreateVolume { .. }
        | Effect::Rename { .. }
        | Effect::Tag { .. } => true,
        _ => false,
    }
}
