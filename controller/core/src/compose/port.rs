//! `ports`: short and long syntax, ranges.

use super::Port;
use super::scalar::{expected, integer, scalar, text};
use crate::located::Fault;
use crate::yaml::{Node, Value};

const FORM: &str = "a port such as `8001:8000` or `127.0.0.1:8001:8000/tcp`";

/// More than this in one range is a mistake, and a range costs the engine a process per port.
const MAX_RANGE: u16 = 1_000;

/// Reads one item; a range gives several ports.
pub(super) fn read(node: &Node) -> Result<Vec<Port>, Fault> {
    match &node.value {
        Value::Mapping(_) => long(node),
        _ => short(node),
    }
}

fn short(node: &Node) -> Result<Vec<Port>, Fault> {
    let spec = &scalar(node, FORM)?.text;
    let (addresses, protocol) = spec.rsplit_once('/').unwrap_or((spec, "tcp"));
    let (rest, target) =
        addresses.rsplit_once(':').map_or((None, addresses), |(rest, target)| (Some(rest), target));
    let (host_ip, published) = match rest
        .map(|rest| rest.rsplit_once(':').map_or((None, rest), |(ip, p)| (Some(ip), p)))
    {
        Some((host_ip, published)) => (host_ip, Some(published).filter(|published| !published.is_empty())),
        None => (None, None),
    };
    let host_ip = host_ip.map(|ip| ip.trim_start_matches('[').trim_end_matches(']').to_owned());
    expand(node, target, published, host_ip.as_deref(), protocol)
}

fn long(node: &Node) -> Result<Vec<Port>, Fault> {
    let get = |key: &str| node.get(key).filter(|node| !node.is_null()).map(text).transpose();
    let target = node.get("target").ok_or_else(|| node.fault("a port needs a `target`"))?;
    let target = integer(target)?.to_string();
    check_mode(node)?;
    let protocol = get("protocol")?.unwrap_or_else(|| "tcp".to_owned());
    let published = get("published")?.filter(|published| !published.is_empty());
    expand(node, &target, published.as_deref(), get("host_ip")?.as_deref(), &protocol)
}

/// `ingress` and `host` are the same without Swarm.
fn check_mode(node: &Node) -> Result<(), Fault> {
    let Some(mode) = node.get("mode") else { return Ok(()) };
    if matches!(text(mode)?.as_str(), "host" | "ingress") {
        Ok(())
    } else {
        Err(expected(mode, "`host` or `ingress`"))
    }
}

fn expand(
    node: &Node,
    target: &str,
    published: Option<&str>,
    host_ip: Option<&str>,
    protocol: &str,
) -> Result<Vec<Port>, Fault> {
    let wrong = || expected(node, FORM);
    let protocol = protocol.to_ascii_lowercase();
    let valid_ip = host_ip.is_none_or(|ip| ip.parse::<std::net::IpAddr>().is_ok());
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") || !valid_ip {
        return Err(wrong());
    }
    let targets = range(target).ok_or_else(wrong)?;
    if targets.len() == 1 && published.is_some_and(leaves_a_choice) {
        return Err(node
            .fault(format!(
                "{} leaves the engine the choice of a port of the host, out of a range, each time the container starts",
                node.shown()
            ))
            .hint("name one port, so that everybody knows where it is; or none, and any free one is taken"));
    }
    let published = published.map(|published| range(published).ok_or_else(wrong)).transpose()?;
    if published.as_ref().is_some_and(|published| published.len() != targets.len()) {
        return Err(node
            .fault(format!("{} has ranges of different lengths", node.shown()))
            .hint("name one host port for each"));
    }
    let port = |(index, target): (usize, u16)| Port {
        target,
        published: published
            .as_ref()
            .and_then(|published| published.get(index).copied())
            .filter(|port| *port > 0),
        host_ip: host_ip.map(str::to_owned),
        protocol: protocol.clone(),
    };
    Ok(targets.into_iter().enumerate().map(port).collect())
}

/// Whether these are several ports, however many.
fn leaves_a_choice(published: &str) -> bool {
    let ends = published.split_once('-').and_then(|(first, last)| {
        Some((first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?))
    });
    ends.is_some_and(|(first, last)| first < last)
}

fn range(text: &str) -> Option<Vec<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last && last - first < MAX_RANGE).then(|| (first..=last).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn shown(text: &str) -> String {
        match read(&yaml::parse("c.yaml", text).unwrap()) {
            Err(fault) => fault.to_string(),
            Ok(ports) => {
                let show = |p: &Port| {
                    format!(
                        "{:?}/{:?}/{}/{}",
                        p.host_ip.as_deref().unwrap_or(""),
                        p.published.unwrap_or(0),
                        p.target,
                        p.protocol
                    )
                };
                ports.iter().map(show).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn every_form() {
        for (text, result) in [
            ("8001:8000", "\"\"/8001/8000/tcp"),
            ("'8000'", "\"\"/0/8000/tcp"),
            ("8000", "\"\"/0/8000/tcp"),
            ("127.0.0.1:8001:8000/udp", "\"127.0.0.1\"/8001/8000/udp"),
            ("127.0.0.1::8000", "\"127.0.0.1\"/0/8000/tcp"),
            ("'[::1]:80:80'", "\"::1\"/80/80/tcp"),
            ("80-81:90-91", "\"\"/80/90/tcp \"\"/81/91/tcp"),
            ("{target: 80, published: '8080', host_ip: 127.0.0.1, mode: host}", "\"127.0.0.1\"/8080/80/tcp"),
        ] {
            assert_eq!(shown(text), result, "{text}");
        }
    }

    #[test]
    fn what_is_no_port_is_said() {
        insta::assert_snapshot!(shown("80:x"), @"c.yaml:1:1: `80:x` stands where a port such as `8001:8000` or `127.0.0.1:8001:8000/tcp` is expected");
        insta::assert_snapshot!(shown("70000:80"), @"c.yaml:1:1: `70000:80` stands where a port such as `8001:8000` or `127.0.0.1:8001:8000/tcp` is expected");
        insta::assert_snapshot!(shown("80-82:90-91"), @"c.yaml:1:1: `80-82:90-91` has ranges of different lengths (name one host port for each)");
        insta::assert_snapshot!(shown("8083-9000:80"), @"c.yaml:1:1: `8083-9000:80` leaves the engine the choice of a port of the host, out of a range, each time the container starts (name one port, so that everybody knows where it is; or none, and any free one is taken)");
        insta::assert_snapshot!(shown("{target: 80, published: '2000-9000'}"), @"c.yaml:1:1: a map leaves the engine the choice of a port of the host, out of a range, each time the container starts (name one port, so that everybody knows where it is; or none, and any free one is taken)");
        assert_eq!(shown("{target: 80, published: '81-81'}"), "\"\"/81/80/tcp");
        insta::assert_snapshot!(shown("localhost:80:80"), @"c.yaml:1:1: `localhost:80:80` stands where a port such as `8001:8000` or `127.0.0.1:8001:8000/tcp` is expected");
        insta::assert_snapshot!(shown("80:80/http"), @"c.yaml:1:1: `80:80/http` stands where a port such as `8001:8000` or `127.0.0.1:8001:8000/tcp` is expected");
        insta::assert_snapshot!(shown("{published: 80}"), @"c.yaml:1:1: a port needs a `target`");
    }
}
