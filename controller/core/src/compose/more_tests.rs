//! Constructs beyond the everyday ones: files given by the Compose file, links, shared volumes, limits, hardware.

use super::testing::disk;
use super::*;

fn refused(text: &str) -> String {
    disk(text).file("conf/x", "x").file("Dockerfile", "FROM x").refused()
}

fn of_service(text: &str) -> String {
    refused(&format!("services:\n  a:\n    image: x\n    {text}\n  b: {{image: y}}\n"))
}

fn project(text: &str) -> Project {
    disk(text)
        .file("conf/x", "x")
        .host("/srv/shop/.env", "TOKEN=t0ken\n")
        .project("{projectDirectory: /srv/shop}")
}

#[test]
fn configs_and_secrets_are_files_of_the_release() {
    let text = "services:
  a:
    image: x
    configs: [inline, {source: file, target: etc/file}]
    secrets: [token, {source: token, target: /etc/t, uid: '10', mode: 0400}, host]
configs:
  inline: {content: 'x = ${TOKEN}'}
  file: {file: conf/x}
secrets:
  token: {environment: TOKEN}
  host: {file: ./outside}
";
    let project = project(text);
    let shown: Vec<String> = project.services["a"]
        .mounts
        .iter()
        .map(|mount| match &mount.source {
            MountSource::Given { name, content, mode, uid, .. } => {
                format!("{} {name} {} {mode:o} {uid:?}", mount.target, content.expose())
            }
            other => format!("{} {}", mount.target, serde_json::to_string(other).unwrap()),
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    /etc/file {"repository":{"path":"conf/x","id":"id-of-conf/x"}}
    /etc/t secrets/token/10.-.400 t0ken 400 Some(10)
    /inline configs/inline/-.-.444 x = t0ken 444 None
    /run/secrets/host {"host":{"path":"/srv/shop/outside","create":false}}
    /run/secrets/token secrets/token/-.-.444 t0ken 444 None
    "#);
    assert!(project.services["a"].mounts.iter().all(|mount| mount.read_only));
    assert!(!format!("{project:?}").contains("t0ken"));
}

#[test]
fn configs_and_secrets_that_cannot_be_are_located_and_show_nothing() {
    let said = |sections: &str, item: &str| {
        let text = format!("services:\n  a:\n    image: x\n    configs: [{item}]\n{sections}\n");
        refused(&text)
    };
    insta::assert_snapshot!(said("configs: {other: {content: x}}", "othr"), @"compose.yaml:4:15: `othr` is not declared under `configs` (did you mean `other`?)");
    insta::assert_snapshot!(said("configs: {c: {content: s3cret, environment: NO}}", "c"), @"compose.yaml:5:14: `c` needs exactly one of `file`, `environment` or `content`");
    insta::assert_snapshot!(said("configs: {c: {environment: NO}}", "c"), @"compose.yaml:5:28: the variable `NO` is not set (set it in .env)");
    insta::assert_snapshot!(said("configs: {c: {content: [s3cret]}}", "c"), @"compose.yaml:5:24: a list stands where a string is expected");
    insta::assert_snapshot!(said("configs: {c: {external: true}}", "c"), @"compose.yaml:5:15: `external` is refused (it is an object of Swarm; write `file` or `environment`)");
    insta::assert_snapshot!(said("configs: {c: {file: conf/x}}", "{source: c, mode: 0400}"), @"compose.yaml:4:15: `uid`, `gid` and `mode` of a file are those that it has (set them on the file, or give its text by `content` or `environment`)");
    insta::assert_snapshot!(said("configs: {c: {content: x}}", "{source: c, mode: rw, uid: root}"), @"compose.yaml:4:42: `root` stands where the number of a user or group is expected");
    insta::assert_snapshot!(said("configs: {c: {content: x}}", "c, {source: c}"), @"compose.yaml:4:18: a map has the same target as another mount");
    insta::assert_snapshot!(said("configs: {../../c: {content: x}}", "../../c"), @"compose.yaml:4:15: `../../c` stands where a name of letters, digits, `_`, `.` and `-` is expected");
    insta::assert_snapshot!(said("configs: {c: {file: conf/y}}", "c"), @"compose.yaml:5:21: the source of `conf/y` is not in the commit (commit it, or set `spec.compose.projectDirectory` in the manifest to the directory on the host that has it)");
}

#[test]
fn what_others_mount_is_shared_and_awaited() {
    let text = "services:
  a: {image: x, volumes_from: [b, 'c:ro', 'container:old:ro'], volumes: ['own:/both'], links: ['b:database', c]}
  b: {image: y, volumes: ['data:/data', 'theirs:/both', './conf:/conf:ro'], tmpfs: /run}
  c: {image: z, volumes_from: [d]}
  d: {image: z, volumes: ['d:/d']}
volumes: {own: , data: , theirs: , d: }
";
    let project = project(text);
    let a = &project.services["a"];
    let mounts: Vec<String> = a.mounts.iter().map(|it| format!("{} {}", it.target, it.read_only)).collect();
    assert_eq!(mounts, ["/both false", "/conf true", "/d true", "/data false"]);
    assert_eq!(a.volumes_from, ["old:ro"]);
    assert_eq!(a.depends_on.len(), 2);
    assert_eq!(a.links, [("b".into(), "database".to_owned()), ("c".into(), "c".to_owned())]);
    assert_eq!(start_order(&project).last().map(crate::name::ServiceName::as_str), Some("a"));
}

#[test]
fn what_cannot_be_shared_is_located() {
    insta::assert_snapshot!(of_service("volumes_from: [bb, 'b:rx', b]"), @"
    compose.yaml:4:20: `bb` names no active service
    compose.yaml:4:24: `b:rx` stands where `service`, `service:ro`, `container:name` or `container:name:ro` is expected
    ");
    insta::assert_snapshot!(of_service("links: [c, 'b:', 'b:x:y']"), @"
    compose.yaml:4:13: `c` names no active service
    compose.yaml:4:16: `b:` stands where `service` or `service:alias` is expected
    compose.yaml:4:22: `b:x:y` stands where `service` or `service:alias` is expected
    ");
    insta::assert_snapshot!(of_service("network_mode: service:b\n    ports: ['80:80']\n    hostname: h"), @"
    compose.yaml:6:15: `hostname` needs a network of the service's own (say it where the network is)
    compose.yaml:5:12: `ports` needs a network of the service's own (say it where the network is)
    ");
    insta::assert_snapshot!(of_service("links: [b]\n    network_mode: host"), @"compose.yaml:4:12: links need a network of the service's own");
    insta::assert_snapshot!(refused("services:\n  a: {image: x, volumes_from: [b]}\n  b: {image: x, volumes: [/anonymous]}\n"), @"compose.yaml:2:32: `b` has a volume without a name at `/anonymous` (name it, and mount it in both services)");
    insta::assert_snapshot!(refused("services:\n  a: {image: x, volumes_from: [b]}\n  b: {image: x, links: [a]}\n"), @"compose.yaml:2:6: `depends_on` goes round: a → b → a");
}

#[test]
fn limits_and_hardware_that_cannot_be_are_located() {
    insta::assert_snapshot!(of_service("gpus: some"), @"compose.yaml:4:11: `some` stands where `all` or a list of GPUs is expected");
    insta::assert_snapshot!(of_service("gpus: [{count: 0}, {count: 1, device_ids: [a]}]"), @"
    compose.yaml:4:20: `0` stands where `all` or a number from 1 is expected
    compose.yaml:4:32: `count` and `device_ids` exclude each other (keep one of the two)
    ");
    insta::assert_snapshot!(of_service("deploy: {resources: {reservations: {devices: [{count: 1}]}}}"), @"compose.yaml:4:51: a reserved device needs `capabilities` (such as `[gpu]`)");
    insta::assert_snapshot!(of_service("blkio_config: {weight: 5, weight_device: [{path: /dev/x}], device_read_bps: [{path: /dev/x, rate: fast}]}"), @"
    compose.yaml:4:103: `fast` stands where a byte size such as `64m` is expected
    compose.yaml:4:28: `5` stands where a whole number from 10 to 1000 is expected
    compose.yaml:4:47: a device needs a `weight`
    ");
    insta::assert_snapshot!(of_service("cgroup: mine\n    uts: mine\n    userns_mode: mine\n    mem_swappiness: 101\n    oom_score_adj: -2000\n    cpu_rt_runtime: -1"), @"
    compose.yaml:4:13: `mine` stands where host or private is expected
    compose.yaml:9:21: `-1` stands where microseconds or a duration such as `50ms` is expected
    compose.yaml:7:21: `101` stands where a whole number from 0 to 100 is expected
    compose.yaml:8:20: `-2000` stands where a whole number from -1000 to 1000 is expected
    compose.yaml:6:18: `mine` stands where host, the one user namespace that can be named, is expected
    compose.yaml:5:10: `mine` stands where host, the one UTS namespace that can be named, is expected
    ");
    insta::assert_snapshot!(of_service("restart: always\n    deploy: {restart_policy: {condition: none}}"), @"compose.yaml:5:30: `restart` says something else (keep one of the two)");
    insta::assert_snapshot!(of_service("deploy: {restart_policy: {condition: any, max_attempts: 3}}"), @"compose.yaml:4:61: the engine counts attempts of `condition: on-failure` only (write that condition, or leave `max_attempts` out)");
    insta::assert_snapshot!(of_service("deploy: {restart_policy: {condition: sometimes}}"), @"compose.yaml:4:42: `sometimes` stands where none, on-failure or any is expected");
    insta::assert_snapshot!(of_service("deploy: {mode: global-job}"), @"compose.yaml:4:20: `global-job` is refused (jobs are Swarm's; `replicated` and `global` are one container on one engine)");
    insta::assert_snapshot!(of_service("mac_address: 02-42\n    networks: {default: {mac_address: x}}"), @"
    compose.yaml:5:39: `x` stands where a MAC address such as `02:42:ac:11:00:02` is expected
    compose.yaml:4:18: `02-42` stands where a MAC address such as `02:42:ac:11:00:02` is expected
    ");
    insta::assert_snapshot!(of_service("mac_address: 02:42:ac:11:00:02\n    network_mode: host"), @"compose.yaml:4:18: `mac_address` needs a network of the service's own");
    insta::assert_snapshot!(of_service("volumes: [{type: bind, source: /x, target: /x, bind: {create_host_path: false, selinux: z}}]"), @"compose.yaml:4:93: the engine labels no bind with `create_host_path: false` or `recursive` (keep one of the two)");
    insta::assert_snapshot!(of_service("volumes: [{type: bind, source: /x, target: /x, bind: {recursive: deep}}, {type: npipe, source: x, target: /y}]"), @"
    compose.yaml:4:70: `deep` stands where enabled, disabled, writable or readonly is expected
    compose.yaml:4:85: mounts of type `npipe` are refused (volume, bind or tmpfs)
    ");
    insta::assert_snapshot!(of_service("label_file: [none.env]"), @"compose.yaml:4:18: the label file `none.env` is in neither the commit nor the project directory (set `spec.compose.projectDirectory` in the manifest to the directory on the host that has it)");
    insta::assert_snapshot!(of_service("build: {dockerfile: Dockerfile, dockerfile_inline: FROM x}"), @"compose.yaml:4:56: `dockerfile` and `dockerfile_inline` exclude each other (keep one of the two)");
}

#[test]
fn restart_policies_of_deploy_are_the_engines() {
    let policy = |said: &str| {
        let text = format!("services: {{a: {{image: x, deploy: {{restart_policy: {said}}}}}}}");
        project(&text).services["a"].restart
    };
    assert_eq!(policy("{condition: any}"), RestartPolicy::Always);
    assert_eq!(policy("{}"), RestartPolicy::Always);
    assert_eq!(policy("{condition: none}"), RestartPolicy::No);
    assert_eq!(policy("{condition: on-failure, max_attempts: 3}"), RestartPolicy::OnFailure(3));
}

#[test]
fn what_only_newer_engines_know_is_named() {
    let text = "services:\n  a: {image: x, annotations: [a=b], healthcheck: {start_interval: 1s}}\n  b: {image: y}\n";
    let found: Vec<(String, u16)> =
        newer(&project(text)).into_iter().map(|it| (format!("{}.{}", it.service, it.key), it.api)).collect();
    assert_eq!(found, [("a.annotations".to_owned(), 43), ("a.healthcheck.start_interval".to_owned(), 44)]);
}

#[test]
fn several_files_merge_what_they_give() {
    let base = "services: {a: {image: x, configs: [c, d], blkio_config: {device_read_bps: [{path: /dev/a, rate: 1}, {path: /dev/b, rate: 1}]}}}\nconfigs: {c: {content: c}, d: {content: d}}";
    let over = "services: {a: {configs: [{source: c, mode: 0400}], blkio_config: {device_read_bps: [{path: /dev/b, rate: 2}]}}}";
    let disk = disk(base).file("over.yaml", over);
    let a = disk.project("{files: [compose.yaml, over.yaml]}").services.remove("a").unwrap();
    assert_eq!(a.mounts.len(), 2);
    assert!(matches!(a.mounts[0].source, MountSource::Given { mode: 0o400, .. }));
    let read = a.kernel.blkio.unwrap().device_read_bps;
    assert_eq!(read, [("/dev/a".to_owned(), 1), ("/dev/b".to_owned(), 2)]);
}

#[test]
fn a_healthcheck_that_is_inherited_can_be_disabled() {
    let base = "services: {base: {image: x, healthcheck: {test: y, interval: 5s}}, a: {extends: base, healthcheck: {disable: true}}, b: {extends: base}}";
    let disk = disk(base).file("over.yaml", "services: {b: {healthcheck: {disable: true}}}");
    let project = disk.project("{files: [compose.yaml, over.yaml]}");
    let test = |name: &str| project.services[name].healthcheck.as_ref().unwrap().test.clone();
    assert_eq!((test("a"), test("b"), test("base").len()), (vec!["NONE".into()], vec!["NONE".into()], 2));
}

#[test]
fn what_cannot_be_merged_is_located_whoever_runs() {
    let said = |base: &str, over: &str| {
        let disk = disk(&format!("services:\n  a: {{image: x}}\n  b:\n    {base}\n"))
            .file("over.yaml", &format!("services:\n  b:\n    {over}\n"));
        disk.read("{files: [compose.yaml, over.yaml]}").unwrap_err().to_string()
    };
    insta::assert_snapshot!(said("image: x\n    volumes: [/a:/b]", "volumes: /c:/d"), @"over.yaml:3:14: a single value cannot be merged with a list, which stands at compose.yaml:5:14");
    insta::assert_snapshot!(said("image: x\n    profiles: [never]", "profiles: on"), @"over.yaml:3:15: a single value cannot be merged with a list, which stands at compose.yaml:5:15");
    insta::assert_snapshot!(said("extends: c\n    dns: {d: e}\n  c: {image: x, dns: [1.1.1.1]}", "tty: true"), @"compose.yaml:5:10: a map cannot be merged with a list, which stands at compose.yaml:6:22");
}

#[test]
fn what_is_left_to_the_manifest_or_says_no_time() {
    let text =
        "services: {a: {image: x, deploy: {update_config: {order: start-first}, rollback_config: {}}}}";
    let (_, warnings) = disk(text).read("{}").unwrap();
    insta::assert_snapshot!(warnings.join("\n"), @"
    compose.yaml:1:35: `update_config` has no effect: Swarm only; the manifest says how a release is rolled out
    compose.yaml:1:72: `rollback_config` has no effect: Swarm only; the manifest says how a release is rolled out
    ");
    insta::assert_snapshot!(of_service("pull_policy: refresh"), @"compose.yaml:4:18: `refresh` does not say how often the image is asked for (write `daily`, `weekly` or `every_<duration>`; Docker Compose takes it for `missing`)");
}

#[test]
fn a_file_of_the_host_that_is_given_as_a_secret_or_config_counts_by_its_content() {
    let text = "services:
  api: {image: x, secrets: [token], configs: [{source: settings, target: /etc/settings}]}
  db: {image: x, volumes: ['/etc/shop/token:/token:ro']}
  cache: {image: x}
secrets: {token: {file: /etc/shop/token}}
configs: {settings: {file: ./settings.yaml}}
";
    let with = |token: &str, settings: &str| {
        let host = disk(text).host("/etc/shop/token", token).host("/opt/shop/settings.yaml", settings);
        let project = host.project("projectDirectory: /opt/shop");
        assert_eq!(project.host_files, ["/etc/shop/token", "/opt/shop/settings.yaml"]);
        assert!(!format!("{project:?}").contains("hunter2"), "a secret is shown");
        super::testing::release(project).configs
    };
    let before = with("hunter2", "a: 1");
    for after in [with("hunter3", "a: 1"), with("hunter2", "a: 2")] {
        let changed: Vec<_> = before.iter().filter(|(name, digest)| after[*name] != **digest).collect();
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].0.as_str(), "api");
    }
    assert_eq!(with("hunter2", "a: 1"), before);
}

#[test]
fn what_is_given_and_cannot_be_read_counts_by_its_name_or_is_a_fault() {
    let text = "services: {a: {image: x, secrets: [keys]}}\nsecrets: {keys: {file: /etc/shop/keys}}\n";
    let mut disk = disk(text);
    disk.unreadable.insert("/etc/shop/keys".to_owned(), true);
    let (project, warnings) = disk.read("{}").unwrap();
    insta::assert_snapshot!(warnings.join("\n"), @"compose.yaml:2:24: /etc/shop/keys is not a regular file: a change of it is not noticed");
    assert!(project.host_files.is_empty());
    let source = &project.services["a"].mounts[0].source;
    assert!(matches!(source, MountSource::Host { path, content: None, .. } if path == "/etc/shop/keys"));
    disk.unreadable.insert("/etc/shop/keys".to_owned(), false);
    insta::assert_snapshot!(disk.refused(), @"compose.yaml:2:24: cannot read /etc/shop/keys: Permission denied (evenkeel has to read it: run it as root, or look at the permissions of the file and its directories)");
}

#[test]
fn hooks_are_read_like_a_service_s_own_commands() {
    let project = disk(
        "services:\n  a:\n    image: x\n    post_start:\n      - {command: warm 'two words', environment: [TOKEN, 'B=${TOKEN}']}\n",
    )
    .file("more.yaml", "services: {a: {post_start: [{command: [x, $$HOME], user: root, environment: {N: 1}}]}}")
    .host("/srv/shop/.env", "TOKEN=t0ken\n")
    .project("{projectDirectory: /srv/shop, files: [compose.yaml, more.yaml]}");
    let hooks = &project.services["a"].post_start;
    let told: Vec<String> = hooks
        .iter()
        .map(|hook| {
            let variables = hook.environment.iter().map(|(name, value)| format!("{name}={}", value.expose()));
            format!("{:?} as {:?} with {:?}", hook.command, hook.user, variables.collect::<Vec<_>>())
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    ["warm", "two words"] as None with ["B=t0ken", "TOKEN=t0ken"]
    ["x", "$HOME"] as Some("root") with ["N=1"]
    "#);
    assert!(!format!("{project:?}").contains("t0ken"));
}

#[test]
fn hooks_that_cannot_be_are_located() {
    let said = [
        of_service("post_start: [{user: root}]"),
        of_service("pre_stop: [{command: []}]"),
        of_service("pre_stop: {command: x}"),
        of_service("post_start: [x]"),
        of_service("pre_start: [{command: x}]"),
        refused(
            "services:\n  a: {image: x, post_start: [{command: x}], pre_stop: [{command: x}]}\n  b:\n    image: y\n    \
             depends_on: {a: {condition: service_completed_successfully}}\n",
        ),
    ];
    insta::assert_snapshot!(said.join("\n"), @"
    compose.yaml:4:18: a hook needs a `command`
    compose.yaml:4:16: a hook needs a `command`
    compose.yaml:4:15: a map stands where a list is expected
    compose.yaml:4:18: `x` stands where a map is expected
    compose.yaml:4:5: `pre_start` is refused (each is a container of its own before the service's: write it as a service, and wait for it with `service_completed_successfully`)
    compose.yaml:2:17: `a` runs to its end, and may have ended before its `post_start` has run (make it part of the service's own command)
    compose.yaml:2:45: `a` runs to its end, and may have ended before its `pre_stop` has run (make it part of the service's own command)
    ");
}

#[test]
fn what_only_one_container_can_have_is_located() {
    let said = [
        of_service("scale: 2\n    container_name: one"),
        of_service("scale: 2\n    ports: ['80:80']"),
        of_service("scale: 2\n    volumes: ['/srv/x:/x']"),
        of_service("scale: 2\n    networks: {default: {ipv4_address: 10.0.0.2}}"),
        of_service("scale: 2\n    network_mode: host"),
        of_service("scale: 200"),
        of_service("scale: 2\n    deploy: {replicas: 3}"),
    ];
    insta::assert_snapshot!(said.join("\n"), @"
    compose.yaml:5:21: 2 containers of `a` are refused: one container can have a name
    compose.yaml:5:5: 2 containers of `a` are refused: one container can have a port of the host; put a proxy before them
    compose.yaml:5:5: 2 containers of `a` are refused: two containers are never let write to one volume
    compose.yaml:5:5: 2 containers of `a` are refused: one container can have an address
    compose.yaml:5:19: 2 containers of `a` are refused: a namespace is one container's
    compose.yaml:4:12: `200` stands where a number of containers between 0 and 100 is expected
    compose.yaml:4:12: `deploy.replicas` says something else (keep one of the two)
    ");
}

#[test]
fn what_a_client_of_the_engine_reads_is_read() {
    let text = "services:
  a:
    image: x
    security_opt: ['seccomp:./conf/profile.json', seccomp=unconfined, 'no-new-privileges:true']
    devices: ['/dev/a:/dev/b', vendor.com/gpu=all, {source: vendor.com/net=0}]
    logging: {options: {max-size: 10m}}
    depends_on: {none: {condition: service_healthy}}
    cpus: .5
    volumes: ['data:/data', 'far:/far']
  none: {image: y, deploy: {replicas: 0}}
volumes:
  data: {driver: local, driver_opts: {type: none, o: bind, device: ./data}}
  far: {driver_opts: {type: nfs, o: 'addr=10.0.0.1,rw', device: ':/far'}}
";
    let disk = disk(text).file("conf/profile.json", "{ \"defaultAction\": \"SCMP_ACT_ALLOW\" }\n");
    let (project, warnings) = disk.read("{projectDirectory: /srv/shop}").unwrap();
    let service = &project.services["a"];
    insta::assert_snapshot!(service.security_opt.join("\n"), @r#"
    seccomp={"defaultAction":"SCMP_ACT_ALLOW"}
    seccomp=unconfined
    no-new-privileges:true
    "#);
    insta::assert_snapshot!(format!("{:?} {:?}", service.devices, service.kernel.device_requests), @r#"["/dev/a:/dev/b:rwm"] [DeviceRequest { driver: Some("cdi"), count: None, device_ids: ["vendor.com/gpu=all"], capabilities: [], options: {} }, DeviceRequest { driver: Some("cdi"), count: None, device_ids: ["vendor.com/net=0"], capabilities: [], options: {} }]"#);
    insta::assert_snapshot!(format!("{:?} {:?}", service.logging, service.resources.nano_cpus), @r#"Some(Logging { driver: None, options: {"max-size": "10m"} }) Some(500000000)"#);
    let devices: Vec<&String> =
        project.volumes.values().map(|volume| &volume.driver_opts["device"]).collect();
    insta::assert_snapshot!(format!("{devices:?}"), @r#"["/srv/shop/data", ":/far"]"#);
    insta::assert_snapshot!(warnings.join("\n"), @"compose.yaml:7:17: `none` is scaled to 0: nothing waits for it");
    assert!(service.depends_on.is_empty());
}

#[test]
fn what_a_client_cannot_read_is_located() {
    insta::assert_snapshot!(of_service("security_opt: ['seccomp:./none.json']"), @"compose.yaml:4:20: the seccomp file `seccomp:./none.json` is in neither the commit nor the project directory (set `spec.compose.projectDirectory` in the manifest to the directory on the host that has it)");
    insta::assert_snapshot!(of_service("security_opt: ['seccomp=conf/x']"), @"compose.yaml:4:20: `conf/x` is no seccomp profile: expected value at line 1 column 1");
    insta::assert_snapshot!(of_service("networks: {}"), @"compose.yaml:4:15: `networks` is empty, which is no network to older versions of Compose, and the default one to newer (leave it out, or write `network_mode: none`)");
    let volume = "services:\n  a: {image: x, volumes: ['d:/d']}\nvolumes:\n  d: {driver_opts: {o: bind, device: ./d}}\n";
    insta::assert_snapshot!(refused(volume), @"compose.yaml:4:38: nothing says where `./d` is on the host (write an absolute path, or set `spec.compose.projectDirectory` in the manifest to the directory that it starts from)");
}
