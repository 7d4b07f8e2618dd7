//! Several Compose files, or a service and what it extends, as one: the specification's merge rules.

use std::collections::HashMap;

use crate::located::Fault;
use crate::yaml::{Entry, Mapping, Node, Place, Tag, Value};

/// How two values of one key become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Maps key by key, lists one after the other, anything else replaced.
    Plain,
    /// The later one counts.
    Replace,
    /// The later one counts, also where it is null: what the image says.
    OfImage,
    /// What a name has: without a value it is passed through, or empty, whatever it was before.
    Value,
    /// A list of `KEY=value` or a map.
    Pairs,
    /// A list of names or a map with the names as keys.
    Names,
    /// As names; a name alone says what holds by default, and so undoes what was said before.
    Depends,
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
        ["services", _, "command" | "entrypoint"] => Rule::OfImage,
        ["services", _, "healthcheck", "test"] => Rule::Replace,
        ["services", _, "ulimits", _] | ["services", _, "build", "ulimits", _] => Rule::Replace,
        ["services", _, "environment" | "labels", _] | ["services", _, "build", "args" | "labels", _] => {
            Rule::Value
        }
        ["services", _, "environment" | "labels" | "sysctls" | "annotations" | "storage_opt"] => Rule::Pairs,
        ["services", _, "build", "args" | "labels" | "ssh"] => Rule::Pairs,
        ["networks" | "volumes" | "configs" | "secrets", _, "labels"] => Rule::Pairs,
        ["services", _, "networks"] => Rule::Names,
        ["services", _, "depends_on"] => Rule::Depends,
        ["services", _, "extra_hosts"] | ["services", _, "build", "extra_hosts"] => Rule::Hosts,
        ["services", _, "volumes" | "devices"] => Rule::Targets,
        ["services", _, "configs" | "secrets"] | ["services", _, "build", "secrets"] => Rule::Given,
        ["services", _, "blkio_config", _] => Rule::Devices,
        ["networks", _, "ipam", "config"] => Rule::Subnets,
        ["services", _, "dns" | "dns_search" | "dns_opt" | "tmpfs" | "env_file" | "label_file"] => Rule::Many,
        // The specification has lists only; a single value is read as one.
        [
            "services",
            _,
            "expose" | "cap_add" | "cap_drop" | "group_add" | "security_opt" | "device_cgroup_rules",
        ] => Rule::Many,
        ["services", _, "build"] => Rule::Build,
        ["services", _, "logging"] => Rule::Logging,
        _ => Rule::Plain,
    }
}

/// Puts a later file over an earlier one. Gives what cannot be merged; it is everybody's fault, as it may be the very key that
/// decides which services run.
pub(super) fn files(base: &mut Node, over: Node) -> Vec<Fault> {
    at(Vec::new(), base, over)
}

/// Puts a service over the one that it extends.
pub(super) fn service(base: &mut Node, over: Node) -> Vec<Fault> {
    at(vec!["services".to_owned(), String::new()], base, over)
}

/// Puts a resource of a section over one of the same name that was included.
pub(super) fn resource(section: &str, base: &mut Node, over: Node) -> Vec<Fault> {
    at(vec![section.to_owned(), String::new()], base, over)
}

fn at(path: Vec<String>, base: &mut Node, over: Node) -> Vec<Fault> {
    let mut way = Way { path, faults: Vec::new() };
    merge(base, over, &mut way);
    way.faults
}

/// Where merging is, and what it found wrong.
struct Way {
    path: Vec<String>,
    faults: Vec<Fault>,
}

impl Way {
    /// Two values of different shapes: neither is dropped in silence. No value is shown, as it may be secret.
    fn refuse(&mut self, base: &Place, was: &str, over: &Place, is: &str) {
        // Nothing reads keys of one's own.
        if self.path.last().is_some_and(|key| key.starts_with("x-")) {
            return;
        }
        let message = format!("{is} cannot be merged with {was}, which stands at {}", base.location());
        self.faults.push(over.quiet_fault(message));
    }
}

fn shape(node: &Node) -> &'static str {
    match node.value {
        Value::Mapping(_) => "a map",
        Value::Sequence(_) => "a list",
        Value::Scalar(_) => "a single value",
    }
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

fn merge(base: &mut Node, over: Node, way: &mut Way) {
    // What was reset in an earlier file is not there for a later one.
    if over.tag == Some(Tag::Override) || base.tag == Some(Tag::Reset) {
        *base = Node { tag: None, ..over };
        return;
    }
    let rule = rule(&way.path);
    if over.is_null() && over.tag.is_none() && !base.is_null() && !matches!(rule, Rule::OfImage | Rule::Value)
    {
        return;
    }
    let shapes = (shape(base), shape(&over));
    let over = match rule {
        Rule::Plain => over,
        Rule::Replace | Rule::OfImage => return *base = over,
        Rule::Value if over.is_null() => return *base = over,
        Rule::Value => over,
        Rule::Pairs => both(base, over, pairs),
        Rule::Names => both(base, over, names),
        Rule::Depends => both(base, over, depends),
        Rule::Hosts => both(base, over, hosts),
        Rule::Many => both(base, over, many),
        Rule::Build => both(base, over, build),
        Rule::Targets | Rule::Given | Rule::Devices | Rule::Subnets if !lists(base, &over) => over,
        Rule::Targets => return keyed(base, over, target, replace, way),
        Rule::Given => return keyed(base, over, given, replace, way),
        Rule::Devices => return keyed(base, over, |node| scalar_of(node, "path"), replace, way),
        Rule::Subnets => return keyed(base, over, |node| scalar_of(node, "subnet"), merge, way),
        Rule::Logging if differs(base, &over, "driver") => return *base = over,
        Rule::Logging => over,
    };
    values(base, over, shapes, way);
}

