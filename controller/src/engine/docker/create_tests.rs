use bollard::models::{HostConfigCgroupnsModeEnum, MountBindOptionsPropagationEnum};
use evenkeel_core::compose::{Blkio, Build, Dependency, DeviceRequest, Kernel};

use super::*;

fn port(target: u16, published: Option<u16>, host_ip: Option<&str>) -> Port {
    Port { target, published, host_ip: host_ip.map(str::to_owned), protocol: "tcp".into() }
}

fn spec() -> ContainerSpec {
    ContainerSpec {
        name: "shop-web-1".into(),
        image: "sha256:abc".into(),
        service: Service::default(),
        labels: BTreeMap::from([("a".into(), "b".into())]),
        publish: true,
        endpoints: Vec::new(),
        restart: RestartPolicy::UnlessStopped,
        binds: vec!["shop_data:/data:ro".into()],
        mounts: Vec::new(),
        tmpfs: BTreeMap::from([("/run".into(), "size=1m".into())]),
        anonymous: vec!["/cache".into()],
        auto_remove: true,
    }
}

fn host(spec: &ContainerSpec) -> HostConfig {
    body(spec).host_config.expect("a host configuration")
}

#[test]
fn the_specification_overrides_the_service() {
    let mut spec = spec();
    spec.service.image = Some("web:latest".into());
    spec.service.build = Some(Build::default());
    spec.service.restart = RestartPolicy::Always;
    spec.service.labels.insert("other".into(), "x".into());
    spec.service.depends_on = BTreeMap::<_, Dependency>::new();
    let (body, host) = (body(&spec), host(&spec));
    assert_eq!(body.image.as_deref(), Some("sha256:abc"));
    assert_eq!(body.labels, Some(HashMap::from([("a".into(), "b".into())])));
    assert_eq!(host.restart_policy, Some(restart_policy(RestartPolicy::UnlessStopped)));
    assert_eq!((host.binds, host.auto_remove), (Some(vec!["shop_data:/data:ro".into()]), Some(true)));
    assert_eq!(host.tmpfs, Some(HashMap::from([("/run".into(), "size=1m".into())])));
    assert_eq!(body.volumes, Some(vec!["/cache".into()]));
}

#[test]
fn the_image_keeps_its_own_where_the_service_is_silent() {
    let body = body(&spec());
    assert_eq!((body.cmd, body.entrypoint, body.healthcheck, body.user), (None, None, None, None));
    assert_eq!(
        (body.working_dir, body.stop_signal, body.stop_timeout, body.hostname),
        (None, None, None, None)
    );
    let host = host(&spec());
    assert_eq!(
        (host.init, host.shm_size, host.memory, host.log_config, host.pids_limit),
        (None, None, None, None, None)
    );
}

#[test]
fn an_empty_entrypoint_clears_the_images() {
    let mut spec = spec();
    spec.service.entrypoint = Some(Vec::new());
    assert_eq!(body(&spec).entrypoint, Some(Vec::new()));
}

#[test]
fn the_first_network_is_the_mode_and_brings_all_its_names() {
    let mut spec = spec();
    assert_eq!(host(&spec).network_mode.as_deref(), Some("none"));
    spec.service.network_mode = Some("host".into());
    assert_eq!(host(&spec).network_mode.as_deref(), Some("host"));
    let backstage = Endpoint {
        network: "shop_backstage".into(),
        aliases: vec!["web".into()],
        links: vec![("0123456789ab".into(), "db".into())],
        ipv4_address: Some("10.1.2.3".into()),
        ..Endpoint::default()
    };
    spec.endpoints = vec![backstage, Endpoint { network: "shop_default".into(), ..Default::default() }];
    let body = body(&spec);
    let mut places = body.networking_config.and_then(|config| config.endpoints_config).expect("places");
    let place = places.remove("shop_backstage").expect("the first network");
    assert!(places.is_empty(), "engines below API 1.44 refuse two");
    assert_eq!(body.host_config.and_then(|host| host.network_mode).as_deref(), Some("shop_backstage"));
    assert_eq!(
        (place.aliases, place.links),
        (Some(vec!["web".into()]), Some(vec!["0123456789ab:db".into()]))
    );
    assert_eq!(place.ipam_config.and_then(|ipam| ipam.ipv4_address).as_deref(), Some("10.1.2.3"));
}

#[test]
fn ports_are_bound_only_when_published() {
    let mut spec = spec();
    spec.service.ports =
        vec![port(80, Some(8080), Some("127.0.0.1")), port(80, Some(8081), None), port(443, None, None)];
    let bindings = host(&spec).port_bindings.expect("bindings");
    let bound: Vec<_> =
        bindings["80/tcp"].iter().flatten().map(|b| (b.host_ip.as_deref(), b.host_port.as_deref())).collect();
    assert_eq!(bound, [(Some("127.0.0.1"), Some("8080")), (Some(""), Some("8081"))]);
    assert_eq!(bindings["443/tcp"].as_deref().and_then(|list| list[0].host_port.as_deref()), Some(""));
    spec.publish = false;
    assert_eq!(host(&spec).port_bindings, None);
    assert_eq!(body(&spec).exposed_ports, Some(vec!["443/tcp".into(), "80/tcp".into()]));
}

