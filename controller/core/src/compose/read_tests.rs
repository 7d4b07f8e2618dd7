use super::*;
use crate::files::testing::Disk;

fn refused(text: &str) -> String {
    Disk::with(&[("compose.yaml", text), ("app/Dockerfile", "FROM x")]).refused()
}

fn service(text: &str) -> Service {
    let disk = Disk::with(&[("compose.yaml", &format!("services:\n  a:\n    image: x\n{text}"))]);
    disk.project("{}").services.remove("a").unwrap()
}

const CONVERTIK: &str = r#"version: "3.8"
services:
  convertik-api:
    build: ./backend
    image: convertik-api:latest
    container_name: convertik-api
    restart: unless-stopped
    env_file: .env.production
    environment:
      DATABASE_URL: postgresql+asyncpg://convertik:${POSTGRES_PASSWORD}@convertik-db:5432/convertik
      REDIS_URL: redis://convertik-redis:6379/0
    ports: ["8001:8000"]
    depends_on:
      convertik-db: {condition: service_healthy}
      convertik-redis: {condition: service_started}
    networks: [default, caddy]
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8000/health"]
      interval: 30s
      timeout: 10s
      retries: 3
      start_period: 40s
  convertik-db:
    image: postgres:15
    environment:
      - POSTGRES_USER=convertik
      - POSTGRES_PASSWORD
      - POSTGRES_DB=convertik
    ports: ["5433:5432"]
    volumes:
      - pgdata:/var/lib/postgresql/data
      - ./backend/init.sql:/docker-entrypoint-initdb.d/init.sql:ro
    healthcheck:
      test: pg_isready -U convertik
      interval: 10s
  convertik-redis:
    image: redis:7
    command: redis-server --appendonly yes
    ports: ["6380:6379"]
    volumes: [redisdata:/data]
volumes:
  pgdata:
  redisdata:
networks:
  caddy:
    external: true
"#;

fn convertik() -> Disk {
    let tree = [
        ("docker-compose.production.yml", CONVERTIK),
        ("backend/Dockerfile", "FROM python:3.11-slim"),
        ("backend/init.sql", "select 1;"),
    ];
    Disk::with(&tree)
        .host("/opt/convertik/.env", "POSTGRES_PASSWORD='p$w'\n")
        .host("/opt/convertik/.env.production", "SECRET_KEY=\"k\"\nREDIS_URL=overridden\n")
}

const MANIFEST: &str =
    "{files: [docker-compose.production.yml], projectName: convertik, projectDirectory: /opt/convertik}";

#[test]
fn reads_convertik() {
    let project = convertik().project(MANIFEST);
    let api = &project.services["convertik-api"];
    assert_eq!(
        api.environment["DATABASE_URL"].expose(),
        "postgresql+asyncpg://convertik:p$w@convertik-db:5432/convertik"
    );
    assert_eq!(api.environment["SECRET_KEY"].expose(), "k");
    assert_eq!(api.environment["REDIS_URL"].expose(), "redis://convertik-redis:6379/0");
    assert_eq!(
        api.build.as_ref().map(|build| (build.context.as_str(), build.dockerfile.as_str())),
        Some(("backend", "Dockerfile"))
    );
    assert_eq!(api.restart, RestartPolicy::UnlessStopped);
    assert_eq!(api.networks.keys().collect::<Vec<_>>(), ["caddy", "default"]);
    assert_eq!(project.services["convertik-db"].environment["POSTGRES_PASSWORD"].expose(), "p$w");
    assert_eq!(project.host_files, ["/opt/convertik/.env", "/opt/convertik/.env.production"]);
    assert_eq!(project.networks["default"].name, "convertik_default");
    assert_eq!(
        (project.networks["caddy"].name.as_str(), project.networks["caddy"].external),
        ("caddy", true)
    );
    assert_eq!(project.volumes["pgdata"].name, "convertik_pgdata");
    assert_eq!(
        start_order(&project),
        ["convertik-db".into(), "convertik-redis".into(), "convertik-api".into()]
    );
}

