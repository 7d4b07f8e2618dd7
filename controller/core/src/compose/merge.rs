//! Several Compose files, or a service and what it extends, as one: the specification's merge rules.

use std::collections::HashMap;

use crate::yaml::{Entry, Mapping, Node, Tag, Value};

/// How two values of one key become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Maps key by key, lists one after the other, anything else replaced.
    Plain,
    /// The later one counts.
    Replace,
    /// A list of `KEY=value` or a map.
    Pairs,
    /// A list of names or a map with the names as keys.
    Names,
    /// A list of `host:address` or a map.
    Hosts,
    /// A list whose items are told apart by where they are mounted.
    Targets,
    /// A list whose items are told apart by where the file is found, or what it is.
    Given,
    /// A list whose items are told apart by their device's path.
    Devices,
    /// A list whose items are told apart by their subnet.
    Subnets,
    /// One string or a list.
    Many,
    /// A path or a map with the path as `context`.
    Build,
    /// Options count only together with their driver.
    Logging,
}

fn rule(path: &[String]) -> Rule {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["services", _, "command" | "entrypoint"] | ["services", _, "healthcheck", "test"] => Rule::Replace,
        ["services", _, "ulimits", _] | ["services", _, "build", "ulimits", _] => Rule::Replace,
        ["services", _, "environment" | "labels" | "sysctls" | "annotations" | "storage_opt"] => Rule::Pairs,
        ["services", _, "build", "args" | "labels" | "ssh"] | ["networks" | "volumes", _, "labels"] => {
            Rule::Pairs
        }
        ["services", _, "networks" | "depends_on"] => Rule::Names,
        ["services", _, "extra_hosts"] | ["services", _, "build", "extra_hosts"] => Rule::Hosts,
        ["services", _, "volumes" | "devices"] => Rule::Targets,
        ["services", _, "configs" | "secrets"] | ["services", _, "build", "secrets"] => Rule::Given,
        ["services", _, "blkio_config", _] => Rule::Devices,
        ["networks", _, "ipam", "config"] => Rule::Subnets,
        ["services", _, "dns" | "dns_search" | "dns_opt" | "tmpfs" | "env_file" | "label_file"] => Rule::Many,
        ["services", _, "build"] => Rule::Build,
        ["services", _, "logging"] => Rule::Logging,
        _ => Rule::Plain,
    }
}

/// Puts a later file over an earlier one.
pub(super) fn files(base: &mut Node, over: Node) {
    merge(base, over, &mut Vec::new());
}

/// Puts a service over the one that it extends.
pub(super) fn service(base: &mut Node, over: Node) {
    merge(base, over, &mut vec!["services".to_owned(), String::new()]);
}

/// Puts a resource of a section over one of the same name that was included.
pub(super) fn resource(section: &str, base: &mut Node, over: Node) {
    merge(base, over, &mut vec![section.to_owned(), String::new()]);
}

/// Removes what is tagged `!reset`, and the tags, where there is nothing to merge with any more.
pub(super) fn settle(node: &mut Node) {
    node.tag = None;
    match &mut node.value {
        Value::Mapping(map) => {
            map.retain(|_, entry| entry.node.tag != Some(Tag::Reset));
            map.values_mut().for_each(|entry| settle(&mut entry.node));
        }
        Value::Sequence(items) => {
            items.retain(|item| item.tag != Some(Tag::Reset));
            items.iter_mut().for_each(settle);
        }
        Value::Scalar(_) => {}
    }
}

fn merge(base: &mut Node, over: Node, path: &mut Vec<String>) {
    if over.tag == Some(Tag::Override) || over.is_null() && over.tag.is_none() && !base.is_null() {
        if over.tag.is_some() {
            *base = Node { tag: None, ..over };
        }
        return;
    }
    let over = match rule(path) {
        Rule::Plain => over,
        Rule::Replace => return *base = over,
        Rule::Pairs => both(base, over, pairs),
        Rule::Names => both(base, over, names),
        Rule::Hosts => both(base, over, hosts),
        Rule::Many => both(base, over, many),
        Rule::Build => both(base, over, build),
        Rule::Targets => return keyed(base, over, target),
        Rule::Given => return keyed(base, over, given),
        Rule::Devices => return keyed(base, over, |node| scalar_of(node, "path")),
        Rule::Subnets => return keyed(base, over, |node| scalar_of(node, "subnet")),
        Rule::Logging if differs(base, &over, "driver") => return *base = over,
        Rule::Logging => over,
    };
    values(base, over, path);
}

