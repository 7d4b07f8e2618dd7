use super::*;

/// As an engine of API 1.41 shows a container that runs.
const RUNNING: &str = r#"{
  "Id": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  "Created": "2026-01-02T03:04:05.678901234Z",
  "Name": "/shop-web-1",
  "Image": "sha256:feed",
  "RestartCount": 2,
  "State": {"Status": "running", "Running": true, "ExitCode": 0, "Error": "", "OOMKilled": false,
    "StartedAt": "2026-01-02T03:04:06Z",
    "Health": {"Status": "unhealthy", "FailingStreak": 3, "Log": [{"Output": "first"}, {"Output": "last"}]}},
  "HostConfig": {"Memory": 1048576, "NanoCpus": 500000000, "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5},
    "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "9/udp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
  "Mounts": [
    {"Type": "volume", "Name": "shop_data", "Source": "/var/lib/docker/volumes/shop_data/_data", "Destination": "/data", "RW": true},
    {"Type": "bind", "Source": "/opt/shop", "Destination": "/conf", "RW": false}],
  "Config": {"Image": "web:latest", "Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost"], "Timeout": 2000000000}, "Env": ["TOKEN=hush"], "Labels": {"com.docker.compose.service": "web"}},
  "NetworkSettings": {
    "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}], "443/tcp": null},
    "Networks": {
      "shop_default": {"NetworkID": "n1", "EndpointID": "e1", "IPAddress": "172.18.0.2", "Gateway": "172.18.0.1", "Aliases": ["web", "0123456789ab"], "Links": ["shop.r7.0:db"]},
      "shop_torn": {"NetworkID": "n2", "EndpointID": "e2", "IPAddress": "172.19.0.2", "Gateway": "", "Aliases": null}}}
}"#;

fn read(json: &str) -> Container {
    container(serde_json::from_str(json).expect("an inspect"))
}

#[test]
fn a_running_container_is_read() {
    let container = read(RUNNING);
    assert_eq!((container.name.as_str(), container.image.as_str()), ("shop-web-1", "web:latest"));
    assert_eq!(container.image_id, ImageId::new("sha256:feed"));
    assert_eq!(
        (container.state, container.restart_count, container.restart),
        (State::Running, 2, RestartPolicy::OnFailure(5))
    );
    let limits =
        ResourceLimits { memory: Some(1_048_576), nano_cpus: Some(500_000_000), ..Default::default() };
    assert_eq!(container.limits, limits);
    assert_eq!(container.service().map(|service| service.to_string()).as_deref(), Some("web"));
    assert_eq!(container.environment, [Secret::new("TOKEN=hush")]);
    let health = container.health.expect("health");
    assert_eq!(
        (health.status, health.failing_streak, health.last_output.as_str()),
        (HealthStatus::Unhealthy, 3, "last")
    );
    assert_eq!(health.command, ["/bin/sh", "-c", "curl -f localhost"].map(Secret::new));
    assert_eq!(health.timeout, Duration::from_secs(2));
    assert_eq!(
        container.mounts,
        [("shop_data".into(), "/data".into(), true), ("/opt/shop".into(), "/conf".into(), false)]
    );
}

#[test]
fn ports_asked_for_and_ports_bound_have_one_form() {
    let container = read(RUNNING);
    let http = ("80/tcp".to_owned(), String::new(), "8080".to_owned());
    assert_eq!(container.port_bindings, [http.clone(), ("9/udp".into(), "127.0.0.1".into(), String::new())]);
    assert_eq!(container.bound_ports, [http]);
}

#[test]
fn only_given_names_are_shown() {
    let place = read(RUNNING).networks["shop_default"].clone();
    assert_eq!(place.aliases, ["web"]);
    assert_eq!(place.links, [("shop.r7.0".to_owned(), "db".to_owned())]);
}

#[test]
fn a_place_without_a_gateway_is_in_doubt_while_the_container_runs() {
    let in_doubt = |json: &str| doubtful(&serde_json::from_str(json).expect("an inspect"));
    assert_eq!(in_doubt(RUNNING), ["shop_torn"]);
    assert!(in_doubt(&RUNNING.replace(r#""Running": true"#, r#""Running": false"#)).is_empty());
    assert!(in_doubt(&RUNNING.replace("shop_torn", "host")).is_empty());
}

#[test]
fn what_never_started_has_no_start() {
    let container =
        read(r#"{"Id": "1", "State": {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"}}"#);
    assert_eq!(
        (container.state, container.started_at.as_str(), container.health),
        (State::Created, "", None)
    );
    assert_eq!(container.restart, RestartPolicy::No);
}

#[test]
fn a_healthcheck_is_executed_as_the_engine_does() {
    let words = |test: &[&str], shell: Option<&[&str]>| {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        command(own(test), shell.map(own))
    };
    assert_eq!(words(&["CMD", "redis-cli", "ping"], Some(&["/bin/bash", "-c"])), ["redis-cli", "ping"]);
    assert_eq!(words(&["CMD-SHELL", "true"], Some(&["/bin/bash", "-c"])), ["/bin/bash", "-c", "true"]);
    assert!(words(&["NONE"], None).is_empty() && words(&[], None).is_empty());
    assert_eq!((timeout(None), timeout(Some(0))), (Duration::from_secs(30), Duration::from_secs(30)));
}

#[test]
fn no_healthcheck_is_no_health() {
    let container = read(r#"{"Id": "1", "State": {"Status": "running", "Health": {"Status": "none"}}}"#);
    assert_eq!(container.health, None);
}
