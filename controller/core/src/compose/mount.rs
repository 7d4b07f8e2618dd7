//! `volumes` and `tmpfs` of a service.

use super::fields::{Context, Report};
use super::path;
use super::scalar::{boolean, bytes, expected, scalar, text, word};
use super::{Mount, MountSource, Recursive};
use crate::files::EntryKind;
use crate::located::Fault;
use crate::yaml::{Node, Value, suggestion};

const FORM: &str = "a mount such as `data:/var/lib/data` or `./file:/etc/file:ro`";

/// Options of the short syntax that the engine takes as they are.
const OPTIONS: &[&str] = &[
    "z",
    "Z",
    "cached",
    "delegated",
    "consistent",
    "shared",
    "slave",
    "private",
    "rshared",
    "rslave",
    "rprivate",
];

/// Reads one item of `volumes`.
pub(super) fn read(node: &Node, context: &Context<'_>, report: &mut Report) -> Result<Mount, Fault> {
    let mount = match &node.value {
        Value::Mapping(_) => long(node, context)?,
        _ => short(node, context)?,
    };
    if !mount.target.starts_with('/') {
        return Err(node.fault(format!("{} has a target that is not absolute", node.shown())));
    }
    warn_of_loss(&mount, node, report);
    Ok(mount)
}

/// What a container writes into something of the commit stays behind with the next release.
fn warn_of_loss(mount: &Mount, node: &Node, report: &mut Report) {
    let MountSource::Repository { path, .. } = &mount.source else { return };
    if mount.read_only {
        return;
    }
    let target = &mount.target;
    let loss =
        "what the container writes there never reaches the repository, and is gone with the next release";
    let advice = "mount it read-only (`:ro`), or use a volume for what is to stay";
    report.warn(node, &format!("`{path}` of the commit is mounted writable at `{target}`: {loss}; {advice}"));
}

fn short(node: &Node, context: &Context<'_>) -> Result<Mount, Fault> {
    let parts: Vec<&str> = scalar(node, FORM)?.text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => return Err(expected(node, FORM)),
    };
    let (read_only, no_copy, options) = short_options(node, options)?;
    let source = match source {
        None => MountSource::Anonymous,
        Some("") => return Err(expected(node, FORM)),
        Some(path) if path.starts_with(['/', '.', '~']) => bind(node, path, true, context)?,
        Some(volume) => named(node, volume, no_copy, context)?,
    };
    Ok(Mount { source, target: target.to_owned(), read_only, options, recursive: Recursive::Enabled })
}

fn short_options(node: &Node, text: &str) -> Result<(bool, bool, Vec<String>), Fault> {
    let (mut read_only, mut no_copy, mut options) = (false, false, Vec::new());
    for option in text.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            "rw" => {}
            "nocopy" => no_copy = true,
            known if OPTIONS.contains(&known) => options.push(known.to_owned()),
            other => return Err(node.fault(format!("`{other}` is not an option of a mount"))),
        }
    }
    Ok((read_only, no_copy, options))
}

fn long(node: &Node, context: &Context<'_>) -> Result<Mount, Fault> {
    let field = |key: &str| node.get(key).filter(|value| !value.is_null());
    let needed = |key: &str| field(key).ok_or_else(|| node.fault(format!("a mount needs a `{key}`")));
    let kind = needed("type")?;
    let source = match text(kind)?.as_str() {
        "volume" => match field("source") {
            None => MountSource::Anonymous,
            Some(source) => named(source, &word(source)?, flag(node, &["volume", "nocopy"])?, context)?,
        },
        "bind" => {
            let source = needed("source")?;
            let create = at(node, &["bind", "create_host_path"]).map(boolean).transpose()?.unwrap_or(true);
            bind(source, &word(source)?, create, context)?
        }
        "tmpfs" => MountSource::Tmpfs { options: tmpfs_options(node)? },
        other => {
            return Err(kind
                .fault(format!("mounts of type `{other}` are refused"))
                .hint("volume, bind or tmpfs"));
        }
    };
    let target = word(needed("target")?)?;
    let recursive = at(node, &["bind", "recursive"]).map(recursive).transpose()?.unwrap_or_default();
    check_selinux(node, &source, recursive)?;
    let (read_only, options) = (flag(node, &["read_only"])?, long_options(node)?);
    Ok(Mount { source, target, read_only, options, recursive })
}

fn recursive(node: &Node) -> Result<Recursive, Fault> {
    match text(node)?.as_str() {
        "enabled" => Ok(Recursive::Enabled),
        "disabled" => Ok(Recursive::Disabled),
        "writable" => Ok(Recursive::Writable),
        "readonly" => Ok(Recursive::Readonly),
        _ => Err(expected(node, "enabled, disabled, writable or readonly")),
    }
}

