//! A service's environment: env files first, then what the Compose file says.

use std::collections::{BTreeMap, BTreeSet};

use super::dotenv::{self, Format};
use super::fields::{Context, Fields, Report, entries};
use super::interpolate;
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

/// Reads `env_file` and `environment`, which wins, also where a value of an env file uses it.
pub(super) fn read(fields: &mut Fields<'_>, context: &Context<'_>) -> Variables {
    let mut environment = Variables::default();
    let mut inline = Variables::default();
    fields.with("environment", |node, report| self::inline(node, context, &mut inline, report));
    if let Some(node) = fields.node("env_file") {
        let items = node.sequence().unwrap_or(std::slice::from_ref(node));
        for item in items {
            let result = env_file(item, context, &inline, &mut environment, fields.report);
            fields.report.take(result);
        }
    }
    environment.put(inline);
    environment
}

impl Variables {
    /// What was said later wins, also where it has no value.
    fn put(&mut self, later: Self) {
        self.unset.retain(|name| !later.set.contains_key(name));
        self.set.retain(|name, _| !later.unset.contains(name));
        self.set.extend(later.set);
        self.unset.extend(later.unset);
    }
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
    inline: &Variables,
    environment: &mut Variables,
    report: &mut Report,
) -> Result<(), Fault> {
    let (path_node, required, format) = described(node)?;
    let wanted = scalar(path_node, "a path")?.text.clone();
    let Some((name, content)) = find(path_node, &wanted, context, report)? else {
        return if required { Err(missing(path_node, "env", context)) } else { Ok(()) };
    };
    let text = String::from_utf8(content).map_err(|_| path_node.fault(format!("`{name}` is not UTF-8")))?;
    let outer = |name: &str| {
        let value = context.variables(path_node).get(name).or_else(|| inline.set.get(name));
        value.map(|value| value.expose().to_owned())
    };
    for line in dotenv::read(&name, &text, &outer, environment.set.clone(), format)? {
        set(line.name, line.value, path_node, context, environment, report);
    }
    Ok(())
}

/// Labels of `label_file`, later files winning.
pub(super) fn label_files(fields: &mut Fields<'_>, context: &Context<'_>) -> BTreeMap<String, String> {
    let mut labels = interpolate::Variables::new();
    let Some(node) = fields.node("label_file") else { return BTreeMap::new() };
    for item in node.sequence().unwrap_or(std::slice::from_ref(node)) {
        let result = label_file(item, context, &mut labels, fields.report);
        fields.report.take(result);
    }
    labels.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect()
}

/// Labels use other labels, not variables; a name alone is that of a label that there is already, or nothing.
fn label_file(
    node: &Node,
    context: &Context<'_>,
    labels: &mut interpolate::Variables,
    report: &mut Report,
) -> Result<(), Fault> {
    let wanted = scalar(node, "a path")?.text.clone();
    let (name, content) =
        find(node, &wanted, context, report)?.ok_or_else(|| missing(node, "label", context))?;
    let text = String::from_utf8(content).map_err(|_| node.fault(format!("`{name}` is not UTF-8")))?;
    let earlier = labels.clone();
    let outer = |name: &str| earlier.get(name).map(|value| value.expose().to_owned());
    let lines = dotenv::read(&name, &text, &outer, BTreeMap::new(), Format::Compose)?;
    labels.extend(lines.into_iter().filter_map(|line| Some((line.name, line.value?))));
    Ok(())
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
/// A file that a node names, in the commit or else on the host: its path there, and its content.
pub(super) fn find(
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

pub(super) fn missing(node: &Node, kind: &str, context: &Context<'_>) -> Fault {
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

#[cfg(test)]
mod tests {
    use super::super::testing::disk;
    use super::super::{Project, Service};

    fn a(project: &Project) -> &Service {
        &project.services["a"]
    }

    #[test]
    fn values_of_env_files_use_the_project_s_variables_then_the_service_s_then_the_files() {
        let text = "services: {a: {image: x, environment: {SERVICE: service}, env_file: [one.env, two.env]}}";
        let one = "PROJECT=one\nSERVICE=one\nOWN=one\nA=$PROJECT\nB=$SERVICE\nC=$OWN\n";
        let project = disk(text)
            .file(".env", "PROJECT=project\n")
            .file("one.env", one)
            .file("two.env", "D=$OWN\nOWN=two\nE=$OWN\n")
            .project("{}");
        let value = |name: &str| a(&project).environment[name].expose();
        assert_eq!(["A", "B", "C", "D", "E"].map(value), ["project", "service", "one", "one", "two"]);
        assert_eq!(["PROJECT", "SERVICE", "OWN"].map(value), ["one", "service", "two"]);
    }

    #[test]
    fn a_service_s_variable_without_a_value_takes_away_that_of_a_file() {
        let text = "services: {a: {image: x, environment: [A], env_file: one.env}}";
        let project = disk(text).file("one.env", "A=1\nB=2\nC\n").project("{}");
        let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(names(a(&project).environment.keys().collect()), ["B"]);
        assert_eq!(names(a(&project).unset.iter().collect()), ["A", "C"]);
    }

    #[test]
    fn label_files_use_labels_and_no_variables() {
        let text = "services: {a: {image: x, label_file: [one.env, two.env]}}";
        let host = disk(text).file(".env", "B=project\n").file("one.env", "A=1\nB=${A}2\nA\nNOBODY\n");
        let project = host.file("two.env", "C=$B\n").project("{}");
        let labels: Vec<String> =
            a(&project).labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(labels, ["A=1", "B=12", "C=12"]);
        let refused = disk("services: {a: {image: x, label_file: one.env}}")
            .file(".env", "T=project\n")
            .file("one.env", "A=$T\n")
            .refused();
        insta::assert_snapshot!(refused, @"one.env:1:1: the value of `A` uses a variable that is not set (put the value in single quotes where the dollar sign is meant)");
    }
}
