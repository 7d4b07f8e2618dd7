//! What goes in comes out.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::name::{AppName, ContainerId, ReleaseDigest, SchemaRevision, ServiceName};
use evenkeel_core::plan::Direction;
use evenkeel_core::release::Outputs;
use evenkeel_core::status::{Condition, Outcome, Reason};
use serde_json::json;

use super::sample::{app, open, plan, release, revision, step, tick};
use crate::ledger::{Applied, Ledger, LedgerError};

fn fresh() -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (dir, ledger)
}

#[test]
fn an_application_is_made_on_first_use() {
    let (_dir, ledger) = fresh();
    assert!(ledger.apps().unwrap().is_empty());
    assert_eq!(ledger.app(&app()).unwrap().live_release, None);
    ledger.set_origin(&app(), "main", "evenkeel.yaml").unwrap();
    ledger.set_live(&app(), &release('a').digest, &revision('a')).unwrap();
    ledger.set_live(&app(), &release('a').digest, &revision('b')).unwrap();
    let schema = BTreeSet::from([SchemaRevision::new("0002")]);
    ledger.set_schema(&app(), &schema, "7301").unwrap();
    let record = ledger.apps().unwrap().remove(0);
    assert_eq!(record.source.as_deref(), Some("main"));
    assert_eq!((record.live_release, record.live_revision), (Some(release('a').digest), Some(revision('b'))));
    assert_eq!((record.schema, record.system_identifier.as_deref()), (Some(schema), Some("7301")));
}

#[test]
fn what_was_let_go_of_stays_so_until_it_is_taken_up() {
    let (_dir, ledger) = fresh();
    let (shop, other) = ("shop".into(), "other".into());
    assert!(!ledger.has_let_go(&shop).unwrap());
    for _ in 0..2 {
        ledger.set_let_go(&shop, true).unwrap();
    }
    assert!(ledger.has_let_go(&shop).unwrap() && !ledger.has_let_go(&other).unwrap());
    ledger.set_let_go(&shop, false).unwrap();
    assert!(!ledger.has_let_go(&shop).unwrap());
}

#[test]
fn rollouts_are_numbered_after_those_of_another_ledger_and_never_before_their_own() {
    let (_dir, ledger) = fresh();
    ledger.put_release(&release('a')).unwrap();
    let begin = || {
        let id = ledger.begin_rollout(&app(), &release('a').digest, &revision('a'), "x", None).unwrap();
        ledger.finish_rollout(id, Outcome::Succeeded, None).unwrap();
        id.0
    };
    ledger.number_rollouts_after(41).unwrap();
    assert_eq!(begin(), 42);
    ledger.number_rollouts_after(7).unwrap();
    assert_eq!(begin(), 43);
}

#[test]
fn a_suspension_keeps_its_first_time() {
    let (_dir, ledger) = fresh();
    ledger.set_suspended(&app(), true).unwrap();
    let since = ledger.app(&app()).unwrap().suspended;
    ledger.set_suspended(&app(), true).unwrap();
    assert!(since.is_some());
    assert_eq!(ledger.app(&app()).unwrap().suspended, since);
    ledger.set_suspended(&app(), false).unwrap();
    assert_eq!(ledger.app(&app()).unwrap().suspended, None);
}

#[test]
fn a_release_put_again_keeps_its_outputs() {
    let (_dir, ledger) = fresh();
    let digest = release('a').digest;
    ledger.put_release(&release('a')).unwrap();
    let outputs = Outputs {
        images: BTreeMap::from([(ServiceName::new("api"), "sha256:1".into())]),
        ..Outputs::default()
    };
    ledger.put_outputs(&app(), &digest, &outputs).unwrap();
    ledger.put_release(&release('a')).unwrap();
    assert_eq!(ledger.outputs(&app(), &digest).unwrap(), outputs);
    assert_eq!(ledger.outputs(&app(), &ReleaseDigest::new("none")).unwrap(), Outputs::default());
}

