//! The parts of a service that docker-compose 1.29 turns into something else.

use serde_json::{Map, Value, json};

use super::{Doubt, scalar};
use crate::yaml::{Mapping, Node};

type Object = Map<String, Value>;

/// A list, where one value may stand for it.
pub(super) fn listed(value: Value) -> Value {
    match value {
        Value::Null => json!([]),
        Value::String(_) => json!([value]),
        other => other,
    }
}

/// How Python writes a value as text.
pub(super) fn python_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `[KEY=value]` or a map; what has no value is null.
pub(super) fn pairs(node: &Node) -> Result<Object, Doubt> {
    split(node, &[], || Value::Null)
}

fn split(node: &Node, path: &[&str], missing: fn() -> Value) -> Result<Object, Doubt> {
    match scalar::value(node, path)? {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map),
        Value::Array(items) => items.into_iter().map(|item| pair(&item, missing)).collect(),
        _ => Err("something is neither a list nor a map".to_owned()),
    }
}

fn pair(item: &Value, missing: fn() -> Value) -> Result<(String, Value), Doubt> {
    let text = item.as_str().ok_or("something in a list is no text")?;
    let (name, value) =
        text.split_once('=').map_or_else(|| (text, missing()), |(name, value)| (name, json!(value)));
    Ok((name.to_owned(), value))
}

pub(super) fn labels(node: &Node, path: &[&str]) -> Result<Value, Doubt> {
    split(node, path, || json!("")).map(Value::Object)
}

pub(super) fn sysctls(node: &Node) -> Result<Value, Doubt> {
    let said = split(node, &["sysctls"], || json!(""))?;
    Ok(said.into_iter().map(|(name, value)| (name, json!(python_text(&value)))).collect())
}

pub(super) fn networks(node: &Node) -> Result<Object, Doubt> {
    match scalar::value(node, &["networks"])? {
        Value::Object(map) => Ok(map),
        Value::Array(names) => {
            let name =
                |name: Value| Ok((name.as_str().ok_or("a network has no name")?.to_owned(), Value::Null));
            names.into_iter().map(name).collect()
        }
        _ => Err("its networks are neither a list nor a map".to_owned()),
    }
}

pub(super) fn depends_on(node: &Node) -> Result<Value, Doubt> {
    let said = scalar::value(node, &["depends_on"])?;
    let Value::Array(names) = said else { return Ok(said) };
    let name = |name: Value| {
        let name = name.as_str().ok_or("something that it depends on has no name")?.to_owned();
        Ok((name, json!({ "condition": "service_started" })))
    };
    names.into_iter().map(name).collect::<Result<Object, Doubt>>().map(Value::Object)
}

/// `[name, alias or null]` each.
pub(super) fn links(map: &Mapping) -> Result<Value, Doubt> {
    let said = map.get("links").map_or(Ok(json!([])), |entry| scalar::value(&entry.node, &["links"]))?;
    let link = |link: &Value| {
        let text = link.as_str().ok_or("one of its links is no text")?;
        Ok(text.split_once(':').map_or(json!([text, null]), |(name, alias)| json!([name, alias])))
    };
    said.as_array().ok_or("its links are no list")?.iter().map(link).collect()
}

pub(super) fn security_opt(node: &Node) -> Result<Value, Doubt> {
    let option = |value: &Value| match value.as_str() {
        Some(text) if !text.starts_with("seccomp") || text.ends_with("unconfined") => Ok(json!([text, null])),
        _ => Err("it has a file of rules among `security_opt`".to_owned()),
    };
    let said = scalar::value(node, &["security_opt"])?;
    said.as_array().ok_or("its `security_opt` is no list")?.iter().map(option).collect()
}

pub(super) fn restart(node: &Node) -> Result<Value, Doubt> {
    let said = scalar::value(node, &["restart"])?;
    let text = said.as_str().ok_or("docker-compose 1.29 wants `restart` in quotes")?;
    let (name, tries) = text.split_once(':').unwrap_or((text, "0"));
    let tries: i64 = tries.parse().map_err(|_| "its restart policy has no number of tries")?;
    Ok(json!({ "Name": name, "MaximumRetryCount": tries }))
}

