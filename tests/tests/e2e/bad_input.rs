//! What people get wrong: it is said where and what, and every other application goes on.

use evenkeel_tests::command::{command, must, run};
use evenkeel_tests::docker::{docker, endpoint};
use evenkeel_tests::light::{STEADY, manifest};
use evenkeel_tests::report::Status;
use evenkeel_tests::{Controller, World};

/// A mistake, and what its report has to name.
struct Case {
    what: &'static str,
    files: Vec<(&'static str, String)>,
    named: Vec<String>,
}

fn case(what: &'static str, files: &[(&'static str, &str)], named: &[&str]) -> Case {
    let files = files.iter().map(|(path, text)| (*path, (*text).to_owned())).collect();
    Case { what, files, named: named.iter().map(|word| (*word).to_owned()).collect() }
}

#[test]
fn every_mistake_is_located_and_disturbs_nobody_else() {
    let world = World::light();
    let controller = world.start();
    controller.wait_for("the steady application", 90, |_| ready(&world, 0));
    let taken = world.ports.api.number();
    let holder = world.names.container("holder");
    docker(&["run", "-d", "--name", &holder, "-p", &format!("{taken}:6379"), "redis:7"]);
    let mut cases = in_manifest(&world);
    cases.extend(in_compose(&world));
    cases.push(port_taken(&world, taken, &holder));
    cases.push(name_taken("a taken container name", &world, &holder, &[&holder, "remove or rename"]));
    let steady = format!("{}-cache-1", world.steady());
    let project = format!("of project {}", world.steady());
    cases.push(name_taken("two applications of one container name", &world, &steady, &[&steady, &project]));
    let look = |(step, case): (usize, &Case)| {
        is_reported(&world, &controller, step + 1, case)
            .err()
            .map(|problem| format!("{}: {problem}", case.what))
    };
    let wrong: Vec<String> = cases.iter().enumerate().filter_map(look).collect();
    assert!(wrong.is_empty(), "{}\n--- log\n{}", wrong.join("\n\n"), controller.log_tail(30));
}

fn in_manifest(world: &World) -> Vec<Case> {
    let good = manifest(&name(world), "compose.yaml");
    let compose = ("bad/compose.yaml", "services:\n  one:\n    image: redis:7\n");
    let with = |from: &str, to: &str| {
        assert!(good.contains(from));
        good.replace(from, to)
    };
    vec![
        case("rubbish", &[("bad/evenkeel.yaml", "spec: [unclosed\n  a: {")], &["bad/evenkeel.yaml:"]),
        case(
            "a wrong type",
            &[("bad/evenkeel.yaml", &with("bake: 0s", "bake: [1]")), compose],
            &["bad/evenkeel.yaml:8:", "list"],
        ),
        case(
            "an unknown key",
            &[("bad/evenkeel.yaml", &with("bake:", "baek:")), compose],
            &["bad/evenkeel.yaml:8:", "baek", "bake"],
        ),
        case(
            "a missing Compose file",
            &[("bad/evenkeel.yaml", &with("compose.yaml", "gone.yaml"))],
            &["bad/evenkeel.yaml:7:", "gone.yaml"],
        ),
        case(
            "two manifests of one name",
            &[
                ("bad/evenkeel.yaml", &good),
                compose,
                ("bad/two/evenkeel.yaml", &good),
                ("bad/two/compose.yaml", compose.1),
            ],
            &["bad/evenkeel.yaml", "bad/two/evenkeel.yaml"],
        ),
    ]
}

fn in_compose(world: &World) -> Vec<Case> {
    let good = manifest(&name(world), "compose.yaml");
    let compose = |what, text: &str, named: &[&str]| {
        let files = [("bad/evenkeel.yaml", good.as_str()), ("bad/compose.yaml", text)];
        case(what, &files, named)
    };
    vec![
        compose(
            "an unknown key",
            "services:\n  one:\n    imagee: redis:7\n",
            &["bad/compose.yaml:3:5", "imagee"],
        ),
        compose(
            "a missing env file",
            "services:\n  one:\n    image: redis:7\n    env_file: gone.env\n",
            &["bad/compose.yaml:4:", "gone.env"],
        ),
        compose(
            "a circle",
            "services:\n  one:\n    image: redis:7\n    depends_on: [two]\n  two:\n    image: redis:7\n    depends_on: [one]\n",
            &["bad/compose.yaml:", "one", "two", "depends"],
        ),
        compose(
            "an unset variable",
            "services:\n  one:\n    image: \"redis:${REDIS_TAG:?say which}\"\n",
            &["bad/compose.yaml:3:", "REDIS_TAG", "say which"],
        ),
        compose(
            "a link that leads outside",
            "services:\n  one:\n    image: redis:7\n    volumes: [\"./outside/hostname:/etc/name:ro\"]\n",
            &["bad/compose.yaml:4:", "outside"],
        ),
        compose(
            "a context outside",
            "services:\n  one:\n    build: ../../../etc\n",
            &["bad/compose.yaml:3:", "../../../etc"],
        ),
    ]
}

