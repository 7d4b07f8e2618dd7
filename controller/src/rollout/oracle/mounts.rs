//! The engine takes a mount in three forms: as a text (`Binds`), as an object (`Mounts`), and as options by path (`Tmpfs`, `Volumes`).
//! Which one somebody uses says nothing, so all are brought into one.

use serde_json::{Map, Value as Json, json};

/// Options of the short form that say how mounts spread.
const PROPAGATION: [&str; 6] = ["shared", "slave", "private", "rshared", "rslave", "rprivate"];

/// Puts every mount that was asked for under `HostConfig.Asked`, by where it is in the container.
pub(super) fn in_one_form(container: &mut Json) {
    let mut asked = Map::new();
    for target in container["Config"]["Volumes"].take().as_object().into_iter().flat_map(Map::keys) {
        asked.insert(target.clone(), json!({ "Type": "volume" }));
    }
    for (target, options) in container["HostConfig"]["Tmpfs"].take().as_object().into_iter().flatten() {
        asked.insert(target.clone(), json!({ "Type": "tmpfs", "Options": options }));
    }
    for bind in container["HostConfig"]["Binds"].take().as_array().into_iter().flatten() {
        let (target, mount) = short(bind.as_str().unwrap());
        asked.insert(target, mount);
    }
    for mount in container["HostConfig"]["Mounts"].take().as_array().into_iter().flatten() {
        asked.insert(mount["Target"].as_str().unwrap().to_owned(), long(mount));
    }
    container["HostConfig"]["Asked"] = Json::Object(asked);
    // What has become of them: without the short form's own text, and without what only one form shows.
    let there = container["Mounts"].as_array_mut().into_iter().flatten();
    let there = there.filter(|mount| mount["Type"] != "tmpfs").map(|mount| {
        let mut mount = mount.take();
        mount.as_object_mut().unwrap().remove("Mode");
        mount
    });
    container["Mounts"] = there.collect();
}

fn kind(source: &str) -> &'static str {
    if source.starts_with('/') { "bind" } else { "volume" }
}

/// `source:target[:options]`.
fn short(bind: &str) -> (String, Json) {
    let mut parts = bind.splitn(3, ':');
    let (source, target) = (parts.next().unwrap(), parts.next().unwrap());
    let options: Vec<&str> = parts.next().into_iter().flat_map(|options| options.split(',')).collect();
    let mount = json!({
        "Type": kind(source),
        "Source": source,
        "ReadOnly": options.contains(&"ro"),
        "NoCopy": options.contains(&"nocopy"),
        "Propagation": options.iter().find(|option| PROPAGATION.contains(option)),
        "Label": options.iter().find(|option| option.eq_ignore_ascii_case("z")),
    });
    (target.to_owned(), mount)
}

fn long(mount: &Json) -> Json {
    let said = |value: &Json| value.as_bool().unwrap_or_default();
    let kind = mount["Type"].as_str().unwrap();
    if kind == "tmpfs" {
        let size = mount["TmpfsOptions"]["SizeBytes"].as_i64();
        return json!({ "Type": kind, "Options": size.map_or(String::new(), |size| format!("size={size}")) });
    }
    if mount.get("Source").is_none() {
        return json!({ "Type": kind });
    }
    json!({
        "Type": kind,
        "Source": mount["Source"],
        "ReadOnly": said(&mount["ReadOnly"]),
        "NoCopy": said(&mount["VolumeOptions"]["NoCopy"]),
        "Propagation": mount["BindOptions"]["Propagation"],
    })
}
