//! `docs/compose.md` is made from the table of keys: `EVENKEEL_WRITE_DOCS=1` writes it, without that it is compared.

use std::fmt::Write;

use super::keys::tests::specified;
use super::{Status, status, table};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compose.md");
const HEAD: &str = include_str!("docs_head.md");

/// Sections of the page: what they are called, and the beginning of their keys. The first that fits has a key.
const SECTIONS: &[(&str, &[&str])] = &[
    ("Builds", &["services.*.build"]),
    ("Limits, replicas and the rest of `deploy`", &["services.*.deploy", "services.*.scale"]),
    ("Services", &["services"]),
    ("Networks", &["networks"]),
    ("Volumes", &["volumes"]),
    ("Configs", &["configs"]),
    ("Secrets", &["secrets"]),
    ("The file", &[""]),
];

/// Sections in the order of the page.
const ORDER: &[usize] = &[7, 2, 0, 1, 3, 4, 5, 6];

fn section(key: &str) -> usize {
    let begins = |beginning: &&str| {
        beginning.is_empty()
            || key.strip_prefix(*beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    SECTIONS.iter().position(|(_, beginnings)| beginnings.iter().any(begins)).unwrap_or_default()
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    figures(&mut page);
    for section in ORDER {
        write_section(&mut page, *section);
    }
    page
}

fn figures(page: &mut String) {
    let all = specified();
    let count = |is: fn(&Option<Status>) -> bool| all.iter().map(|key| status(key)).filter(is).count();
    let rows = [
        ("honoured", count(|it| matches!(it, Some(Status::Honoured)))),
        (
            "accepted with a warning that says why it has no effect",
            count(|it| matches!(it, Some(Status::Inert(_)))),
        ),
        ("refused, with the reason", count(|it| matches!(it, Some(Status::Refused(_))))),
        ("missing", count(Option::is_none)),
    ];
    page.push_str("\n## The figures\n\n| | keys |\n|---|---|\n");
    for (what, number) in rows {
        let _ = writeln!(page, "| {what} | {number} |");
    }
    let _ = writeln!(page, "| all | {} |", all.len());
}

fn write_section(page: &mut String, index: usize) {
    let Some((title, _)) = SECTIONS.get(index) else { return };
    let _ = write!(page, "\n## {title}\n\n| key | |\n|---|---|\n");
    for (key, status) in table::KEYS.iter().filter(|(key, _)| section(key) == index) {
        let below = below(key, *status);
        let what = match status {
            Status::Honoured => "honoured".to_owned(),
            Status::Inert(why) => format!("no effect: {why}"),
            Status::Refused(why) => format!("**refused**: {why}"),
        };
        let _ = writeln!(page, "| `{key}`{below} | {what} |");
    }
}

/// Keys that share a key's fate and are not in the table themselves.
fn below(key: &str, status: Status) -> String {
    let under = |other: &&&str| other.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', '[']));
    let number = specified().iter().filter(under).count();
    if number == 0 || status == Status::Honoured { String::new() } else { format!(" and {number} below it") }
}

#[test]
fn the_page_says_what_the_table_says() {
    let wanted = page();
    if std::env::var_os("EVENKEEL_WRITE_DOCS").is_some() {
        std::fs::write(PAGE, &wanted).unwrap();
    }
    let there = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        there == wanted,
        "docs/compose.md is not what the table says: EVENKEEL_WRITE_DOCS=1 writes it anew"
    );
}