fn both(base: &mut Node, over: Node, form: fn(Node) -> Node) -> Node {
    let place = base.place.clone();
    *base = form(std::mem::replace(base, Node::new(Value::Sequence(Vec::new()), place)));
    form(over)
}

fn values(base: &mut Node, over: Node, path: &mut Vec<String>) {
    match (&mut base.value, over.value) {
        (Value::Mapping(base), Value::Mapping(over)) => maps(base, over, path),
        (Value::Sequence(base), Value::Sequence(over)) => append(base, over),
        (_, value) => {
            base.value = value;
            base.place = over.place;
        }
    }
}

fn maps(base: &mut Mapping, over: Mapping, path: &mut Vec<String>) {
    for (key, entry) in over {
        if entry.node.tag == Some(Tag::Reset) {
            base.shift_remove(&key);
            continue;
        }
        match base.get_mut(&key) {
            Some(earlier) => {
                path.push(key);
                merge(&mut earlier.node, entry.node, path);
                path.pop();
            }
            None => {
                base.insert(key, entry);
            }
        }
    }
}

/// Appends what is not there yet.
fn append(base: &mut Vec<Node>, over: Vec<Node>) {
    let mut seen: std::collections::HashSet<String> = base.iter().filter_map(plain_text).collect();
    for node in over {
        if plain_text(&node).is_none_or(|text| seen.insert(text)) {
            base.push(node);
        }
    }
}

fn plain_text(node: &Node) -> Option<String> {
    node.scalar().map(|scalar| scalar.text.clone())
}

/// An item of the later list takes the place of the one with the same key.
fn keyed(base: &mut Node, over: Node, key: fn(&Node) -> Option<String>) {
    let (Value::Sequence(items), Value::Sequence(later)) = (&mut base.value, over.value) else { return };
    let mut known: HashMap<String, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        known.extend(key(item).map(|name| (name, index)));
    }
    for node in later {
        let index = key(&node).map(|name| *known.entry(name).or_insert(items.len()));
        match index.and_then(|index| items.get_mut(index)) {
            Some(item) => *item = node,
            None => items.push(node),
        }
    }
}

/// Where a mount or device of either syntax ends up in the container.
fn target(node: &Node) -> Option<String> {
    let Some(scalar) = node.scalar() else { return scalar_of(node, "target") };
    let mut parts = scalar.text.split(':');
    let first = parts.next()?;
    Some(parts.next().unwrap_or(first).trim_end_matches('/').to_owned())
}

/// Where a config or secret is found.
fn given(node: &Node) -> Option<String> {
    scalar_of(node, "target")
        .or_else(|| scalar_of(node, "source"))
        .or_else(|| Some(node.scalar()?.text.clone()))
}

fn scalar_of(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.scalar().map(|scalar| scalar.text.trim_end_matches('/').to_owned())
}

fn differs(base: &Node, over: &Node, key: &str) -> bool {
    scalar_of(over, key).is_some_and(|driver| scalar_of(base, key).is_some_and(|earlier| earlier != driver))
}

fn list_as_map(node: Node, split: fn(&str) -> (String, Option<String>)) -> Node {
    let Value::Sequence(items) = node.value else { return node };
    let entries = items.into_iter().filter_map(|item| {
        let (key, value) = split(&item.scalar()?.text);
        let node = value.map_or_else(|| null(&item), |value| Node::string(value, item.place.clone()));
        Some((key, Entry { key: item.place.clone(), node }))
    });
    Node { value: Value::Mapping(entries.collect()), place: node.place, tag: node.tag }
}

fn null(node: &Node) -> Node {
    Node::new(Value::Scalar(crate::yaml::Scalar::new("", true)), node.place.clone())
}