#[test]
fn releases_come_by_last_use_and_the_live_one_cannot_be_forgotten() {
    let (_dir, ledger) = fresh();
    let digests = |ledger: &Ledger| -> Vec<_> {
        ledger.releases(&app()).unwrap().into_iter().map(|(digest, ..)| digest).collect()
    };
    let (a, b) = (release('a'), release('b'));
    ledger.put_release(&a).unwrap();
    ledger.put_release(&b).unwrap();
    ledger.touch_release(&app(), &a.digest).unwrap();
    assert_eq!(digests(&ledger), [a.digest.clone(), b.digest.clone()]);
    ledger.set_live(&app(), &a.digest, &a.revision).unwrap();
    ledger.remove_release(&app(), &a.digest).unwrap();
    ledger.remove_release(&app(), &b.digest).unwrap();
    assert_eq!(digests(&ledger), [a.digest]);
}

#[test]
fn an_application_has_one_open_rollout() {
    let (_dir, ledger) = fresh();
    let (a, b) = (release('a').digest, release('b').digest);
    let id = ledger.begin_rollout(&app(), &b, &revision('b'), "new commit", Some(&a)).unwrap();
    let second = ledger.begin_rollout(&app(), &a, &revision('a'), "poll", None).unwrap_err();
    assert!(matches!(second, LedgerError::Conflict { .. }), "{second:?}");
    ledger.begin_rollout(&AppName::new("other"), &a, &revision('a'), "poll", None).unwrap();
    ledger.set_reverting(id, "the probe failed").unwrap();
    ledger.set_reverting(id, "and then something else").unwrap();
    let open = ledger.open_rollout(&app()).unwrap().unwrap();
    assert_eq!((open.id, open.previous, open.reverting.as_deref()), (id, Some(a), Some("the probe failed")));
    ledger.finish_rollout(id, Outcome::Reverted, Some("the probe failed")).unwrap();
    ledger.finish_rollout(id, Outcome::Succeeded, None).unwrap();
    assert_eq!(ledger.open_rollout(&app()).unwrap(), None);
    assert_eq!(ledger.history(Some(&app()), 9).unwrap().remove(0).outcome, Some(Outcome::Reverted));
}

#[test]
fn the_journal_survives_a_crash_in_the_middle_of_a_step() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let id = ledger.begin_rollout(&app(), &release('a').digest, &revision('a'), "poll", None).unwrap();
    let plan = plan(vec![step(1), step(2)]);
    let number = ledger.put_plan(id, "deploy", &plan).unwrap();
    let first = ledger.begin_step(id, number, 0, "deploy", &plan.steps[0]).unwrap();
    ledger.finish_step(first, "done", Some("all well")).unwrap();
    ledger.begin_step(id, number, 1, "deploy", &plan.steps[1]).unwrap();
    drop(ledger);
    let ledger = open(dir.path());
    let outcomes = |ledger: &Ledger| -> Vec<_> {
        ledger.history(None, 1).unwrap().remove(0).steps.into_iter().map(|step| step.outcome).collect()
    };
    assert_eq!(outcomes(&ledger), [Some("done".to_owned()), None]);
    assert_eq!(ledger.interrupt_steps(id).unwrap(), 1);
    assert_eq!(ledger.interrupt_steps(id).unwrap(), 0);
    assert_eq!(outcomes(&ledger)[1], Some("interrupted".to_owned()));
    assert_eq!(ledger.put_plan(id, "revert", &plan).unwrap(), 2);
}

#[test]
fn history_is_newest_first_with_steps_and_seconds() {
    let (_dir, ledger) = fresh();
    let digest = release('a').digest;
    for reason in ["poll", "webhook", "operator"] {
        let id = ledger.begin_rollout(&app(), &digest, &revision('a'), reason, None).unwrap();
        let number = ledger.put_plan(id, "deploy", &plan(vec![step(5)])).unwrap();
        let step = ledger.begin_step(id, number, 0, "deploy", &step(5)).unwrap();
        ledger.finish_step(step, "done", None).unwrap();
        ledger.finish_rollout(id, Outcome::Succeeded, None).unwrap();
    }
    let history = ledger.history(None, 2).unwrap();
    let reasons: Vec<_> = history.iter().map(|rollout| rollout.reason.as_str()).collect();
    assert_eq!(reasons, ["operator", "webhook"]);
    let json = serde_json::to_value(&history[0]).unwrap();
    assert_eq!((&json["outcome"], &json["steps"][0]["step"]), (&json!("Succeeded"), &json!("bake")));
    assert!(history[0].duration.unwrap() >= 1.0 && history[0].steps[0].duration.unwrap() >= 1.0);
    assert!(json["startedAt"].as_str().unwrap().ends_with('Z'));
    assert!(ledger.history(Some(&AppName::new("other")), 9).unwrap().is_empty());
}

