use super::*;

fn read(text: &str) -> Node {
    parse("t.yaml", text).unwrap()
}

fn refused(text: &str) -> String {
    parse("t.yaml", text).unwrap_err().to_string()
}

fn text<'n>(node: &'n Node, path: &[&str]) -> &'n str {
    let found = path.iter().try_fold(node, |node, key| node.get(key));
    found.and_then(Node::scalar).map(|scalar| scalar.text.as_str()).unwrap()
}

#[test]
fn every_value_knows_its_place() {
    let node = read("a:\n  b: [x, 'y']\n");
    let list = node.get("a").and_then(|a| a.get("b")).unwrap();
    assert_eq!(list.place.location().to_string(), "t.yaml:2:6");
    assert_eq!(list.sequence().unwrap()[1].place.location().to_string(), "t.yaml:2:10");
    assert_eq!(node.place_of(&["a", "b"]).location().to_string(), "t.yaml:2:3");
    assert_eq!(node.place_of(&["a", "c"]).location().to_string(), "t.yaml:2:3");
}

#[test]
fn merges_as_yaml_does() {
    let node =
        read("x: &x {p: 1, q: 1}\ny: &y {q: 2, r: 2}\nz:\n  r: 3\n  <<: [*x, *y]\nw: {<<: *y, q: 9}\n");
    assert_eq!(text(&node, &["z", "p"]), "1");
    assert_eq!(text(&node, &["z", "q"]), "1");
    assert_eq!(text(&node, &["z", "r"]), "3");
    assert_eq!(text(&node, &["w", "q"]), "9");
    assert_eq!(text(&node, &["w", "r"]), "2");
}

#[test]
fn tags_and_quotes() {
    let node = read("a: !reset null\nb: !override [x]\nc: !!str 1\nd: '1'\ne: 1\n");
    assert_eq!(node.get("a").unwrap().tag, Some(Tag::Reset));
    assert_eq!(node.get("b").unwrap().tag, Some(Tag::Override));
    assert!(!node.get("c").unwrap().scalar().unwrap().plain);
    assert!(!node.get("d").unwrap().scalar().unwrap().plain);
    assert!(node.get("e").unwrap().scalar().unwrap().plain);
}

#[test]
fn says_where_it_is_wrong() {
    insta::assert_snapshot!(refused("a: 1\nb: 2\na: 3\n"), @"t.yaml:3:1: the key `a` stands here twice (first at t.yaml:1:1)");
    insta::assert_snapshot!(refused("a: 1\n---\nb: 2\n"), @"t.yaml:2:1: a second YAML document begins here (one file holds one document)");
    insta::assert_snapshot!(refused("a: [1, 2\nb: 3\n"), @"t.yaml:2:2: not YAML: illegal placement of ':' indicator");
    insta::assert_snapshot!(refused("a: *nothing\n"), @"t.yaml:1:4: not YAML: while parsing node, found unknown anchor");
    insta::assert_snapshot!(refused("a: &a [*a]\n"), @"t.yaml:1:8: the alias stands inside of what it refers to");
    insta::assert_snapshot!(refused("? [a, b]\n: 1\n"), @"t.yaml:1:3: a key must be a single word, not a list or a map");
    insta::assert_snapshot!(refused("a: !env FOO\n"), @"t.yaml:1:4: unknown tag `!env` (`!reset` and `!override` are known)");
    insta::assert_snapshot!(refused("a: {<<: 5}\n"), @"t.yaml:1:9: `<<` takes a map or a list of maps");
    insta::assert_snapshot!(refused("# nothing\n"), @"t.yaml:1:1: the file is empty");
}

#[test]
fn a_billion_laughs_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(refused(&bomb).contains("more than 1000000 values"));
}

#[test]
fn depth_is_bounded() {
    assert!(refused(&format!("{}{}", "[".repeat(100), "]".repeat(100))).contains("nested deeper"));
    assert!(parse("t.yaml", &"[".repeat(100_000)).is_err());
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[-:{}\\[\\]&*!<>|'\"#%@, \n\ta-c0-9?~]{0,80}") {
        let _ = parse("t.yaml", &text);
    }
}
