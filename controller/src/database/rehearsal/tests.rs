use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use evenkeel_core::container::Endpoint;

use super::*;
use crate::database::Quarry;
use crate::database::access::Postgres;
use crate::database::fingerprint::fingerprint;
use crate::database::migration::scripts;
use crate::database::testing::{Docker, Stack};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(60), max_blocking: Duration::from_secs(5) };

const INI: &str = "[alembic]\nscript_location = /scripts\n";

const ENV: &str = "import os\nfrom alembic import context\nfrom sqlalchemy import create_engine\n\
    with create_engine(os.environ['DATABASE_URL']).connect() as connection:\n\
    \x20   context.configure(connection=connection)\n\
    \x20   with context.begin_transaction():\n\
    \x20       context.run_migrations()\n";

const SCHEMA: &str = "CREATE ROLE shopkeeper NOLOGIN; CREATE EXTENSION pg_trgm SCHEMA public; \
    CREATE TABLE public.users (id serial PRIMARY KEY, name text); ALTER TABLE public.users OWNER TO shopkeeper; \
    INSERT INTO public.users (name) SELECT 'x' FROM generate_series(1, 10); \
    ALTER DATABASE shop SET search_path TO public; \
    CREATE TABLE public.alembic_version (version_num varchar(32) PRIMARY KEY); \
    INSERT INTO public.alembic_version VALUES ('a1')";

fn script(revision: &str, follows: &str, up: &str, down: &str) -> String {
    format!(
        "from alembic import op\nrevision = '{revision}'\ndown_revision = {follows}\n\
        def upgrade():\n    op.execute(\"\"\"{up}\"\"\")\n\
        def downgrade():\n    op.execute(\"\"\"{down}\"\"\")\n"
    )
}

/// A real Alembic environment of two revisions, the second with these statements.
fn alembic(directory: &Path, up: &str, down: &str) {
    let versions = directory.join("versions");
    std::fs::create_dir_all(&versions).unwrap();
    std::fs::write(directory.join("alembic.ini"), INI).unwrap();
    std::fs::write(directory.join("env.py"), ENV).unwrap();
    std::fs::write(
        versions.join("a1.py"),
        script("a1", "None", "CREATE TABLE users (id serial, name text)", "DROP TABLE users"),
    )
    .unwrap();
    std::fs::write(versions.join("b2.py"), script("b2", "'a1'", up, down)).unwrap();
}

fn one_off(stack: &Stack, directory: &Path, server: &str) -> OneOff {
    let mut spec = stack.one_off("migrate", "db");
    spec.binds.push(format!("{}:/scripts:ro", directory.display()));
    spec.endpoints[0].links = vec![(server.to_owned(), "db".to_owned())];
    OneOff { spec, command: vec!["alembic".to_owned()], quarry: Quarry::default() }
}

fn scratch(stack: &Stack) -> ContainerSpec {
    let mut spec = stack.one_off("scratch", "nowhere");
    spec.image = "postgres:15".to_owned();
    spec.tmpfs = BTreeMap::from([("/var/lib/postgresql/data".to_owned(), String::new())]);
    spec.service.command = Some(["-c", "fsync=off"].map(str::to_owned).to_vec());
    spec.service.environment.clear();
    spec.service.working_dir = None;
    spec.endpoints = vec![Endpoint { network: stack.prefix.clone(), ..Endpoint::default() }];
    spec
}

async fn rehearsed(stack: &Stack, up: &str, down: &str, from: &[&str]) -> Rehearsal {
    let directory = tempfile::tempdir().unwrap();
    alembic(directory.path(), up, down);
    let scratch = scratch(stack);
    let one_off = one_off(stack, directory.path(), &scratch.name);
    let from = from.iter().copied().map(SchemaRevision::from).collect();
    let request = Request {
        target: &stack.target,
        scratch,
        port: 5432,
        one_off,
        from,
        to: "b2".into(),
        limits: LIMITS,
    };
    rehearse(&Docker, &Postgres, &request).await.unwrap()
}

fn shown(differences: &[evenkeel_core::database::Difference]) -> Vec<String> {
    differences.iter().map(ToString::to_string).collect()
}

async fn stack(name: &str) -> Option<Stack> {
    let stack = Stack::start(name).await?;
    stack.target.connect().await.unwrap().batch_execute(SCHEMA).await.unwrap();
    Some(stack)
}

#[tokio::test]
async fn three_facts_of_a_migration() {
    let Some(stack) = stack("facts").await else { return };
    let before = fingerprint(&stack.target).await.unwrap();
    let good =
        rehearsed(&stack, "ALTER TABLE users ADD note text", "ALTER TABLE users DROP note", &["a1"]).await;
    assert_eq!((good.runs, good.additive, good.exact, &good.failure), (true, true, true, &None), "{good:?}");
    let narrow = "ALTER TABLE users ALTER name SET NOT NULL";
    let other = rehearsed(&stack, narrow, "ALTER TABLE users ADD was_here int", &["a1"]).await;
    assert_eq!((other.runs, other.additive, other.exact), (true, false, false));
    assert_eq!(shown(&other.additive_differences), ["column public.users.name was text, is text not null"]);
    assert!(
        shown(&other.exact_differences).contains(&"column public.users.was_here is new: integer".to_owned())
    );
    let broken = rehearsed(&stack, "ALTER TABLE nobody ADD x int", "", &["a1"]).await;
    let failure = broken.failure.unwrap();
    assert_eq!((broken.runs, failure.stage), (false, Stage::Upgrade));
    assert!(failure.tail.iter().any(|line| line.contains("\"nobody\" does not exist")), "{failure:?}");
    let stuck = rehearsed(&stack, "CREATE TABLE more (x int)", "SELECT no_way_back()", &["a1"]).await;
    assert_eq!((stuck.runs, stuck.additive, stuck.exact), (true, true, false));
    assert_eq!(stuck.failure.unwrap().stage, Stage::Downgrade);
    assert_eq!(fingerprint(&stack.target).await.unwrap(), before, "the real one is only read");
    assert!(Docker.container(&scratch(&stack).name).await.unwrap().is_none(), "the scratch server is gone");
}

#[tokio::test]
async fn what_was_rehearsed_is_what_happens() {
    let Some(stack) = stack("same").await else { return };
    let (up, down) = ("CREATE INDEX by_name ON users USING gin (name gin_trgm_ops)", "DROP INDEX by_name");
    let rehearsal = rehearsed(&stack, up, down, &["a1"]).await;
    assert!(rehearsal.exact && rehearsal.additive, "{rehearsal:?}");
    let directory = tempfile::tempdir().unwrap();
    alembic(directory.path(), up, down);
    let real = one_off(&stack, directory.path(), &stack.server());
    assert_eq!(scripts(&Docker, &real).await.unwrap().heads, BTreeSet::from(["b2".into()]));
    let arguments = ["upgrade", "b2"].map(str::to_owned);
    let outcome = run(&Docker, &Postgres, &real, &arguments, &stack.target, LIMITS).await.unwrap();
    assert!(outcome.succeeded(), "{outcome:?}");
    assert_eq!(fingerprint(&stack.target).await.unwrap().digest(), rehearsal.upgraded_digest);
}

#[tokio::test]
async fn from_nothing_and_back_to_it() {
    let Some(stack) = Stack::start("empty").await else { return };
    let rehearsal =
        rehearsed(&stack, "ALTER TABLE users ADD note text", "ALTER TABLE users DROP note", &[]).await;
    assert_eq!((rehearsal.runs, rehearsal.additive, rehearsal.exact), (true, true, true), "{rehearsal:?}");
}