#[test]
fn what_succeeded_or_was_gone_from_has_been_live() {
    let (_dir, ledger) = fresh();
    let has_been = |name| ledger.has_been_live(&app(), &release(name).digest).unwrap();
    let roll = |to: char, from: char, outcome| {
        ledger.put_release(&release(to)).unwrap();
        let (to, revision, from) = (release(to).digest, revision(to), release(from).digest);
        let id = ledger.begin_rollout(&app(), &to, &revision, "x", Some(&from)).unwrap();
        ledger.finish_rollout(id, outcome, None).unwrap();
    };
    ledger.put_release(&release('a')).unwrap();
    assert!(!has_been('a'));
    roll('b', 'a', Outcome::Succeeded);
    roll('c', 'b', Outcome::Reverted);
    assert_eq!(['a', 'b', 'c'].map(has_been), [true, true, false]);
}

#[test]
fn facts_and_applied_migrations_come_back() {
    let (_dir, ledger) = fresh();
    let digest = release('a').digest;
    let id = ledger.begin_rollout(&app(), &digest, &revision('a'), "poll", None).unwrap();
    ledger.set_fact(id, "restart", &json!({"api": "always"})).unwrap();
    ledger.set_fact(id, "restart", &json!({"api": "no"})).unwrap();
    assert_eq!(ledger.fact(id, "restart").unwrap(), Some(json!({"api": "no"})));
    assert_eq!(ledger.fact::<bool>(id, "other").unwrap(), None);
    assert!(ledger.fact::<bool>(id, "restart").is_err(), "what is of another form is not taken for nothing");
    let (from, to) = (BTreeSet::new(), BTreeSet::from([SchemaRevision::new("0001")]));
    let applied =
        Applied { rollout: id, release: digest, direction: Direction::Up, from, to, at: ledger.now() };
    ledger.record_applied(&app(), &applied, "7300000000000000001").unwrap();
    assert_eq!(ledger.applied(&app()).unwrap(), std::slice::from_ref(&applied));
    let record = ledger.app(&app()).unwrap();
    assert_eq!(record.schema.as_ref(), Some(&applied.to));
    assert_eq!(record.system_identifier.as_deref(), Some("7300000000000000001"));
}

#[test]
fn containers_and_what_serves() {
    let (_dir, ledger) = fresh();
    let (api, one, two) = (ServiceName::new("api"), ContainerId::new("1111"), ContainerId::new("2222"));
    let id = ledger.begin_rollout(&app(), &release('a').digest, &revision('a'), "poll", None).unwrap();
    ledger.record_container(&app(), &api, &one, "api", None, "adopted").unwrap();
    ledger.record_container(&app(), &api, &two, "api-r1", Some(id), "successor").unwrap();
    ledger.record_container(&app(), &api, &two, "api", None, "successor").unwrap();
    let containers = ledger.containers(&app()).unwrap();
    assert_eq!(
        containers.iter().map(|one| (one.name.as_str(), one.rollout)).collect::<Vec<_>>(),
        [("api", None), ("api", Some(id))]
    );
    ledger.record_vetted(&one, "c0ffee").unwrap();
    let configs: Vec<_> = ledger.containers(&app()).unwrap().into_iter().map(|it| it.config).collect();
    assert_eq!(configs, [Some("c0ffee".to_owned()), None]);
    ledger.set_serving(&app(), &api, &one).unwrap();
    ledger.set_serving(&app(), &api, &two).unwrap();
    assert_eq!(ledger.serving(&app()).unwrap(), BTreeMap::from([(api.clone(), two)]));
    ledger.forget_container(&one).unwrap();
    ledger.clear_serving(&app(), &api).unwrap();
    assert_eq!((ledger.containers(&app()).unwrap().len(), ledger.serving(&app()).unwrap().len()), (1, 0));
}

