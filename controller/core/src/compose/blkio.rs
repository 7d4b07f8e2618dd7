//! `blkio_config`: weights and limits of block devices.

use serde::{Deserialize, Serialize};

use super::fields::{Fields, Report};
use super::kernel::between;
use super::scalar::{bytes, expected, integer, word};
use crate::located::Fault;
use crate::yaml::Node;

/// Weights and limits of block devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blkio {
    /// `weight:`, 10 to 1000.
    pub weight: Option<u16>,
    /// `weight_device:`, 10 to 1000 each.
    pub weight_device: Vec<(String, u16)>,
    /// `device_read_bps:`, bytes a second by device.
    pub device_read_bps: Vec<(String, i64)>,
    /// `device_write_bps:`, bytes a second by device.
    pub device_write_bps: Vec<(String, i64)>,
    /// `device_read_iops:`, operations a second by device.
    pub device_read_iops: Vec<(String, i64)>,
    /// `device_write_iops:`, operations a second by device.
    pub device_write_iops: Vec<(String, i64)>,
}

pub(super) fn read(node: &Node, report: &mut Report) -> Result<Blkio, Fault> {
    let mut fields = Fields::new(node, report)?;
    let mut rates = |key: &str, rate: fn(&Node) -> Result<i64, Fault>| {
        fields.get(key, |node| devices(node, "rate", rate)).unwrap_or_default()
    };
    Ok(Blkio {
        device_read_bps: rates("device_read_bps", bytes),
        device_write_bps: rates("device_write_bps", bytes),
        device_read_iops: rates("device_read_iops", integer),
        device_write_iops: rates("device_write_iops", integer),
        weight: fields.get("weight", weight),
        weight_device: fields
            .get("weight_device", |node| devices(node, "weight", weight))
            .unwrap_or_default(),
    })
}

fn weight(node: &Node) -> Result<u16, Fault> {
    between(node, 10, 1000).map(|weight| u16::try_from(weight).unwrap_or_default())
}

/// A list of `path` and something about it.
fn devices<T>(
    node: &Node,
    key: &str,
    read: fn(&Node) -> Result<T, Fault>,
) -> Result<Vec<(String, T)>, Fault> {
    let one = |item: &Node| {
        let field = |key: &str| {
            let missing = || item.fault(format!("a device needs a `{key}`"));
            item.get(key).filter(|value| !value.is_null()).ok_or_else(missing)
        };
        Ok((word(field("path")?)?, read(field(key)?)?))
    };
    node.sequence().ok_or_else(|| expected(node, "a list of devices"))?.iter().map(one).collect()
}
