//! A container's life.

use std::time::Duration;

use evenkeel_core::compose::{Healthcheck, Logging, Port, Resources};
use evenkeel_core::limits::ResourceLimits;
use evenkeel_core::observed::{HealthStatus, State};
use evenkeel_core::secret::Secret;

use super::*;
use crate::engine::EngineError;

#[tokio::test]
async fn the_engine_introduces_itself_in_a_settled_dialect() {
    let bench = Bench::new("info");
    let info = bench.docker.info().await.expect("an engine");
    assert!(
        !info.id.is_empty() && !info.version.is_empty() && info.api_version.starts_with("1."),
        "{info:?}"
    );
    assert!(bench.docker.dialect.settled().is_some());
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_unreachable() {
    for endpoint in ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"] {
        let error = connect(Some(endpoint)).expect("an endpoint").info().await.expect_err("nobody there");
        assert!(matches!(&error, EngineError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(endpoint), "{error}");
    }
}

#[tokio::test]
async fn a_container_from_creation_to_removal() {
    let bench = Bench::new("life");
    let (first, second) = (bench.network("a", true).await, bench.network("b", true).await);
    let mut spec = bench.spec("web", &[]);
    spec.endpoints = vec![
        Endpoint { aliases: vec!["web".into()], ..on(&first) },
        Endpoint { aliases: vec!["site".into()], ..on(&second) },
    ];
    spec.restart = RestartPolicy::OnFailure(3);
    spec.service.environment.insert("TOKEN".into(), Secret::new("hush"));
    let id = bench.docker.create(&spec).await.expect("created");
    let created = bench.docker.container(&spec.name).await.expect("an answer").expect("a container");
    assert_eq!((created.state, created.started_at.as_str()), (State::Created, ""));
    assert_eq!((created.id.clone(), created.restart), (id.clone(), RestartPolicy::OnFailure(3)));
    assert!(created.environment.contains(&Secret::new("TOKEN=hush")));

    bench.docker.start(id.as_str()).await.expect("started");
    bench.docker.start(id.as_str()).await.expect("started already");
    let running = bench.docker.container(id.as_str()).await.expect("an answer").expect("a container");
    assert!(running.running() && !running.started_at.is_empty());
    assert_eq!(running.networks.get(&first).expect("the first").aliases, ["web"]);
    assert_eq!(running.networks.get(&second).expect("the second").aliases, ["site"]);
    assert!(!running.networks.get(&second).expect("the second").ip_address.is_empty());

    bench.docker.rename(id.as_str(), &bench.name("old")).await.expect("renamed");
    bench.docker.set_restart(id.as_str(), RestartPolicy::No).await.expect("updated");
    bench.docker.stop(id.as_str(), Some(Duration::from_secs(1))).await.expect("stopped");
    bench.docker.stop(id.as_str(), None).await.expect("stopped already");
    let stopped = bench.docker.container(&bench.name("old")).await.expect("an answer").expect("a container");
    assert_eq!((stopped.state, stopped.restart, stopped.exit_code), (State::Exited, RestartPolicy::No, 143));

    bench.docker.remove(id.as_str(), true).await.expect("removed");
    bench.docker.remove(id.as_str(), true).await.expect("gone already");
    bench.docker.stop(id.as_str(), None).await.expect("gone already");
    assert!(bench.docker.container(id.as_str()).await.expect("an answer").is_none());
}

#[tokio::test]
async fn a_container_without_networks_has_none() {
    let bench = Bench::new("lonely");
    let id = bench.run(&bench.spec("web", &[])).await;
    let links = bench.exec(&id, &["ls", "/sys/class/net"]).await;
    assert_eq!(String::from_utf8_lossy(&links.stdout).trim(), "lo");
}

#[tokio::test]
async fn one_that_cannot_join_all_its_networks_leaves_nothing_behind() {
    let bench = Bench::new("half");
    let mut spec = bench.spec("web", &[]);
    spec.endpoints = vec![on(&bench.network("a", true).await), on("engine-no-such-network")];
    let error = bench.docker.create(&spec).await.expect_err("refused");
    assert!(error.to_string().contains("engine-no-such-network"), "{error}");
    assert!(bench.docker.container(&spec.name).await.expect("an answer").is_none());
}

#[tokio::test]
async fn a_missing_image_is_refused_in_the_engines_words() {
    let bench = Bench::new("noimage");
    let spec = ContainerSpec { image: "engine-no-such-image:1".into(), ..bench.spec("web", &[]) };
    let error = bench.docker.create(&spec).await.expect_err("refused");
    assert!(
        matches!(&error, EngineError::Refused { status: 404, action, .. } if action.contains(&spec.name)),
        "{error}"
    );
}

#[tokio::test]
async fn a_projects_containers_are_listed_stopped_ones_too() {
    let bench = Bench::new("list");
    bench.run(&bench.spec("up", &[])).await;
    bench.docker.create(&bench.spec("down", &[])).await.expect("created");
    let project = bench.project.as_str().into();
    let mut names: Vec<_> =
        bench.docker.containers(&project).await.expect("a list").into_iter().map(|c| c.name).collect();
    names.sort();
    assert_eq!(names, [bench.name("down"), bench.name("up")]);
}

#[tokio::test]
async fn the_holder_of_a_port_is_found() {
    let bench = Bench::new("ports");
    let (port, network) = (free_port(), bench.network("net", false).await);
    let mut spec = bench.spec("web", &[]);
    spec.endpoints = vec![on(&network)];
    spec.service.ports =
        vec![Port { target: 8000, published: Some(port), host_ip: None, protocol: "tcp".into() }];
    let hidden = ContainerSpec { name: bench.name("stand-in"), ..spec.clone() };
    spec.publish = true;
    let id = bench.run(&spec).await;
    bench.run(&hidden).await;
    let expected = ("8000/tcp".to_owned(), String::new(), port.to_string());
    let web = bench.docker.container(id.as_str()).await.expect("an answer").expect("a container");
    assert_eq!((web.port_bindings, web.bound_ports), (vec![expected.clone()], vec![expected]));
    let holder = bench.docker.port_holder(&on_host(port, "tcp")).await.expect("an answer");
    assert_eq!(holder, Some((spec.name.clone(), Some(bench.project.clone()))));
    assert_eq!(bench.docker.port_holder(&on_host(port, "udp")).await.expect("an answer"), None);
    bench.docker.stop(id.as_str(), Some(Duration::ZERO)).await.expect("stopped");
    assert_eq!(bench.docker.port_holder(&on_host(port, "tcp")).await.expect("an answer"), None);
}

#[tokio::test]
async fn the_exit_code_is_waited_for() {
    let bench = Bench::new("wait");
    let id = bench.run(&bench.spec("job", &["sh", "-c", "sleep 0.3; exit 7"])).await;
    assert_eq!(bench.docker.wait(id.as_str()).await.expect("an exit"), 7);
    assert_eq!(bench.docker.wait(id.as_str()).await.expect("the same exit"), 7);
    let good = bench.run(&bench.spec("good", &["true"])).await;
    assert_eq!(bench.docker.wait(good.as_str()).await.expect("an exit"), 0);
}

#[tokio::test]
async fn limits_are_set_and_given_back() {
    let bench = Bench::new("limits");
    let mut spec = bench.spec("web", &[]);
    spec.service.resources = Resources {
        memory: Some(64 << 20),
        memory_reservation: Some(32 << 20),
        nano_cpus: Some(500_000_000),
        cpu_shares: Some(512),
        cpuset: Some("0".to_owned()),
        pids: Some(100),
        ..Default::default()
    };
    let id = bench.run(&spec).await;
    let asked = ResourceLimits::asked(&spec.service);
    let other = ResourceLimits {
        memory: Some(256 << 20),
        memory_swap: Some(512 << 20),
        memory_reservation: Some(16 << 20),
        nano_cpus: Some(250_000_000),
        cpu_shares: Some(256),
        cpuset: Some("0,1".to_owned()),
        pids: None,
        ..asked.clone()
    };
    for limits in [&asked, &other, &asked] {
        bench.docker.set_limits(id.as_str(), limits).await.expect("updated");
        let now = bench.docker.container(id.as_str()).await.expect("an answer").expect("a container");
        assert_eq!(limits.changed(&now.limits), []);
    }
    let other = other.changed(&asked);
    assert_eq!(other.len(), 7, "{other:?}");
    let none = ResourceLimits::default();
    assert!(bench.docker.set_limits(id.as_str(), &none).await.is_err());
}

#[tokio::test]
async fn a_paused_container_goes_on() {
    let bench = Bench::new("pause");
    let id = bench.run(&bench.spec("web", &[])).await;
    docker(&format!("pause {id}"));
    let paused = bench.docker.container(id.as_str()).await.expect("an answer").expect("a container");
    assert_eq!(paused.state, State::Paused);
    bench.docker.unpause(id.as_str()).await.expect("unpaused");
    bench.docker.unpause(id.as_str()).await.expect("not paused any more");
}

#[tokio::test]
async fn the_healthcheck_is_seen() {
    let bench = Bench::new("health");
    let mut spec = bench.spec("web", &[]);
    let test = ["CMD-SHELL", "echo fine"].map(str::to_owned).to_vec();
    spec.service.healthcheck =
        Some(Healthcheck { test, interval: Some(Duration::from_millis(200)), ..Default::default() });
    let id = bench.run(&spec).await;
    let healthy = async || {
        let health =
            bench.docker.container(id.as_str()).await.expect("an answer").expect("a container").health;
        health.is_some_and(|health| {
            health.status == HealthStatus::Healthy && health.last_output.trim() == "fine"
        })
    };
    assert!(eventually(healthy).await);
}

#[tokio::test]
async fn what_a_service_asks_for_arrives_in_the_container() {
    let bench = Bench::new("full");
    let mut spec = bench.spec("web", &["sh", "-c", "id -u; pwd; hostname; ulimit -n; cat /proc/sys/net/core/somaxconn; df -m /dev/shm | tail -1; df -m /scratch | tail -1; cat /etc/hosts /etc/resolv.conf; touch /x"]);
    spec.endpoints = vec![on(&bench.network("net", true).await)];
    spec.service.user = Some("1000".into());
    spec.service.working_dir = Some("/tmp".into());
    spec.service.hostname = Some("harbour".into());
    spec.service.ulimits.insert("nofile".into(), (123, 456));
    spec.service.sysctls.insert("net.core.somaxconn".into(), "321".into());
    spec.service.shm_size = Some(32 << 20);
    spec.service.extra_hosts = vec!["db.example:10.9.8.7".into()];
    spec.service.dns_search = vec!["sea.example".into()];
    spec.service.read_only = true;
    spec.service.logging = Some(Logging {
        driver: Some("json-file".into()),
        options: [("max-size".to_owned(), "1m".to_owned())].into(),
    });
    spec.tmpfs.insert("/scratch".into(), "size=16m".into());
    let id = bench.run(&spec).await;
    assert_eq!(bench.docker.wait(id.as_str()).await.expect("an exit"), 1);
    let log = bench.docker.logs(id.as_str(), 0, None).await.expect("a log");
    let text = log.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n");
    let expected = [
        "1000\n/tmp\nharbour\n123\n321\n",
        " 32 ",
        " 16 ",
        "10.9.8.7\tdb.example",
        "search sea.example",
        "Read-only file system",
    ];
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} is missing in {text}");
    }
}
