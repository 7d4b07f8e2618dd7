use super::*;
use crate::files::testing::Disk;
use crate::manifest::Application;

/// The text, and the manifest that it is.
fn written(disk: &Disk, folder: &str, directory: &str) -> (String, Application) {
    let text = init(disk, folder, directory).unwrap_or_else(|faults| panic!("{faults}"));
    let application = crate::manifest::read(NAME, &text).unwrap();
    (text, application)
}

/// Everything that is commented out is YAML that could be taken in.
fn uncommented(text: &str) -> String {
    let uncomment = |line: &str| {
        let (margin, rest) = line.split_at(line.len() - line.trim_start().len());
        let yaml = rest.strip_prefix("# ").filter(|rest| is_yaml(rest));
        yaml.map_or_else(|| line.to_owned(), |rest| format!("{margin}{rest}"))
    };
    text.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

fn is_yaml(comment: &str) -> bool {
    let (key, value) = comment.trim_start_matches("- ").split_once(':').unwrap_or_default();
    let named = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    comment.starts_with("- {") || (named && (value.is_empty() || value.starts_with(' ')))
}

const CONVERTIK: &str = r#"services:
  convertik-api:
    build: ./backend
    image: convertik-api:latest
    env_file: .env.production
    environment:
      DATABASE_URL: postgresql+asyncpg://convertik:${POSTGRES_PASSWORD}@convertik-db:5432/convertik
    ports: ["8001:8000"]
    volumes: [uploads:/app/uploads]
    depends_on: [convertik-db]
    networks: [default, caddy]
    healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:8000/health"]}
  convertik-bot:
    build: ./backend
    command: python -m app.bot
  convertik-db:
    image: postgres:15
    environment: {POSTGRES_USER: convertik, POSTGRES_DB: convertik, POSTGRES_PASSWORD: "${POSTGRES_PASSWORD}"}
    volumes: ["pgdata:/var/lib/postgresql/data"]
    healthcheck: {test: pg_isready -U convertik}
  convertik-redis: {image: "redis:7", volumes: ["redisdata:/data"]}
volumes: {pgdata: , redisdata: , uploads: }
networks: {caddy: {external: true}}
"#;

fn convertik() -> Disk {
    convertik_with(CONVERTIK)
}

fn convertik_with(compose: &str) -> Disk {
    Disk::with(&[
        ("docker-compose.production.yml", compose),
        (
            "backend/Dockerfile",
            "FROM python:3.11-slim\nWORKDIR /app\nCOPY . .\nCMD [\"uvicorn\", \"app.main:app\"]\n",
        ),
        ("backend/alembic.ini", "[alembic]\nscript_location = alembic\n"),
        ("backend/alembic/env.py", ""),
        ("backend/migrate.sh", "alembic upgrade head"),
    ])
    .host("/opt/convertik/.env", "POSTGRES_PASSWORD=s3cret\n")
    .host("/opt/convertik/.env.production", "SECRET_KEY=k3y\n")
}

#[test]
fn what_has_several_containers_is_written_once() {
    let several = CONVERTIK.replace("python -m app.bot", "python -m app.bot\n    scale: 3");
    let (text, app) = written(&convertik_with(&several), "", "/opt/convertik");
    let several = |line: &&str| line.contains("bot") || line.contains("singleton");
    insta::assert_snapshot!(text.lines().filter(several).collect::<Vec<_>>().join("\n"), @"      # Its image is built from the folder with backend/alembic.ini; so is that of `convertik-bot`.");
    assert!(app.spec.services.keys().all(|name| name.number() == 1), "{:?}", app.spec.services.keys());
}

#[test]
fn a_stack_with_its_database() {
    let (text, app) = written(&convertik(), "", "/opt/convertik");
    assert!(!text.contains("s3cret") && !text.contains("k3y"), "{text}");
    insta::assert_snapshot!(text, @r#"
# Written by `evenkeel init`, as a first draft: each guess says where it comes from. `evenkeel
# validate` checks it.
apiVersion: evenkeel/v1
kind: Application
metadata:
  name: convertik
spec:
  compose:
    # The only Compose file here.
    files: [docker-compose.production.yml]
    # As Compose names it here, so that the volumes that exist are found again: convertik_pgdata,
    # convertik_redisdata, convertik_uploads.
    projectName: convertik
    # Where the stack lives on the host; files outside git are read from there and watched:
    # /opt/convertik/.env, /opt/convertik/.env.production.
    projectDirectory: /opt/convertik
  database:
    # It runs postgres:15.
    service: convertik-db
    # `name` is what its POSTGRES_DB says.
    # `user` is what its POSTGRES_USER says.
    migrations:
      tool: alembic
      # Its image is built from the folder with backend/alembic.ini; so is that of `convertik-bot`.
      service: convertik-api
      # Where env.py names another table:
      # versionTable: alembic_version
      # versionTableSchema: public
      # `auto` goes by the rehearsal: old code keeps serving only while a migration merely adds to
      # the schema.
      mode: auto
      # A revert takes the schema back too, where the rehearsal led back exactly; `keep` never does.
      onRevert: downgrade
    # A dump, decoded in full, before the schema moves. Those that a release may still need are kept
    # beside them.
    backup: {before: migration, keep: 14}
  services:
    convertik-api:
      # As its healthcheck asks.
      probe: {http: {path: /health, port: 8000}}
      # It writes to a volume, so that it is stopped before its successor starts. Where two may
      # write at once for a moment, as with uploads:
      # sharedVolumes: [uploads]
    convertik-bot:
      # Never two at once, judging by `bot` in its name: the old one stops before the new one
      # starts.
      singleton: true
  # Somebody on the external network `caddy` stands before the services: probe what users reach
  # through it as well.
  # probes:
    # - url: "https://example.com/health"
  rollout:
    # How long a new release must hold in private, and how long it is watched once it serves.
    minHealthy: 5s
    bake: 5m
    # In the log they make a release fail, unless the one before logged them as often.
    failOnLog: ["ERROR", "CRITICAL", "Traceback"]
  # Hours in which nothing new is rolled out. They block neither a revert nor a repair.
  # windows:
    # - {deny: "0 18 * * *", for: 4h, timeZone: Europe/Berlin}
"#);
    let database = app.spec.database.unwrap();
    assert_eq!(database.service.unwrap().as_str(), "convertik-db");
    assert_eq!(database.migrations.service.as_str(), "convertik-api");
    assert!(app.spec.services["convertik-bot"].singleton);
    crate::manifest::read(NAME, &uncommented(&text))
        .unwrap_or_else(|faults| panic!("{faults}\n{}", uncommented(&text)));
}

#[test]
fn a_database_elsewhere() {
    let compose = r#"name: pax
services:
  api:
    build: .
    environment: [TEST_DATABASE_URL=postgresql://x, "DATABASE_URL=postgresql://u:p4ss@pg/pax"]
    command: ["sh", "start.sh"]
    expose: ["8000"]
    networks: [default, shared]
  nginx: {image: "nginx:1.27", ports: ["80:80"]}
  celery-beat: {build: ., environment: ["DATABASE_URL=postgresql://u:p4ss@pg/pax"]}
networks: {shared: {external: true}}
"#;
    let disk = Disk::with(&[
        ("apps/pax/compose.yaml", compose),
        ("apps/pax/Dockerfile", "FROM python\nWORKDIR /srv\nCOPY . .\n"),
        ("apps/pax/start.sh", "alembic upgrade head && exec uvicorn main:app"),
        ("apps/pax/db/alembic.ini", "script_location = migrations"),
        ("apps/pax/db/migrations/env.py", ""),
    ]);
    let (text, app) = written(&disk, "apps/pax", "/opt/stacks/pax_live");
    assert!(!text.contains("p4ss"));
    insta::assert_snapshot!(text, @r#"
# Written by `evenkeel init`, as a first draft: each guess says where it comes from. `evenkeel
# validate` checks it.
apiVersion: evenkeel/v1
kind: Application
metadata:
  name: pax
spec:
  compose:
    # The file that Compose takes by itself.
    files: [compose.yaml]
    # As Compose names it here.
    projectName: pax
    # Where the stack lives on the host; what the Compose file names and git does not hold is looked
    # for there.
    projectDirectory: /opt/stacks/pax_live
  database:
    # DATABASE_URL of `api` names a server that is not part of this project.
    urlFrom: {env: DATABASE_URL, service: api}
    # Where pg_dump and pg_restore come from. Not older than the server.
    clientImage: postgres:17
    migrations:
      tool: alembic
      # Its image is built from the folder with apps/pax/db/alembic.ini; so is that of
      # `celery-beat`.
      service: api
      # Where alembic.ini is in the image, judging by the Dockerfile.
      workdir: /srv/db
      # Where env.py names another table:
      # versionTable: alembic_version
      # versionTableSchema: public
      # `auto` goes by the rehearsal: old code keeps serving only while a migration merely adds to
      # the schema.
      mode: auto
      # A revert takes the schema back too, where the rehearsal led back exactly; `keep` never does.
      onRevert: downgrade
      # To do: `api` runs `alembic upgrade` whenever it starts, see `apps/pax/start.sh`. Take that
      # out; evenkeel migrates before, and an older image that tries it on a newer schema dies.
    # A dump, decoded in full, before the schema moves. Those that a release may still need are kept
    # beside them.
    backup: {before: migration, keep: 14}
  services:
    # api:
      # If it answers HTTP: a probe proves a new release in private, before it takes over.
      # probe: {http: {path: /health, port: 8000}}
    celery-beat:
      # Never two at once, judging by `beat` in its name: the old one stops before the new one
      # starts.
      singleton: true
  # `nginx` stands before the services: probe what users reach through it as well.
  # probes:
    # - url: "https://example.com/"
  rollout:
    # How long a new release must hold in private, and how long it is watched once it serves.
    minHealthy: 5s
    bake: 5m
    # In the log they make a release fail, unless the one before logged them as often.
    failOnLog: ["ERROR", "CRITICAL", "Traceback"]
    # A new release reaches its database there before it takes over.
    dependencyNetworks: [shared]
    # `nginx` looks names up only once, unless its configuration has a `resolver`.
    onTakeover: [{service: nginx, exec: [nginx, -s, reload]}]
  # Hours in which nothing new is rolled out. They block neither a revert nor a repair.
  # windows:
    # - {deny: "0 18 * * *", for: 4h, timeZone: Europe/Berlin}
"#);
    let database = app.spec.database.unwrap();
    assert_eq!(database.url_from.unwrap().env, "DATABASE_URL");
    assert_eq!(database.migrations.workdir.as_deref(), Some("/srv/db"));
    assert_eq!(app.spec.rollout.dependency_networks, ["shared"]);
    crate::manifest::read(NAME, &uncommented(&text))
        .unwrap_or_else(|faults| panic!("{faults}\n{}", uncommented(&text)));
}

#[test]
fn no_database() {
    let disk = Disk::with(&[("compose.yaml", "services: {web: {image: 'caddy:2', ports: ['80:80']}}")]);
    let (text, app) = written(&disk, ".", "/srv/My Site");
    insta::assert_snapshot!(text, @r#"
# Written by `evenkeel init`, as a first draft: each guess says where it comes from. `evenkeel
# validate` checks it.
apiVersion: evenkeel/v1
kind: Application
metadata:
  name: mysite
spec:
  compose:
    # The file that Compose takes by itself.
    files: [compose.yaml]
    # As Compose names it here.
    projectName: mysite
    # Where the stack lives on the host; what the Compose file names and git does not hold is looked
    # for there.
    projectDirectory: "/srv/My Site"
  # `web` stands before the services: probe what users reach through it as well.
  # probes:
    # - url: "https://example.com/"
  rollout:
    # How long a new release must hold in private, and how long it is watched once it serves.
    minHealthy: 5s
    bake: 5m
    # In the log they make a release fail, unless the one before logged them as often.
    failOnLog: ["ERROR", "CRITICAL", "Traceback"]
  # Hours in which nothing new is rolled out. They block neither a revert nor a repair.
  # windows:
    # - {deny: "0 18 * * *", for: 4h, timeZone: Europe/Berlin}
"#);
    assert_eq!((app.spec.database, app.spec.services.len()), (None, 0));
}

#[test]
fn names_that_are_none_are_made_some() {
    let disk = Disk::with(&[("compose.yaml", "services: {web: {image: x}}")]);
    for (directory, app, project) in [
        ("/srv/_My_Shop_", "my-shop", "my_shop_"),
        ("/", "app", "app"),
        ("/srv/магазин", "app", "app"),
        ("/srv/2024", "2024", "2024"),
    ] {
        let written = written(&disk, ".", directory).1;
        assert_eq!(written.metadata.name.as_str(), app);
        assert_eq!(written.spec.compose.project_name.unwrap().as_str(), project);
    }
}

#[test]
fn half_a_database_is_a_comment() {
    let postgres = "services: {db: {image: 'ghcr.io/x/postgres:16@sha256:0'}}";
    let (text, app) = written(&Disk::with(&[("compose.yaml", postgres)]), ".", "/srv/a");
    assert!(app.spec.database.is_none() && text.contains("`db` runs PostgreSQL, but no service"), "{text}");
    let scripts = "services: {api: {build: .}}";
    let disk = Disk::with(&[("compose.yaml", scripts), ("Dockerfile", ""), ("alembic.ini", "")]);
    let (text, app) = written(&disk, ".", "/srv/a");
    assert!(
        app.spec.database.is_none() && text.contains("# urlFrom: {env: DATABASE_URL, service: api}"),
        "{text}"
    );
}

#[test]
fn where_alembic_runs() {
    let runs = |dockerfile: &str, ini: &str| {
        let disk = Disk::with(&[
            (
                "compose.yaml",
                "services: {api: {build: ., environment: ['U=postgres://db/x']}, db: {image: 'postgres:15'}}",
            ),
            ("Dockerfile", dockerfile),
            ("back/alembic.ini", ini),
            ("back/alembic/env.py", ""),
        ]);
        let migrations = written(&disk, ".", "/srv/a").1.spec.database.unwrap().migrations;
        (migrations.command.join(" "), migrations.workdir)
    };
    let at = |path: &str| ("alembic".to_owned(), Some(path.to_owned()));
    let ini = "script_location = alembic";
    assert_eq!(runs("WORKDIR /app\nCOPY . .", ini), at("/app/back"));
    assert_eq!(runs("workdir /app\ncopy --chown=1 ./back/ \\\n  .", ini), ("alembic".to_owned(), None));
    assert_eq!(runs("WORKDIR /app\nCOPY back /code/", ini), at("/code"));
    assert_eq!(runs("WORKDIR /app\nCOPY back ./b", ini), at("/app/b"));
    assert_eq!(runs("COPY . .", ini), ("alembic".to_owned(), None));
    let named = ("alembic -c back/alembic.ini".to_owned(), None);
    assert_eq!(runs("WORKDIR /app\nCOPY . .", "script_location = back/alembic"), named);
    assert_eq!(runs("WORKDIR /app\nCOPY . .", "script_location = %(here)s/alembic"), named);
}

#[test]
fn healthchecks_that_ask_over_http() {
    let asks = |test: &str| {
        let text = format!("services: {{web: {{image: x, healthcheck: {{test: {test}}}}}}}");
        let app = written(&Disk::with(&[("compose.yaml", &text)]), ".", "/srv/a").1;
        let options = app.spec.services.into_values().next();
        options.and_then(|web| web.probe?.http).map(|http| format!("{} {}", http.port, http.path))
    };
    for (test, request) in [
        ("[CMD, curl, -f, 'http://localhost:8000/health']", "8000 /health"),
        ("'curl -fs \"http://127.0.0.1/?a=1&b=2\" || exit 1'", "80 /?a=1&b=2"),
        ("wget -qO- http://web:3000", "3000 /"),
        ("[CMD, python, -c, \"import urllib.request as r; r.urlopen('http://[::1]:80/x')\"]", "80 /x"),
    ] {
        assert_eq!(asks(test).as_deref(), Some(request), "{test}");
    }
    for test in
        ["curl http://other/x", "curl https://localhost/", "'curl http://localhost:$$PORT/'", "pg_isready"]
    {
        assert_eq!(asks(test), None, "{test}");
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    let disk = Disk::with(&[("compose.yaml", "services: {a: {image: 'x:$TAG', use_api_socket: true}}")]);
    insta::assert_snapshot!(init(&disk, ".", "/srv/a").unwrap_err(), @"
    compose.yaml:1:33: `use_api_socket` is refused (it gives the container the engine and the registry credentials of a command-line user; mount /var/run/docker.sock where that is meant)
    compose.yaml:1:23: the variable `TAG` is not set (set it in .env, or write `${TAG-}` where it may be empty)
    nothing can be guessed from a project that cannot be read (mend it, or run this on the host where the stack lives, beside its env files)
    ");
    insta::assert_snapshot!(init(&Disk::with(&[("x/y", "")]), "x", "/srv/a").unwrap_err(), @"`x` holds no Compose file (name the folder that does)");
}

/// The second of the runbooks: a database elsewhere, a proxy in the project, a bot, uploads.
#[test]
fn a_route_and_a_port_are_looked_for_where_no_healthcheck_says_them() {
    let compose = "services:
  backend: {build: ., env_file: .env, volumes: ['uploads:/app/uploads']}
  bot: {build: {context: ., dockerfile: bot/Dockerfile}}
  nginx: {image: 'nginx:1', ports: ['80:80']}
volumes: {uploads: }
";
    let disk = Disk::with(&[
        ("docker-compose.yml", compose),
        ("Dockerfile", "FROM python:3.11-slim\nEXPOSE 8000/tcp 9000\nCMD [\"uvicorn\", \"app.main:app\"]\n"),
        ("bot/Dockerfile", "FROM python:3.11-slim\nCOPY . .\n"),
        ("alembic.ini", "[alembic]\nscript_location = migrations\n"),
        ("app/main.py", "@app.get('/ready')\ndef r(): ...\n@app.get(\"/healthz\")\ndef h(): ...\n"),
        ("node_modules/x.js", "app.get('/healthz')"),
    ])
    .host("/srv/pax/.env", "DATABASE_URL=postgresql://pax:x@db.example.org/pax\n");
    let (text, _) = written(&disk, "", "/srv/pax");
    let services = text.split("  services:\n").nth(1).unwrap().split("    bot:").next().unwrap();
    insta::assert_snapshot!(services, @"
    # backend:
      # If it answers HTTP: a probe proves a new release in private, before it takes over.
      # The path is a route in app/main.py; the port is from EXPOSE in its Dockerfile.
      # probe: {http: {path: /healthz, port: 8000}}
      # It writes to a volume, so that it is stopped before its successor starts. Where two may
      # write at once for a moment, as with uploads:
      # sharedVolumes: [uploads]
    ");
    assert!(text.contains("urlFrom: {env: DATABASE_URL, service: backend}"));
}

/// Of a kind that nothing here was written for (Go, MongoDB), behind a Caddyfile that knows the port.
#[test]
fn a_stack_of_another_kind() {
    let compose = "services:
  web: {build: {context: ./cmd}, environment: {MONGO_URL: 'mongodb://mongo/shop'}, depends_on: [mongo]}
  mongo: {image: 'mongo:7', volumes: ['data:/data/db']}
  caddy: {image: 'caddy:2', ports: ['80:80'], volumes: ['./Caddyfile:/etc/caddy/Caddyfile:ro']}
volumes: {data: }
";
    let disk = Disk::with(&[
        ("compose.yaml", compose),
        ("Caddyfile", "# reverse_proxy web:1\nshop.example.org {\n  reverse_proxy http://web:7070\n}\n"),
        ("cmd/Dockerfile", "FROM golang:1\nRUN go build -o /web .\nCMD [\"/web\"]\n"),
        ("cmd/http/server.go", "mux.HandleFunc(`/livez`, live)\n"),
    ]);
    let (text, app) = written(&disk, "", "/srv/shop");
    insta::assert_snapshot!(text.split("projectDirectory: /srv/shop\n").nth(1).unwrap(), @r#"
    # services:
      # web:
        # If it answers HTTP: a probe proves a new release in private, before it takes over.
        # The path is a route in cmd/http/server.go; the port is from Caddyfile.
        # probe: {http: {path: /livez, port: 7070}}
    # `caddy` stands before the services: probe what users reach through it as well.
    # probes:
      # - url: "https://example.com/"
    rollout:
      # How long a new release must hold in private, and how long it is watched once it serves.
      minHealthy: 5s
      bake: 5m
      # In the log they make a release fail, unless the one before logged them as often.
      failOnLog: ["ERROR", "CRITICAL", "Traceback"]
    # Hours in which nothing new is rolled out. They block neither a revert nor a repair.
    # windows:
      # - {deny: "0 18 * * *", for: 4h, timeZone: Europe/Berlin}
    "#);
    assert!(app.spec.database.is_none());
    crate::manifest::read(NAME, &uncommented(&text)).unwrap_or_else(|faults| panic!("{faults}"));
}
