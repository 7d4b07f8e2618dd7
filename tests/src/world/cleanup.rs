//! Leaves the host as it was found.

use std::path::PathBuf;

use super::names::Names;
use crate::docker::try_docker;

/// Removes all of a world when it goes out of scope, unless `EVENKEEL_KEEP=1`.
#[derive(Debug)]
pub(super) struct Guard {
    names: Names,
    directory: PathBuf,
}

impl Guard {
    /// Guards a world.
    pub(super) fn new(names: &Names, directory: PathBuf) -> Self {
        Self { names: names.clone(), directory }
    }

    fn clean(&self) {
        let (app, proxy) = (
            format!("label=evenkeel.app={}", self.names.app),
            format!("label=evenkeel.app={}", self.names.proxy),
        );
        let name = format!("name={}", self.names.id);
        for filter in [&name, &app, &proxy] {
            remove(&["ps", "-aq", "--filter", filter], &["rm", "-f", "-v"]);
        }
        for filter in [&name, &app, &proxy] {
            remove(&["volume", "ls", "-q", "--filter", filter], &["volume", "rm", "-f"]);
            remove(&["network", "ls", "-q", "--filter", filter], &["network", "rm"]);
        }
        for reference in
            [format!("reference=evenkeel/{}*", self.names.id), format!("reference={}*", self.names.id)]
        {
            remove(
                &["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &reference],
                &["rmi", "-f"],
            );
        }
        self.remove_locks();
    }

    /// Whoever held them has ended.
    fn remove_locks(&self) {
        for file in std::fs::read_dir("/run/evenkeel").into_iter().flatten().flatten() {
            if file.file_name().to_string_lossy().starts_with(&self.names.id) {
                let _ = std::fs::remove_file(file.path());
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::env::var_os("EVENKEEL_KEEP").is_some_and(|keep| keep == "1") {
            return;
        }
        self.clean();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Removes what a listing names; what is not there any more is no failure.
fn remove(list: &[&str], removal: &[&str]) {
    let found = try_docker(list).stdout;
    let items: Vec<&str> = found.split_whitespace().collect();
    if !items.is_empty() {
        try_docker(&[removal, &items].concat());
    }
}
