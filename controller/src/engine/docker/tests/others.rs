//! Networks, volumes, events.

use evenkeel_core::compose::IpamPool;
use futures_util::StreamExt;

use super::*;
use crate::engine::{EngineError, EngineEvent, VolumeSpec};

#[tokio::test]
async fn a_network_is_made_found_and_removed() {
    let bench = Bench::new("network");
    let pool = IpamPool {
        subnet: Some("10.213.77.0/28".into()),
        gateway: Some("10.213.77.1".into()),
        aux_addresses: [("printer".to_owned(), "10.213.77.10".to_owned())].into(),
        ..IpamPool::default()
    };
    let spec = NetworkSpec {
        name: bench.name("net"),
        internal: true,
        ipam: vec![pool],
        labels: bench.labels(),
        ..Default::default()
    };
    let id = bench.docker.create_network(&spec).await.expect("a network");
    let again = bench.docker.create_network(&spec).await.expect_err("a second one");
    assert!(matches!(again, EngineError::Refused { status: 409, .. }));
    let network = bench.docker.network(&spec.name).await.expect("an answer").expect("a network");
    assert_eq!(
        (network.id.as_str(), network.internal, network.driver.as_str()),
        (id.as_str(), true, "bridge")
    );
    assert_eq!(network.subnets, ["10.213.77.0/28"]);
    assert!(bench.docker.networks().await.expect("a list").contains(&network));
    assert!(bench.docker.network(&id[..12]).await.expect("an answer").is_none());

    let mut container = bench.spec("web", &[]);
    container.endpoints = vec![Endpoint { ipv4_address: Some("10.213.77.9".into()), ..on(&spec.name) }];
    let web = bench.run(&container).await;
    assert_eq!(bench.address(&web, &spec.name).await, "10.213.77.9");
    let network = bench.docker.network(&spec.name).await.expect("an answer").expect("a network");
    assert_eq!(network.containers, std::slice::from_ref(&web));

    bench.docker.disconnect(web.as_str(), &spec.name).await.expect("off");
    bench.docker.disconnect(web.as_str(), &spec.name).await.expect("off already");
    docker(&format!("network rm {}", spec.name));
    bench.docker.disconnect(web.as_str(), &spec.name).await.expect("gone already");
}

#[tokio::test]
async fn joining_twice_is_fine_and_names_are_answered() {
    let bench = Bench::new("join");
    let (home, other) = (bench.network("home", true).await, bench.network("other", true).await);
    let spec = |what| ContainerSpec { endpoints: vec![on(&home)], ..bench.spec(what, &[]) };
    let (web, db) = (bench.run(&spec("web")).await, bench.run(&spec("db")).await);
    let db_place = Endpoint { aliases: vec!["db".into()], ..on(&other) };
    let web_place = Endpoint { links: vec![(db.short().to_owned(), "store".into())], ..on(&other) };
    for (container, place) in [(&db, &db_place), (&db, &db_place), (&web, &web_place)] {
        bench.docker.connect(container.as_str(), place).await.expect("joined");
    }
    let address = bench.address(&db, &other).await;
    assert_eq!(bench.resolve(&web, "db").await, Some(address.clone()));
    assert_eq!(bench.resolve(&web, "store").await, Some(address));
    let error =
        bench.docker.connect(web.as_str(), &on("engine-no-such-network")).await.expect_err("no network");
    assert!(matches!(error, EngineError::Refused { status: 404, .. }));
}

