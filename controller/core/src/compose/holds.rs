//! What holds of whatever the readers are given, however broken: they do not panic, every fault of a file has its place, and what is accepted
//! is the same after it was written to the ledger and read again. `fuzz_tests` and the targets in `fuzz/` try it.

use super::{Request, read};
use crate::files::testing::Disk;
use crate::located::Faults;
use crate::manifest::{self, Application};
use crate::name::AppName;

/// A commit around a Compose file, with what its like refer to; `env` is the text of every file with variables.
fn disk(compose: &str, env: &str) -> Disk {
    let variables = [".env", "api.env", "first.env", "labels.env", "second.env"];
    let mut files: Vec<(&str, &str)> = variables.into_iter().map(|path| (path, env)).collect();
    files.extend([
        ("compose.yaml", compose),
        ("common.yaml", "services: {base: {image: y, command: base}, other: {image: z}}"),
        ("other.env", "A=b\n"),
        ("conf/app.ini", "x"),
        ("app/deploy/Dockerfile", "FROM x"),
        ("app/Dockerfile", "FROM x"),
        ("app/other/Dockerfile", "FROM x"),
        ("files/app.ini", "x"),
        ("files/server.crt", "x"),
        ("token.txt", "x"),
        ("httpd.conf", "x"),
        ("site/index.html", "x"),
    ]);
    Disk::with(&files)
}

/// Reads a Compose file; whether it was accepted.
///
/// # Panics
/// When what has to hold does not.
pub fn compose(text: &str, env: &str) -> bool {
    let (app, files) = (AppName::new("shop"), disk(text, env));
    let compose: manifest::Compose =
        crate::yaml::from_str("evenkeel.yaml", "{}").unwrap_or_else(|faults| panic!("{faults}"));
    match read(&Request { app: &app, manifest_dir: ".", compose: &compose, files: &files }) {
        Ok((project, _)) => is_kept(&project),
        Err(faults) => are_placed(&faults),
    }
}

/// Reads a manifest; whether it was accepted.
///
/// # Panics
/// When what has to hold does not.
pub fn application(text: &str) -> bool {
    match manifest::read("evenkeel.yaml", text) {
        Ok(application) => is_kept::<Application>(&application),
        Err(faults) => are_placed(&faults),
    }
}

fn is_kept<T>(accepted: &T) -> bool
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let text = serde_json::to_string(accepted).unwrap_or_else(|why| panic!("it cannot be written: {why}"));
    let again: T = serde_json::from_str(&text).unwrap_or_else(|why| panic!("it cannot be read again: {why}"));
    assert_eq!(again, *accepted);
    true
}

/// Every fault says where; nothing with one is accepted.
fn are_placed(faults: &Faults) -> bool {
    for fault in &faults.0 {
        assert!(fault.at.is_some(), "nowhere: {fault}");
    }
    false
}
