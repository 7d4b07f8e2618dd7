//! Reads what there is of a case, and takes out what differs between two runs of the same thing.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use super::case::{Case, docker};
use super::fields::Seen;
use super::mounts;

const SERVICE: &str = "com.docker.compose.service";

/// Kinds of objects, how they are listed, and where one says which of the project's it is.
const KINDS: [(&str, &[&str], &str); 3] = [
    ("container", &["ps", "-aq", "--no-trunc"], "/Config/Labels/com.docker.compose.service"),
    ("network", &["network", "ls", "-q", "--no-trunc"], "/Name"),
    ("volume", &["volume", "ls", "-q"], "/Name"),
];

/// Ids, moments, and where the engine keeps things.
const OF_THE_MOMENT: &[&str] = &[
    "/Id",
    "/Created",
    "/CreatedAt",
    "/State",
    "/ExecIDs",
    "/RestartCount",
    "/ResolvConfPath",
    "/HostnamePath",
    "/HostsPath",
    "/LogPath",
    "/GraphDriver",
    "/Mountpoint",
    "/Containers",
];

/// What a place on a network is made from; the rest is there only while the container runs.
const ENDPOINT: [&str; 4] = ["Aliases", "DriverOpts", "IPAMConfig", "Links"];

/// Everything of a project. `release`: where evenkeel has written what containers mount.
pub(super) fn seen(case: &Case, release: Option<&Path>) -> Seen {
    let ids: Vec<Vec<String>> = KINDS.iter().map(|(_, list, _)| case.listed(list)).collect();
    let hidden = Hidden::new(case, release, &ids[0]);
    let mut objects = BTreeMap::new();
    for ((kind, _, which), ids) in KINDS.iter().zip(&ids) {
        for id in ids {
            let mut object = inspected(kind, id);
            let which = object.pointer(which).and_then(Json::as_str).unwrap_or("?");
            let which = case.without_names(&format!("{kind} {which}"));
            if *kind == "container" {
                add_image(&mut object);
                endpoints_only(&mut object);
                mounts::in_one_form(&mut object);
            }
            for path in OF_THE_MOMENT {
                let (above, last) = path.rsplit_once('/').unwrap();
                if let Some(Json::Object(above)) = object.pointer_mut(above) {
                    above.remove(last);
                }
            }
            let text = hidden.taken_out(&object.to_string());
            let twice = objects.insert(which.clone(), serde_json::from_str(&text).unwrap());
            assert!(twice.is_none(), "{which} is there twice");
        }
    }
    Seen { objects }
}

fn inspected(kind: &str, id: &str) -> Json {
    let text = docker(&[kind, "inspect", id]).unwrap();
    serde_json::from_str::<Vec<Json>>(&text).unwrap().remove(0)
}

/// What an image says, and what its build has noted down in `/facts`; its id says when it was built.
fn add_image(container: &mut Json) {
    let id = container["Image"].as_str().unwrap().to_owned();
    let image = inspected("image", &id);
    container["Image"] = image["Config"].clone();
    if let Some(config) = container["Image"].as_object_mut() {
        // The container that the last layer was made in.
        config.retain(|key, _| key != "Hostname" && key != "Image");
    }
    let container_id = container["Id"].as_str().unwrap();
    let facts = docker(&["cp", &format!("{container_id}:/facts"), "-"]).unwrap_or_default();
    // A tar file: the text begins behind one block of header.
    container["Facts"] = Json::from(facts.get(512..).unwrap_or_default().trim_end_matches('\0').to_owned());
}

fn endpoints_only(container: &mut Json) {
    let mut networks = container["NetworkSettings"]["Networks"].take();
    for endpoint in networks.as_object_mut().into_iter().flat_map(|networks| networks.values_mut()) {
        if let Some(endpoint) = endpoint.as_object_mut() {
            endpoint.retain(|key, _| ENDPOINT.contains(&key.as_str()));
            endpoint.insert("Joined".to_owned(), Json::from(true));
        }
    }
    container["NetworkSettings"] = serde_json::json!({ "Networks": networks });
}

/// What is replaced by a word.
struct Hidden<'a> {
    case: &'a Case,
    words: Vec<(String, String)>,
}

impl<'a> Hidden<'a> {
    fn new(case: &'a Case, release: Option<&Path>, containers: &[String]) -> Self {
        let mut words = Vec::new();
        if let Some(release) = release {
            words.push((release.join("files").to_string_lossy().into_owned(), "<directory>".to_owned()));
            words.push((release.to_string_lossy().into_owned(), "<release>".to_owned()));
        }
        for id in containers {
            let format = format!("{{{{index .Config.Labels \"{SERVICE}\"}}}}");
            let service = docker(&["inspect", "--format", &format, id]).unwrap();
            words.push((id.clone(), format!("<id of {service}>")));
            words.push((id[..12].to_owned(), format!("<short id of {service}>")));
        }
        Self { case, words }
    }

    fn taken_out(&self, text: &str) -> String {
        let text = self.words.iter().fold(text.to_owned(), |text, (what, word)| text.replace(what, word));
        without_ids(&self.case.without_names(&text))
    }
}

/// Ids of networks and of anonymous volumes: 64 digits.
fn without_ids(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let (mut out, mut rest) = (String::new(), text);
    while let Some(start) = rest.find(is_digit) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c| !is_digit(c)).unwrap_or(rest.len());
        out.push_str(if end == 64 { "<id>" } else { &rest[..end] });
        rest = &rest[end..];
    }
    out + rest
}