/// What a take-over rests on: a container's own name changes hands at once, on every network that it is on, and whoever has a
/// link to that name is led to the new one; an alias leads to both until one of them leaves.
#[tokio::test]
async fn a_name_changes_hands_while_both_run() {
    let bench = Bench::new("hands");
    let (home, private) = (bench.network("home", true).await, bench.network("private", true).await);
    let (right, aside) = (bench.name("web"), bench.name("web-old"));
    let place = Endpoint { aliases: vec!["shop".into()], ..on(&home) };
    let made = |what| ContainerSpec { endpoints: vec![place.clone(), on(&private)], ..bench.spec(what, &[]) };
    let (old, new) = (bench.run(&made("web")).await, bench.run(&made("web-2")).await);
    let links = vec![(right.clone(), "store".to_owned())];
    let client = Endpoint { links, ..on(&home) };
    let client = bench.run(&ContainerSpec { endpoints: vec![client], ..bench.spec("client", &[]) }).await;
    let (was, is) = (bench.address(&old, &home).await, bench.address(&new, &home).await);
    for name in ["store", &right] {
        assert_eq!(bench.resolve_all(&client, name).await, std::slice::from_ref(&was));
    }
    bench.docker.rename(old.as_str(), &aside).await.expect("renamed");
    bench.docker.rename(new.as_str(), &right).await.expect("renamed");
    for name in ["store", &right] {
        assert_eq!(bench.resolve_all(&client, name).await, std::slice::from_ref(&is));
    }
    let mut both = [was, is];
    both.sort();
    assert_eq!(bench.resolve_all(&client, "shop").await, both);
}

#[tokio::test]
async fn a_stopped_container_is_freed_of_a_network_that_is_gone() {
    let bench = Bench::new("freed");
    let (home, lost) = (bench.network("home", true).await, bench.network("lost", true).await);
    let mut spec = bench.spec("web", &[]);
    spec.endpoints = vec![on(&home), on(&lost)];
    let web = bench.run(&spec).await;
    bench.docker.stop(web.as_str(), Some(Duration::from_secs(1))).await.expect("stopped");
    docker(&format!("network rm {lost}"));
    assert!(bench.docker.start(web.as_str()).await.is_err());
    bench.docker.disconnect(web.as_str(), &lost).await.expect("freed");
    bench.docker.start(web.as_str()).await.expect("started");
}

#[tokio::test]
async fn a_volume_is_made_once() {
    let bench = Bench::new("volume");
    let spec = VolumeSpec { name: bench.name("data"), labels: bench.labels(), ..Default::default() };
    assert!(!bench.docker.volume_exists(&spec.name).await.expect("an answer"));
    bench.docker.create_volume(&spec).await.expect("a volume");
    bench.docker.create_volume(&spec).await.expect("the same volume");
    assert!(bench.docker.volume_exists(&spec.name).await.expect("an answer"));
    let mut container = bench.spec("web", &[]);
    container.binds = vec![format!("{}:/data:ro", spec.name)];
    container.anonymous = vec!["/scratch".into()];
    let id = bench.docker.create(&container).await.expect("created");
    let mounts = bench.docker.container(id.as_str()).await.expect("an answer").expect("a container").mounts;
    assert!(mounts.contains(&(spec.name.clone(), "/data".into(), false)), "{mounts:?}");
    assert!(mounts.iter().any(|(_, target, writable)| target == "/scratch" && *writable), "{mounts:?}");
}

#[tokio::test]
async fn events_name_the_project() {
    let bench = Bench::new("events");
    let network = bench.network("net", true).await;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<EngineEvent>();
    let (mut events, project) = (bench.docker.events(), bench.project.clone());
    let watcher = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            let event = event.expect("an event");
            if event.project.as_ref().is_some_and(|name| name.as_str() == project) {
                sender.send(event).expect("a listener");
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut spec = bench.spec("web", &[]);
    spec.endpoints = vec![on(&network)];
    let id = bench.run(&spec).await;
    bench.exec(&id, &["true"]).await;
    bench.docker.disconnect(id.as_str(), &network).await.expect("off");
    // Its project is asked for, so it must be there long enough to answer.
    tokio::time::sleep(Duration::from_millis(500)).await;
    bench.docker.remove(id.as_str(), true).await.expect("removed");
    let mut seen = Vec::new();
    while !seen.contains(&("container".to_owned(), "destroy".to_owned())) {
        let event = tokio::time::timeout(Duration::from_secs(10), receiver.recv())
            .await
            .expect("in time")
            .expect("an event");
        seen.push((event.kind, event.action));
    }
    watcher.abort();
    for (kind, action) in [
        ("container", "create"),
        ("container", "start"),
        ("network", "connect"),
        ("network", "disconnect"),
        ("container", "die"),
    ] {
        assert!(
            seen.contains(&(kind.to_owned(), action.to_owned())),
            "{kind} {action} is missing in {seen:?}"
        );
    }
    assert!(!seen.iter().any(|(_, action)| action.starts_with("exec")), "{seen:?}");
}
