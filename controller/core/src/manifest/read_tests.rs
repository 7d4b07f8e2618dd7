use super::*;

const CONVERTIK: &str = r#"apiVersion: evenkeel/v1
kind: Application
metadata:
  name: convertik
spec:
  compose:
    files: [docker-compose.production.yml]
    projectName: convertik
    projectDirectory: /opt/convertik
  build: {cache: true}
  database:
    service: convertik-db
    name: convertik
    user: convertik
    migrations:
      tool: alembic
      service: convertik-api
      command: [alembic]
      mode: auto
      onRevert: downgrade
    backup: {before: migration, keep: 14}
  services:
    convertik-api:
      probe: {http: {path: /health, port: 8000, expect: {status: 200}}}
  probes:
    - url: https://convertik.example/health
  smoke:
    - http: {service: convertik-api, port: 8000, path: "/api/v1/stats/metrics?period=day"}
  rollout: {minHealthy: 5s, bake: 5m, failOnLog: ["ERROR", "CRITICAL", "Traceback"]}
  windows:
    - {deny: "0 18 * * *", for: 4h, timeZone: Europe/Moscow}
"#;

fn refused(from: &str, to: &str) -> String {
    assert!(CONVERTIK.contains(from), "{from}");
    read("evenkeel.yaml", &CONVERTIK.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn reads_the_whole_of_it() {
    let app = read("evenkeel.yaml", CONVERTIK).unwrap();
    assert_eq!(app.metadata.name.as_str(), "convertik");
    assert_eq!(app.spec.database.unwrap().migrations.service.as_str(), "convertik-api");
    assert_eq!(app.spec.windows[0].duration, std::time::Duration::from_secs(4 * 3_600));
    assert_eq!(app.spec.rollout.fail_on_log.len(), 3);
}

#[test]
fn writes_what_it_reads() {
    let app = read("evenkeel.yaml", CONVERTIK).unwrap();
    let text = yaml::to_string(&app).unwrap();
    assert_eq!(read("written.yaml", &text).unwrap(), app);
}

#[test]
fn every_fault_has_its_place() {
    insta::assert_snapshot!(refused("projectName: convertik", "projectNam: convertik"), @"evenkeel.yaml:8:5: unknown key `projectNam` (did you mean `projectName`?)");
    insta::assert_snapshot!(refused("apiVersion: evenkeel/v1", "apiVersion: evenkeel/v2"), @"evenkeel.yaml:1:13: `evenkeel/v2` is not known here (did you mean `evenkeel/v1`?)");
    insta::assert_snapshot!(refused("name: convertik\n", "name: Convertik_\n"), @"evenkeel.yaml:4:9: `Convertik_` cannot be an application's name (lower-case letters, digits and `-`, at most 63)");
    insta::assert_snapshot!(refused("projectName: convertik", "projectName: Convertik"), @"evenkeel.yaml:8:18: `Convertik` cannot be a Compose project's name (lower-case letters, digits, `-` and `_`)");
    insta::assert_snapshot!(refused("/opt/convertik", "opt/convertik"), @"evenkeel.yaml:9:23: `opt/convertik` is not an absolute path without `..` (name it as the host does)");
    insta::assert_snapshot!(refused("    service: convertik-db\n", ""), @"evenkeel.yaml:11:3: exactly one of `service` and `urlFrom` is needed");
    insta::assert_snapshot!(refused("      tool: alembic\n", "      tool: flyway\n"), @"evenkeel.yaml:16:13: `flyway` is not known here (known are `alembic`)");
    insta::assert_snapshot!(refused("      service: convertik-api\n", ""), @"evenkeel.yaml:16:7: the key `service` is missing");
    insta::assert_snapshot!(refused("keep: 14", "keep: 0"), @"evenkeel.yaml:21:39: at least 1 backup is kept");
    insta::assert_snapshot!(refused("{http: {path: /health", "{tcp: {port: 1}, http: {path: health"), @r#"
evenkeel.yaml:24:7: exactly one of `http`, `tcp` and `exec` is needed
evenkeel.yaml:24:44: `health` is not a path (it begins with `/`)
"#);
    insta::assert_snapshot!(refused("port: 8000, expect", "port: 80000, expect"), @"evenkeel.yaml:24:43: `80000` stands where a whole number from 0 to 65535 is expected");
    insta::assert_snapshot!(refused("https://convertik", "ftp://convertik"), @"evenkeel.yaml:26:12: `ftp://convertik.example/health` is not a URL that can be probed (write http://… or https://…)");
    insta::assert_snapshot!(refused("bake: 5m", "bake: 5 minutes"), @"evenkeel.yaml:29:35: `5 minutes` is not a duration; write for example 30s, 5m or 1h30m");
    insta::assert_snapshot!(refused("0 18 * * *", "0 25 * * *"), @"evenkeel.yaml:31:14: `0 25 * * *` is not a cron expression of five fields: Component error: Number out of bounds (for example `0 18 * * *`)");
    insta::assert_snapshot!(refused("Europe/Moscow", "Europe/Moskow"), @"evenkeel.yaml:31:47: `Europe/Moskow` is not a time zone of the IANA database (for example `Europe/Moscow`)");
}

#[test]
fn the_schema_knows_the_keys() {
    let text = schema().to_string();
    for key in ["apiVersion", "projectDirectory", "onRevert", "failOnLog", "additionalProperties"] {
        assert!(text.contains(key), "{key}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(line in 0usize..31, junk in "[ \\-:{}\\[\\]&*!'\"a-z0-9~]{0,24}") {
        let mut lines: Vec<&str> = CONVERTIK.lines().collect();
        lines[line] = &junk;
        let _ = read("evenkeel.yaml", &lines.join("\n"));
    }
}

#[test]
fn a_start_timeout_that_somebody_has_written_is_told_apart() {
    let own = |more: &str| {
        let probe: crate::manifest::Probe =
            serde_json::from_str(&format!(r#"{{"tcp": {{"port": 80}}{more}}}"#)).expect("a probe");
        probe.own_start_timeout()
    };
    assert_eq!(own(""), None);
    assert_eq!(own(r#", "startTimeout": "20m""#), Some(std::time::Duration::from_secs(1200)));
}