/// `[KEY=value]` as a map.
pub(super) fn pairs(node: Node) -> Node {
    list_as_map(node, |text| match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    })
}

/// `[name]` as a map.
pub(super) fn names(node: Node) -> Node {
    list_as_map(node, |text| (text.to_owned(), None))
}

/// A map of hosts as a list.
pub(super) fn hosts(node: Node) -> Node {
    let Value::Mapping(map) = &node.value else { return node };
    let addresses = map.iter().flat_map(|(host, entry)| {
        let nodes = entry.node.sequence().unwrap_or(std::slice::from_ref(&entry.node));
        nodes.iter().filter_map(move |node| {
            Some(Node::string(format!("{host}={}", node.scalar()?.text), node.place.clone()))
        })
    });
    let items = addresses.collect();
    Node { value: Value::Sequence(items), place: node.place, tag: node.tag }
}

/// One string as a list.
pub(super) fn many(node: Node) -> Node {
    if node.scalar().is_none() || node.is_null() {
        return node;
    }
    let place = node.place.clone();
    Node::new(Value::Sequence(vec![node]), place)
}

/// The short form of `build` as a map.
pub(super) fn build(node: Node) -> Node {
    if node.scalar().is_none() {
        return node;
    }
    let place = node.place.clone();
    let entry = Entry { key: place.clone(), node };
    Node::new(Value::Mapping(Mapping::from_iter([("context".to_owned(), entry)])), place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn merged(base: &str, over: &str) -> String {
        let parse = |text: &str| yaml::parse("c.yaml", &format!("services:\n  a: {text}\n")).unwrap();
        let mut node = parse(base);
        files(&mut node, parse(over));
        settle(&mut node);
        show(node.get("services").unwrap().get("a").unwrap())
    }

    fn show(node: &Node) -> String {
        match &node.value {
            Value::Scalar(_) if node.is_null() => "~".to_owned(),
            Value::Scalar(scalar) => scalar.text.clone(),
            Value::Sequence(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
            Value::Mapping(map) => {
                let pairs: Vec<String> =
                    map.iter().map(|(key, entry)| format!("{key}:{}", show(&entry.node))).collect();
                format!("{{{}}}", pairs.join(" "))
            }
        }
    }

    #[test]
    fn follows_the_specification() {
        for (base, over, result) in [
            ("{image: x}", "{image: y, tty: true}", "{image:y tty:true}"),
            ("{command: [a, b]}", "{command: [c]}", "{command:[c]}"),
            ("{environment: [A=1, B=2]}", "{environment: {B: 3, C: 4}}", "{environment:{A:1 B:3 C:4}}"),
            ("{ports: ['1:1', '2:2']}", "{ports: ['2:2', '3:3']}", "{ports:[1:1 2:2 3:3]}"),
            ("{volumes: [a:/x, b:/y]}", "{volumes: [c:/x]}", "{volumes:[c:/x b:/y]}"),
            ("{networks: [a]}", "{networks: {b: {aliases: [z]}}}", "{networks:{a:~ b:{aliases:[z]}}}"),
            ("{build: dir}", "{build: {target: t}}", "{build:{context:dir target:t}}"),
            ("{dns: 1.1.1.1}", "{dns: [8.8.8.8]}", "{dns:[1.1.1.1 8.8.8.8]}"),
            (
                "{extra_hosts: {h: 1.1.1.1}}",
                "{extra_hosts: ['g:2.2.2.2']}",
                "{extra_hosts:[h=1.1.1.1 g:2.2.2.2]}",
            ),
            (
                "{logging: {driver: a, options: {x: 1}}}",
                "{logging: {driver: b, options: {y: 2}}}",
                "{logging:{driver:b options:{y:2}}}",
            ),
            ("{ports: ['1:1'], tty: true}", "{ports: !reset [], tty: !reset null}", "{}"),
            ("{ports: ['1:1']}", "{ports: !override ['2:2']}", "{ports:[2:2]}"),
            ("{image: x}", "{image: }", "{image:x}"),
        ] {
            assert_eq!(merged(base, over), result, "{base} + {over}");
        }
    }
}
