//! `security_opt`: what a client of the engine makes of it.

use super::environment::{find, missing};
use super::fields::{Context, Fields, items};
use super::scalar::text;
use crate::located::Fault;
use crate::yaml::Node;

/// The options as the engine takes them. Of a seccomp profile it takes the content: a client reads the file, and so a change of it is a
/// change of the service.
pub(super) fn options(fields: &mut Fields<'_>, context: &Context<'_>) -> Vec<String> {
    let Some(node) = fields.node("security_opt") else { return Vec::new() };
    let options =
        if node.sequence().is_some() { items(node, fields.report) } else { std::slice::from_ref(node) };
    let mut read = Vec::new();
    for option in options {
        let profile = text(option).map(|text| profile(&text).map(str::to_owned));
        let result = match profile {
            Ok(Some(path)) => seccomp(option, &path, context, fields),
            _ => text(option),
        };
        read.extend(fields.report.take(result));
    }
    read
}

/// The file of a seccomp profile.
fn profile(option: &str) -> Option<&str> {
    let path = option.strip_prefix("seccomp").and_then(|rest| rest.strip_prefix([':', '=']))?;
    (!matches!(path, "unconfined" | "builtin" | "")).then_some(path)
}

fn seccomp(node: &Node, path: &str, context: &Context<'_>, fields: &mut Fields<'_>) -> Result<String, Fault> {
    let found = find(node, path, context, fields.report)?;
    let (name, content) = found.ok_or_else(|| missing(node, "seccomp", context))?;
    let profile: serde_json::Value = serde_json::from_slice(&content)
        .map_err(|error| node.fault(format!("`{name}` is no seccomp profile: {error}")))?;
    Ok(format!("seccomp={profile}"))
}
