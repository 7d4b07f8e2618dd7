use proptest::prelude::*;

use super::*;

/// As Alembic 1.8 prints it.
const BRANCHED: &str = "\
INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.
z1 (b1) -> z2 (other) (head), other
<base> (m1) -> z1 (other), other base
b1, b2 -> m1 (lab) (effective head) (mergepoint), merge
a1 -> b2, second branch -> tricky, (head), text
a1 -> b1 (lab), first branch
and a second line of its message -> with an arrow
<base> -> a1 (branchpoint), 
";

fn set(names: &[&str]) -> BTreeSet<SchemaRevision> {
    names.iter().copied().map(SchemaRevision::from).collect()
}

#[test]
fn a_line_of_revisions() {
    let scripts = parse("a1 -> b2 (head), say\n<base> -> a1, begin\n").unwrap();
    assert_eq!(scripts.heads, set(&["b2"]));
    assert_eq!(scripts.parents[&SchemaRevision::from("b2")], set(&["a1"]));
    assert_eq!(scripts.parents[&SchemaRevision::from("a1")], set(&[]));
}

#[test]
fn branches_merges_labels_and_dependencies() {
    let scripts = parse(BRANCHED).unwrap();
    assert_eq!(scripts.parents.len(), 6);
    assert_eq!(scripts.parents[&SchemaRevision::from("m1")], set(&["b1", "b2"]));
    assert_eq!(scripts.parents[&SchemaRevision::from("z2")], set(&["b1", "z1"]));
    assert_eq!(scripts.heads, set(&["z2"]), "what is depended on needs no row of its own");
}

#[test]
fn a_dependency_may_be_a_label_or_the_beginning_of_a_revision() {
    let scripts = parse(
        "<base> (my-label) -> x (head), x\n<base> (1234) -> y (head), y\n\
         b1 -> b2 (my-label) (head), b\n123456 -> b1 (my-label), b\n<base> -> 123456, a\n",
    )
    .unwrap();
    assert_eq!(scripts.parents[&SchemaRevision::from("x")], set(&["b1"]), "the first that carries it");
    assert_eq!(scripts.parents[&SchemaRevision::from("y")], set(&["123456"]));
}

#[test]
fn nothing_is_no_history() {
    assert_eq!(parse("").unwrap(), Scripts::default());
}

#[test]
fn a_cut_at_either_end_is_noticed() {
    let cut = parse("a1 -> b2 (head), say\n").unwrap_err();
    assert_eq!(cut, HistoryError::Missing { revision: "b2".into(), missing: "a1".into() });
    assert_eq!(parse("<base> -> a1, begin\n").unwrap_err(), HistoryError::Unmarked("a1".into()));
}

#[test]
fn twins_and_rings_are_refused() {
    assert_eq!(
        parse("<base> -> a1 (head), x\n<base> -> a1 (head), y").unwrap_err(),
        HistoryError::Twice("a1".into())
    );
    let ring = "a -> b, x\nb -> a, y\nb -> c (head), z";
    assert_eq!(parse(ring).unwrap_err(), HistoryError::Ring("a".into()));
}

#[test]
fn paths() {
    let scripts =
        parse("b1, b2 -> m (head) (mergepoint), m\na -> b2, x\na -> b1, x\n<base> -> a (branchpoint), x")
            .unwrap();
    let path = |from: &[&str], to: &[&str]| {
        let path = scripts.path(&set(from), &set(to))?;
        Some(path.iter().map(|r| r.as_str().to_owned()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(path(&[], &["m"]).unwrap(), "a b1 b2 m");
    assert_eq!(path(&["b1"], &["m"]).unwrap(), "b2 m");
    assert_eq!(path(&["m"], &["m"]).unwrap(), "");
    assert_eq!(path(&["m"], &["b1"]), None);
    assert_eq!(path(&["b1"], &["b2"]), None);
    assert_eq!(path(&["foreign"], &["m"]), None);
}

/// A graph in which every revision follows some of the earlier ones, and what Alembic would print of it.
fn printed() -> impl Strategy<Value = (usize, Vec<BTreeSet<usize>>)> {
    let follows = prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 1..20);
    follows.prop_map(|follows| {
        let pick = |(at, picks): (usize, Vec<prop::sample::Index>)| {
            picks.iter().filter(|_| at > 0).map(|pick| pick.index(at)).collect()
        };
        (follows.len(), follows.into_iter().enumerate().map(pick).collect())
    })
}

fn print(follows: &[BTreeSet<usize>]) -> String {
    let head = |at: usize| follows.iter().all(|set| !set.contains(&at));
    let print = |(at, set): (usize, &BTreeSet<usize>)| {
        let names: Vec<String> = set.iter().map(|number| format!("r{number}")).collect();
        let left = if names.is_empty() { "<base>".to_owned() } else { names.join(", ") };
        format!("{left} -> r{at}{}, message {at}\n", if head(at) { " (head)" } else { "" })
    };
    follows.iter().enumerate().rev().map(print).collect()
}

proptest! {
    #[test]
    fn reads_back_what_was_printed((count, follows) in printed()) {
        let scripts = parse(&print(&follows)).unwrap();
        prop_assert_eq!(scripts.parents.len(), count);
        for (at, set) in follows.iter().enumerate() {
            let expected = set.iter().map(|number| SchemaRevision::new(format!("r{number}"))).collect();
            prop_assert_eq!(&scripts.parents[&SchemaRevision::new(format!("r{at}"))], &expected);
        }
    }

    #[test]
    fn a_path_applies_everything_once_and_in_order((count, follows) in printed()) {
        let scripts = parse(&print(&follows)).unwrap();
        let path = scripts.path(&BTreeSet::new(), &scripts.heads).unwrap();
        prop_assert_eq!(path.len(), count);
        for (place, revision) in path.iter().enumerate() {
            prop_assert!(scripts.parents[revision].iter().all(|parent| path[..place].contains(parent)));
        }
    }

    #[test]
    fn noise_never_panics(text in "\\PC*") {
        let _ = parse(&text);
    }
}
