//! Somebody changes by hand what runs: each kind of `docs/drift.md`, which is made from the table in the code, is done to a real
//! engine, noticed, named, counted, and healed or left alone as the page says.

use std::time::Instant;

use evenkeel_tests::command::{command, must};
use evenkeel_tests::docker::{Docker, docker, inspect, try_docker};
use evenkeel_tests::{Controller, World};
use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/drift.md");

/// Kinds that are not brought about here, and where they are.
const ELSEWHERE: &[(&str, &str)] =
    &[("schema", "a_schema_that_was_moved_by_hand_is_moved_back: it takes a database")];

const STACK: &str = "services:
  web:
    build: ./web
    image: APP-web:latest
    restart: always
    mem_limit: 128m
    tmpfs: [/scratch]
    volumes: ['uploads:/uploads:ro']
    networks: {default: {aliases: [site]}}
    healthcheck: {test: [CMD-SHELL, 'test ! -e /scratch/damaged && test ! -e /damaged && redis-cli ping'], interval: 1s, retries: 2}
  other:
    image: redis:7
    restart: always
    networks: [default, side]
    healthcheck: {test: [CMD, redis-cli, ping], interval: 1s, retries: 20}
networks: {side: {}}
volumes: {uploads: {}}
";

/// What is done for one kind, and how it shows that it is over.
struct Scenario {
    /// evenkeel is down meanwhile: what takes several commands would be healed between two of them.
    down: bool,
    by_hand: fn(&Shop),
    /// Healed; or, where it is only shown, still as somebody left it.
    holds: fn(&Shop) -> bool,
    /// Takes back what is only shown.
    undo: fn(&Shop),
}

/// The application, and somebody who has `docker`.
struct Shop {
    app: String,
}

impl Shop {
    fn name(&self, service: &str) -> String {
        format!("{}-{service}-1", self.app)
    }

    fn seen(&self, service: &str) -> Value {
        inspect(&self.name(service)).unwrap_or_default()
    }

    fn runs(&self, service: &str) -> bool {
        self.seen(service)["State"]["Status"] == "running"
    }

    fn is_healthy(&self, service: &str) -> bool {
        self.runs(service) && self.seen(service)["State"]["Health"]["Status"] == "healthy"
    }

    fn is_on(&self, service: &str, network: &str) -> bool {
        !self.seen(service)["NetworkSettings"]["Networks"][network].is_null()
    }

    fn network(&self) -> String {
        format!("{}_default", self.app)
    }

    fn tag(&self) -> String {
        format!("{}-web:latest", self.app)
    }

    fn tags_built(&self) -> bool {
        let id = |image: &str| try_docker(&["image", "inspect", "--format", "{{.Id}}", image]).stdout;
        id(&self.tag()) == docker(&["inspect", "--format", "{{.Image}}", &self.name("web")]) + "\n"
            || id(&self.tag()).trim() == self.seen("web")["Image"].as_str().unwrap_or("-")
    }

    /// Lets a container's files be removed, or not.
    fn lock_files(&self, container: &str, locked: bool) {
        let files = docker(&["inspect", "--format", "{{.GraphDriver.Data.UpperDir}}/scratchpad", container]);
        let flag = if locked { "+i" } else { "-i" };
        must(&mut command("chattr", [flag, &files]));
    }

    /// The containers of the project that the engine has given up.
    fn dead(&self) -> Vec<String> {
        let of = format!("label=com.docker.compose.project={}", self.app);
        let all = docker(&["ps", "-aq", "--filter", &of]);
        let is_dead = |id: &&str| inspect(id).is_some_and(|seen| seen["State"]["Status"] == "dead");
        all.lines().filter(is_dead).map(str::to_owned).collect()
    }

    /// A container with the project's labels, as `docker compose` would make it.
    fn foreign(&self, name: &str) {
        let project = format!("com.docker.compose.project={}", self.app);
        let of = "com.docker.compose.service=web";
        docker(&["run", "-d", "--name", name, "--label", &project, "--label", of, "redis:7"]);
    }
}

fn nothing(_: &Shop) {}