pub(super) fn healthcheck(node: &Node) -> Result<Value, Doubt> {
    let Value::Object(mut check) = scalar::value(node, &["healthcheck"])? else {
        return Err("its healthcheck is no map".to_owned());
    };
    if check.remove("disable").is_some() {
        check.insert("test".to_owned(), json!(["NONE"]));
    }
    for key in ["interval", "timeout", "start_period"] {
        if let Some(value) = check.get_mut(key).filter(|value| !value.is_number()) {
            *value = nanoseconds(value.as_str().unwrap_or_default())?;
        }
    }
    Ok(Value::Object(check))
}

/// The units of a time in their order, and seconds of each.
const UNITS: [(&str, f64); 6] = [
    ("h", 3600.0),
    ("m", 60.0),
    ("s", 1.0),
    ("ms", 1.0 / 1000.0),
    ("us", 1.0 / 1000.0 / 1000.0),
    ("ns", NANO),
];
const NANO: f64 = 1.0 / 1000.0 / 1000.0 / 1000.0;

/// With the rounding of the original's floating point.
fn nanoseconds(text: &str) -> Result<Value, Doubt> {
    let odd = || format!("it is not known what docker-compose 1.29 makes of the time `{text}`");
    let (mut rest, mut seconds, mut next) = (text.trim(), 0.0, 0);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(odd)?;
        let (number, tail) = rest.split_at(end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let found = UNITS.iter().skip(next).position(|(name, _)| *name == unit).ok_or_else(odd)?;
        let (_, factor) = UNITS.get(next + found).ok_or_else(odd)?;
        seconds += factor * number.parse::<f64>().map_err(|_| odd())?;
        (rest, next) = (tail, next + found + 1);
    }
    #[expect(clippy::cast_possible_truncation, reason = "cut off like the original")]
    let whole = (seconds / NANO) as i64;
    if text.trim().is_empty() { Err(odd()) } else { Ok(json!(whole)) }
}

pub(super) fn ports(node: &Node) -> Result<Value, Doubt> {
    let mut ports = Vec::new();
    for item in node.sequence().ok_or("its ports are no list")? {
        match scalar::value(item, &["ports"])? {
            Value::Object(map) => ports.push(long_port(&map)?),
            Value::Number(number) => {
                ports.extend(short_ports(&number.to_string())?.into_iter().map(classic_port))
            }
            Value::String(text) => ports.extend(short_ports(&text)?.into_iter().map(classic_port)),
            _ => return Err("one of its ports is neither a text nor a map".to_owned()),
        }
    }
    Ok(Value::Array(ports))
}

fn long_port(map: &Object) -> Result<Value, Doubt> {
    let known = ["mode", "target", "published", "protocol"];
    if let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("docker-compose 1.29 does not know `{key}` of a port"));
    }
    let field = |key: &str| map.get(key).cloned().unwrap_or_default();
    Ok(json!([field("target"), field("published"), field("protocol"), field("mode"), null]))
}

/// A port of the short notation.
pub(in crate::compose) struct ShortPort {
    pub(in crate::compose) address: Option<String>,
    pub(in crate::compose) published: Option<u32>,
    pub(in crate::compose) target: u32,
    pub(in crate::compose) protocol: Option<String>,
}

fn classic_port(port: ShortPort) -> Value {
    json!([port.target, port.published, port.protocol, null, port.address])
}

/// `[[address:]published:]target[/protocol]`; numbers may be ranges.
///
/// # Errors
/// Where there are not as many published ones as targets, or something is no number.
pub(in crate::compose) fn short_ports(text: &str) -> Result<Vec<ShortPort>, Doubt> {
    let odd = || format!("it is not known what docker-compose 1.29 makes of the port `{text}`");
    let (numbers, protocol) =
        text.split_once('/').map_or((text, None), |(rest, protocol)| (rest, Some(protocol)));
    let (rest, target) =
        numbers.rsplit_once(':').map_or((None, numbers), |(rest, target)| (Some(rest), target));
    let (address, published) = match rest {
        None => (None, None),
        Some(rest) => match rest.rsplit_once(':') {
            Some((address, published)) => {
                (Some(address.trim_start_matches('[').trim_end_matches(']')), Some(published))
            }
            None => (None, Some(rest)),
        },
    };
    let targets = range(target).ok_or_else(odd)?;
    let published: Vec<Option<u32>> = match published.filter(|text| !text.is_empty()) {
        None => vec![None; targets.len()],
        Some(text) => range(text).ok_or_else(odd)?.into_iter().map(Some).collect(),
    };
    if published.len() != targets.len() {
        return Err(odd());
    }
    let (address, protocol) = (address.map(str::to_owned), protocol.map(str::to_owned));
    let port = |(target, published)| ShortPort {
        address: address.clone(),
        published,
        target,
        protocol: protocol.clone(),
    };
    Ok(targets.into_iter().zip(published).map(port).collect())
}