fn port_taken(world: &World, port: u16, holder: &str) -> Case {
    let compose = format!("services:\n  one:\n    image: redis:7\n    ports: [\"{port}:6379\"]\n");
    let files =
        [("bad/evenkeel.yaml", manifest(&name(world), "compose.yaml")), ("bad/compose.yaml", compose)];
    Case { what: "a taken port", files: files.into(), named: vec![port.to_string(), holder.to_owned()] }
}

fn name_taken(what: &'static str, world: &World, container: &str, named: &[&str]) -> Case {
    let compose = format!("services:\n  one:\n    image: redis:7\n    container_name: {container}\n");
    case(
        what,
        &[("bad/evenkeel.yaml", &manifest(&name(world), "compose.yaml")), ("bad/compose.yaml", &compose)],
        named,
    )
}

fn name(world: &World) -> String {
    format!("{}-bad", world.names.id)
}

/// Commits a mistake together with a change of the steady application.
fn is_reported(world: &World, controller: &Controller, step: usize, case: &Case) -> Result<(), String> {
    world.repo.git(&["rm", "-rqf", "--ignore-unmatch", "bad"]);
    for (path, text) in &case.files {
        world.repo.write(path, text);
    }
    let link = world.repo.path().join("bad/outside");
    std::os::unix::fs::symlink("/etc", link).map_err(|error| error.to_string())?;
    world.step_steady(step);
    world.repo.commit(case.what);
    controller.try_wait(20, |controller| {
        let told = told(&controller.status()?);
        let matches = |message: &String| case.named.iter().all(|word| message.contains(word));
        let expected = || format!("no message names all of {:?}:\n{}", case.named, told.join("\n"));
        if told.iter().any(matches) { Ok(()) } else { Err(expected()) }
    })?;
    controller.try_wait(40, |_| ready(world, step))
}

fn told(status: &Status) -> Vec<String> {
    let conditions = status.applications.iter().flat_map(|app| &app.conditions);
    conditions.map(|condition| format!("{}: {}", condition.reason, condition.message)).collect()
}

fn ready(world: &World, step: usize) -> Result<(), String> {
    if world.steady_runs(step) { Ok(()) } else { Err(format!("it does not run at step {step}")) }
}

#[test]
fn an_engine_that_is_away_is_reported_and_waited_for() {
    let world = World::light();
    let mut controller =
        Controller::start_with(&world, &[("DOCKER_HOST", "unix:///nonexistent/docker.sock")]);
    controller.wait_for("the engine to be reported", 60, |controller| {
        let told = told(&controller.status()?);
        if told.iter().any(|line| line.starts_with("EngineUnreachable")) {
            Ok(())
        } else {
            Err(told.join("\n"))
        }
    });
    assert_eq!(controller.terminate(), Some(0));
    controller.restart_with("DOCKER_HOST", &endpoint());
    controller.wait_for("the steady application", 60, |_| ready(&world, 0));
}

/// A file system of its own, so that it can be filled; unmounted when it goes.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(path: std::path::PathBuf) -> Self {
        std::fs::create_dir_all(&path).expect("a directory to mount on");
        let target = path.to_str().expect("a name of plain characters");
        must(&mut command("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", target]));
        Self(path)
    }

    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.0.join("filler")).expect("there is room yet");
        for size in [64 * 1024, 1024, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("it was made");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        run(command("umount", ["-l"]).arg(&self.0));
    }
}

#[test]
fn a_full_disk_is_reported_and_waited_for() {
    let world = World::light();
    let disk = Small::mount(world.directory().join("data"));
    let controller = world.start();
    controller.wait_for("the steady application", 60, |_| ready(&world, 0));
    disk.fill();
    world.step_steady(1);
    world.repo.commit("on a full disk");
    controller.wait_for("the full disk to be reported", 60, |controller| {
        let told = told(&controller.status()?).join("\n");
        let says = |word: &str| told.to_lowercase().contains(word);
        if says("no space left") || says("disk is full") { Ok(()) } else { Err(told) }
    });
    assert!(world.steady_runs(0));
    disk.empty();
    controller.wait_for("the steady application to move on", 90, |_| ready(&world, 1));
}

