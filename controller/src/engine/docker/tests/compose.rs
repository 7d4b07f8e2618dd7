//! Keys of the Compose specification that only an engine can tell the meaning of.

use evenkeel_core::compose::{Blkio, Kernel, Recursive};
use evenkeel_core::container::BindMount;

use super::*;
use crate::engine::EngineError;

#[tokio::test]
async fn a_link_to_a_services_name_leads_to_whoever_serves() {
    let bench = Bench::new("link");
    let (home, own) = (bench.network("home", true).await, bench.network("own", true).await);
    let spec = |what| ContainerSpec { endpoints: vec![on(&home)], ..bench.spec(what, &[]) };
    let web = bench.run(&spec("web")).await;
    let place = Endpoint { links: vec![("db".into(), "database".into())], ..on(&own) };
    bench.docker.connect(web.as_str(), &place).await.expect("joined before there is anything to link to");
    for name in ["first", "second"] {
        let db = bench.run(&spec(name)).await;
        let serving = Endpoint { aliases: vec!["db".into()], ..on(&own) };
        bench.docker.connect(db.as_str(), &serving).await.expect("joined");
        assert_eq!(bench.resolve(&web, "database").await, Some(bench.address(&db, &own).await), "{name}");
        bench.docker.remove(db.as_str(), true).await.expect("gone");
    }
}

#[tokio::test]
async fn a_bind_whose_source_must_exist_is_refused_without_it() {
    let bench = Bench::new("bind");
    let directory = tempfile::tempdir().expect("a directory");
    let bind = |source: &str| BindMount {
        source: source.to_owned(),
        target: "/given".to_owned(),
        read_only: true,
        recursive: Recursive::Disabled,
        ..BindMount::default()
    };
    let missing = directory.path().join("missing");
    let mut spec = bench.spec("none", &[]);
    spec.mounts = vec![bind(&missing.to_string_lossy())];
    let refused = bench.docker.create(&spec).await.expect_err("no source");
    assert!(matches!(refused, EngineError::Refused { status: 400, .. }), "{refused}");
    assert!(!missing.exists());
    std::fs::write(directory.path().join("there"), "x").expect("written");
    let mut spec = bench.spec("some", &[]);
    spec.mounts = vec![bind(&directory.path().to_string_lossy())];
    let container = bench.run(&spec).await;
    assert_eq!(bench.exec(&container, &["cat", "/given/there"]).await.stdout, b"x");
    assert_ne!(bench.exec(&container, &["touch", "/given/new"]).await.exit_code, 0);
}

#[tokio::test]
async fn what_is_asked_of_the_kernel_holds_in_the_container() {
    let bench = Bench::new("kernel");
    let mut spec = bench.spec("web", &[]);
    spec.service.kernel = Kernel {
        blkio: Some(Blkio { device_read_bps: vec![], ..Blkio::default() }),
        cgroup: Some("host".into()),
        device_cgroup_rules: vec!["c 1:3 mr".into()],
        oom_score_adj: Some(500),
        runtime: Some("runc".into()),
        uts: Some("host".into()),
        ..Kernel::default()
    };
    let container = bench.run(&spec).await;
    let adjusted = bench.exec(&container, &["cat", "/proc/1/oom_score_adj"]).await.stdout;
    assert_eq!(String::from_utf8_lossy(&adjusted).trim(), "500");
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a host name");
    let inside = bench.exec(&container, &["cat", "/proc/sys/kernel/hostname"]).await.stdout;
    assert_eq!(String::from_utf8_lossy(&inside), hostname);
}

#[tokio::test]
async fn a_container_lives_in_the_network_of_another() {
    let bench = Bench::new("lent");
    let home = bench.network("home", true).await;
    let lender = bench.run(&ContainerSpec { endpoints: vec![on(&home)], ..bench.spec("lender", &[]) }).await;
    let mut spec = bench.spec("guest", &[]);
    let mode = Some(format!("container:{lender}"));
    (spec.service.network_mode, spec.service.pid) = (mode.clone(), mode);
    let guest = bench.run(&spec).await;
    let seen = bench.exec(&guest, &["cat", "/proc/net/fib_trie"]).await.stdout;
    let address = bench.address(&lender, &home).await;
    assert!(String::from_utf8_lossy(&seen).contains(&address), "{address}");
    assert_eq!(
        bench.docker.container(guest.as_str()).await.expect("an answer").expect("it").networks.len(),
        0
    );
}
