use tokio::time::timeout;

use super::*;
use crate::database::access::Postgres;
use crate::database::observe::observe;
use crate::database::testing::{Docker, Stack};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(60), max_blocking: Duration::from_secs(1) };

const MODULE: &str = "import os, sys, psycopg2\n\
    c = psycopg2.connect(os.environ['DATABASE_URL']); c.autocommit = True\n\
    c.cursor().execute(sys.argv[1])\n\
    print('done at', os.environ['DATABASE_URL'])\n";

/// A "tool" that runs its argument as one SQL statement, through a driver that shows its name.
fn sql(stack: &Stack, name: &str) -> OneOff {
    let spec = stack.one_off(name, &stack.server());
    let command = ["python3", "-u", "-c", MODULE].map(str::to_owned).to_vec();
    OneOff { spec, command, quarry: Quarry::default() }
}

async fn run_sql(stack: &Stack, statement: &str, limits: Limits) -> Outcome {
    run(&Docker, &Postgres, &sql(stack, "migrate"), &[statement.to_owned()], &stack.target, limits)
        .await
        .unwrap()
}

async fn nothing_is_left(stack: &Stack) {
    assert!(
        Docker.container(&sql(stack, "migrate").spec.name).await.unwrap().is_none(),
        "the container is gone"
    );
    let others = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'evenkeel-migration%'";
    let session = stack.target.connect().await.unwrap();
    assert_eq!(session.query_one(others, &[]).await.unwrap().get::<_, i64>(0), 0, "its sessions are gone");
}

#[tokio::test]
async fn a_migration_runs_to_its_end_and_keeps_secrets_to_itself() {
    let Some(stack) = Stack::start("run").await else { return };
    let outcome = run_sql(&stack, "CREATE TABLE t (x int)", LIMITS).await;
    assert!(outcome.succeeded(), "{outcome:?}");
    assert!(outcome.tail[0].starts_with("done at postgresql://app:[redacted]@"), "{outcome:?}");
    assert!(observe(&stack.target).await.unwrap().current.tables);
    let failed = run_sql(&stack, "CREATE TABLE t (x int)", LIMITS).await;
    assert_eq!((failed.ended.clone(), failed.exit_code), (Ended::Finished, 1));
    assert!(failed.tail.iter().any(|line| line.contains("already exists")), "{failed:?}");
    nothing_is_left(&stack).await;
}

#[tokio::test]
async fn a_migration_that_takes_too_long_is_ended_on_the_server_too() {
    let Some(stack) = Stack::start("late").await else { return };
    let limits = Limits { timeout: Duration::from_secs(3), ..LIMITS };
    let statement = "CREATE TABLE t (x int); SELECT pg_sleep(600)";
    let outcome = timeout(Duration::from_secs(40), run_sql(&stack, statement, limits)).await.unwrap();
    assert_eq!(outcome.ended, Ended::TimedOut);
    assert_eq!(outcome.hunted.len(), 1, "a killed client's backend goes on: {outcome:?}");
    assert!(!observe(&stack.target).await.unwrap().current.tables, "rolled back");
    nothing_is_left(&stack).await;
}

#[tokio::test]
async fn a_migration_that_keeps_users_waiting_is_cancelled() {
    let Some(stack) = Stack::start("block").await else { return };
    let reader = stack.target.connect().await.unwrap();
    reader.batch_execute("CREATE TABLE public.t (x int)").await.unwrap();
    let user = tokio::spawn(another_user(stack.target.clone()));
    let outcome = run_sql(&stack, "BEGIN; LOCK TABLE t; SELECT pg_sleep(600)", LIMITS).await;
    let Ended::CancelledForBlocking(blocking) = &outcome.ended else { panic!("{outcome:?}") };
    assert_eq!(blocking.victims[0].query, "SELECT * FROM public.t WHERE x = ?");
    assert!(user.await.unwrap());
    nothing_is_left(&stack).await;
}

/// Reads the table until one read has taken longer than a second, as it does behind a lock.
async fn another_user(target: Target) -> bool {
    let mut config = tokio_postgres::Config::new();
    config.host(&target.host).user("app").password("not-told").dbname("shop").application_name("api");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    loop {
        let began = Instant::now();
        client.batch_execute("SELECT * FROM public.t WHERE x = 4242").await.unwrap();
        if began.elapsed() > Duration::from_secs(1) {
            return true;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_a_crash_left_is_cleared_before_the_next_run() {
    let Some(stack) = Stack::start("crash").await else { return };
    let left =
        prepared(&sql(&stack, "migrate"), &["CREATE TABLE t (x int); SELECT pg_sleep(600)".to_owned()]);
    let id = Docker.create(&left).await.unwrap();
    Docker.start(id.as_str()).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let outcome = run_sql(&stack, "CREATE TABLE t (x int)", LIMITS).await;
    assert!(outcome.succeeded(), "the one left neither blocks nor commits: {outcome:?}");
    assert_eq!(outcome.hunted.len(), 1);
    nothing_is_left(&stack).await;
}

#[tokio::test]
async fn scripts_are_listed_without_a_network() {
    let Some(stack) = Stack::start("scripts").await else { return };
    let print = "import sys; print('noise', file=sys.stderr); print('a1 -> b2 (head), x\\n<base> -> a1, y')";
    let tool = |code: &str| OneOff {
        spec: stack.one_off("scripts", "nowhere"),
        command: ["python3", "-c", code].map(str::to_owned).to_vec(),
        quarry: Quarry::default(),
    };
    let scripts = super::scripts(&Docker, &tool(print)).await.unwrap();
    assert_eq!(scripts.heads, BTreeSet::from(["b2".into()]));
    let failed = super::scripts(&Docker, &tool("raise SystemExit('no such ini')")).await.unwrap_err();
    assert_eq!(failed.to_string(), "reading the migration scripts failed with exit code 1: no such ini");
}
