use super::testing::disk;

#[test]
fn included_files_have_directories_and_variables_of_their_own() {
    let project = disk(
        "include: [db/compose.yaml, {path: ../shared/q.yaml, project_directory: ../q, env_file: q.env}]\nservices: {a: {image: 'a:$TAG', depends_on: [db, queue]}}",
    );
    let disk =
        project.file("shared/q.yaml", "services: {queue: {image: 'q:$TAG-$OWN', volumes: ['./conf:/conf']}}");
    // The project stands in a directory of the repository, so that an included file may stand beside it.
    let mut disk = disk
        .file("db/compose.yaml", "include: [more.yaml]\nservices: {db: {image: 'db:$TAG-$OWN', build: ., environment: [OWN, TAG]}}\nvolumes: {data: }")
        .file("db/more.yaml", "services: {more: {image: 'm:$OWN', volumes: ['data:/d']}}")
        .file("db/.env", "OWN=db\nTAG=ignored\n")
        .file("db/Dockerfile", "FROM x")
        .file("q.env", "OWN=${TAG:-none}q\n")
        .file("q/conf/x", "")
        .file(".env", "TAG=1\n");
    let main = disk.tree.remove("compose.yaml").unwrap();
    let moved: Vec<(String, String)> = disk
        .tree
        .iter()
        .map(|(path, text)| {
            let beside = path.starts_with("shared/") || path.starts_with("q/");
            (if beside { path.clone() } else { format!("app/{path}") }, text.clone())
        })
        .collect();
    disk.tree = moved.into_iter().chain([("app/compose.yaml".to_owned(), main)]).collect();
    let project = disk.project("{files: [app/compose.yaml]}");
    let image = |name: &str| project.services[name].image.clone().unwrap();
    assert_eq!((image("a"), image("db"), image("more")), ("a:1".into(), "db:1-db".into(), "m:db".into()));
    assert_eq!(image("queue"), "q:1-1q");
    let db = &project.services["db"];
    assert_eq!(db.build.as_ref().map(|build| build.context.as_str()), Some("app/db"));
    assert_eq!((db.environment["OWN"].expose(), db.environment["TAG"].expose()), ("db", "1"));
    let source = |name: &str| serde_json::to_string(&project.services[name].mounts[0].source).unwrap();
    assert!(source("queue").contains("\"q/conf\""), "{}", source("queue"));
    assert!(project.volumes.contains_key("data"));
}

#[test]
fn what_both_say_is_the_including_files_and_warned_of() {
    let disk = disk("include: [b.yaml, b.yaml, c.yaml]\nservices:\n  a: {environment: {X: mine}}\n")
        .file("b.yaml", "services: {a: {image: b, environment: {X: b, Y: b}}}")
        .file("c.yaml", "include: [b.yaml]\nservices: {c: {image: c}}");
    let (project, warnings) = disk.read("{}").unwrap();
    let a = &project.services["a"];
    assert_eq!(a.image.as_deref(), Some("b"));
    assert_eq!((a.environment["X"].expose(), a.environment["Y"].expose()), ("mine", "b"));
    assert_eq!(project.services.len(), 2);
    insta::assert_snapshot!(warnings.join("\n"), @"compose.yaml:3:3: `a` of `services` is said here and at b.yaml:1:12; this is put over that");
}

#[test]
fn an_override_may_go_over_what_is_included() {
    let disk = disk("include:\n- path: [b.yaml, over.yaml]\nservices: {c: {image: c}}")
        .file("b.yaml", "services: {a: {image: b, ports: ['1:1']}}")
        .file("over.yaml", "services: {a: {ports: !reset [], command: over}}");
    let a = &disk.project("{}").services["a"];
    assert!(a.ports.is_empty() && a.command.is_some());
}

#[test]
fn inclusions_that_cannot_be_are_located() {
    let said = |main: &str, other: &str| disk(main).file("b.yaml", other).file("d/e.yaml", "{}").refused();
    insta::assert_snapshot!(said("include:\n- b.yaml\nservices: {a: {image: x}}", "include: [compose.yaml]"), @"b.yaml:1:11: `include` goes round: compose.yaml → b.yaml → compose.yaml");
    insta::assert_snapshot!(said("include: [b.yaml]", "include: [b.yaml]"), @"b.yaml:1:11: `include` goes round: compose.yaml → b.yaml → b.yaml");
    insta::assert_snapshot!(said("include:\n  - ../x.yaml\n", ""), @"compose.yaml:2:5: `../x.yaml` is outside of the repository (a release is one commit: put the file into the repository)");
    insta::assert_snapshot!(said("include: [oci://r/x]", ""), @"compose.yaml:1:11: `oci://r/x` is outside of the repository (a release is one commit: put the file into the repository)");
    insta::assert_snapshot!(said("include: [nowhere.yaml]", ""), @"compose.yaml:1:11: cannot read nowhere.yaml: no such file");
    insta::assert_snapshot!(said("include: b.yaml", "{}"), @"compose.yaml:1:10: `b.yaml` stands where a list of files is expected");
    insta::assert_snapshot!(said("include: [{project_directory: .}]", "{}"), @"compose.yaml:1:11: an item of `include` needs a `path`");
    insta::assert_snapshot!(said("include: [{path: b.yaml, env_file: [none.env]}]", "{}"), @"compose.yaml:1:37: the env file `none.env` is nowhere");
    insta::assert_snapshot!(said("include: [{path: b.yaml, files: x}]", "{}"), @"compose.yaml:1:26: unknown key `files` (keys of your own begin with `x-`)");
    insta::assert_snapshot!(said("include: [b.yaml]", "services: {a: {image: '$NO', build: 1.5}, b: {imag: x}}"), @"
    b.yaml:1:23: the variable `NO` is not set (set it in .env, or write `${NO-}` where it may be empty)
    b.yaml:1:47: unknown key `imag` (did you mean `image`?)
    ");
    insta::assert_snapshot!(said("include: [d/e.yaml, {path: d/e.yaml, project_directory: .}]", "{}"), @"compose.yaml:1:21: `d/e.yaml` is already read with another directory or other variables (name it once, or give both the same `project_directory` and `env_file`)");
}