#[test]
fn backups_learn_their_level_and_keep_their_rollout() {
    let (_dir, ledger) = fresh();
    let id = ledger.begin_rollout(&app(), &release('a').digest, &revision('a'), "poll", None).unwrap();
    ledger.put_backup(&app(), Some(id), "b1", &json!({"level": "Written"})).unwrap();
    ledger.put_backup(&app(), None, "b1", &json!({"level": "Decoded"})).unwrap();
    ledger.put_backup(&app(), None, "b2", &json!({})).unwrap();
    let backups = ledger.backups(&app()).unwrap();
    assert_eq!(backups.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["b2", "b1"]);
    assert_eq!((backups[1].rollout, &backups[1].json), (Some(id), &json!({"level": "Decoded"})));
    ledger.remove_backup(&app(), "b1").unwrap();
    assert_eq!(ledger.backups(&app()).unwrap().len(), 1);
}

#[test]
fn quarantine_remembers_every_release() {
    let (_dir, ledger) = fresh();
    let (a, b) = (release('a').digest, release('b').digest);
    ledger.quarantine(&app(), &a, &revision('a'), "the probe failed").unwrap();
    ledger.quarantine(&app(), &b, &revision('b'), "the build failed").unwrap();
    let since = ledger.quarantined(&app()).unwrap()[1].since;
    ledger.quarantine(&app(), &a, &revision('c'), "the probe failed again").unwrap();
    let again = ledger.quarantined(&app()).unwrap().remove(1);
    assert_eq!((again.since, again.reason.as_str()), (since, "the probe failed again"));
    assert_eq!(ledger.lift_quarantine(&app(), Some(&a)).unwrap(), 1);
    assert_eq!(ledger.quarantined(&app()).unwrap()[0].release, b);
    assert_eq!(ledger.lift_quarantine(&app(), None).unwrap(), 1);
}

#[test]
fn conditions_keep_their_since_while_the_reason_stays() {
    let (_dir, ledger) = fresh();
    let condition =
        |message: &str| Condition { reason: Reason::ProbeFailed, message: message.to_owned(), since: tick() };
    let first = condition("503");
    ledger.set_condition(&app(), &first).unwrap();
    ledger.set_condition(&app(), &condition("504")).unwrap();
    let found = ledger.conditions(&app()).unwrap();
    assert_eq!((found.len(), found[0].message.as_str(), found[0].since), (1, "504", first.since));
    ledger.clear_condition(&app(), Reason::ProbeFailed).unwrap();
    assert!(ledger.conditions(&app()).unwrap().is_empty());
}

#[test]
fn the_newest_five_thousand_events_are_kept() {
    let (_dir, ledger) = fresh();
    ledger.connection().pragma_update(None, "synchronous", "OFF").unwrap();
    for number in 0..5_010 {
        ledger.record_event((number % 2 == 0).then(app).as_ref(), "poll", &number.to_string()).unwrap();
    }
    let events = ledger.events(None, 9_999).unwrap();
    assert_eq!(
        (events.len(), events[0].message.as_str(), events[4_999].message.as_str()),
        (5_000, "5009", "10")
    );
    let ours = ledger.events(Some(&app()), 2).unwrap();
    assert_eq!(ours.iter().map(|event| event.message.as_str()).collect::<Vec<_>>(), ["5008", "5006"]);
}

#[test]
fn many_threads_write_at_once() {
    let (_dir, ledger) = fresh();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let ledger = ledger.clone();
            scope.spawn(move || {
                let app = AppName::new(format!("app{thread}"));
                for _ in 0..5 {
                    let id = ledger
                        .begin_rollout(&app, &release('a').digest, &revision('a'), "poll", None)
                        .unwrap();
                    ledger.finish_rollout(id, Outcome::Succeeded, None).unwrap();
                }
            });
        }
    });
    assert_eq!(ledger.history(None, 100).unwrap().len(), 40);
}