fn scenario(kind: &str) -> Option<Scenario> {
    let live = |by_hand, holds| Scenario { down: false, by_hand, holds, undo: nothing };
    let down = |by_hand, holds| Scenario { down: true, by_hand, holds, undo: nothing };
    Some(match kind {
        "stopped" => live(|it| drop(docker(&["stop", "-t", "5", &it.name("web")])), |it| it.runs("web")),
        "killed" => live(|it| drop(docker(&["kill", &it.name("web")])), |it| it.runs("web")),
        "unhealthy" => live(
            |it| drop(docker(&["exec", &it.name("web"), "touch", "/scratch/damaged"])),
            |it| it.is_healthy("web") && it.seen("web")["RestartCount"] == 0,
        ),
        "paused" => live(|it| drop(docker(&["pause", &it.name("web")])), |it| it.runs("web")),
        "removed" => live(|it| drop(docker(&["rm", "-f", &it.name("other")])), |it| it.runs("other")),
        // A file that the engine may not remove: `docker rm` fails half-way. Whoever looks meanwhile sees one that is being removed.
        "dead" => Scenario {
            down: true,
            by_hand: |it| {
                docker(&["exec", &it.name("web"), "touch", "/scratchpad"]);
                it.lock_files(&it.name("web"), true);
                assert_ne!(try_docker(&["rm", "-f", &it.name("web")]).code, 0, "it was removed");
            },
            holds: |it| it.is_healthy("web"),
            undo: |it| {
                for id in it.dead() {
                    it.lock_files(&id, false);
                    try_docker(&["rm", "-f", &id]);
                }
            },
        },
        "replaced" => down(
            |it| {
                docker(&["rm", "-f", &it.name("web")]);
                it.foreign(&it.name("web"));
            },
            |it| it.is_healthy("web") && !it.seen("web")["Config"]["Labels"]["evenkeel.app"].is_null(),
        ),
        "renamed" => live(
            |it| drop(docker(&["rename", &it.name("web"), &format!("{}-x", it.app)])),
            |it| it.runs("web"),
        ),
        "limits" => live(
            |it| drop(docker(&["update", "-m", "96m", "--memory-swap", "192m", &it.name("web")])),
            |it| it.seen("web")["HostConfig"]["Memory"] == 128 << 20,
        ),
        "restart-policy" => live(
            |it| drop(docker(&["update", "--restart", "no", &it.name("web")])),
            |it| it.seen("web")["HostConfig"]["RestartPolicy"]["Name"] == "always",
        ),
        "network-detached" => live(
            |it| drop(docker(&["network", "disconnect", &it.network(), &it.name("web")])),
            |it| it.is_on("web", &it.network()),
        ),
        "alias-lost" => down(
            |it| {
                docker(&["network", "disconnect", &it.network(), &it.name("web")]);
                docker(&["network", "connect", "--alias", "web", &it.network(), &it.name("web")]);
            },
            |it| {
                let aliases =
                    it.seen("web")["NetworkSettings"]["Networks"][it.network()]["Aliases"].to_string();
                aliases.contains("\"site\"") && aliases.contains("\"web\"")
            },
        ),
        "network-attached" => Scenario {
            down: false,
            by_hand: |it| {
                docker(&["network", "create", &format!("{}-somebodys", it.app)]);
                docker(&["network", "connect", &format!("{}-somebodys", it.app), &it.name("web")]);
            },
            holds: |it| it.is_on("web", &format!("{}-somebodys", it.app)),
            undo: |it| {
                drop(docker(&["network", "disconnect", &format!("{}-somebodys", it.app), &it.name("web")]))
            },
        },
        "network-removed" => down(
            |it| {
                docker(&["network", "disconnect", "-f", &format!("{}_side", it.app), &it.name("other")]);
                docker(&["network", "rm", &format!("{}_side", it.app)]);
            },
            |it| it.is_on("other", &format!("{}_side", it.app)),
        ),
        "network-changed" | "labels" => Scenario {
            down: true,
            by_hand: |it| {
                let side = format!("{}_side", it.app);
                docker(&["network", "disconnect", "-f", &side, &it.name("other")]);
                docker(&["network", "rm", &side]);
                docker(&["network", "create", "--internal", &side]);
            },
            holds: |it| {
                let side = format!("{}_side", it.app);
                it.is_on("other", &side)
                    && docker(&["network", "inspect", "--format", "{{.Internal}}", &side]) == "true"
            },
            // Removed, it is made anew as it should be.
            undo: |it| {
                let side = format!("{}_side", it.app);
                docker(&["network", "disconnect", "-f", &side, &it.name("other")]);
                try_docker(&["network", "rm", &side]);
            },
        },
        "image-retagged" => live(|it| drop(docker(&["tag", "redis:7", &it.tag()])), Shop::tags_built),
        "image-removed" => down(
            |it| {
                docker(&["rm", "-f", &it.name("web")]);
                let of = format!("reference=*{}*", it.app);
                for image in docker(&["images", "-q", "--filter", &of]).lines() {
                    try_docker(&["rmi", "-f", image]);
                }
                for image in docker(&["images", "-q", &format!("evenkeel/{}-web", it.app)]).lines() {
                    try_docker(&["rmi", "-f", image]);
                }
            },
            |it| it.is_healthy("web") && it.tags_built(),
        ),
        "volume-removed" => down(
            |it| {
                docker(&["rm", "-f", &it.name("web")]);
                docker(&["volume", "rm", &format!("{}_uploads", it.app)]);
            },
            |it| {
                it.is_healthy("web")
                    && try_docker(&["volume", "inspect", &format!("{}_uploads", it.app)]).code == 0
            },
        ),
        "orphan" => Scenario {
            down: false,
            by_hand: |it| it.foreign(&format!("{}-somebodys", it.app)),
            holds: |it| {
                inspect(&format!("{}-somebodys", it.app)).is_some_and(|one| one["State"]["Running"] == true)
            },
            undo: |it| drop(docker(&["rm", "-f", &format!("{}-somebodys", it.app)])),
        },
        // Its process ends, and the engine starts it again.
        "crash-loop" => live(
            |it| {
                for _ in 0..6 {
                    try_docker(&["exec", &it.name("other"), "redis-cli", "shutdown", "nosave"]);
                    let deadline = Instant::now() + std::time::Duration::from_secs(60);
                    while !it.is_healthy("other") && Instant::now() < deadline {
                        std::thread::sleep(std::time::Duration::from_millis(200));
                    }
                }
            },
            |it| it.runs("other"),
        ),
        _ => return None,
    })
}

