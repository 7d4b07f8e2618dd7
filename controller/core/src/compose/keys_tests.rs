use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::*;
use crate::compose::testing;
use crate::files::testing::Disk;
use crate::located::Faults;
use crate::yaml;

/// The specification's keys.
pub(in crate::compose) fn specified() -> Vec<&'static str> {
    include_str!("../../tests/compose-keys.txt").lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn no_key_of_the_specification_is_missing() {
    let missing: Vec<&str> = specified().into_iter().filter(|key| status(key).is_none()).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn no_key_is_made_up_and_each_stands_once_in_order() {
    let known: BTreeSet<&str> = specified().into_iter().collect();
    let keys: Vec<&str> = table::KEYS.iter().map(|(key, _)| *key).collect();
    keys.iter().for_each(|key| assert!(known.contains(key), "{key}"));
    assert!(keys.is_sorted_by(|a, b| a < b));
}

/// A key below one that is refused or without effect would be dead: reading never gets there.
#[test]
fn nothing_stands_below_what_is_refused() {
    for (key, _) in table::KEYS {
        let above =
            key.rsplit_once('.').map(|(above, _)| above.trim_end_matches("[]").trim_end_matches(".*"));
        let Some(above) = above else { continue };
        let honoured = matches!(status(above), Some(Status::Honoured) | None);
        assert!(honoured, "{key}");
    }
}

#[test]
fn unknown_and_refused_keys_are_located() {
    let text = "services:\n  a:\n    imag: x\n    provider: {type: x}\n    x-mine: 1\n    attach: false\n    labels: {any: 1}\nfoo: 1\n";
    let findings = check(&yaml::parse("c.yaml", text).unwrap(), &[]);
    let faults: Vec<String> = findings.faults.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(faults.join("\n"), @"
    c.yaml:3:5: unknown key `imag` (did you mean `image`?)
    c.yaml:4:5: `provider` is refused (providers are programs that the Compose command runs)
    c.yaml:8:1: unknown key `foo` (keys of your own begin with `x-`)
    ");
    insta::assert_snapshot!(findings.warnings.join("\n"), @"c.yaml:6:5: `attach` has no effect: nobody watches the output of `up`");
}

/// Keys whose presence changes nothing, and why; a wrong value is refused all the same.
const SAY_WHAT_IS: &[(&str, &str)] = &[
    ("services.*.deploy.mode", "one container of a service is both of its modes"),
    ("services.*.ports[].mode", "without Swarm, both of its modes are the same"),
    ("networks.*.ipam.driver", "there is one address manager"),
    ("version", "the specification gives it no meaning"),
];

/// Keys that decide when something happens, or how fast, not what runs: they are in the model, not in the digest.
const NOT_IN_THE_DIGEST: &[&str] = &["services.*.build.cache_from", "services.*.depends_on"];

/// Compose files that together say every key that is honoured, each something else than what holds without it.
const EVERY_KEY: &[&str] = &[
    include_str!("../../tests/compose/every-key.yaml"),
    include_str!("../../tests/compose/every-other-key.yaml"),
];

fn disk(compose: &str) -> Disk {
    testing::disk(compose)
        .file("common.yaml", "services: {base: {image: y, command: base}, other: {image: z}}")
        .file("api.env", "RAW='x'\n")
        .file("conf/app.ini", "x")
        .file("app/deploy/Dockerfile", "FROM x")
        .file("app/Dockerfile", "FROM y")
        .file("labels.env", "from=file\n")
        .file("other/compose.yaml", "services: {other: {image: '${IMAGE:-none}', volumes: [./conf:/conf]}}")
        .file("other/more.yaml", "services: {other: {command: more}}")
        .file("other/other.env", "IMAGE=theirs\n")
        .file("other/conf/x", "")
        .host("/srv/shop/.env", "TOKEN=t\n")
}

fn read(compose: &Json) -> Result<super::super::Project, Faults> {
    Ok(disk(&compose.to_string()).read("{profiles: [jobs], projectDirectory: /srv/shop}")?.0)
}

/// A document with another one over it.
fn read_over(base: &Json, over: &Json) -> Result<super::super::Project, Faults> {
    let manifest = "{profiles: [jobs], projectDirectory: /srv/shop, files: [compose.yaml, over.yaml]}";
    Ok(disk(&base.to_string()).file("over.yaml", &over.to_string()).read(manifest)?.0)
}

/// Where a key stands in a document: the key of the table, and the way there.
fn occurrences(
    value: &Json,
    keys: &Keys,
    path: &str,
    way: &[String],
    found: &mut Vec<(String, Vec<String>)>,
) {
    match value {
        Json::Object(map) if !keys.free() => {
            for (name, value) in map.iter().filter(|(name, _)| !name.starts_with("x-")) {
                let pattern = if keys.children.contains_key(name.as_str()) { name } else { "*" };
                let child = keys.child(name).unwrap_or_else(|| panic!("{path}.{name}"));
                let path = if path.is_empty() { pattern.to_owned() } else { format!("{path}.{pattern}") };
                let way: Vec<String> = way.iter().chain([name]).cloned().collect();
                if child.status.is_some() {
                    found.push((path.clone(), way.clone()));
                }
                occurrences(value, child, &path, &way, found);
            }
        }
        Json::Array(items) => {
            let Some(keys) = keys.children.get("[]") else { return };
            for (index, item) in items.iter().enumerate() {
                let way: Vec<String> = way.iter().cloned().chain([index.to_string()]).collect();
                occurrences(item, keys, &format!("{path}[]"), &way, found);
            }
        }
        _ => {}
    }
}

/// The keys of the table that a Compose file says.
pub(in crate::compose) fn said(path: &str, text: &str) -> BTreeSet<String> {
    let document: Json = yaml::from_str(path, text).unwrap_or_else(|fault| panic!("{fault}"));
    let mut found = Vec::new();
    occurrences(&document, &KEYS, "", &[], &mut found);
    found.into_iter().map(|(key, _)| key).collect()
}

fn at<'v>(document: &'v mut Json, way: &[String]) -> Option<&'v mut Json> {
    way.iter().try_fold(document, |value, step| match value {
        Json::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
        value => value.get_mut(step),
    })
}