#[test]
fn mounts_of_the_tree_go_by_content_and_others_by_path() {
    let db = convertik().project(MANIFEST).services.remove("convertik-db").unwrap();
    let sources: Vec<&MountSource> = db.mounts.iter().map(|mount| &mount.source).collect();
    let id = "id-of-backend/init.sql".to_owned();
    assert_eq!(*sources[0], MountSource::Repository { path: "backend/init.sql".to_owned(), id });
    assert_eq!(*sources[1], MountSource::Volume { volume: "pgdata".to_owned(), no_copy: false });
    let disk =
        Disk::with(&[("compose.yaml", "services: {a: {image: x, volumes: ['./up:/up', '../out:/out']}}")]);
    let project = disk.project("{projectDirectory: /srv/shop}");
    let sources: Vec<MountSource> =
        project.services["a"].mounts.iter().map(|mount| mount.source.clone()).collect();
    let host = |path: &str| MountSource::Host { path: path.to_owned(), create: true, content: None };
    assert_eq!(sources, [host("/srv/out"), host("/srv/shop/up")]);
}

#[test]
fn secrets_show_nowhere() {
    let mut disk = convertik();
    let text =
        CONVERTIK.replace("8001:8000", "${POSTGRES_PASSWORD}:8000").replace("30s", "${SECRET:-s3cret}");
    disk.tree.insert("docker-compose.production.yml".to_owned(), text);
    let faults = disk.read(MANIFEST).unwrap_err();
    let all = format!("{faults:?} {}", crate::yaml::to_string(&faults.0).unwrap());
    assert!(!all.contains("p$w"), "{all}");
    insta::assert_snapshot!(faults, @r#"
docker-compose.production.yml:19:17: `${SECRET:-s3cret}` stands where a duration such as `30s` is expected
docker-compose.production.yml:12:13: `${POSTGRES_PASSWORD}:8000` stands where a port such as `8001:8000` or `127.0.0.1:8001:8000/tcp` is expected
"#);
}

#[test]
fn faults_say_where_and_what_to_do() {
    insta::assert_snapshot!(refused("services:\n  a:\n    imag: x\n    use_api_socket: true\n"), @"
    compose.yaml:3:5: unknown key `imag` (did you mean `image`?)
    compose.yaml:4:5: `use_api_socket` is refused (it gives the container the engine and the registry credentials of a command-line user; mount /var/run/docker.sock where that is meant)
    ");
    insta::assert_snapshot!(refused("services:\n  a:\n    image: x:$TAG\n"), @"compose.yaml:3:12: the variable `TAG` is not set (set it in .env, or write `${TAG-}` where it may be empty)");
    insta::assert_snapshot!(refused("services:\n  a:\n    build: ./api\n  b:\n    build: ../api\n  c: {}\n  d: {build: .}\n"), @r#"
compose.yaml:3:12: the context `api` is not in the commit
compose.yaml:5:12: the context `../api` is outside of the repository
compose.yaml:6:6: a service needs an `image` or a `build`
compose.yaml:7:14: the Dockerfile `Dockerfile` is not in the commit
"#);
    insta::assert_snapshot!(refused("services:\n  a: {image: x, depends_on: [b]}\n  bb: {image: x, profiles: [p]}\n"), @"compose.yaml:2:30: there is no service `b` (did you mean `bb`?)");
    insta::assert_snapshot!(refused("services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n"), @"compose.yaml:2:17: `depends_on` goes round: a → b → a");
    insta::assert_snapshot!(refused("services:\n  a:\n    extends: b\n  b:\n    extends: {service: a}\n"), @r#"
compose.yaml:3:14: `extends` goes round: compose.yaml:a → compose.yaml:b → compose.yaml:a
compose.yaml:5:14: `extends` goes round: compose.yaml:b → compose.yaml:a → compose.yaml:b
"#);
    insta::assert_snapshot!(refused("services:\n  a: {image: x, container_name: one}\n  b: {image: x, container_name: one}\n"), @"compose.yaml:3:33: `b` and `a` have the same `container_name`");
    insta::assert_snapshot!(refused("services:\n  a:\n    image: x\n    volumes: [dat:/d, ./x:/x, 'sub/x:/y', 'data:/a:zz']\nvolumes: {data: }\n"), @r#"
compose.yaml:4:15: the volume `dat` is not declared under `volumes` (did you mean `data`?)
compose.yaml:4:23: the source of `./x:/x` is not in the commit (commit it, or set `spec.compose.projectDirectory` in the manifest to the directory on the host that has it)
compose.yaml:4:31: `sub/x:/y` has a path that begins with neither `/` nor `.` (write `./`)
compose.yaml:4:43: `zz` is not an option of a mount
"#);
    insta::assert_snapshot!(refused("services:\n  a:\n    image: x\n    env_file: .env.production\n    deploy: {replicas: 2, endpoint_mode: vip}\n"), @"compose.yaml:5:27: `endpoint_mode` is refused (it means something to Swarm only, not to one engine)");
    insta::assert_snapshot!(refused("services:\n  a:\n    image: x\n    networks: [front]\n    network_mode: host\n"), @r#"
compose.yaml:4:16: the network `front` is not declared under `networks`
compose.yaml:5:19: `network_mode` and `networks` exclude each other (keep one of the two)
"#);
    insta::assert_snapshot!(refused("services:\n  a:\n    image: x\n    healthcheck: {interval: 30, start_interval: soon}\n"), @"
    compose.yaml:4:29: `30` stands where a duration such as `30s` is expected
    compose.yaml:4:49: `soon` stands where a duration such as `30s` is expected
    ");
    insta::assert_snapshot!(refused("secrets: {a: {external: true}}\nmodels: {m: {model: x}}\nservices: {a: {image: x}}\n"), @"
    compose.yaml:1:15: `external` is refused (it is an object of Swarm; write `file` or `environment`)
    compose.yaml:2:1: `models` is refused (models are run by a plugin of the Compose command)
    ");
    insta::assert_snapshot!(refused("services: {}\n"), @"compose.yaml:1:1: the project has no services");
    insta::assert_snapshot!(refused("[]\n"), @"compose.yaml:1:1: a list stands where a map with `services` is expected");
    insta::assert_snapshot!(Disk::default().refused(), @"`.` holds none of `compose.yaml`, `compose.yml`, `docker-compose.yml`, `docker-compose.yaml` (name the Compose files in `spec.compose.files` of the manifest)");
}

#[test]
fn symbolic_links_stay_in_the_tree() {
    let mut disk =
        Disk::with(&[("compose.yaml", "services: {a: {build: app, volumes: ['./l:/l']}}"), ("app/x", "")]);
    disk.links.insert("app/Dockerfile".to_owned(), Some("/etc/passwd".to_owned()));
    disk.links.insert("l".to_owned(), None);
    insta::assert_snapshot!(disk.refused(), @r#"
compose.yaml:1:23: the Dockerfile is a symbolic link: cannot read app/Dockerfile: no such file
compose.yaml:1:38: `l` is a symbolic link in the commit (mount what it points to)
"#);
    disk.links.insert("app/Dockerfile".to_owned(), Some("app/x".to_owned()));
    disk.links.remove("l");
    assert_eq!(disk.project("{projectDirectory: /srv}").services.len(), 1);
}

#[test]
fn host_variables_win_and_files_merge() {
    let disk = Disk::with(&[
        ("deploy/base.yml", "name: $NAME\nservices: {a: {image: 'x:$TAG', ports: ['1:1'], build: ../app}}"),
        ("deploy/prod.yml", "services: {a: {ports: !override ['2:2'], environment: [A=$TAG]}, b: {extends: {file: ../common/c.yml, service: c}}}"),
        ("common/c.yml", "services: {c: {image: y, env_file: c.env, x-note: 1}}"),
        ("common/c.env", "WHO=c"),
        ("deploy/.env", "TAG=tree\nNAME=tree"),
        ("app/Dockerfile", ""),
    ])
    .host("/srv/shop/.env", "TAG=host");
    let project = disk.project("{files: [deploy/base.yml, deploy/prod.yml], projectDirectory: /srv/shop}");
    assert_eq!(project.name.as_str(), "tree");
    let a = &project.services["a"];
    assert_eq!(a.image.as_deref(), Some("x:host"));
    assert_eq!(a.environment["A"].expose(), "host");
    assert_eq!(a.ports.iter().map(|port| port.target).collect::<Vec<_>>(), [2]);
    assert_eq!(a.build.as_ref().map(|build| build.context.as_str()), Some("app"));
    assert_eq!(project.services["b"].environment["WHO"].expose(), "c");
}

#[test]
fn inactive_services_are_left_out_with_their_faults() {
    let text = "services:\n  a: {image: x}\n  debug: {image: '$NO', profiles: [debug]}\n  b: {extends: debug, profiles: []}\n";
    let disk = Disk::with(&[("compose.yaml", &text.replace("  b: {extends: debug, profiles: []}\n", ""))]);
    assert_eq!(disk.project("{}").services.len(), 1);
    assert_eq!(disk.read("{profiles: [debug]}").unwrap_err().0.len(), 1);
}

#[test]
fn what_an_inactive_base_lacks_is_a_fault_of_the_service_that_extends_it() {
    let text =
        "services:\n  base: {image: 'x:$NO', profiles: [never]}\n  a: {extends: base, profiles: !reset []}\n";
    insta::assert_snapshot!(refused(text), @"compose.yaml:2:17: the variable `NO` is not set (set it in .env, or write `${NO-}` where it may be empty)");
}

#[test]
fn single_keys() {
    assert_eq!(
        service("    command: sh -c 'a b'\n").command,
        Some(vec!["sh".into(), "-c".into(), "a b".into()])
    );
    assert_eq!(service("    entrypoint: []\n").entrypoint, Some(vec![]));
    assert_eq!(service("    mem_limit: 512m\n    cpus: 0.5\n").resources.nano_cpus, Some(500_000_000));
    assert_eq!(
        service("    deploy: {replicas: 1, resources: {limits: {memory: 1g, pids: 5}}}\n").resources.pids,
        Some(5)
    );
    assert_eq!(service("    ulimits: {nofile: {soft: 1, hard: 2}, nproc: 3}\n").ulimits["nofile"], (1, 2));
    assert_eq!(service("    extra_hosts: {h: '::1'}\n").extra_hosts, ["h:::1"]);
    assert_eq!(
        service("    extra_hosts: ['h=[::1]', 'host.docker.internal:host-gateway']\n").extra_hosts[0],
        "h:::1"
    );
    assert_eq!(
        service("    devices: [/dev/x, '/dev/a:/dev/b:r']\n").devices,
        ["/dev/x:/dev/x:rwm", "/dev/a:/dev/b:r"]
    );
    assert_eq!(service("    restart: on-failure:3\n").restart, RestartPolicy::OnFailure(3));
    assert_eq!(service("    restart: no\n").restart, RestartPolicy::No);
    assert_eq!(service("    healthcheck: {disable: true}\n").healthcheck.unwrap().test, ["NONE"]);
    assert_eq!(service("    healthcheck: {disable: true, test: x}\n").healthcheck.unwrap().test, ["NONE"]);
    assert_eq!(service("    stop_grace_period: 1m30s\n").stop_grace_period.unwrap().as_secs(), 90);
    assert_eq!(service("    tmpfs: /run:size=64m\n").mounts[0].target, "/run");
    assert!(service("    network_mode: host\n").networks.is_empty());
    assert_eq!(
        service("    environment: {A: 1.10, B: true, C: '', D: 0644}\n").environment["A"].expose(),
        "1.1"
    );
    let nobody = service("    environment: [NOBODY]\n");
    assert!(!nobody.environment.contains_key("NOBODY") && nobody.unset.contains("NOBODY"));
}

#[test]
fn one_shots_are_known() {
    let text = "services:\n  m: {image: x}\n  a:\n    image: x\n    depends_on: {m: {condition: service_completed_successfully}}\n";
    let project = Disk::with(&[("compose.yaml", text)]).project("{}");
    assert!(project.services["m"].one_shot && !project.services["a"].one_shot);
}

#[test]
fn a_port_of_the_host_is_published_once() {
    let two = |one: &str, other: &str| {
        let text = format!(
            "services:\n  a: {{image: x, ports: ['{one}']}}\n  b:\n    image: x\n    ports:\n    - '{other}'\n"
        );
        Disk::with(&[("compose.yaml", &text)]).read("{}").err().map(|faults| faults.to_string())
    };
    insta::assert_snapshot!(two("80:80", "80:8080").unwrap(), @"compose.yaml:5:5: port 80/tcp of the host is published by both `b` and `a`");
    for (one, other) in [
        ("80-82:80-82", "82:1"),
        ("127.0.0.1:80:80", "80:80"),
        ("0.0.0.0:80:80", "127.0.0.1:80:80"),
        ("[::1]:80:80", "[::]:80:80"),
    ] {
        assert!(two(one, other).is_some(), "{one} {other}");
    }
    for (one, other) in [
        ("80:80/udp", "80:80"),
        ("127.0.0.1:80:80", "127.0.0.2:80:80"),
        ("0.0.0.0:80:80", "[::1]:80:80"),
        ("80", "80"),
        ("80:80", "81:80"),
    ] {
        assert_eq!(two(one, other), None, "{one} {other}");
    }
    insta::assert_snapshot!(refused("services:\n  a: {image: x, ports: ['80:1', '80:2']}\n"), @"compose.yaml:2:17: port 80/tcp of the host is published by `a` twice");
}

#[test]
fn what_has_no_value_or_is_not_followed_is_said() {
    let text = "services:\n  a:\n    build:\n      context: app\n      args:\n        - SET\n        - UNSET\n  b: {build: {context: app, args: {KEY: , OTHER: x}}}\n";
    let disk = Disk::with(&[
        ("compose.yaml", text),
        ("prod.yaml", text),
        ("app/Dockerfile", ""),
        (".env", "SET=1\nCOMPOSE_FILE=compose.yaml:prod.yaml"),
    ]);
    let (project, warnings) = disk.read("{}").unwrap();
    assert_eq!(project.services["a"].build.as_ref().unwrap().args.len(), 1);
    insta::assert_snapshot!(warnings.join("\n"), @r#"
`COMPOSE_FILE` of `.env` is not followed: `spec.compose.files` of the manifest says which files are read, here `compose.yaml`
compose.yaml:7:11: the build argument `UNSET` has no value anywhere: the Dockerfile's default holds
compose.yaml:8:39: the build argument `KEY` has no value anywhere: the Dockerfile's default holds
"#);
    let (_, warnings) = disk.read("{files: [./compose.yaml, prod.yaml]}").unwrap();
    assert!(!warnings.join("\n").contains("COMPOSE_FILE"));
}

#[test]
fn warnings_are_said() {
    let text =
        "services:\n  a:\n    image: x\n    attach: false\n    environment: [NO]\n    volumes: [./d:/d]\n";
    let disk = Disk::with(&[
        ("compose.yaml", text),
        ("compose.override.yaml", "services: {a: {tty: true}}"),
        ("d/x", ""),
    ]);
    let (_, warnings) = disk.read("{projectDirectory: /opt/other}").unwrap();
    insta::assert_snapshot!(warnings.join("\n"), @r#"
`compose.override.yaml` is merged, as Compose does where no file is named
the project is named `shop`, but Compose run in /opt/other would have named it `other`; set `spec.compose.projectName` in the manifest
compose.yaml:4:5: `attach` has no effect: nobody watches the output of `up`
compose.yaml:5:18: `NO` has no value anywhere: containers don't get it, not from their image either
compose.yaml:6:15: `d` of the commit is mounted writable at `/d`: what the container writes there never reaches the repository, and is gone with the next release; mount it read-only (`:ro`), or use a volume for what is to stay
"#);
}

/// A file of so many services, each with a merged part and a dependency on the one before.
fn read_services(count: usize) -> std::time::Duration {
    let mut text =
        "x-common: &common {restart: always, environment: {A: '1', B: '2'}}\nservices:\n".to_owned();
    for number in 0..count {
        let before = if number > 0 { format!("[s{}]", number - 1) } else { "[]".to_owned() };
        text.push_str(&format!("  s{number}:\n    <<: *common\n    image: x\n    depends_on: {before}\n"));
    }
    let started = std::time::Instant::now();
    let project = Disk::with(&[("compose.yaml", &text)]).project("{}");
    let last = format!("s{}", count - 1);
    assert_eq!(start_order(&project).last().map(|name| name.as_str()), Some(last.as_str()));
    started.elapsed()
}

/// Ten times as many take ten times as long, or the machine is busy with something else meanwhile: were each compared with each, it
/// would be a hundred times.
#[test]
fn the_time_for_ten_thousand_services_grows_with_their_number_alone() {
    let few = (0..3).map(|_| read_services(1_000)).min().unwrap();
    let many = read_services(10_000);
    assert!(many < few * 50, "{many:?} for 10,000, {few:?} for 1,000");
}

proptest::proptest! {
    #[test]
    fn never_panics(line in 0usize..46, junk in "[ \\-:{}\\[\\]&*!'\"$/.a-z0-9~]{0,24}") {
        let mut lines: Vec<&str> = CONVERTIK.lines().collect();
        lines[line] = &junk;
        let mut disk = convertik();
        disk.tree.insert("docker-compose.production.yml".to_owned(), lines.join("\n"));
        let _ = disk.read(MANIFEST);
    }

    #[test]
    fn never_panics_on_values(key in "[a-z_]{3,10}|ports|volumes|build|command|healthcheck|deploy|devices|networks", value in "[ \\-:{}\\[\\],'\"$/.a-c0-9~\u{e4}]{0,24}") {
        let disk = Disk::with(&[("compose.yaml", &format!("services:\n  a:\n    image: x\n    {key}: {value}\n"))]);
        let _ = disk.read("{}");
    }
}
