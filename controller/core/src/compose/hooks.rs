//! `post_start` and `pre_stop`: commands that are run in a service's containers.

use super::environment;
use super::fields::{Context, Fields, Report, items};
use super::scalar::command;
use super::{Project, ServiceHook};
use crate::located::Fault;
use crate::yaml::Node;

/// Reads the hooks under a key, in their order.
pub(super) fn read(fields: &mut Fields<'_>, key: &str, context: &Context<'_>) -> Vec<ServiceHook> {
    let Some(node) = fields.node(key) else { return Vec::new() };
    let mut hooks = Vec::new();
    for item in items(node, fields.report) {
        let result = hook(item, context, fields.report);
        hooks.extend(fields.report.take(result));
    }
    hooks
}

fn hook(node: &Node, context: &Context<'_>, report: &mut Report) -> Result<ServiceHook, Fault> {
    let mut fields = Fields::new(node, report)?;
    let missing = fields.node("command").is_none();
    let command = fields.get("command", command).unwrap_or_default();
    if missing || command.is_empty() {
        fields.report.faults.push(node.fault("a hook needs a `command`"));
    }
    Ok(ServiceHook {
        command,
        user: fields.text("user"),
        privileged: fields.flag("privileged"),
        working_dir: fields.text("working_dir"),
        environment: environment::of_hook(&mut fields, context),
    })
}

/// Nobody can say whether what runs to its end still runs when its hooks do.
pub(super) fn check(document: &Node, project: &Project, report: &mut Report) {
    for (name, service) in project.services.iter().filter(|(_, service)| service.one_shot) {
        for (key, hooks) in [("post_start", &service.post_start), ("pre_stop", &service.pre_stop)] {
            if hooks.is_empty() {
                continue;
            }
            let place = document.place_of(&["services", name.as_str(), key]);
            let fault = place
                .fault(format!("`{name}` runs to its end, and may have ended before its `{key}` has run"));
            report.faults.push(fault.hint("make it part of the service's own command"));
        }
    }
}