fn without(document: &Json, way: &[String]) -> Json {
    let mut document = document.clone();
    let (last, above) = way.split_last().unwrap();
    at(&mut document, above).and_then(Json::as_object_mut).unwrap().remove(last);
    document
}

fn with_nonsense(document: &Json, way: &[String]) -> Json {
    let mut document = document.clone();
    *at(&mut document, way).unwrap() = Json::from("nonsense");
    document
}

/// What is honoured reaches the model: without the key, the model is another one (or reading says that something is missing), and
/// so is the name of the release.
#[test]
fn every_honoured_key_reaches_the_model_and_the_digest() {
    let honoured: BTreeSet<&str> =
        specified().into_iter().filter(|key| status(key) == Some(Status::Honoured)).collect();
    let mut reached: BTreeSet<String> = SAY_WHAT_IS.iter().map(|(key, _)| (*key).to_owned()).collect();
    let mut digested: BTreeSet<String> = reached.clone();
    for text in EVERY_KEY {
        let document: Json = yaml::from_str("every-key.yaml", text).unwrap_or_else(|fault| panic!("{fault}"));
        let project = read(&document).unwrap_or_else(|faults| panic!("{faults}"));
        let digest = testing::release(project.clone()).digest;
        let mut found = Vec::new();
        occurrences(&document, &KEYS, "", &[], &mut found);
        for (key, way) in found.into_iter().filter(|(key, _)| honoured.contains(key.as_str())) {
            let without = read(&without(&document, &way));
            let same = without.as_ref().is_ok_and(|other| *other == project);
            let named = without.is_ok_and(|other| testing::release(other).digest == digest);
            if SAY_WHAT_IS.iter().any(|(said, _)| *said == key) {
                let wrong = read(&with_nonsense(&document, &way));
                assert!(same && (key == "version" || wrong.is_err()), "{key}");
            } else if !same {
                digested.extend((!named).then(|| key.clone()));
                reached.insert(key);
            }
        }
    }
    let not_in = |some: &BTreeSet<String>| -> Vec<&str> {
        honoured.iter().copied().filter(|key| !some.contains(*key)).collect()
    };
    assert_eq!(not_in(&reached), [""; 0], "no document says these, or they make no difference");
    let timing = |key: &&str| !NOT_IN_THE_DIGEST.iter().any(|other| key.starts_with(other));
    assert_eq!(
        not_in(&digested).into_iter().filter(timing).collect::<Vec<_>>(),
        [""; 0],
        "not in the digest"
    );
}

