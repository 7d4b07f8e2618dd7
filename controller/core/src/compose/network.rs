//! Networks: the project's, and how a service joins them.

use std::collections::BTreeMap;

use super::fields::{Context, Fields, Report, named, pairs};
use super::scalar::{expected, integer, strings, text};
use super::{Attachment, IpamPool, Network};
use crate::located::Fault;
use crate::name::ProjectName;
use crate::yaml::{Node, suggestion};

/// Reads a network of the project; `None` is one that nothing is said about.
pub(super) fn read(
    key: &str,
    node: Option<&Node>,
    project: &ProjectName,
    report: &mut Report,
) -> Option<Network> {
    let mut network = bare(format!("{project}_{key}"));
    let Some(node) = node.filter(|node| !node.is_null()) else { return Some(network) };
    let (external, name) = report.take(external(node))?;
    let fallback = if external { key.to_owned() } else { network.name.clone() };
    let result = Fields::new(node, report).map(|mut fields| {
        network.name = name.or_else(|| fields.text("name")).unwrap_or(fallback);
        network.external = external;
        network.driver = fields.text("driver");
        network.driver_opts = fields.pairs("driver_opts");
        network.internal = fields.flag("internal");
        network.attachable = fields.flag("attachable");
        network.enable_ipv6 = fields.flag("enable_ipv6");
        network.labels = fields.pairs("labels");
        network.ipam = fields.get("ipam", ipam).unwrap_or_default();
        network.ipam_options = fields.get("ipam", ipam_options).unwrap_or_default();
        network
    });
    report.take(result)
}

fn bare(name: String) -> Network {
    Network {
        name,
        external: false,
        driver: None,
        driver_opts: BTreeMap::new(),
        internal: false,
        attachable: false,
        enable_ipv6: false,
        ipam: Vec::new(),
        ipam_options: BTreeMap::new(),
        labels: BTreeMap::new(),
    }
}

/// `external: true`, and the old `external: {name: x}`. Beside it only the name may be said.
pub(super) fn external(node: &Node) -> Result<(bool, Option<String>), Fault> {
    let Some(value) = node.get("external").filter(|value| !value.is_null()) else { return Ok((false, None)) };
    let (external, name) = match value.get("name") {
        Some(name) => (true, Some(text(name)?)),
        None => (super::scalar::boolean(value)?, None),
    };
    let other = node.mapping().and_then(|map| map.iter().find(|(key, _)| !is_said_of_external(key)));
    match other {
        Some((key, entry)) if external => Err(entry
            .key
            .fault(format!("`{key}` says how to create what is external"))
            .hint("remove one of the two")),
        _ => Ok((external, name)),
    }
}

fn is_said_of_external(key: &str) -> bool {
    matches!(key, "external" | "name") || key.starts_with("x-")
}

fn ipam(node: &Node) -> Result<Vec<IpamPool>, Fault> {
    if let Some(driver) = node.get("driver").filter(|driver| !driver.is_null())
        && text(driver)? != "default"
    {
        return Err(expected(driver, "`default`, the one address manager that evenkeel supports,"));
    }
    let Some(config) = node.get("config").filter(|config| !config.is_null()) else { return Ok(Vec::new()) };
    config.sequence().ok_or_else(|| expected(config, "a list"))?.iter().map(pool).collect()
}

fn ipam_options(node: &Node) -> Result<BTreeMap<String, String>, Fault> {
    let options = node.get("options").filter(|options| !options.is_null());
    Ok(options.map(pairs).transpose()?.unwrap_or_default())
}

fn pool(node: &Node) -> Result<IpamPool, Fault> {
    let field = |key: &str| node.get(key).filter(|value| !value.is_null()).map(text).transpose();
    node.mapping().ok_or_else(|| expected(node, "a map"))?;
    let others = node.get("aux_addresses").filter(|value| !value.is_null());
    Ok(IpamPool {
        subnet: field("subnet")?,
        gateway: field("gateway")?,
        ip_range: field("ip_range")?,
        aux_addresses: others.map(pairs).transpose()?.unwrap_or_default(),
    })
}

