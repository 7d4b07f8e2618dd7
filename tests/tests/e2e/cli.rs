//! The command line as scripts use it: exit codes and JSON.

use evenkeel_tests::World;
use evenkeel_tests::controller::offline;
use evenkeel_tests::light::{STEADY, manifest};
use evenkeel_tests::world::project;

#[test]
fn validate_accepts_the_examples() {
    let path = project().join("manifests/convertik").display().to_string();
    let home = std::path::Path::new("/opt/convertik/.env.production");
    let finished = offline(&["validate", &path, "--output", "json"]);
    // The example's env files are on no host but its own, and that is all there may be to say.
    if finished.code != 0 && !home.exists() {
        let report: serde_json::Value =
            serde_json::from_str(&finished.stdout).expect("JSON also when it fails");
        let faults = report["faults"].as_array().expect("a list of faults");
        assert!(faults.iter().all(|fault| fault.to_string().contains(".env")), "{faults:#?}");
    }
}

#[test]
fn validate_exits_with_2_and_names_the_place() {
    let world = World::light();
    let path = world.repo.path().join(STEADY);
    let fine = offline(&["validate", &path.display().to_string()]);
    assert_eq!(fine.code, 0, "{}{}", fine.stdout, fine.stderr);
    world.repo.write("steady/evenkeel.yaml", &manifest("steady", "compose.yaml").replace("bake:", "baek:"));
    let broken = offline(&["validate", &path.display().to_string()]);
    assert_eq!(broken.code, 2);
    let told = format!("{}{}", broken.stdout, broken.stderr);
    assert!(told.contains("evenkeel.yaml:8:") && told.contains("baek"), "{told}");
}

#[test]
fn a_verb_without_a_controller_exits_with_2_and_says_what_to_do() {
    for verb in ["status", "plan", "history", "sync"] {
        let finished = offline(&[verb, "--socket", "/nonexistent/evenkeel.sock"]);
        assert_eq!(finished.code, 2, "{verb}");
        assert!(finished.stderr.contains("/nonexistent/evenkeel.sock"), "{verb}: {}", finished.stderr);
    }
}

#[test]
fn schema_is_json_and_init_writes_a_manifest_that_is_valid() {
    let schema: serde_json::Value =
        serde_json::from_str(&offline(&["schema"]).stdout).expect("a JSON Schema");
    assert!(schema["properties"]["spec"].is_object());
    let world = World::light();
    let folder = world.repo.path().join(STEADY);
    std::fs::remove_file(folder.join("evenkeel.yaml")).unwrap();
    let made = offline(&["init", &folder.display().to_string()]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let checked = offline(&["validate", &folder.display().to_string()]);
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
}

#[test]
fn plan_suspend_and_resume() {
    let world = World::light();
    let controller = world.start();
    let steady = world.steady();
    let ready = |step| if world.steady_runs(step) { Ok(()) } else { Err("not yet".to_owned()) };
    controller.wait_for("the steady application", 60, |_| ready(0));
    controller.wait_for("nothing left to do", 30, |controller| {
        if controller.cli(&["plan"]).code == 0 { Ok(()) } else { Err(controller.cli(&["plan"]).stdout) }
    });
    assert_eq!(controller.cli(&["suspend", &steady]).code, 0);
    world.step_steady(1);
    world.repo.commit("while it is suspended");
    controller.wait_for("the plan to be there", 30, |controller| {
        let plan = controller.cli(&["plan", &steady]);
        if plan.code == 1 {
            Ok(())
        } else {
            Err(format!("exit code {}: {}{}", plan.code, plan.stdout, plan.stderr))
        }
    });
    controller.several_polls();
    assert!(world.steady_runs(0), "it was deployed although it is suspended");
    let status = controller.status().unwrap();
    assert!(
        status
            .app(&steady)
            .is_some_and(|app| app.health == "Suspended" && app.condition("Suspended").is_some())
    );
    assert_eq!(controller.cli(&["resume", &steady]).code, 0);
    controller.wait_for("the steady application to move on", 60, |_| ready(1));
    assert_eq!(controller.cli(&["plan", "no-such-application"]).code, 2);
}
