//! `docs/drift.md` is made from the table of kinds: `EVENKEEL_WRITE_DOCS=1` writes it, without that it is compared.

use std::fmt::Write;

use super::{Entry, Healing, KINDS};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/drift.md");
const HEAD: &str = include_str!("docs_head.md");

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| kind | what somebody did | noticed by | what is done |\n|---|---|---|---|\n");
    for Entry { kind, what, events, healing } in KINDS {
        let events: Vec<String> =
            events.iter().map(|(object, action)| format!("`{object} {action}`")).collect();
        let events =
            if events.is_empty() { "the look of every ten minutes".to_owned() } else { events.join(", ") };
        let healing = match healing {
            Healing::By(steps, words) => {
                let steps: Vec<String> = steps.iter().map(|step| format!("`{step}`")).collect();
                format!("{}: {words}", steps.join(" or "))
            }
            Healing::Reported(why) => format!("**shown only**: {why}"),
        };
        let _ = writeln!(page, "| `{kind}` | {what} | {events} | {healing} |");
    }
    page
}

#[test]
fn the_drift_page_says_what_the_table_says() {
    let wanted = page();
    if std::env::var_os("EVENKEEL_WRITE_DOCS").is_some() {
        std::fs::write(PAGE, &wanted).unwrap();
    }
    let there = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        there == wanted,
        "docs/drift.md is not what the table says: EVENKEEL_WRITE_DOCS=1 writes it anew"
    );
}
