//! One file of the corpus, under names that nobody else has, and what has been made from it.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

/// The corpus: a directory for each case, with its Compose files and what they name.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/core/tests/oracle");
/// Stands in the corpus for the project's name.
pub(super) const NAME: &str = "ORACLE";

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The names of all.
pub(super) fn names() -> Vec<String> {
    let entries = std::fs::read_dir(CORPUS).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert!(!names.is_empty(), "there is no corpus in {CORPUS}");
    names
}

/// A case whose things go when this does.
pub(super) struct Case {
    /// The name of the project, and of all that is not of it.
    pub(super) project: String,
    /// Its files, as they stand on the host.
    pub(super) directory: TempDir,
    /// Paths and texts of the files, with the names filled in.
    pub(super) files: Vec<(String, String)>,
    /// Two bytes of addresses of its own.
    block: u8,
}

impl Case {
    pub(super) fn new(name: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // The form by which `tests/run` knows whose things these are.
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_micros();
        let project = format!("tests-{:x}-{:05x}{number:x}", std::process::id(), moment & 0xf_ffff);
        let block = fastrand::u8(236..252);
        let mut case = Self { project, directory: TempDir::new().unwrap(), files: Vec::new(), block };
        let corpus = Path::new(CORPUS).join(name);
        case.read(&corpus, &corpus);
        case.files.sort();
        for (path, text) in &case.files {
            let path = case.directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        case.make_what_it_needs();
        case
    }

    fn read(&mut self, corpus: &Path, directory: &Path) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.read(corpus, &path);
                continue;
            }
            let text = self.filled_in(&std::fs::read_to_string(&path).unwrap());
            self.files.push((path.strip_prefix(corpus).unwrap().to_string_lossy().into_owned(), text));
        }
    }

    fn filled_in(&self, text: &str) -> String {
        let own = [format!("10.{}.", self.block), format!("fd77:{:x}:", self.block)];
        text.replace(NAME, &self.project).replace("10.77.", &own[0]).replace("fd77:77:", &own[1])
    }

    /// The other way round: what one run has seen reads like the next.
    pub(super) fn without_names(&self, text: &str) -> String {
        let own = [format!("10.{}.", self.block), format!("fd77:{:x}:", self.block)];
        let directory = self.directory.path().to_string_lossy().into_owned();
        text.replace(&directory, "<directory>")
            .replace(&self.project, NAME)
            .replace(&own[0], "10.77.")
            .replace(&own[1], "fd77:77:")
    }

    /// The Compose files, in the order in which they are merged.
    pub(super) fn compose_files(&self) -> Vec<&str> {
        let names = self.files.iter().map(|(path, _)| path.as_str());
        names.filter(|path| path.starts_with("compose.") && path.ends_with(".yaml")).collect()
    }

    /// `# needs network NAME`: what somebody else has made before.
    fn make_what_it_needs(&self) {
        for (_, text) in &self.files {
            for needed in text.lines().filter_map(|line| line.strip_prefix("# needs ")) {
                let (kind, name) = needed.split_once(' ').unwrap();
                docker(&[kind, "create", name]).unwrap();
            }
        }
    }

    /// `# starts`: docker-compose does not create all of it before it starts it.
    pub(super) fn starts(&self) -> bool {
        self.says("# starts")
    }

    /// Whether one of its files has this line.
    pub(super) fn says(&self, wanted: &str) -> bool {
        self.files.iter().any(|(_, text)| text.lines().any(|line| line == wanted))
    }

    /// The ids of what is the project's.
    pub(super) fn listed(&self, list: &[&str]) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let listed = docker(&[list, &["--filter", &filter]].concat()).unwrap();
        listed.lines().map(str::to_owned).collect()
    }

    /// Takes away what was made from it; what it needs stays.
    pub(super) fn clear(&self) {
        let containers = self.listed(&["ps", "-aq"]);
        if !containers.is_empty() {
            with(&["rm", "-fv"], &containers);
        }
        for kind in ["network", "volume"] {
            let found = self.listed(&[kind, "ls", "-q"]);
            if !found.is_empty() {
                with(&[kind, "rm"], &found);
            }
        }
        let images = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).unwrap_or_default();
        let own: Vec<String> =
            images.lines().filter(|image| image.contains(&self.project)).map(str::to_owned).collect();
        if !own.is_empty() {
            with(&["rmi", "-f"], &own);
        }
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        self.clear();
        for kind in ["network", "volume"] {
            let filter = format!("name={}", self.project);
            let found = docker(&[kind, "ls", "-q", "--filter", &filter]).unwrap_or_default();
            found.lines().for_each(|id| drop(docker(&[kind, "rm", id])));
        }
    }
}

fn with(command: &[&str], ids: &[String]) {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    // Cleaning up is no part of what is looked at.
    drop(docker(&[command, &ids].concat()));
}

/// Runs the engine's client; its output, or what it complains of.
pub(super) fn docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(arguments).output().expect("a docker client");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