/// Reads `networks` of a service.
pub(super) fn attachments(node: &Node, context: &Context<'_>) -> Result<BTreeMap<String, Attachment>, Fault> {
    let mut attachments = BTreeMap::new();
    for (name, entry) in named(node)? {
        if name != "default" && !context.networks.contains(&name) {
            let fault = entry.key.fault(format!("the network `{name}` is not declared under `networks`"));
            return Err(match suggestion(&name, context.networks.iter().map(String::as_str)) {
                Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
                None => fault,
            });
        }
        attachments.insert(name, attachment(&entry.node)?);
    }
    Ok(attachments)
}

fn attachment(node: &Node) -> Result<Attachment, Fault> {
    if node.is_null() {
        return Ok(Attachment::default());
    }
    node.mapping().ok_or_else(|| expected(node, "a map"))?;
    let field = |key: &str| node.get(key).filter(|value| !value.is_null());
    Ok(Attachment {
        aliases: field("aliases").map(strings).transpose()?.unwrap_or_default(),
        ipv4_address: field("ipv4_address").map(text).transpose()?,
        ipv6_address: field("ipv6_address").map(text).transpose()?,
        priority: field("priority").map(integer).transpose()?.unwrap_or_default(),
        mac_address: field("mac_address").map(mac_address).transpose()?,
        link_local_ips: field("link_local_ips").map(strings).transpose()?.unwrap_or_default(),
        driver_opts: field("driver_opts").map(pairs).transpose()?.unwrap_or_default(),
    })
}

/// Six pairs of hexadecimal digits.
pub(super) fn mac_address(node: &Node) -> Result<String, Fault> {
    let text = text(node)?;
    let pairs: Vec<&str> = text.split([':', '-']).collect();
    let pair = |pair: &&str| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
    if pairs.len() == 6 && pairs.iter().all(pair) {
        return Ok(text);
    }
    Err(expected(node, "a MAC address such as `02:42:ac:11:00:02`"))
}

/// Puts the service's own `mac_address` on the network that it joins first.
pub(super) fn first_mac_address(
    attachments: &mut BTreeMap<String, Attachment>,
    node: &Node,
) -> Result<(), Fault> {
    let address = mac_address(node)?;
    let first = attachments.iter_mut().min_by_key(|(key, attachment)| (-attachment.priority, (*key).clone()));
    let Some((_, attachment)) = first else {
        return Err(node.fault("`mac_address` needs a network of the service's own"));
    };
    if attachment.mac_address.as_ref().is_some_and(|other| *other != address) {
        return Err(node
            .fault("`mac_address` of the network says something else")
            .hint("keep one of the two"));
    }
    attachment.mac_address = Some(address);
    Ok(())
}

/// Reads a volume of the project.
pub(super) fn volume(
    key: &str,
    node: &Node,
    project: &ProjectName,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<super::Volume> {
    let (external, name) = report.take(external(node))?;
    let own = if external { key.to_owned() } else { format!("{project}_{key}") };
    let field = |key: &str| node.get(key).filter(|value| !value.is_null());
    let name = name.or(report.take(field("name").map(text).transpose())?);
    let driver = report.take(field("driver").map(text).transpose())?;
    let mut driver_opts = report.take(field("driver_opts").map(pairs).transpose())?.unwrap_or_default();
    if let (Some(options), None | Some("local")) = (field("driver_opts"), driver.as_deref()) {
        report.take(bound(options, context, &mut driver_opts))?;
    }
    Some(super::Volume {
        name: name.unwrap_or(own),
        external,
        driver,
        driver_opts,
        labels: report.take(field("labels").map(pairs).transpose())?.unwrap_or_default(),
    })
}

/// A volume that is a directory of the host: where a relative path leads there.
fn bound(node: &Node, context: &Context<'_>, options: &mut BTreeMap<String, String>) -> Result<(), Fault> {
    let is_bind =
        options.get("o").is_some_and(|o| o.split(',').any(|option| matches!(option, "bind" | "rbind")));
    let Some(device) = options.get_mut("device").filter(|device| is_bind && !device.starts_with('/')) else {
        return Ok(());
    };
    let place = node.get("device").unwrap_or(node);
    let host = context.on_host(place, device).ok_or_else(|| {
        place.fault(format!("nothing says where {} is on the host", place.shown())).hint(
            "write an absolute path, or set `spec.compose.projectDirectory` in the manifest to the directory that it starts from",
        )
    })?;
    *device = host;
    Ok(())
}