/// The engine labels only binds of the old form, which make a missing directory and know nothing of mounts below.
fn check_selinux(node: &Node, source: &MountSource, recursive: Recursive) -> Result<(), Fault> {
    let Some(selinux) = at(node, &["bind", "selinux"]) else { return Ok(()) };
    let new_form = matches!(source, MountSource::Host { create: false, .. });
    if new_form || recursive != Recursive::Enabled {
        let fault = selinux.fault("the engine labels no bind with `create_host_path: false` or `recursive`");
        return Err(fault.hint("keep one of the two"));
    }
    Ok(())
}

fn at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, key| node.get(key)).filter(|node| !node.is_null())
}

fn flag(node: &Node, path: &[&str]) -> Result<bool, Fault> {
    Ok(at(node, path).map(boolean).transpose()?.unwrap_or_default())
}

fn long_options(node: &Node) -> Result<Vec<String>, Fault> {
    let nodes = [["bind", "propagation"], ["bind", "selinux"]];
    let option = |node: &Node| match text(node)? {
        known if OPTIONS.contains(&known.as_str()) => Ok(known),
        _ => Err(expected(node, "an option of the engine")),
    };
    nodes.iter().filter_map(|path| at(node, path)).map(option).collect()
}

fn tmpfs_options(node: &Node) -> Result<String, Fault> {
    let mut options = Vec::new();
    if let Some(size) = at(node, &["tmpfs", "size"]) {
        options.push(format!("size={}", bytes(size)?));
    }
    if let Some(mode) = at(node, &["tmpfs", "mode"]) {
        options.push(format!("mode={}", octal_mode(mode)?));
    }
    Ok(options.join(","))
}

/// A mode is octal: written as `0o1777` or `01777` in YAML, or as a decimal number.
fn octal_mode(node: &Node) -> Result<String, Fault> {
    let number: u32 = text(node)?.parse().map_err(|_| expected(node, "a mode such as `0o1777`"))?;
    let plain = node.scalar().is_some_and(|scalar| scalar.plain);
    Ok(if plain { format!("{number:o}") } else { number.to_string() })
}

/// An item of `tmpfs`: a target, and options after a colon.
pub(super) fn tmpfs(text: &str) -> Mount {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let source = MountSource::Tmpfs { options: options.to_owned() };
    let recursive = Recursive::Enabled;
    Mount { source, target: target.to_owned(), read_only: false, options: Vec::new(), recursive }
}

fn named(node: &Node, volume: &str, no_copy: bool, context: &Context<'_>) -> Result<MountSource, Fault> {
    if volume.contains('/') {
        return Err(node
            .fault(format!("{} has a path that begins with neither `/` nor `.`", node.shown()))
            .hint("write `./`"));
    }
    if !context.volumes.contains(volume) {
        let fault = node.fault(format!("the volume `{volume}` is not declared under `volumes`"));
        return Err(match suggestion(volume, context.volumes.iter().map(String::as_str)) {
            Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
            None => fault.hint(format!("add `{volume}:` there")),
        });
    }
    Ok(MountSource::Volume { volume: volume.to_owned(), no_copy })
}

pub(super) fn bind(
    node: &Node,
    source: &str,
    create: bool,
    context: &Context<'_>,
) -> Result<MountSource, Fault> {
    if source.starts_with('~') {
        return Err(node
            .fault(format!("{} means somebody's home directory", node.shown()))
            .hint("write the absolute path"));
    }
    if source.starts_with('/') {
        return Ok(MountSource::Host { path: path::on_host("", source), create, content: None });
    }
    let in_tree = path::in_tree(context.base(node), source);
    if let Some(path) = &in_tree
        && let Some(found) = in_repository(node, path, context)?
    {
        return Ok(found);
    }
    let path = context.on_host(node, source).ok_or_else(|| nowhere(node, in_tree.is_none()))?;
    Ok(MountSource::Host { path, create, content: None })
}

fn nowhere(node: &Node, outside: bool) -> Fault {
    let why = if outside { "leaves the repository" } else { "is not in the commit" };
    let hint = "commit it, or set `spec.compose.projectDirectory` in the manifest to the directory on the host that has it";
    node.fault(format!("the source of {} {why}", node.shown())).hint(hint)
}

fn in_repository(node: &Node, path: &str, context: &Context<'_>) -> Result<Option<MountSource>, Fault> {
    let entry = context.files().entry(path).map_err(|error| node.fault(error.to_string()))?;
    match entry {
        None => Ok(None),
        Some(entry) if entry.kind == EntryKind::Symlink => Err(node
            .fault(format!("`{path}` is a symbolic link in the commit"))
            .hint("mount what it points to")),
        Some(entry) => Ok(Some(MountSource::Repository { path: path.to_owned(), id: entry.id })),
    }
}
