//! Verbs against a fake daemon behind a real socket: what they print, what they ask, how they end.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::{CommandFactory, Parser};
use evenkeel_core::located::{Fault, Location};
use evenkeel_core::status::Status;

use super::output::{Format, Out};
use super::{Arguments, CliError, error, validate};
use crate::api::tests::fake::{Fake, Served, sample_status, serve};

/// What was printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Printed {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

async fn run(socket: &Path, line: &str) -> (String, Result<ExitCode, CliError>) {
    let socket = socket.to_str().unwrap();
    let words = ["evenkeel"].into_iter().chain(line.split(' ')).chain(["--socket", socket]);
    let command = Arguments::try_parse_from(words).unwrap().command;
    let printed = Printed::default();
    let format = if line.contains("json") { Format::Json } else { Format::Table };
    let result = super::dispatch_to(command, &mut Out::to(printed.clone(), format)).await;
    (printed.text(), result)
}

async fn printed(line: &str) -> String {
    let served = serve(&Arc::default());
    let (text, result) = run(&served.path, line).await;
    result.unwrap();
    text
}

async fn refused(served: &Served, line: &str) -> String {
    let (_, result) = run(&served.path, line).await;
    error::explain(&result.unwrap_err(), false)
}

#[test]
fn the_grammar_holds() {
    Arguments::command().debug_assert();
    for line in [
        "run --repo x --poll 5m --listen off",
        "backup verify b1",
        "backup verify shop b1 --restored",
        "init",
        "schema",
    ] {
        Arguments::try_parse_from(["evenkeel"].into_iter().chain(line.split(' '))).unwrap();
    }
    assert!(Arguments::try_parse_from(["evenkeel", "run", "--poll", "5"]).is_err());
    assert!(Arguments::try_parse_from(["evenkeel", "backup", "restore"]).is_err());
}

#[tokio::test]
async fn status_as_a_table() {
    assert_eq!(
        printed("status").await,
        "\
APP        SYNC       HEALTH   PHASE  LIVE          DESIRED       SCHEMA
convertik  OutOfSync  Healthy  Idle   aaaaaaaaaaaa  bbbbbbbbbbbb  0001 → 0002 (Behind)

convertik (from infra): waits for a new commit or `evenkeel retry`
  SERVICE        STATE    HEALTH              CONTAINER        IMAGE
  convertik-api  running  Healthy             convertik-api-1  -
  convertik-db   running  Healthy (unproven)  convertik-db-1   -
  Quarantined    since 2026-03-01 12:00:00Z  GET /health gave 500
  in quarantine  since 2026-03-01 12:00:00Z  release 222222222222 at bbbbbbbbbbbb: GET /health gave 500, 3 times running
"
    );
}

#[tokio::test]
async fn status_as_json_has_the_documented_shape() {
    let json: serde_json::Value = serde_json::from_str(&printed("status --output json").await).unwrap();
    let app = &json["applications"][0];
    let mut keys: Vec<&str> = app.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys.join(" "),
        "attemptedRevision conditions desiredRevision health liveRelease liveRevision name next phase quarantine schema \
         services source sync"
    );
    assert_eq!(app["conditions"][0]["since"], "2026-03-01T12:00:00Z");
    assert!(app["services"][0]["image"].is_null());
}

#[tokio::test]
async fn plan_explains_and_its_exit_code_tells() {
    let served = serve(&Arc::default());
    let (text, code) = run(&served.path, "plan").await;
    assert_eq!(code.unwrap(), ExitCode::from(1));
    assert_eq!(
        text,
        "\
convertik: 111111111111 → 222222222222 (commit bbbbbbbbbbbb), deploy, the schema moves online
  1  build    evenkeel/convertik-api:0123  backend/app/main.py changed
  2  migrate  0001 → 0002                  the image expects 0002
  users will notice:
    - port 8000 is closed for about 2 s
  commits:
    - bbbbbbbbbbbb api: rates by day
"
    );
    let idle = serve(&Arc::new(Fake { changes: false, ..Fake::default() }));
    let (text, code) = run(&idle.path, "plan convertik").await;
    assert_eq!(code.unwrap(), ExitCode::SUCCESS);
    assert_eq!(text, "convertik: nothing to do, release 111111111111 runs (commit bbbbbbbbbbbb)\n");
    let refused = Some("the external network gone does not exist".to_owned());
    let waits = serve(&Arc::new(Fake { changes: false, refused, ..Fake::default() }));
    let (text, code) = run(&waits.path, "plan convertik").await;
    assert_eq!(code.unwrap(), ExitCode::from(1));
    assert_eq!(
        text,
        "\
convertik: release 222222222222 (commit bbbbbbbbbbbb) cannot be rolled out now, 111111111111 stays
  held back:
    - the external network gone does not exist
"
    );
}

