//! Files that are too much: said, with a bound, in bounded time and memory.

use std::fmt::Write;
use std::time::Instant;

use super::testing::disk;

#[test]
fn ten_thousand_services_are_read() {
    let mut text =
        "x-common: &common {restart: always, networks: [front], logging: {driver: local}}\nservices:\n"
            .to_owned();
    for number in 0..10_000 {
        let _ = write!(
            text,
            "  s{number}:\n    <<: *common\n    image: 'registry/image:${{TAG}}'\n    environment: {{NUMBER: '{number}', TAG: }}\n    ports: ['{}:80']\n    volumes: ['data{number}:/data']\n",
            10_000 + number
        );
        if number > 0 {
            let _ =
                writeln!(text, "    depends_on: [s{}]\n    volumes_from: ['container:other']", number - 1);
        }
    }
    text.push_str("networks: {front: }\nvolumes:\n");
    text.extend((0..10_000).map(|number| format!("  data{number}:\n")));
    let over: String =
        (0..10_000).map(|number| format!("  s{number}: {{command: run {number}}}\n")).collect();
    let disk = disk(&text).file(".env", "TAG=1\n").file("over.yaml", &format!("services:\n{over}"));
    let begin = Instant::now();
    let project = disk.project("{files: [compose.yaml, over.yaml]}");
    println!("10,000 services of {} kB in two files: {:?}", text.len() / 1000, begin.elapsed());
    assert_eq!((project.services.len(), project.volumes.len()), (10_000, 10_000));
    let order = super::start_order(&project);
    assert_eq!(order.last().map(crate::name::ServiceName::as_str), Some("s9999"));
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "x-a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        let _ = writeln!(text, "x-a{level}: &a{level} [{aliases}]");
    }
    text.push_str("services: {a: {image: x, command: *a9}}\n");
    insta::assert_snapshot!(disk(&text).refused(), @"compose.yaml:6:7: the file stands for more than 1000000 values, its aliases resolved");
}

#[test]
fn a_bomb_of_variables_is_refused() {
    let mut env = "A0=0123456789\n".to_owned();
    env.extend((1..60).map(|level| format!("A{level}=${{A{0}}}$A{0}\n", level - 1)));
    let said = disk("services: {a: {image: '$A59'}}").file(".env", &env).refused();
    insta::assert_snapshot!(said, @".env:18:1: the value of `A17` becomes too long (put the value in single quotes where the dollar sign is meant)");
    let quoted = env
        .replace("=${", "=\"${")
        .lines()
        .skip(1)
        .fold("A0=0123456789\n".to_owned(), |all, line| all + line + "\"\n");
    assert!(disk("services: {a: {image: x}}").file(".env", &quoted).refused().contains("too long"));
    let big = format!("BIG={}\n", "x".repeat(900_000));
    let twice = disk("services: {a: {image: '$BIG$BIG'}}").file(".env", &big).refused();
    insta::assert_snapshot!(twice, @"compose.yaml:1:23: the variables make this a text of more than 1048576 bytes");
    let many = format!("services: {{a: {{image: x, command: [{}]}}}}", vec!["$BIG"; 200].join(", "));
    let said = disk(&many).file(".env", &big).refused();
    assert!(said.contains("more than 67108864 bytes") && said.len() < 100_000, "{}", said.len());
}

#[test]
fn chains_and_ranges_have_an_end() {
    let chain: String = (0..60).map(|link| format!("  s{link}: {{extends: s{}}}\n", link + 1)).collect();
    let said = disk(&format!("services:\n{chain}  s60: {{image: x}}\n")).refused();
    assert!(said.starts_with("compose.yaml:") && said.contains("`extends` goes round"), "{said}");
    let mut included = disk("include: [f0.yaml]");
    for link in 0..60 {
        included = included.file(&format!("f{link}.yaml"), &format!("include: [f{}.yaml]", link + 1));
    }
    assert!(included.refused().contains("`include` goes round"));
    let deep = format!("services: {{a: {{command: {}x{}}}}}", "[".repeat(100), "]".repeat(100));
    insta::assert_snapshot!(disk(&deep).refused(), @"compose.yaml:1:87: nested deeper than 64 levels");
    let ports = format!("services: {{a: {{image: x, ports: [{}]}}}}", vec!["1-1000"; 100_000].join(", "));
    insta::assert_snapshot!(disk(&ports).refused(), @"compose.yaml:1:50: the service has more than 2000 ports");
    let mut shared = "services:\n  s0: {image: x, volumes: [".to_owned();
    shared.extend((0..400).map(|mount| format!("'/h:/m{mount}', ")));
    shared.push_str("]}\n");
    shared.extend((1..250).map(|link| {
        let own: String = (0..3).map(|mount| format!("'/h:/s{link}-{mount}', ")).collect();
        format!("  s{link}: {{image: x, volumes_from: [s{}], volumes: [{own}]}}\n", link - 1)
    }));
    let said = disk(&shared).refused();
    assert!(said.starts_with("compose.yaml:") && said.contains("more than 1000 mounts"), "{said}");
}
