//! The hashes are docker-compose 1.29.2's own: `config_hash` of each service of the file, read in `/opt/shop`, for an image whose
//! id is all zeros.

use super::Classic;
use crate::compose::Project;
use crate::compose::testing::{WITH_DIGESTS as FILE, disk, host_of_digests as host};
use crate::name::{ImageId, ServiceName};

const HASHES: [(&str, &str); 7] = [
    ("api", "3a6898b887495028e03a5d965ff84aab25e8c8fb0ceb7ed654734b6a5a40bfe0"),
    ("beside", "685d8fc33d3c151a2343a3d5158b1023228b93b1e5bf94035e135aca748ed073"),
    ("cache", "7e4ec5f176e648b4ceba27ee0659db040a17de10a21546308c1a2ffd852bc8b4"),
    ("db", "fe35282dec7838d7b7d51f7747bb371c609b5a0be28a661eba715124bac42509"),
    ("host", "8e1ef0960410074560ef57c5fe6afc8896aaa0cbc7eedaa7f249cbb7c5c9c890"),
    ("rest", "2252e47dc2b209ff43d5fe85a0d0568d0512b7493453da4b44daefb45781f7c3"),
    ("worker", "4f9997a858f4a7f9e1058be043b41d9f1d66773163beedd0aaf717c36043ade6"),
];

const HERE: &str = "projectDirectory: /opt/shop";

fn of<'p>(project: &'p Project, service: &str) -> &'p Classic {
    &project.classic[&ServiceName::new(service)]
}

fn image() -> ImageId {
    ImageId::new(format!("sha256:{}", "0".repeat(64)))
}

#[test]
fn the_hash_is_that_of_the_program_itself() {
    let project = host(FILE).project(HERE);
    let ours: Vec<(&str, Option<String>)> =
        HASHES.iter().map(|(name, _)| (*name, of(&project, name).hash(&image()))).collect();
    let theirs: Vec<_> = HASHES.iter().map(|(name, hash)| (*name, Some((*hash).to_owned()))).collect();
    assert_eq!(ours, theirs);
    assert_eq!(project.classic.len(), HASHES.len());
}

#[test]
fn where_there_is_doubt_there_is_no_hash() {
    for (service, why) in [
        ("{image: x, volumes: ['./conf:/conf']}", "projectDirectory"),
        ("{image: x, annotations: {a: b}}", "does not know `annotations`"),
        ("{image: x, restart: no}", "in quotes"),
        ("{image: x, environment: {PORT: 0x1F}}", "the value of `PORT`"),
        ("{image: x, environment: {DAY: 2026-11-21}}", "without quotes"),
        ("{image: x, ports: [22:22]}", "without quotes"),
        ("{image: x, environment: {Q: 22:8}}", "without quotes"),
        ("{image: x, environment: {Q: 190:20:30.15}}", "without quotes"),
        ("{image: x, environment: {FLAG: true}}", "boolean"),
        ("{image: x, ipc: 'service:other'}", "another container"),
    ] {
        let text = format!("services: {{a: {service}, other: {{image: x, ipc: shareable}}}}");
        let project = host(&text).project("{}");
        let doubt = of(&project, "a").doubt().unwrap_or_else(|| panic!("{service}"));
        assert!(doubt.contains(why), "{service}: {doubt}");
        assert!(of(&project, "a").hash(&image()).is_none());
        assert!(of(&project, "other").hash(&image()).is_some());
    }
    let two = host("name: shop\nservices: {a: {image: x}}").project("{}");
    assert!(of(&two, "a").doubt().unwrap().contains("`name`"));
    let named = "services: {a: {image: x, hostname: '${COMPOSE_PROJECT_NAME}-a'}}";
    let doubt = host(named).project("{}");
    assert!(of(&doubt, "a").doubt().unwrap().contains("`COMPOSE_PROJECT_NAME`"));
    let same = disk(named).file(".env", "COMPOSE_PROJECT_NAME=shop").project("{}");
    assert!(of(&same, "a").hash(&image()).is_some());
    let two = host("services: {a: {image: x}}").file("b.yaml", "services: {a: {tty: true}}");
    let two = two.project("{files: [compose.yaml, b.yaml]}");
    assert!(of(&two, "a").doubt().unwrap().contains("more than one file"));
}

#[test]
fn a_doubt_names_the_key_and_never_the_value() {
    for (service, key) in [
        ("{image: x, environment: {PASSWORD: 00123456}}", "`PASSWORD`"),
        ("{image: x, environment: {PASSWORD: 99999999999999999999}}", "`PASSWORD`"),
        ("{image: x, sysctls: {net.x: 0x00123456}}", "`sysctls.net.x`"),
        ("{image: x, command: [run, 00123456]}", "`command`"),
        ("{image: x, labels: {pin: 00123456}}", "`labels.pin`"),
    ] {
        let project = host(&format!("services: {{a: {service}}}")).project("{}");
        let doubt = of(&project, "a").doubt().unwrap_or_else(|| panic!("{service}"));
        assert!(doubt.contains(key), "{service}: {doubt}");
        assert!(!doubt.contains("00123456") && !doubt.contains("9999"), "{service}: {doubt}");
    }
}

#[test]
fn a_plain_word_is_a_word() {
    let text = "services: {a: {build: ., command: [., .., 1.2.3, '0', 10s, 8001:8000, 22:60, v1]}}";
    let project = host(text).file("Dockerfile", "FROM scratch\n").project(HERE);
    let Classic::Known(view) = of(&project, "a") else { panic!("{:?}", of(&project, "a")) };
    assert!(
        view.expose().contains(r#"[".","..","1.2.3","0","10s","8001:8000","22:60","v1"]"#),
        "{}",
        view.expose()
    );
}
