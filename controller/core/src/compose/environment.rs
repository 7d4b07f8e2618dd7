//! A service's environment: env files first, then what the Compose file says.

use std::collections::{BTreeMap, BTreeSet};

use super::dotenv::{self, Format};
use super::fields::{Context, Fields, Report, entries};
use super::path;
use super::scalar::{boolean, expected, scalar, text};
use crate::located::Fault;
use crate::secret::Secret;
use crate::yaml::{Node, Value};

/// Variables, and those that are named and have no value anywhere.
#[derive(Default)]
pub(super) struct Variables {
    pub(super) set: BTreeMap<String, Secret>,
    pub(super) unset: BTreeSet<String>,
}

/// Reads `env_file` and `environment`.
pub(super) fn read(fields: &mut Fields<'_>, context: &Context<'_>) -> Variables {
    let mut environment = Variables::default();
    if let Some(node) = fields.node("env_file") {
        let items = node.sequence().unwrap_or(std::slice::from_ref(node));
        for item in items {
            let result = env_file(item, context, &mut environment, fields.report);
            fields.report.take(result);
        }
    }
    fields.with("environment", |node, report| inline(node, context, &mut environment, report));
    environment
}

/// Reads the `environment` of a hook.
pub(super) fn of_hook(fields: &mut Fields<'_>, context: &Context<'_>) -> BTreeMap<String, Secret> {
    let mut environment = Variables::default();
    fields.with("environment", |node, report| inline(node, context, &mut environment, report));
    environment.set
}

fn inline(
    node: &Node,
    context: &Context<'_>,
    environment: &mut Variables,
    report: &mut Report,
) -> Result<(), Fault> {
    // Values may be secret, also those that stand in the file: a fault doesn't show its line.
    let entries = entries(node).map_err(|fault| Fault { snippet: None, ..fault })?;
    for (name, value) in entries {
        if name.is_empty() {
            return Err(node.place.quiet_fault("a variable has no name"));
        }
        set(name, value.map(Secret::new), node, context, environment, report);
    }
    Ok(())
}

fn set(
    name: String,
    value: Option<Secret>,
    node: &Node,
    context: &Context<'_>,
    environment: &mut Variables,
    report: &mut Report,
) {
    match value.or_else(|| context.variables(node).get(&name).cloned()) {
        Some(value) => {
            environment.unset.remove(&name);
            environment.set.insert(name, value);
        }
        None => {
            report.warn(
                node,
                &format!(
                    "`{name}` has no value anywhere: containers don't get it, not from their image either"
                ),
            );
            environment.set.remove(&name);
            environment.unset.insert(name);
        }
    }
}

fn env_file(
    node: &Node,
    context: &Context<'_>,
    environment: &mut Variables,
    report: &mut Report,
) -> Result<(), Fault> {
    let (path_node, required, format) = described(node)?;
    let wanted = scalar(path_node, "a path")?.text.clone();
    let Some((name, content)) = find(path_node, &wanted, context, report)? else {
        return if required { Err(missing(path_node, "env", context)) } else { Ok(()) };
    };
    let text = String::from_utf8(content).map_err(|_| path_node.fault(format!("`{name}` is not UTF-8")))?;
    for line in dotenv::read(&name, &text, context.variables(path_node), format)? {
        set(line.name, line.value, path_node, context, environment, report);
    }
    Ok(())
}

/// Labels of `label_file`, later files winning.
pub(super) fn label_files(fields: &mut Fields<'_>, context: &Context<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let Some(node) = fields.node("label_file") else { return labels };
    for item in node.sequence().unwrap_or(std::slice::from_ref(node)) {
        let result = label_file(item, context, fields.report);
        labels.extend(fields.report.take(result).into_iter().flatten());
    }
    labels
}

fn label_file(
    node: &Node,
    context: &Context<'_>,
    report: &mut Report,
) -> Result<Vec<(String, String)>, Fault> {
    let wanted = scalar(node, "a path")?.text.clone();
    let (name, content) =
        find(node, &wanted, context, report)?.ok_or_else(|| missing(node, "label", context))?;
    let text = String::from_utf8(content).map_err(|_| node.fault(format!("`{name}` is not UTF-8")))?;
    let lines = dotenv::read(&name, &text, context.variables(node), Format::Compose)?;
    let label =
        |line: dotenv::Line| (line.name, line.value.map_or_else(String::new, |it| it.expose().to_owned()));
    Ok(lines.into_iter().map(label).collect())
}

fn described(node: &Node) -> Result<(&Node, bool, Format), Fault> {
    if !matches!(node.value, Value::Mapping(_)) {
        return Ok((node, true, Format::Compose));
    }
    let path = node.get("path").ok_or_else(|| node.fault("an env file needs a `path`"))?;
    let required = node.get("required").map(boolean).transpose()?.unwrap_or(true);
    let format = match node.get("format").filter(|format| !format.is_null()) {
        None => Format::Compose,
        Some(format) if text(format)? == "raw" => Format::Raw,
        Some(format) => return Err(expected(format, "`raw`")),
    };
    Ok((path, required, format))
}

/// The tree's file, else the host's.
fn find(
    node: &Node,
    wanted: &str,
    context: &Context<'_>,
    report: &mut Report,
) -> Result<Option<(String, Vec<u8>)>, Fault> {
    let unreadable = |error: crate::files::FileError| node.fault(error.to_string());
    let relative = !wanted.starts_with('/');
    if let Some(path) = path::in_tree(context.base(node), wanted).filter(|_| relative)
        && context.files().entry(&path).map_err(unreadable)?.is_some()
    {
        let content = context.files().read(&path).map_err(unreadable)?;
        return Ok(Some((path, content)));
    }
    let host = if relative { context.on_host(node, wanted) } else { Some(path::on_host("", wanted)) };
    let Some(host) = host else { return Ok(None) };
    let content = context.files().read_host(&host).map_err(unreadable)?;
    report.host_files.extend(content.is_some().then(|| host.clone()));
    Ok(content.map(|content| (host, content)))
}

fn missing(node: &Node, kind: &str, context: &Context<'_>) -> Fault {
    let fault = node.fault(format!(
        "the {kind} file {} is in neither the commit nor the project directory",
        node.shown()
    ));
    match context.places.project_directory {
        Some(directory) if kind == "env" => {
            fault.hint(format!("put it under {directory} on the host, or write `required: false`"))
        }
        Some(directory) => fault.hint(format!("put it under {directory} on the host")),
        None => fault.hint(
            "set `spec.compose.projectDirectory` in the manifest to the directory on the host that has it",
        ),
    }
}