fn range(text: &str) -> Option<Vec<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    (last.checked_sub(first)? < 70_000).then(|| (first..=last).collect())
}

type Paths<'p> = dyn Fn(&str) -> Result<String, Doubt> + 'p;
type Names<'n> = dyn Fn(&str) -> Option<String> + 'n;

/// `[source:]target[:mode]` as `[source or null, target, mode]`.
pub(super) fn volume(text: &str, path: &Paths<'_>, named: &Names<'_>) -> Result<Value, Doubt> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts.as_slice() {
        [target] => return Ok(json!([null, tidy(target), "rw"])),
        [source, target] => (*source, *target, "rw"),
        [source, target, mode] => (*source, *target, *mode),
        _ => return Err(format!("it is not known what docker-compose 1.29 makes of the volume `{text}`")),
    };
    let source = match source {
        _ if source.starts_with(['.', '/', '~']) => path(source)?,
        _ => named(&tidy(source)).ok_or_else(|| format!("nobody declares the volume `{source}`"))?,
    };
    Ok(json!([source, tidy(target), mode]))
}

/// A path without what says nothing.
fn tidy(path: &str) -> String {
    let absolute = super::super::path::on_host("/", path);
    if path.starts_with('/') { absolute } else { absolute.trim_start_matches('/').to_owned() }
}

pub(super) fn mount(mut said: Object, path: &Paths<'_>, named: &Names<'_>) -> Result<Value, Doubt> {
    let text = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, source) = (text("type"), text("source"));
    let mut mount: Object = ["type", "target", "read_only", "consistency", kind.as_str()]
        .iter()
        .filter_map(|key| said.remove_entry(*key))
        .filter(|(_, value)| !matches!(value, Value::Null | Value::Bool(false)) && *value != json!({}))
        .collect();
    let source = match (kind.as_str(), source.as_str()) {
        (_, "") => None,
        ("bind", source) => Some(path(source)?),
        (_, source) => Some(named(source).ok_or_else(|| format!("nobody declares the volume `{source}`"))?),
    };
    mount.extend(source.map(|source| ("source".to_owned(), json!(source))));
    said.remove("source");
    match said.keys().find(|key| !["bind", "volume", "tmpfs"].contains(&key.as_str())) {
        Some(key) => Err(format!("docker-compose 1.29 does not know `{key}` of a mount")),
        None => Ok(Value::Object(mount)),
    }
}

/// What counts of `deploy` outside of a swarm; it stands where the older keys have their place.
pub(super) fn deploy(map: &Mapping, options: &mut Object) -> Result<(), Doubt> {
    let Some(entry) = map.get("deploy") else { return Ok(()) };
    let said = scalar::value(&entry.node, &["deploy"])?;
    if let Some(policy) = said.get("restart_policy") {
        let name = match policy.get("condition").and_then(Value::as_str).unwrap_or("any") {
            "any" => "always",
            "none" => "no",
            "on-failure" => "on-failure",
            other => {
                return Err(format!("docker-compose 1.29 does not know the restart condition `{other}`"));
            }
        };
        let tries = policy.get("max_attempts").cloned().unwrap_or(json!(0));
        options.insert("restart".to_owned(), json!({ "Name": name, "MaximumRetryCount": tries }));
    }
    let resources = said.get("resources");
    if let Some(limits) = resources.and_then(|it| it.get("limits")) {
        options.insert("mem_limit".to_owned(), limits.get("memory").cloned().unwrap_or_default());
        if let Some(cpus) = limits.get("cpus") {
            let cpus = scalar::decimal(cpus.clone(), &["deploy", "resources", "limits", "cpus"])?
                .as_f64()
                .and_then(scalar::float);
            options.insert("cpus".to_owned(), cpus.ok_or("its limit of CPUs is no number")?);
        }
    }
    if let Some(reserved) = resources.and_then(|it| it.get("reservations")) {
        if reserved.get("devices").is_some() {
            return Err("it reserves devices".to_owned());
        }
        options.insert("mem_reservation".to_owned(), reserved.get("memory").cloned().unwrap_or_default());
    }
    Ok(())
}
