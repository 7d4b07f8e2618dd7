//! What is in an image: PostgreSQL, or an application with its migrations and its faults, as a file of its build context says.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// What an image runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// A database server.
    Postgres,
    /// An application.
    App(Code),
}

/// An application's code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    /// Its migrations, in a row.
    pub(super) scripts: Vec<Script>,
    /// Each of its migrations has a transaction of its own.
    pub(super) apart: bool,
    /// What is wrong with it.
    pub(super) fault: Fault,
    /// It starts on its own schema only, not on one with additions.
    pub(super) picky: bool,
}

/// What is wrong with an application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Its image cannot be built.
    Build,
    /// It ends as soon as it starts.
    Start,
    /// It answers, and always with an error.
    Probe,
    /// It works at first, and fails a while after users have reached it.
    Late,
    /// It works, but for one page.
    Smoke,
}

/// One migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// Its revision.
    pub(super) revision: String,
    /// It changes what older code relies on.
    pub(super) breaking: bool,
    /// Its downgrade leaves something behind.
    pub(super) inexact: bool,
    /// It fails everywhere, and leaves nothing.
    pub(super) fails: bool,
    /// It fails where there are rows, so in no rehearsal; it leaves nothing.
    pub(super) fails_on_rows: bool,
    /// Its downgrade fails where there are rows, so in no rehearsal; it leaves everything.
    pub(super) stays_on_rows: bool,
    /// It fails where there are rows, and leaves an invalid index.
    pub(super) half: bool,
}

impl Code {
    /// Reads what a build context says of itself.
    pub(super) fn of_context(tar: &Path) -> Option<Self> {
        let mut archive = tar::Archive::new(std::fs::File::open(tar).ok()?);
        for entry in archive.entries().ok()? {
            let mut entry = entry.ok()?;
            if entry.path().ok()?.file_name().is_some_and(|name| name == "code") {
                let mut text = String::new();
                entry.read_to_string(&mut text).ok()?;
                return Some(Self::parse(&text));
            }
        }
        None
    }

    /// Lines such as `script b breaking inexact`, `fault probe`, `picky` and `apart`.
    pub(super) fn parse(text: &str) -> Self {
        let mut code = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["script", revision, traits @ ..] => code.scripts.push(Script::new(revision, traits)),
                ["fault", fault] => code.fault = Fault::named(fault),
                ["picky"] => code.picky = true,
                ["apart"] => code.apart = true,
                _ => {}
            }
        }
        code
    }

    /// What its migration tool prints as its history.
    pub(super) fn history(&self) -> Vec<String> {
        let last = self.scripts.len().saturating_sub(1);
        let line = |(place, script): (usize, &Script)| {
            let before = place.checked_sub(1).map_or("<base>", |before| &self.scripts[before].revision);
            let head = if place == last { " (head)" } else { "" };
            format!("{before} -> {}{head}, a change", script.revision)
        };
        self.scripts.iter().enumerate().map(line).collect()
    }

    /// Whether it works on a schema to which these migrations have led: its own, or its own with nothing but additions.
    pub(super) fn runs_on(&self, applied: &[Script]) -> bool {
        let own = self.scripts.iter().map(|script| &script.revision);
        let there: Vec<&String> = applied.iter().map(|script| &script.revision).collect();
        own.clone().count() <= there.len()
            && own.zip(&there).all(|(own, there)| own == *there)
            && applied[self.scripts.len()..].iter().all(|script| !script.breaking)
    }
}

impl Fault {
    fn named(word: &str) -> Self {
        let faults: BTreeMap<&str, Self> = [
            ("build", Self::Build),
            ("start", Self::Start),
            ("probe", Self::Probe),
            ("late", Self::Late),
            ("smoke", Self::Smoke),
        ]
        .into();
        faults[word]
    }
}

impl Script {
    fn new(revision: &str, traits: &[&str]) -> Self {
        let has = |word: &str| traits.contains(&word);
        Self {
            revision: revision.to_owned(),
            breaking: has("breaking"),
            inexact: has("inexact"),
            fails: has("fails"),
            fails_on_rows: has("fails-on-rows"),
            stays_on_rows: has("stays-on-rows"),
            half: has("half"),
        }
    }
}
