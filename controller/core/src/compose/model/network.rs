//! Networks, and how services join them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A network of the project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The engine's name for it (`convertik_default`, or `name:`).
    pub name: String,
    /// `external: true`: must exist, is never created or removed.
    pub external: bool,
    /// Driver; `bridge` when unset.
    pub driver: Option<String>,
    /// Driver options.
    pub driver_opts: BTreeMap<String, String>,
    /// No route to the outside.
    pub internal: bool,
    /// Standalone containers may attach.
    pub attachable: bool,
    /// Whether IPv6 is enabled.
    pub enable_ipv6: bool,
    /// Address pools.
    pub ipam: Vec<IpamPool>,
    /// Options for the address manager.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ipam_options: BTreeMap<String, String>,
    /// Labels that the user gave.
    pub labels: BTreeMap<String, String>,
}

/// One pool of a network's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpamPool {
    /// CIDR of the network.
    pub subnet: Option<String>,
    /// The gateway's address.
    pub gateway: Option<String>,
    /// CIDR to hand out from.
    pub ip_range: Option<String>,
    /// Addresses that others have already, by a name for each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aux_addresses: BTreeMap<String, String>,
}

/// How a service joins a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Extra names on that network, beside the service's.
    pub aliases: Vec<String>,
    /// A static IPv4 address.
    pub ipv4_address: Option<String>,
    /// A static IPv6 address.
    pub ipv6_address: Option<String>,
    /// Order of joining; the highest first.
    pub priority: i64,
    /// A static MAC address. From API 1.44 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Link-local addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub link_local_ips: Vec<String>,
    /// Options for the network's driver.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
}
