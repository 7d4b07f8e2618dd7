//! `configs` and `secrets`: files that a service finds at a place, from a file, a variable or the Compose file itself.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::fields::{Context, Fields, Report, items};
use super::mount;
use super::scalar::{expected, integer, text, word};
use super::{Mount, MountSource, Recursive};
use crate::files::EntryKind;
use crate::located::Fault;
use crate::secret::Secret;
use crate::yaml::{Mapping, Node, suggestion};

/// One of the two.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// The key, of the file and of a service.
    key: &'static str,
    /// What stands before the name, where the target says no directory.
    directory: &'static str,
    /// What a declaration may say its content by.
    forms: &'static str,
}

/// Configs, then secrets.
pub(super) const KINDS: [Kind; 2] = [
    Kind { key: "configs", directory: "/", forms: "`file`, `environment` or `content`" },
    Kind { key: "secrets", directory: "/run/secrets/", forms: "`file` or `environment`" },
];

/// Readable for everybody, as the specification has it.
const MODE: u32 = 0o444;

/// The mounts of a service's configs or secrets, each with the item that asks for it.
pub(super) fn mounts<'f>(
    fields: &mut Fields<'f>,
    kind: Kind,
    context: &Context<'_>,
) -> Vec<(Mount, &'f Node)> {
    let Some(node) = fields.node(kind.key) else { return Vec::new() };
    let mut mounts = Vec::new();
    for item in items(node, fields.report) {
        let result = mount(item, kind, context, fields.report);
        let Some(mount) = fields.report.take(result) else { continue };
        if let MountSource::Host { path, content: Some(_), .. } = &mount.source {
            fields.report.host_files.insert(path.clone());
        }
        mounts.push((mount, item));
    }
    mounts
}

/// Says what is wrong with those that nobody uses, too.
pub(super) fn check(document: &Node, report: &mut Report) {
    for kind in KINDS {
        for (key, entry) in document.get(kind.key).and_then(Node::mapping).into_iter().flatten() {
            report.take(form(key, &entry.node, kind));
        }
    }
}

/// By what a declaration says its content.
fn form<'d>(key: &str, declared: &'d Node, kind: Kind) -> Result<(&'static str, &'d Node), Fault> {
    let field = |form: &'static str| Some((form, declared.get(form).filter(|value| !value.is_null())?));
    let said: Vec<_> = ["file", "environment", "content"].into_iter().filter_map(field).collect();
    match said.as_slice() {
        [one] => Ok(*one),
        // The value may be secret: nothing of it is shown.
        _ => Err(declared.place.quiet_fault(format!("`{key}` needs exactly one of {}", kind.forms))),
    }
}

/// Who owns the file, and who may read it: only for those that evenkeel writes.
struct Owner {
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<u32>,
}

fn mount(item: &Node, kind: Kind, context: &Context<'_>, report: &mut Report) -> Result<Mount, Fault> {
    let field = |key: &str| item.get(key).filter(|value| !value.is_null());
    let (source, key) = named(item)?;
    let owner = Owner {
        uid: field("uid").map(id).transpose()?,
        gid: field("gid").map(id).transpose()?,
        mode: field("mode").map(mode).transpose()?,
    };
    let target = field("target").map(word).transpose()?.unwrap_or_else(|| key.clone());
    let target = if target.starts_with('/') { target } else { format!("{}{target}", kind.directory) };
    let declared = declared(source, &key, kind, context)?;
    let source = content(item, &key, &declared, kind, &owner, context, report)?;
    Ok(Mount { source, target, read_only: true, options: Vec::new(), recursive: Recursive::Enabled })
}

/// What a build may ask for: where the values are, by the id that the Dockerfile says.
pub(super) fn of_build(
    node: &Node,
    context: &Context<'_>,
    report: &mut Report,
) -> Result<BTreeMap<String, MountSource>, Fault> {
    let mut secrets = BTreeMap::new();
    for item in items(node, report) {
        let result = for_build(item, context, report);
        let Some((id, source)) = report.take(result) else { continue };
        if let MountSource::Host { path, content: Some(_), .. } = &source {
            report.host_files.insert(path.clone());
        }
        if secrets.insert(id.clone(), source).is_some() {
            return Err(item.fault(format!("another secret is `{id}` to the Dockerfile as well")));
        }
    }
    Ok(secrets)
}

/// Who owns the file of a step, and who may read it, is said by the step.
fn for_build(
    item: &Node,
    context: &Context<'_>,
    report: &mut Report,
) -> Result<(String, MountSource), Fault> {
    let [_, kind] = KINDS;
    let (source, key) = named(item)?;
    let id = item.get("target").filter(|value| !value.is_null()).map(word).transpose()?;
    let declared = declared(source, &key, kind, context)?;
    let owner = Owner { uid: None, gid: None, mode: None };
    let value = content(item, &key, &declared, kind, &owner, context, report)?;
    if let MountSource::Repository { path, .. } = &value {
        let entry = context.files().entry(path).map_err(|error| item.fault(error.to_string()))?;
        if !entry.is_some_and(|entry| matches!(entry.kind, EntryKind::File { .. })) {
            return Err(item.fault(format!("the secret `{path}` is not a file")));
        }
    }
    Ok((id.unwrap_or(key), value))
}