/// Services that are left out: what they say is not read.
const LEFT_OUT: [&str; 3] = ["asleep", "none", "not"];

/// Values that are right for no key of their kind.
fn wrong_shapes() -> [Json; 3] {
    let text = Json::from("non sense");
    let list = Json::from_iter([text.clone()]);
    [text, Json::from_iter([list.clone()]), Json::from_iter([("nonsense", list)])]
}

/// A value of the wrong shape is a located fault, or it changes what the key says; it never counts as if the key were not there.
#[test]
fn a_value_of_the_wrong_shape_is_not_taken_for_nothing() {
    assert_eq!(ignored(|_, document| read(document)), [""; 0]);
}

/// Nor does it in a second file, whose values are put over the first one's.
#[test]
fn a_value_of_the_wrong_shape_over_another_is_not_taken_for_nothing() {
    for text in EVERY_KEY {
        let document: Json = yaml::from_str("every-key.yaml", text).unwrap_or_else(|fault| panic!("{fault}"));
        read_over(&document, &document).unwrap_or_else(|faults| panic!("{faults}"));
    }
    assert_eq!(ignored(read_over), [""; 0]);
}

/// The wrong values of which reading makes what it makes without them, or which are faults nowhere. `read` takes a document and
/// the same with a wrong value.
fn ignored(read: impl Fn(&Json, &Json) -> Result<super::super::Project, Faults>) -> Vec<String> {
    let mut ignored = BTreeSet::new();
    for text in EVERY_KEY {
        let document: Json = yaml::from_str("every-key.yaml", text).unwrap_or_else(|fault| panic!("{fault}"));
        let mut found = Vec::new();
        occurrences(&document, &KEYS, "", &[], &mut found);
        found.sort();
        found.dedup_by(|a, b| a.0 == b.0);
        let counts = |way: &[String]| {
            way.last().is_none_or(|key| key != "image" || !LEFT_OUT.contains(&way[1].as_str()))
        };
        let honoured =
            |(key, way): &(String, Vec<String>)| status(key) == Some(Status::Honoured) && counts(way);
        for (key, way) in found.into_iter().filter(honoured) {
            let nothing = std::cell::LazyCell::new(|| read(&document, &without(&document, &way)).ok());
            for shape in wrong_shapes() {
                let mut wrong = document.clone();
                *at(&mut wrong, &way).unwrap() = shape.clone();
                match read(&document, &wrong) {
                    Ok(project) if key != "version" && nothing.as_ref() == Some(&project) => {
                        ignored.insert(format!("{key}: {shape}"));
                    }
                    Ok(_) => {}
                    Err(faults) => {
                        let lost = faults.0.iter().find(|fault| fault.at.is_none());
                        ignored.extend(lost.map(|fault| format!("{key}: {shape}: nowhere: {fault}")));
                    }
                }
            }
        }
    }
    ignored.into_iter().collect()
}
