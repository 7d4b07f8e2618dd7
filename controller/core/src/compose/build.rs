//! `build`: short and long form; the context and Dockerfile must be in the commit.

use std::collections::BTreeMap;

use super::Build;
use super::fields::{Context, Fields, Report, pairs};
use super::given;
use super::merge;
use super::path;
use super::scalar::{bytes, strings, text, word};
use super::service;
use crate::files::EntryKind;
use crate::located::Fault;
use crate::yaml::Node;

pub(super) fn read(node: &Node, context: &Context<'_>, report: &mut Report) -> Result<Build, Fault> {
    let node = merge::build(node.clone());
    let (directory, place) = directory(&node, context)?;
    let mut fields = Fields::new(&node, report)?;
    let dockerfile = fields.get("dockerfile", word).unwrap_or_else(|| "Dockerfile".to_owned());
    let dockerfile_inline = fields.get("dockerfile_inline", text);
    match (fields.node("dockerfile"), fields.node("dockerfile_inline")) {
        (Some(_), Some(inline)) => {
            let fault = inline.fault("`dockerfile` and `dockerfile_inline` exclude each other");
            return Err(fault.hint("keep one of the two"));
        }
        (_, Some(_)) => {}
        (named, None) => check_dockerfile(named.unwrap_or(&place), &directory, &dockerfile, context)?,
    }
    let build = Build {
        context: directory,
        dockerfile,
        dockerfile_inline,
        args: fields.with("args", |node, report| args(node, context, report)).unwrap_or_default(),
        target: fields.text("target"),
        labels: fields.pairs("labels"),
        network: fields.text("network"),
        extra_hosts: fields.get("extra_hosts", extra_hosts).unwrap_or_default(),
        shm_size: fields.get("shm_size", bytes),
        pull: fields.flag("pull"),
        no_cache: fields.flag("no_cache"),
        cache_from: cache_from(&mut fields),
        tags: fields.get("tags", strings).unwrap_or_default(),
        ulimits: fields.with("ulimits", service::ulimits).unwrap_or_default(),
        secrets: fields
            .with("secrets", |node, report| given::of_build(node, context, report))
            .unwrap_or_default(),
        ssh: fields.get("ssh", ssh).unwrap_or_default(),
    };
    check_network(&fields, &build)?;
    Ok(build)
}

/// BuildKit, which secrets and agents need, is on no network that somebody made.
fn check_network(fields: &Fields<'_>, build: &Build) -> Result<(), Fault> {
    let plain = build.secrets.is_empty() && build.ssh.is_empty();
    let (Some(node), Some(network)) = (fields.node("network"), &build.network) else { return Ok(()) };
    if plain || ["default", "host", "none"].contains(&network.as_str()) {
        return Ok(());
    }
    let fault =
        node.fault(format!("`network: {network}` does not go with `secrets` or `ssh`: they need BuildKit"));
    Err(fault.hint("BuildKit knows `host`, `none`, or nothing at all"))
}

/// Agents by id: `default`, `id=/path/to/socket`, or a map of them.
fn ssh(node: &Node) -> Result<BTreeMap<String, Option<String>>, Fault> {
    let mut agents = BTreeMap::new();
    for (id, socket) in super::fields::entries(node)? {
        let socket = socket.filter(|socket| !socket.is_empty());
        if socket.as_ref().is_some_and(|socket| !socket.starts_with('/')) {
            let fault = node.fault(format!("the SSH agent `{id}` is not named by an absolute path"));
            return Err(fault
                .hint("name the socket of an agent on the host, such as `default=/run/deploy/agent.sock`"));
        }
        agents.insert(id, socket);
    }
    Ok(agents)
}

/// Images of the engine. Other sources (`type=…`) are BuildKit's, and only make a build faster.
fn cache_from(fields: &mut Fields<'_>) -> Vec<String> {
    let images = fields.get("cache_from", strings).unwrap_or_default();
    let (others, images): (Vec<_>, Vec<_>) = images.into_iter().partition(|image| image.contains('='));
    if let (Some(node), Some(other)) = (fields.node("cache_from"), others.first()) {
        fields.report.warn(node, &format!("`{other}` has no effect: only images of the engine are used"));
    }
    images
}