fn lists(base: &Node, over: &Node) -> bool {
    base.sequence().is_some() && over.sequence().is_some()
}

fn replace(base: &mut Node, over: Node, _: &mut Way) {
    *base = over;
}

fn both(base: &mut Node, over: Node, form: fn(Node) -> Node) -> Node {
    let place = base.place.clone();
    *base = form(std::mem::replace(base, Node::new(Value::Sequence(Vec::new()), place)));
    form(over)
}

fn values(base: &mut Node, over: Node, (was, is): (&str, &str), way: &mut Way) {
    let single = |node: &Node| node.scalar().is_some();
    if base.is_null() || single(base) && (single(&over) || replaces_word(&way.path)) {
        base.value = over.value;
        base.place = over.place;
        return;
    }
    match (&mut base.value, over.value) {
        (Value::Mapping(base), Value::Mapping(over)) => maps(base, over, way),
        (Value::Sequence(base), Value::Sequence(over)) => append(base, over),
        _ => way.refuse(&base.place, was, &over.place, is),
    }
}

/// Keys whose value is one word, or else a list or a map.
fn replaces_word(path: &[String]) -> bool {
    matches!(path.last().map(String::as_str), Some("gpus" | "external"))
}

fn maps(base: &mut Mapping, over: Mapping, way: &mut Way) {
    for (key, entry) in over {
        if entry.node.tag == Some(Tag::Reset) {
            base.shift_remove(&key);
            continue;
        }
        match base.get_mut(&key) {
            Some(earlier) => {
                way.path.push(key);
                merge(&mut earlier.node, entry.node, way);
                way.path.pop();
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

/// An item of the later list is put over the one with the same key.
fn keyed(
    base: &mut Node,
    over: Node,
    key: fn(&Node) -> Option<String>,
    put: fn(&mut Node, Node, &mut Way),
    way: &mut Way,
) {
    let (Value::Sequence(items), Value::Sequence(later)) = (&mut base.value, over.value) else { return };
    let mut known: HashMap<String, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        known.extend(key(item).map(|name| (name, index)));
    }
    way.path.push(String::new());
    for node in later {
        let index = key(&node).map(|name| *known.entry(name).or_insert(items.len()));
        match index.and_then(|index| items.get_mut(index)) {
            Some(item) => put(item, node, way),
            None => items.push(node),
        }
    }
    way.path.pop();
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

/// A list that holds something else than words stays what it is, for the reader to refuse.
fn list_as_map(node: Node, split: fn(&str) -> (String, Option<String>)) -> Node {
    if node.sequence().is_none_or(|items| items.iter().any(|item| item.scalar().is_none())) {
        return node;
    }
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

/// What a service waits for as a map of conditions.
fn depends(node: Node) -> Node {
    let list = node.sequence().is_some();
    let mut node = names(node);
    if let (true, Value::Mapping(map)) = (list, &mut node.value) {
        map.values_mut().for_each(|entry| entry.node = waits_for_start(&entry.node.place));
    }
    node
}

/// What the short form of a dependency means.
fn waits_for_start(place: &Place) -> Node {
    let word = |text: &str, plain: bool| {
        let scalar = Value::Scalar(crate::yaml::Scalar::new(text, plain));
        Entry { key: place.clone(), node: Node::new(scalar, place.clone()) }
    };
    let said = [("condition", word("service_started", false)), ("required", word("true", true))];
    Node::new(
        Value::Mapping(said.map(|(key, entry)| (key.to_owned(), entry)).into_iter().collect()),
        place.clone(),
    )
}

/// A map of hosts as a list. A map with something else than addresses stays what it is, for the reader to refuse.
pub(super) fn hosts(node: Node) -> Node {
    let Value::Mapping(map) = &node.value else { return node };
    let odd = |node: &Node| match node.sequence() {
        Some(items) => items.iter().any(|item| item.scalar().is_none()),
        None => node.scalar().is_none(),
    };
    if map.values().any(|entry| odd(&entry.node)) {
        return node;
    }
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
    if node.scalar().is_none() || node.is_null() {
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
        let faults = files(&mut node, parse(over));
        if !faults.is_empty() {
            return faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        }
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
            ("{ports: !reset [], tty: !reset }", "{ports: ['2:2'], tty: true}", "{ports:[2:2] tty:true}"),
            ("{image: x}", "{image: }", "{image:x}"),
            ("{command: [a], entrypoint: b}", "{command: , entrypoint: ~}", "{command:~ entrypoint:~}"),
            ("{healthcheck: {test: a}}", "{healthcheck: {test: }}", "{healthcheck:{test:a}}"),
            ("{volumes: }", "{volumes: [a:/x]}", "{volumes:[a:/x]}"),
            ("{volumes: [a:/x]}", "{volumes: }", "{volumes:[a:/x]}"),
            ("{volumes: }", "{volumes: }", "{volumes:~}"),
            (
                "{secrets: , configs: , devices: }",
                "{secrets: [s], configs: [c], devices: [d]}",
                "{secrets:[s] configs:[c] devices:[d]}",
            ),
            ("{build: {secrets: }}", "{build: {secrets: [s]}}", "{build:{secrets:[s]}}"),
            ("{build: }", "{build: }", "{build:~}"),
            ("{build: }", "{build: dir}", "{build:{context:dir}}"),
            ("{environment: {A: 1, B: 2}}", "{environment: [A]}", "{environment:{A:~ B:2}}"),
            (
                "{build: {args: {A: 1}}, labels: [a=b]}",
                "{build: {args: [A]}, labels: {a: }}",
                "{build:{args:{A:~}} labels:{a:~}}",
            ),
            (
                "{environment: , ports: }",
                "{environment: [A=1], ports: ['1:1']}",
                "{environment:{A:1} ports:[1:1]}",
            ),
            (
                "{blkio_config: {weight: 1, device_read_bps: }}",
                "{blkio_config: {weight: 2, device_read_bps: [{path: a}]}}",
                "{blkio_config:{weight:2 device_read_bps:[{path:a}]}}",
            ),
            (
                "{depends_on: {a: {condition: service_healthy, restart: true}, b: {condition: service_healthy}}}",
                "{depends_on: [a]}",
                "{depends_on:{a:{condition:service_started restart:true required:true} b:{condition:service_healthy}}}",
            ),
            ("{expose: '1'}", "{expose: ['2']}", "{expose:[1 2]}"),
            ("{cap_add: [a]}", "{cap_add: b}", "{cap_add:[a b]}"),
            ("{gpus: all}", "{gpus: [{count: 1}]}", "{gpus:[{count:1}]}"),
            ("{x-a: {b: c}}", "{x-a: d}", "{x-a:{b:c}}"),
        ] {
            assert_eq!(merged(base, over), result, "{base} + {over}");
        }
    }

    #[test]
    fn values_of_different_shapes_are_located_and_not_shown() {
        for (base, over) in [
            ("{volumes: [a:/x]}", "{volumes: secret}"),
            ("{volumes: secret}", "{volumes: [a:/x]}"),
            ("{devices: [a]}", "{devices: {a: secret}}"),
            ("{configs: [a]}", "{configs: secret}"),
            ("{secrets: [a]}", "{secrets: secret}"),
            ("{ports: ['1:1']}", "{ports: secret}"),
            ("{environment: {A: 1}}", "{environment: secret}"),
            ("{environment: {A: 1}}", "{environment: [{A: secret}]}"),
            ("{environment: [{A: secret}]}", "{environment: {A: 1}}"),
            ("{environment: {A: 1}}", "{environment: {A: [secret]}}"),
            ("{labels: [[secret]]}", "{labels: [a=b]}"),
            ("{networks: [a]}", "{networks: [[secret]]}"),
            ("{depends_on: {a: {}}}", "{depends_on: [[secret]]}"),
            ("{extra_hosts: ['a:1']}", "{extra_hosts: {a: {b: secret}}}"),
            ("{healthcheck: {interval: 1s}}", "{healthcheck: secret}"),
            ("{build: {secrets: [a]}}", "{build: {secrets: secret}}"),
            ("{blkio_config: {device_read_bps: [{path: a}]}}", "{blkio_config: {device_read_bps: secret}}"),
        ] {
            let said = merged(base, over);
            let located = said.starts_with("c.yaml:2:") && said.contains(", which stands at c.yaml:2:");
            assert!(located && !said.contains("secret"), "{base} + {over}: {said}");
        }
        insta::assert_snapshot!(merged("{volumes: [a:/x]}", "{volumes: x}"), @"c.yaml:2:16: a single value cannot be merged with a list, which stands at c.yaml:2:16");
    }

    #[test]
    fn subnets_are_merged() {
        let parse = |text: &str| {
            yaml::parse("c.yaml", &format!("networks: {{n: {{ipam: {{config: {text}}}}}}}")).unwrap()
        };
        let mut node = parse("[{subnet: a, gateway: b, aux_addresses: {x: y}}, {subnet: d}]");
        let faults =
            files(&mut node, parse("[{subnet: a, ip_range: c, aux_addresses: {z: z}}, {subnet: e}]"));
        assert!(faults.is_empty());
        let shown = show(node.get("networks").unwrap().get("n").unwrap());
        assert_eq!(
            shown,
            "{ipam:{config:[{subnet:a gateway:b aux_addresses:{x:y z:z} ip_range:c} {subnet:d} {subnet:e}]}}"
        );
    }
}