#[tokio::test]
async fn history_and_events_as_tables() {
    assert_eq!(
        printed("history --limit 2").await,
        "\
ROLLOUT  APP        STARTED               TOOK   OUTCOME   REVISION      WHY         MESSAGE
r7       convertik  2026-03-01 12:00:00Z  3m12s  Reverted  bbbbbbbbbbbb  new commit  GET /health gave 500
r6       convertik  2026-03-01 12:00:00Z  -      going on  bbbbbbbbbbbb  new commit  -
"
    );
    assert!(
        printed("history --limit 1 --steps")
            .await
            .contains("  deploy  prove   failed  4.2s  convertik-api-r7  GET /health gave 500\n")
    );
    assert_eq!(
        printed("events").await,
        "\
AT                    APP  KIND  MESSAGE
2026-03-01 12:00:00Z  -    poll  a new commit
2026-03-01 12:00:00Z  -    poll  evenkeel [31m started
"
    );
}

#[tokio::test]
async fn verbs_ask_the_daemon() {
    let fake = Arc::default();
    let served = serve(&fake);
    for (line, text) in [
        ("sync", "convertik: sync is done\n"),
        ("sync convertik --wait", "convertik: sync-and-wait is done\n"),
        ("retry", "convertik: retry is done\n"),
        ("suspend convertik", "convertik: suspend is done\n"),
        ("resume", "convertik: resume is done\n"),
        ("claim", "convertik: claim is done\n"),
        ("claim convertik --from 00ff00ff00ff00ff", "convertik: claim from 00ff00ff00ff00ff is done\n"),
        ("disown convertik", "convertik: disown is done\n"),
        ("release convertik", "convertik: release is done\n"),
        ("let-go convertik", "convertik: release is done\n"),
        ("backup create", "convertik: create-backup is done\n"),
        ("backup verify a/b --restored", "convertik: verify a/b true is done\n"),
        ("backup restore convertik b1 --yes", "convertik: restore b1 is done\n"),
    ] {
        let (printed, result) = run(&served.path, line).await;
        result.unwrap();
        assert_eq!(printed, text, "{line}");
    }
    let (json, _) = run(&served.path, "retry --output json").await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["done"], "retry is done");
    assert!(fake.asked().contains(&"sync-and-wait convertik!".to_owned()));
}

#[tokio::test]
async fn backups_as_a_table() {
    assert_eq!(
        printed("backup list").await,
        "\
ID               MADE                  LEVEL    SIZE     ROWS  REVISION  WHY
20260301-120000  2026-03-01 12:00:00Z  Decoded  4.0 KiB  3     0001      Migration
"
    );
}

#[tokio::test]
async fn a_restore_that_nobody_confirmed_is_not_done() {
    let fake = Arc::default();
    let served = serve(&fake);
    // Tests have no terminal to be asked at, which is what a script has.
    let text = refused(&served, "backup restore b1").await;
    assert!(text.contains("--yes"), "{text}");
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn one_applications_status_has_all_of_the_evidence() {
    let mut app = sample_status();
    app.conditions[0].message = "it failed\nputting it back failed: no\n  | \u{1b}[2Jlast line".to_owned();
    let name = app.name.clone();
    let fake = Fake::default();
    *fake.status.lock().unwrap() = Status { applications: vec![app] };
    let served = serve(&Arc::new(fake));
    let (of_all, result) = run(&served.path, "status").await;
    result.unwrap();
    assert!(of_all.contains("it failed […]\n") && !of_all.contains("putting it back"), "{of_all}");
    let (of_one, result) = run(&served.path, &format!("status {name}")).await;
    result.unwrap();
    let evidence =
        "\n\n  Quarantined:\n    it failed\n    putting it back failed: no\n      |  [2Jlast line\n";
    assert!(of_one.ends_with(evidence), "{of_one}");
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let mut two = sample_status();
    two.name = "shop".into();
    let fake = Fake::default();
    *fake.status.lock().unwrap() = Status { applications: vec![sample_status(), two] };
    let served = serve(&Arc::new(fake));
    assert_eq!(
        refused(&served, "retry").await,
        "error (usage): which application?\nhint: name one of: convertik, shop\n"
    );
    assert_eq!(
        refused(&served, "status shopp").await,
        "error (not found): there is no application `shopp`\nhint: there is: convertik, shop\n"
    );
    assert_eq!(refused(&served, "plan nope").await, "error (not found): there is no application `nope`\n");
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_said_to_be_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("evenkeel.sock");
    let (_, missing) = run(&path, "status").await;
    let text = error::explain(&missing.unwrap_err(), false);
    assert!(
        text.contains(&format!("there is no socket at {}", path.display())) && text.contains("--socket"),
        "{text}"
    );
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let (_, dead) = run(&path, "status").await;
    let text = error::explain(&dead.unwrap_err(), false);
    assert!(text.contains("nobody answers on"), "{text}");
}

#[test]
fn a_fault_is_shown_where_it_is() {
    let mut fault = Fault::new("unknown field `prob`")
        .at(Location { file: "evenkeel.yaml".into(), line: 12, column: 5 })
        .hint("did you mean `probe`?");
    fault.snippet = Some("    prob: {}".into());
    assert_eq!(
        validate::explain(&fault, &Out::to(std::io::sink(), Format::Table)),
        "\
evenkeel.yaml:12:5: error: unknown field `prob`
  12 |     prob: {}
     |     ^
  hint: did you mean `probe`?
"
    );
}