/// The kinds of the page, and whether each is only shown. What makes an application `Degraded` for ten minutes comes last.
fn kinds() -> Vec<(String, bool)> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut kinds: Vec<_> =
        rows.map(|(kind, rest)| (kind.to_owned(), rest.contains("**shown only**"))).collect();
    kinds.sort_by_key(|(kind, _)| kind == "crash-loop");
    kinds
}

fn shop(world: &World) -> (Shop, Controller) {
    let app = format!("{}-shop", world.names.id);
    world.repo.write("shop/evenkeel.yaml", &evenkeel_tests::light::manifest(&app, "compose.yaml"));
    world.repo.write("shop/compose.yaml", &STACK.replace("APP", &app));
    world.repo.write("shop/web/Dockerfile", "FROM redis:7\nCOPY page /page\n");
    world.repo.write("shop/web/page", "hello\n");
    let commit = world.repo.commit("shop");
    let mut controller = world.start();
    controller.app.clone_from(&app);
    controller.settle(&commit, 240);
    (Shop { app }, controller)
}

#[test]
fn every_kind_of_drift_is_noticed_counted_and_healed() {
    let world = World::light();
    let (shop, mut controller) = shop(&world);
    let only = std::env::var("EVENKEEL_DRIFT").ok();
    for (kind, is_shown_only) in kinds() {
        if ELSEWHERE.iter().any(|(it, _)| *it == kind) || only.as_ref().is_some_and(|only| *only != kind) {
            continue;
        }
        let scenario = scenario(&kind).unwrap_or_else(|| panic!("there is no scenario of {kind}"));
        happens(&shop, &mut controller, &kind, is_shown_only, &scenario);
    }
}

