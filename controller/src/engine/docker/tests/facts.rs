//! Facts about the engine that the take-over rests on. A release of the engine that changes one of them fails here first.

use std::net::{SocketAddr, TcpStream};

use evenkeel_core::compose::Port;

use super::*;

fn answers(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

#[tokio::test]
async fn a_port_is_bound_only_with_the_first_network_that_leads_outside() {
    let bench = Bench::new("latebind");
    let (backstage, front) = (bench.network("zz-backstage", true).await, bench.network("front", false).await);
    let port = free_port();
    let mut spec = bench.spec("web", &["python3", "-m", "http.server", "8000"]);
    spec.image = PYTHON.into();
    spec.service.ports =
        vec![Port { target: 8000, published: Some(port), host_ip: None, protocol: "tcp".into() }];
    spec.publish = true;
    spec.endpoints = vec![on(&backstage)];
    let id = bench.run(&spec).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = bench.docker.container(id.as_str()).await.expect("an answer").expect("a container");
    assert_eq!(before.port_bindings.len(), 1);
    assert_eq!(before.bound_ports, []);
    assert!(!answers(port));
    assert_eq!(bench.docker.port_holder(&on_host(port, "tcp")).await.expect("an answer"), None);

    bench.docker.connect(id.as_str(), &on(&front)).await.expect("joined");
    assert!(eventually(async || answers(port)).await);
    let after = bench.docker.container(id.as_str()).await.expect("an answer").expect("a container");
    assert_eq!(after.bound_ports, [("8000/tcp".to_owned(), String::new(), port.to_string())]);
    assert_eq!(after.started_at, before.started_at);
}

#[tokio::test]
async fn a_join_that_fails_on_a_held_port_can_be_mended_by_a_restart_only() {
    let bench = Bench::new("heldport");
    let (backstage, front) = (bench.network("zz-backstage", true).await, bench.network("front", false).await);
    let port = free_port();
    let mut spec = bench.spec("old", &["python3", "-m", "http.server", "8000"]);
    spec.image = PYTHON.into();
    spec.service.ports =
        vec![Port { target: 8000, published: Some(port), host_ip: None, protocol: "tcp".into() }];
    spec.publish = true;
    let new = ContainerSpec { name: bench.name("new"), endpoints: vec![on(&backstage)], ..spec.clone() };
    spec.endpoints = vec![on(&front)];
    let (old, new) = (bench.run(&spec).await, bench.run(&new).await);
    let error = bench.docker.connect(new.as_str(), &on(&front)).await.expect_err("the port is held");
    assert!(error.to_string().contains("port is already allocated"), "{error}");
    let torn = bench.docker.container(new.as_str()).await.expect("an answer").expect("a container");
    assert!(torn.running() && !torn.networks.contains_key(&front), "{torn:?}");

    bench.docker.stop(old.as_str(), Some(Duration::ZERO)).await.expect("stopped");
    bench.docker.connect(new.as_str(), &on(&front)).await.expect_err("the torn interface is in the way");
    bench.docker.disconnect(new.as_str(), &front).await.expect("not joined");
    bench.docker.connect(new.as_str(), &on(&front)).await.expect_err("it still is");
    bench.docker.stop(new.as_str(), Some(Duration::ZERO)).await.expect("stopped");
    bench.docker.disconnect(new.as_str(), &front).await.expect("off");
    bench.docker.start(new.as_str()).await.expect("started");
    bench.docker.connect(new.as_str(), &on(&front)).await.expect("joined");
    assert!(eventually(async || answers(port)).await);
}

#[tokio::test]
async fn a_link_to_a_short_id_outlives_the_providers_name() {
    let bench = Bench::new("link");
    let backstage = bench.network("zz-backstage", true).await;
    let provider = ContainerSpec { endpoints: vec![on(&backstage)], ..bench.spec("db", &[]) };
    let provider = bench.run(&provider).await;
    let mut client = bench.spec("web", &[]);
    client.endpoints = vec![Endpoint {
        links: vec![(provider.short().to_owned(), "convertik-db".into())],
        ..on(&backstage)
    }];
    let client = bench.run(&client).await;
    let stranger =
        bench.run(&ContainerSpec { endpoints: vec![on(&backstage)], ..bench.spec("stranger", &[]) }).await;
    let address = bench.address(&provider, &backstage).await;
    assert_eq!(bench.resolve(&client, "convertik-db").await.as_ref(), Some(&address));
    assert_eq!(bench.resolve(&stranger, "convertik-db").await, None);
    bench.docker.rename(provider.as_str(), &bench.name("db-aside")).await.expect("renamed");
    assert_eq!(bench.resolve(&client, "convertik-db").await.as_ref(), Some(&address));
    docker(&format!("restart -t 0 {client}"));
    assert_eq!(bench.resolve(&client, "convertik-db").await.as_ref(), Some(&address));
}

#[tokio::test]
async fn a_link_may_precede_its_provider_on_the_network() {
    let bench = Bench::new("lazylink");
    let (backstage, home) = (bench.network("zz-backstage", true).await, bench.network("home", true).await);
    let provider = bench.run(&ContainerSpec { endpoints: vec![on(&home)], ..bench.spec("db", &[]) }).await;
    let mut client = bench.spec("web", &[]);
    client.endpoints =
        vec![Endpoint { links: vec![(provider.short().to_owned(), "db".into())], ..on(&backstage) }];
    let client = bench.run(&client).await;
    assert_eq!(bench.resolve(&client, "db").await, None);
    bench.docker.connect(provider.as_str(), &on(&backstage)).await.expect("joined");
    assert_eq!(bench.resolve(&client, "db").await, Some(bench.address(&provider, &backstage).await));
}

#[tokio::test]
async fn what_a_linked_name_means_once_its_provider_was_replaced() {
    let bench = Bench::new("replaced");
    let (backstage, home) = (bench.network("zz-backstage", true).await, bench.network("home", true).await);
    let named = || Endpoint { aliases: vec!["db".into()], ..on(&home) };
    let old = bench.run(&ContainerSpec { endpoints: vec![on(&backstage)], ..bench.spec("old", &[]) }).await;
    let mut client = bench.spec("web", &[]);
    client.endpoints =
        vec![Endpoint { links: vec![(old.short().to_owned(), "db".into())], ..on(&backstage) }, on(&home)];
    let client = bench.run(&client).await;
    let new = bench
        .run(&ContainerSpec { endpoints: vec![on(&backstage), named()], ..bench.spec("new", &[]) })
        .await;
    let old_address = bench.address(&old, &backstage).await;
    let new_address = bench.address(&new, &home).await;
    let meant = async || bench.resolve(&client, "db").await;
    assert_eq!(meant().await.as_ref(), Some(&old_address), "a link goes before another network's alias");
    bench.docker.stop(old.as_str(), Some(Duration::ZERO)).await.expect("stopped");
    assert_eq!(meant().await.as_ref(), Some(&new_address), "without its target it gives way to the alias");
    bench.docker.start(old.as_str()).await.expect("started");
    assert_eq!(meant().await, Some(bench.address(&old, &backstage).await), "it comes back with its target");
    bench.docker.disconnect(old.as_str(), &backstage).await.expect("off");
    assert_eq!(meant().await.as_ref(), Some(&new_address), "a running target must be on the network");
    bench.docker.remove(old.as_str(), true).await.expect("removed");
    assert_eq!(meant().await.as_ref(), Some(&new_address));
    docker(&format!("restart -t 0 {client}"));
    assert_eq!(meant().await.as_ref(), Some(&new_address), "a dangling link does not hinder a start");
    bench.docker.disconnect(new.as_str(), &home).await.expect("off");
    assert_eq!(meant().await, None, "a link never moves to another container by itself");
}

#[tokio::test]
async fn a_glance_shows_what_changes_and_nothing_else() {
    let bench = Bench::new("glance");
    let network = bench.network("home", false).await;
    let seen = async || {
        let survey = bench.docker.survey().await.expect("an answer").expect("a glance");
        let of = survey.projects.get(bench.project.as_str()).cloned().unwrap_or_default();
        (of, survey.objects.get(&network).cloned())
    };
    let (of, there) = seen().await;
    assert!(of.is_empty() && there.is_some(), "{of:?}, {there:?}");
    let id = bench.run(&ContainerSpec { endpoints: vec![on(&network)], ..bench.spec("one", &[]) }).await;
    let running = seen().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(seen().await, running, "how long it has been up is nothing new");
    bench.docker.rename(id.as_str(), &bench.name("other")).await.expect("renamed");
    let renamed = seen().await;
    assert_ne!(renamed, running);
    bench.docker.disconnect(id.as_str(), &network).await.expect("off");
    let off = seen().await;
    assert_ne!(off, renamed);
    bench.docker.stop(id.as_str(), Some(Duration::ZERO)).await.expect("stopped");
    assert_ne!(seen().await, off);
}