/// Which one an item means.
fn named(item: &Node) -> Result<(&Node, String), Fault> {
    let source = if item.mapping().is_some() {
        let source = item.get("source").filter(|value| !value.is_null());
        source.ok_or_else(|| item.fault("`source` is missing: which one?"))?
    } else {
        item
    };
    Ok((source, word(source)?))
}

fn declared(node: &Node, key: &str, kind: Kind, context: &Context<'_>) -> Result<Node, Fault> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !key.chars().all(valid) || key.starts_with('.') {
        return Err(expected(node, "a name of letters, digits, `_`, `.` and `-`"));
    }
    let known = context.document.get(kind.key).and_then(Node::mapping);
    if let Some(entry) = known.and_then(|known| known.get(key)) {
        return Ok(entry.node.clone());
    }
    let fault = node.fault(format!("`{key}` is not declared under `{}`", kind.key));
    let names = known.into_iter().flat_map(Mapping::keys).map(String::as_str);
    Err(match suggestion(key, names) {
        Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
        None => fault,
    })
}

fn content(
    item: &Node,
    key: &str,
    declared: &Node,
    kind: Kind,
    owner: &Owner,
    context: &Context<'_>,
    report: &mut Report,
) -> Result<MountSource, Fault> {
    match form(key, declared, kind)? {
        ("file", node) => file(item, node, owner, context, report),
        ("environment", node) => variable(node, context).map(|content| given(key, kind, content, owner)),
        (_, node) => Ok(given(key, kind, Secret::new(inline(node)?), owner)),
    }
}

fn file(
    item: &Node,
    node: &Node,
    owner: &Owner,
    context: &Context<'_>,
    report: &mut Report,
) -> Result<MountSource, Fault> {
    let path = word(node)?;
    let path = if path.starts_with(['/', '.', '~']) { path } else { format!("./{path}") };
    if owner.uid.is_some() || owner.gid.is_some() || owner.mode.is_some() {
        let fault = item.fault("`uid`, `gid` and `mode` of a file are those that it has");
        return Err(fault.hint("set them on the file, or give its text by `content` or `environment`"));
    }
    let (path, create) = match mount::bind(node, &path, false, context)? {
        MountSource::Host { path, create, .. } => (path, create),
        other => return Ok(other),
    };
    let content = seen(node, &path, context, report)?;
    Ok(MountSource::Host { path, create, content })
}

/// What it counts by. Where it cannot be seen from here its name alone counts: evenkeel may run in a container. The same goes for
/// what no file of bounded size can be made of, which may be mounted all the same.
fn seen(
    node: &Node,
    path: &str,
    context: &Context<'_>,
    report: &mut Report,
) -> Result<Option<Secret>, Fault> {
    match context.files().read_host(path) {
        Ok(read) => Ok(read.map(|content| Secret::new(hex::encode(Sha256::digest(content))))),
        Err(error) if error.unfit => {
            report.warn(node, &format!("{} {}: a change of it is not noticed", error.path, error.reason));
            Ok(None)
        }
        Err(error) => Err(node.place.quiet_fault(error.to_string()).hint(
            "evenkeel has to read it: run it as root, or look at the permissions of the file and its directories",
        )),
    }
}

fn variable(node: &Node, context: &Context<'_>) -> Result<Secret, Fault> {
    let name = word(node)?;
    let unset = || node.fault(format!("the variable `{name}` is not set")).hint("set it in .env");
    context.variables(node).get(&name).cloned().ok_or_else(unset)
}

fn inline(node: &Node) -> Result<String, Fault> {
    text(node).map_err(|fault| Fault { snippet: None, ..fault })
}

fn given(key: &str, kind: Kind, content: Secret, owner: &Owner) -> MountSource {
    let Owner { uid, gid, mode } = *owner;
    let mode = mode.unwrap_or(MODE);
    let part = |id: Option<u32>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let name = format!("{}/{key}/{}.{}.{mode:o}", kind.key, part(uid), part(gid));
    MountSource::Given { name, content, mode, uid, gid }
}

fn id(node: &Node) -> Result<u32, Fault> {
    let wanted = || expected(node, "the number of a user or group");
    integer(node).ok().and_then(|id| u32::try_from(id).ok()).ok_or_else(wanted)
}

/// Octal, as written in YAML (`0440`, `0o440`) or as text (`"0440"`).
fn mode(node: &Node) -> Result<u32, Fault> {
    let written = text(node)?;
    let plain = node.scalar().is_some_and(|scalar| scalar.plain);
    let mode = if plain { written.parse().ok() } else { u32::from_str_radix(&written, 8).ok() };
    mode.filter(|mode| *mode <= 0o777).ok_or_else(|| expected(node, "permissions such as `0440`"))
}