fn happens(shop: &Shop, controller: &mut Controller, kind: &str, is_shown_only: bool, scenario: &Scenario) {
    let counted = |controller: &Controller| {
        controller.metrics().sum("evenkeel_drift_total", &[("app", &shop.app), ("kind", kind)])
    };
    let before = if scenario.down { 0.0 } else { counted(controller) };
    if scenario.down {
        controller.terminate();
    }
    let images = build_steps(controller);
    (scenario.by_hand)(shop);
    let began = Instant::now();
    if scenario.down {
        controller.restart();
    }
    controller.wait_for(&format!("{kind} to be counted"), 180, |controller| {
        let is_up = controller.status().is_ok();
        if is_up && counted(controller) > before { Ok(()) } else { Err("it is not counted".to_owned()) }
    });
    let noticed = began.elapsed();
    controller.wait(&format!("{kind} to be healed"), 180, |now| {
        now.app.phase == "Idle"
            && (scenario.holds)(shop)
            && (kind == "crash-loop" || now.app.health == "Healthy")
    });
    let healed = began.elapsed();
    let (noticed, healed) = (noticed.as_secs_f64(), healed.as_secs_f64());
    evenkeel_tests::tell(format!("{kind}: noticed after {noticed:.1} s, over after {healed:.1} s"));
    if kind != "image-removed" {
        assert_eq!(build_steps(controller), images, "{kind}: an image was built");
    }
    if is_shown_only {
        let shown = controller.wait(&format!("{kind} to be shown"), 60, |now| {
            now.app.condition("Drifted").is_some_and(|it| it.contains(kind))
        });
        assert_eq!(shown.app.sync, "Synced", "{kind}");
        let plan = controller.cli(&["plan"]).stdout;
        assert!(plan.contains(kind), "{kind}: {plan}");
        assert!((scenario.holds)(shop), "{kind} was touched");
    }
    (scenario.undo)(shop);
    if kind == "crash-loop" {
        let degraded = controller.wait("it to be degraded", 60, |now| now.app.health == "Degraded");
        assert_eq!(degraded.app.sync, "Synced");
        return;
    }
    controller.wait(&format!("{kind} to be over"), 180, |now| {
        now.app.settled() && now.app.condition("Drifted").is_none()
    });
}

/// How many images were built or pulled so far, by the log's steps.
fn build_steps(controller: &Controller) -> usize {
    controller
        .log()
        .lines()
        .filter(|line| line.contains("step=\"build\"") || line.contains("step=build"))
        .count()
}

/// A migration that a person took back by hand is made again, with a backup before it; the rows are not touched.
#[test]
fn a_schema_that_was_moved_by_hand_is_moved_back() {
    let world = World::new();
    let controller = world.start();
    controller.settle(&world.repo.head(), 240);
    let rows = world.seed_rows();
    let commit = world.commit_overlay("add-column");
    controller.settle(&commit, 240);
    assert_eq!(world.schema_revision(), "0002");

    world.psql("ALTER TABLE conversions DROP COLUMN note; UPDATE alembic_version SET version_num = '0001'");
    let plan = controller.cli(&["plan", &world.names.app]).stdout;
    assert!(plan.contains("drift: schema"), "{plan}");
    assert_eq!(controller.cli(&["sync", &world.names.app]).code, 0);
    let now = controller.wait("the schema to be moved back", 240, |now| {
        now.app.settled() && world.schema_revision() == "0002"
    });
    assert_eq!(now.app.live_revision.as_deref(), Some(commit.as_str()));
    world.assert_rows(&rows);
    let counted = [("app", world.names.app.as_str()), ("kind", "schema")];
    assert_eq!(controller.metrics().sum("evenkeel_drift_total", &counted), 1.0);
    world.assert_tidy();
}

#[test]
fn what_the_database_writes_to_is_never_made_anew() {
    let world = World::new();
    let mut controller = world.start();
    controller.settle(&world.repo.head(), 240);
    controller.terminate();
    let volume = format!("{}_convertik-db-data", world.names.app);
    for one in world.docker().of_service("convertik-db") {
        docker(&["rm", "-f", one["Id"].as_str().unwrap_or_default()]);
    }
    docker(&["volume", "rm", &volume]);

    controller.restart();
    let shown = controller.wait("it to be said", 120, |now| {
        now.app.phase == "Idle" && now.app.condition("PreflightFailed").is_some_and(|it| it.contains(&volume))
    });
    assert_eq!(shown.app.health, "Degraded");
    controller.several_polls();
    assert_ne!(try_docker(&["volume", "inspect", &volume]).code, 0, "an empty volume was made");
    assert!(Docker::of(&world.names.app).of_service("convertik-db").is_empty());
}