#[test]
fn durations_are_in_the_engines_units() {
    let mut spec = spec();
    spec.service.stop_grace_period = Some(Duration::from_millis(1500));
    spec.service.healthcheck = Some(Healthcheck {
        test: vec!["CMD".into(), "true".into()],
        interval: Some(Duration::from_secs(30)),
        timeout: Some(Duration::from_millis(1)),
        retries: Some(4),
        start_period: Some(Duration::from_secs(1)),
        start_interval: Some(Duration::from_millis(2)),
    });
    let body = body(&spec);
    let check = body.healthcheck.expect("a healthcheck");
    assert_eq!(body.stop_timeout, Some(2));
    assert_eq!(
        (check.interval, check.timeout, check.start_period),
        (Some(30_000_000_000), Some(1_000_000), Some(1_000_000_000))
    );
    assert_eq!((check.retries, check.test.map(|test| test.len())), (Some(4), Some(2)));
}

#[test]
fn a_healthcheck_without_a_test_keeps_the_images_command() {
    let mut spec = spec();
    spec.service.healthcheck = Some(Healthcheck { retries: Some(9), ..Default::default() });
    let check = body(&spec).healthcheck.expect("a healthcheck");
    assert_eq!((check.test, check.retries, check.interval), (None, Some(9), None));
}

#[test]
fn a_device_is_read_as_compose_writes_it() {
    let parts = |text| {
        let device = device(text);
        [device.path_on_host, device.path_in_container, device.cgroup_permissions]
            .map(Option::unwrap_or_default)
    };
    assert_eq!(parts("/dev/fuse"), ["/dev/fuse", "/dev/fuse", "rwm"]);
    assert_eq!(parts("/dev/a:/dev/b"), ["/dev/a", "/dev/b", "rwm"]);
    assert_eq!(parts("/dev/a:/dev/b:r"), ["/dev/a", "/dev/b", "r"]);
}

#[test]
fn limits_and_hardening_arrive() {
    let mut spec = spec();
    spec.service.resources = Resources {
        memory: Some(1),
        memory_swap: Some(2),
        pids: Some(3),
        nano_cpus: Some(4),
        ..Default::default()
    };
    spec.service.cap_drop = vec!["ALL".into()];
    spec.service.security_opt = vec!["no-new-privileges:true".into()];
    spec.service.read_only = true;
    spec.service.ulimits = BTreeMap::from([("nofile".into(), (1, 2))]);
    spec.service.environment = BTreeMap::from([("A".into(), Secret::new("b=c"))]);
    spec.service.pid = Some("host".into());
    spec.service.ipc = Some("shareable".into());
    let (body, host) = (body(&spec), host(&spec));
    assert_eq!(
        (host.memory, host.memory_swap, host.pids_limit, host.nano_cpus),
        (Some(1), Some(2), Some(3), Some(4))
    );
    assert_eq!((host.cap_drop, host.cap_add), (Some(vec!["ALL".into()]), None));
    assert_eq!(
        (host.security_opt, host.readonly_rootfs),
        (Some(vec!["no-new-privileges:true".into()]), Some(true))
    );
    assert_eq!(host.ulimits.expect("ulimits")[0].hard, Some(2));
    assert_eq!((host.pid_mode.as_deref(), host.ipc_mode.as_deref()), (Some("host"), Some("shareable")));
    assert_eq!(body.env, Some(vec!["A=b=c".into()]));
}

#[test]
fn what_is_asked_of_the_kernel_arrives_and_nothing_else_is_said() {
    let silent = host(&spec());
    assert_eq!(silent, kernel::host_config(&Kernel::default(), silent.clone()));
    let mut spec = spec();
    spec.service.volumes_from = vec!["elsewhere:ro".into()];
    spec.service.kernel = Kernel {
        blkio: Some(Blkio {
            weight: Some(300),
            device_read_bps: vec![("/dev/sda".into(), 1024)],
            ..Blkio::default()
        }),
        cgroup: Some("host".into()),
        cpu_quota: Some(25_000),
        device_requests: vec![DeviceRequest {
            count: Some(-1),
            capabilities: vec!["gpu".into()],
            ..DeviceRequest::default()
        }],
        oom_kill_disable: true,
        userns_mode: Some("host".into()),
        ..Kernel::default()
    };
    let host = host(&spec);
    assert_eq!(
        (host.blkio_weight, host.cpu_quota, host.oom_kill_disable),
        (Some(300), Some(25_000), Some(true))
    );
    let read = host.blkio_device_read_bps.unwrap_or_default();
    assert_eq!(read.first().and_then(|device| device.rate), Some(1024));
    assert_eq!(host.cgroupns_mode, Some(HostConfigCgroupnsModeEnum::HOST));
    let request = host.device_requests.unwrap_or_default().pop().expect("a request");
    assert_eq!((request.count, request.capabilities), (Some(-1), Some(vec![vec!["gpu".to_owned()]])));
    assert_eq!(
        (host.userns_mode.as_deref(), host.volumes_from),
        (Some("host"), Some(vec!["elsewhere:ro".into()]))
    );
}

#[test]
fn a_bind_whose_source_must_exist_takes_the_long_form() {
    let mut spec = spec();
    let mount = BindMount { source: "/srv/x".into(), target: "/x".into(), ..BindMount::default() };
    let propagation = Some("rslave".to_owned());
    spec.mounts = vec![BindMount { recursive: Recursive::Readonly, read_only: true, propagation, ..mount }];
    let mount = host(&spec).mounts.unwrap_or_default().pop().expect("a mount");
    assert_eq!((mount.typ, mount.source.as_deref()), (Some(MountType::BIND), Some("/srv/x")));
    let options = mount.bind_options.unwrap_or_default();
    assert_eq!((options.create_mountpoint, options.read_only_force_recursive), (None, Some(true)));
    assert_eq!(options.propagation, Some(MountBindOptionsPropagationEnum::RSLAVE));
}