fn directory(node: &Node, context: &Context<'_>) -> Result<(String, Node), Fault> {
    let place = node.get("context").unwrap_or(node).clone();
    let written = match node.get("context") {
        Some(context) => word(context)?,
        None => ".".to_owned(),
    };
    if written.contains("://") || written.starts_with("git@") {
        return Err(place.fault("a context elsewhere is refused").hint("builds read the commit only"));
    }
    let outside = || place.fault(format!("the context {} is outside of the repository", place.shown()));
    if written.starts_with(['/', '~']) {
        return Err(outside());
    }
    let directory = path::in_tree(context.base(&place), &written).ok_or_else(outside)?;
    check_directory(&place, &directory, context)?;
    Ok((directory, place))
}

fn check_directory(node: &Node, directory: &str, context: &Context<'_>) -> Result<(), Fault> {
    if directory == "." {
        return Ok(());
    }
    let entry = context.files().entry(directory).map_err(|error| node.fault(error.to_string()))?;
    match entry.map(|entry| entry.kind) {
        Some(EntryKind::Directory) => Ok(()),
        Some(EntryKind::Symlink) => Err(node
            .fault(format!("the context `{directory}` is a symbolic link"))
            .hint("name the directory itself")),
        Some(EntryKind::File { .. }) => Err(node.fault(format!("the context `{directory}` is a file"))),
        None => Err(node.fault(format!("the context `{directory}` is not in the commit"))),
    }
}

fn check_dockerfile(
    node: &Node,
    directory: &str,
    dockerfile: &str,
    context: &Context<'_>,
) -> Result<(), Fault> {
    let outside = || node.fault(format!("the Dockerfile `{dockerfile}` is outside of the repository"));
    let path =
        path::in_tree(directory, dockerfile).filter(|_| !dockerfile.starts_with('/')).ok_or_else(outside)?;
    let entry = context.files().entry(&path).map_err(|error| node.fault(error.to_string()))?;
    match entry.map(|entry| entry.kind) {
        Some(EntryKind::File { .. }) => Ok(()),
        // A link inside of the tree is as good as its target; one that leaves it is an error of reading.
        Some(EntryKind::Symlink) => context
            .files()
            .read(&path)
            .map(drop)
            .map_err(|error| node.fault(format!("the Dockerfile is a symbolic link: {error}"))),
        Some(EntryKind::Directory) => Err(node.fault(format!("the Dockerfile `{path}` is a directory"))),
        None => Err(node.fault(format!("the Dockerfile `{path}` is not in the commit"))),
    }
}

/// Build arguments; a name without a value takes the variable's.
fn args(node: &Node, context: &Context<'_>, report: &mut Report) -> Result<BTreeMap<String, String>, Fault> {
    let mut args = BTreeMap::new();
    for (name, value) in super::fields::entries(node)? {
        let variable = || context.variables(node).get(&name).map(|value| value.expose().to_owned());
        match value.or_else(variable) {
            Some(value) => drop(args.insert(name, value)),
            None => report.warn(
                argument(node, &name),
                &format!("the build argument `{name}` has no value anywhere: the Dockerfile's default holds"),
            ),
        }
    }
    Ok(args)
}

/// Where an argument without a value stands.
fn argument<'n>(node: &'n Node, name: &str) -> &'n Node {
    let is = |item: &&Node| item.scalar().is_some_and(|scalar| scalar.text == name);
    let item = node.sequence().and_then(|items| items.iter().find(is));
    item.or_else(|| node.get(name)).unwrap_or(node)
}

/// `host:address` and `host=address`, list or map, as the engine takes them.
pub(super) fn extra_hosts(node: &Node) -> Result<Vec<String>, Fault> {
    if node.mapping().is_some_and(|map| map.values().all(|entry| entry.node.scalar().is_some())) {
        return Ok(pairs(node)?
            .into_iter()
            .map(|(host, address)| format!("{host}:{}", bare(&address)))
            .collect());
    }
    let hosts = merge::hosts(node.clone());
    let one = |(text, node): (String, &Node)| {
        let (host, address) =
            text.split_once(['=', ':']).ok_or_else(|| super::scalar::expected(node, "`host:address`"))?;
        Ok(format!("{}:{}", host.trim(), bare(address)))
    };
    strings(&hosts)?.into_iter().zip(hosts.sequence().unwrap_or_default()).map(one).collect()
}

fn bare(address: &str) -> &str {
    address.trim().trim_start_matches('[').trim_end_matches(']')
}
