//! Devices: those that are mapped by their path, and those that a driver is asked for, such as GPUs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fields::{Fields, items, pairs};
use super::scalar::{count, expected, strings, text, word};
use crate::located::Fault;
use crate::yaml::Node;

/// Devices that a driver is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// The driver (`nvidia`); any that has the capabilities where nothing is said.
    pub driver: Option<String>,
    /// How many; -1 for all of them. `None` with `device_ids`.
    pub count: Option<i64>,
    /// Which.
    pub device_ids: Vec<String>,
    /// All of these capabilities.
    pub capabilities: Vec<String>,
    /// Options for the driver.
    pub options: BTreeMap<String, String>,
}

/// `devices`, each as `host:container:permissions`.
pub(super) fn mapped(fields: &mut Fields<'_>) -> Vec<String> {
    let Some(node) = fields.node("devices") else { return Vec::new() };
    let mapped = items(node, fields.report).iter().filter(|item| cdi(item).is_none());
    mapped.filter_map(|item| fields.report.take(device(item))).collect()
}

/// A device by its name of the Container Device Interface, `vendor/class=name`
/// ([specification](https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md)), rather than by a path.
fn cdi(node: &Node) -> Option<String> {
    let source = if node.mapping().is_some() { node.get("source")? } else { node };
    let name = text(source).ok()?;
    let (kind, device) = name.split_once('=')?;
    let (vendor, class) = kind.split_once('/')?;
    let is_named = [vendor, class].iter().all(|part| part.starts_with(|c: char| c.is_ascii_alphabetic()));
    (is_named && !class.contains('/') && !device.is_empty()).then_some(name)
}

fn device(node: &Node) -> Result<String, Fault> {
    if node.mapping().is_none() {
        let written = word(node)?;
        let mut parts = written.splitn(3, ':');
        let source = parts.next().unwrap_or_default();
        let target = parts.next().unwrap_or(source);
        return Ok(format!("{source}:{target}:{}", parts.next().unwrap_or("rwm")));
    }
    let field = |key: &str| node.get(key).filter(|value| !value.is_null()).map(text).transpose();
    let source = field("source")?.ok_or_else(|| node.fault("a device needs a `source`"))?;
    let target = field("target")?.unwrap_or_else(|| source.clone());
    Ok(format!("{source}:{target}:{}", field("permissions")?.unwrap_or_else(|| "rwm".to_owned())))
}

/// `gpus`, and the devices that `deploy` reserves.
pub(super) fn requests(fields: &mut Fields<'_>) -> Vec<DeviceRequest> {
    let mut requests = Vec::new();
    if let Some(node) = fields.node("gpus") {
        requests.extend(gpus(node, fields));
    }
    if let Some(node) = fields.node("devices") {
        let names = node.sequence().unwrap_or_default().iter().filter_map(cdi);
        requests.extend(names.map(|name| DeviceRequest {
            driver: Some("cdi".to_owned()),
            device_ids: vec![name],
            ..Default::default()
        }));
    }
    let path = ["resources", "reservations", "devices"];
    let reserved =
        fields.node("deploy").and_then(|node| path.iter().try_fold(node, |node, key| node.get(key)));
    if let Some(node) = reserved.filter(|node| !node.is_null()) {
        for item in items(node, fields.report) {
            requests.extend(fields.report.take(reservation(item)));
        }
    }
    requests
}

fn gpus(node: &Node, fields: &mut Fields<'_>) -> Vec<DeviceRequest> {
    if node.scalar().is_some() {
        let all =
            DeviceRequest { count: Some(-1), capabilities: vec!["gpu".to_owned()], ..Default::default() };
        let is_all = text(node).is_ok_and(|text| text == "all");
        let result = if is_all { Ok(all) } else { Err(expected(node, "`all` or a list of GPUs")) };
        return fields.report.take(result).into_iter().collect();
    }
    let mut gpus: Vec<DeviceRequest> =
        items(node, fields.report).iter().filter_map(|item| fields.report.take(request(item))).collect();
    for gpu in &mut gpus {
        if !gpu.capabilities.iter().any(|capability| capability == "gpu") {
            gpu.capabilities.push("gpu".to_owned());
        }
    }
    gpus
}

fn reservation(node: &Node) -> Result<DeviceRequest, Fault> {
    let request = request(node)?;
    if request.capabilities.is_empty() {
        return Err(node.fault("a reserved device needs `capabilities`").hint("such as `[gpu]`"));
    }
    Ok(request)
}

fn request(node: &Node) -> Result<DeviceRequest, Fault> {
    node.mapping().ok_or_else(|| expected(node, "a map"))?;
    let field = |key: &str| node.get(key).filter(|value| !value.is_null());
    let device_ids = field("device_ids").map(strings).transpose()?.unwrap_or_default();
    let number = field("count").map(number).transpose()?;
    if let (Some(_), Some(node), false) = (number, field("count"), device_ids.is_empty()) {
        return Err(node.fault("`count` and `device_ids` exclude each other").hint("keep one of the two"));
    }
    Ok(DeviceRequest {
        driver: field("driver").map(word).transpose()?,
        count: number.or_else(|| device_ids.is_empty().then_some(-1)),
        device_ids,
        capabilities: field("capabilities").map(strings).transpose()?.unwrap_or_default(),
        options: field("options").map(pairs).transpose()?.unwrap_or_default(),
    })
}

fn number(node: &Node) -> Result<i64, Fault> {
    if text(node)? == "all" {
        Ok(-1)
    } else {
        count(node).map_err(|_| expected(node, "`all` or a number from 1"))
    }
}