#[test]
fn a_source_that_goes_away_leaves_what_runs_alone() {
    let world = World::light();
    let controller = world.start();
    controller.wait_for("the steady application", 60, |_| ready(&world, 0));
    let (path, aside) = (world.repo.path().to_owned(), world.directory().join("aside"));
    std::fs::rename(&path, &aside).unwrap();
    controller.wait_for("the source to be reported", 60, |controller| {
        let told = told(&controller.status()?);
        if told.iter().any(|line| line.starts_with("SourceUnreachable")) {
            Ok(())
        } else {
            Err(told.join("\n"))
        }
    });
    assert!(world.steady_runs(0));
    std::fs::rename(&aside, &path).unwrap();
    world.step_steady(1);
    world.repo.commit("back again");
    controller.wait_for("the steady application again", 60, |_| ready(&world, 1));
}

#[test]
fn a_newer_data_directory_and_a_second_controller_are_refused() {
    let world = World::light();
    let mut controller = world.start();
    controller.wait_for("the steady application", 60, |_| ready(&world, 0));
    let second = evenkeel_tests::controller::offline(&[
        "run",
        "--repo",
        &world.repo.path().display().to_string(),
        "--data-dir",
        &controller.data_dir().display().to_string(),
        "--socket",
        &world.directory().join("second.sock").display().to_string(),
        "--listen",
        &format!("127.0.0.1:{}", world.ports.redis.number()),
    ]);
    assert_ne!(second.code, 0, "two controllers on one data directory");
    assert_eq!(controller.terminate(), Some(0), "{}", controller.log_tail(20));
    make_newer(&controller);
    controller.restart();
    controller.wait_for("the controller to refuse", 20, |controller| {
        if controller.log_tail(5).contains("newer") { Ok(()) } else { Err("not yet".into()) }
    });
    assert!(world.steady_runs(0));
}

/// SQLite keeps `user_version`, by which a ledger tells its age, in bytes 60 to 63 of the file.
fn make_newer(controller: &Controller) {
    let files = std::fs::read_dir(controller.data_dir())
        .expect("a data directory")
        .flatten()
        .map(|entry| entry.path());
    let is_ledger = |path: &std::path::PathBuf| {
        std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0"))
    };
    let ledger = files.filter(|path| path.is_file()).find(is_ledger).expect("there is a ledger");
    let mut bytes = std::fs::read(&ledger).expect("it was just read");
    bytes[60..64].copy_from_slice(&9999_u32.to_be_bytes());
    std::fs::write(&ledger, bytes).expect("it can be written");
}

/// A name passes from one container of an application to the next. While the old one stops, nobody has it; it is not free.
#[test]
fn a_name_in_passing_belongs_to_its_application() {
    let world = World::light();
    let path = format!("{STEADY}/compose.yaml");
    let slow = |step: u32| {
        let text = format!(
            "services:\n  cache:\n    image: redis:7\n    entrypoint: [sh, -c, 'trap : TERM; while :; do sleep 1; done']\n    \
             environment: {{STEP: \"{step}\"}}\n    stop_grace_period: 15s\n"
        );
        world.repo.write(&path, &text);
        world.repo.commit("what takes its time to stop")
    };
    slow(1);
    let controller = world.start();
    controller.wait_for("the steady application", 60, |_| ready(&world, 1));
    slow(2);
    let container = format!("{}-cache-1", world.steady());
    controller.wait_for("its name to be nobody's", 60, |_| {
        match docker(&["ps", "-aq", "--filter", &format!("name=^/{container}$")]) {
            none if none.is_empty() => Ok(()),
            id => Err(format!("{id} has it")),
        }
    });
    for (path, text) in &name_taken("its name", &world, &container, &[]).files {
        world.repo.write(path, text);
    }
    world.repo.commit("another application wants it");
    let owner = format!("taken by application {0} of project {0}", world.steady());
    controller.wait_for("the owner to be named", 12, |controller| {
        let told = told(&controller.status()?);
        if told.iter().any(|message| message.contains(&owner)) { Ok(()) } else { Err(told.join("\n")) }
    });
    controller.wait_for("the owner to go on", 60, |_| ready(&world, 2));
}
