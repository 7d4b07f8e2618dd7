//! Who looks after a project, on record in the engine.

use evenkeel_core::name::ProjectName;
use futures_util::future::join_all;

use super::*;
use crate::engine::{EngineError, Owner, VolumeSpec};

pub(super) fn record(project: &str) -> String {
    format!("evenkeel-owner-{project}")
}

fn owner(number: usize) -> Owner {
    Owner {
        id: format!("{number:016x}").into(),
        host: "harbour".to_owned(),
        data_dir: format!("/srv/evenkeel {number}/\"ü\""),
        since: "2026-03-01T12:00:00.123456789Z".parse().expect("a time"),
    }
}

fn project(bench: &Bench) -> ProjectName {
    ProjectName::new(&bench.project)
}

#[tokio::test]
async fn of_many_that_claim_at_once_one_is_the_owner_and_all_are_told_who() {
    let bench = Bench::new("owner");
    let project = project(&bench);
    assert_eq!(bench.docker.owner(&project).await.expect("an answer"), None);
    let claims = (0..16).map(|number| {
        let (docker, project) = (bench.docker.clone(), project.clone());
        async move { docker.claim(&project, &owner(number)).await.expect("an owner") }
    });
    let told = join_all(claims).await;
    let on_record = bench.docker.owner(&project).await.expect("an answer").expect("an owner");
    assert!(told.iter().all(|owner| *owner == on_record), "{told:?}");
    assert!((0..16).any(|number| owner(number) == on_record), "{on_record:?}");
    let another = connect(None).expect("an endpoint");
    assert_eq!(another.claim(&project, &owner(99)).await.expect("an owner"), on_record, "it stays");
}

#[tokio::test]
async fn only_ones_own_record_is_taken_away() {
    let bench = Bench::new("disown");
    let project = project(&bench);
    bench.docker.disown(&project, &owner(1)).await.expect("nothing to do");
    bench.docker.claim(&project, &owner(1)).await.expect("an owner");
    let later = Owner { since: "2026-03-02T12:00:00Z".parse().expect("a time"), ..owner(1) };
    for other in [owner(2), later] {
        let error = bench.docker.disown(&project, &other).await.expect_err("another's");
        assert!(matches!(error, EngineError::Refused { status: 409, .. }), "{error}");
    }
    assert_eq!(bench.docker.owner(&project).await.expect("an answer"), Some(owner(1)));
    bench.docker.disown(&project, &owner(1)).await.expect("gone");
    assert_eq!(bench.docker.owner(&project).await.expect("an answer"), None);
    assert_eq!(bench.docker.claim(&project, &owner(2)).await.expect("an owner"), owner(2));
}

/// Whatever has the name of a record, and is none, is somebody's data.
#[tokio::test]
async fn a_volume_of_a_users_is_neither_a_record_nor_ever_removed() {
    let bench = Bench::new("stranger");
    let (project, name) = (project(&bench), record(&bench.project));
    let labels = [("evenkeel.owner".to_owned(), owner(1).id.to_string())].into();
    let theirs = VolumeSpec { name: name.clone(), labels, ..Default::default() };
    bench.docker.create_volume(&theirs).await.expect("a volume");
    for refused in [
        bench.docker.owner(&project).await.map(drop),
        bench.docker.claim(&project, &owner(1)).await.map(drop),
        bench.docker.disown(&project, &owner(1)).await,
    ] {
        let error = refused.expect_err("it is none").to_string();
        assert!(error.contains(&name) && error.contains("docker volume rm"), "{error}");
    }
    assert!(bench.docker.volume_exists(&name).await.expect("an answer"));
}

#[tokio::test]
async fn a_record_that_somebody_keeps_things_in_is_not_removed_by_force() {
    let bench = Bench::new("used");
    let (project, name) = (project(&bench), record(&bench.project));
    bench.docker.claim(&project, &owner(1)).await.expect("an owner");
    let mut container = bench.spec("web", &[]);
    container.binds = vec![format!("{name}:/data")];
    bench.docker.create(&container).await.expect("created");
    let error = bench.docker.disown(&project, &owner(1)).await.expect_err("in use");
    assert!(matches!(error, EngineError::Refused { status: 409, .. }), "{error}");
    assert!(bench.docker.volume_exists(&name).await.expect("an answer"));
}
