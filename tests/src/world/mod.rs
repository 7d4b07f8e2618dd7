//! A world: a repository, a host's files, names and ports, so that many can live on one engine.

mod cleanup;
mod names;
mod repo;
mod tailor;

use std::fs;
use std::path::{Path, PathBuf};

pub use names::{Names, Port, Ports};
pub use repo::Repo;
use tailor::Tailor;

use crate::controller::Controller;
use crate::docker::{Docker, docker};

/// The password of every world's database; no log and no error may ever show it.
pub const PASSWORD: &str = "hunter2-never-printed";

/// What differs between the worlds of different tests.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a release is watched, in seconds.
    pub bake: u64,
    /// How long a container has to become healthy, in seconds.
    pub start_timeout: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { bake: 6, start_timeout: 60 }
    }
}

/// A world. Everything that it made on the engine goes with it.
#[derive(Debug)]
pub struct World {
    /// Its names.
    pub names: Names,
    /// Its ports.
    pub ports: Ports,
    /// Its repository.
    pub repo: Repo,
    options: Options,
    directory: PathBuf,
    _guard: cleanup::Guard,
}

impl World {
    /// With Convertik and its proxy committed.
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    /// The same, with options.
    pub fn with(options: Options) -> Self {
        let world = Self::empty(options);
        world.copy(&project().join("manifests/convertik"));
        world.write_host_files();
        docker(&["network", "create", &world.names.network]);
        world.repo.commit("convertik 1.0.0");
        world
    }

    /// With an empty repository.
    pub fn empty(options: Options) -> Self {
        let names = Names::new();
        let directory = Path::new("/tmp").join(&names.id);
        let guard = cleanup::Guard::new(&names, directory.clone());
        let repo = Repo::init(&directory.join("repo"));
        Self { names, ports: Ports::claim(), repo, options, directory, _guard: guard }
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file on the host, beside the stack: `.env.production`.
    pub fn host_file(&self, name: &str) -> PathBuf {
        self.directory.join("home/convertik").join(name)
    }

    /// The application's containers.
    pub fn docker(&self) -> Docker {
        Docker::of(&self.names.app)
    }

    /// Which container has the name of one of the application's (`db`), and since when it runs.
    pub fn stands(&self, short: &str) -> String {
        docker(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", &self.names.container(short)])
    }

    /// An address behind the proxy.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.proxy.number())
    }

    /// Starts a controller on it.
    pub fn start(&self) -> Controller {
        Controller::start(self)
    }

    /// Copies one of the story's overlays over the tree, without committing it.
    pub fn overlay(&self, variant: &str) {
        self.copy(&project().join("tests/fixtures/convertik").join(variant));
    }

    /// Commits one of the story's overlays.
    pub fn commit_overlay(&self, variant: &str) -> String {
        self.overlay(variant);
        self.repo.commit(variant)
    }

    /// Changes a file and commits it.
    pub fn edit(&self, path: &str, change: impl FnOnce(String) -> String) -> String {
        let old = self.repo.read(path);
        let new = change(old.clone());
        assert_ne!(old, new, "the edit of {path} changes nothing");
        self.repo.write(path, &new);
        self.repo.commit(&format!("edit {path}"))
    }

    /// Sets the version that the application reports, without committing it.
    pub fn set_version(&self, version: &str) {
        self.repo.write("backend/app/version.py", &format!("VERSION = \"{version}\"\n"));
    }

    /// Commits nothing but a new version.
    pub fn commit_version(&self, version: &str) -> String {
        self.set_version(version);
        self.repo.commit(version)
    }

    /// Goes back to the tree of a commit, under a new version: a good commit that undoes whatever came after.
    pub fn commit_back_to(&self, commit: &str, version: &str) -> String {
        self.repo.restore(commit);
        self.commit_version(version)
    }

    /// Copies a tree over the repository, fitted to this world.
    fn copy(&self, from: &Path) {
        let home = self.directory.join("home");
        let tailor = Tailor { names: &self.names, ports: &self.ports, options: &self.options, home: &home };
        for path in files(from) {
            let relative = path.strip_prefix(from).expect("it was found below").display().to_string();
            let text =
                fs::read_to_string(&path).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
            self.repo.write(&relative, &tailor.fit(&relative, &text));
            let mode = fs::metadata(&path).expect("it was just read").permissions();
            fs::set_permissions(self.repo.path().join(&relative), mode).expect("it was just written");
        }
    }

    fn write_host_files(&self) {
        let home = self.directory.join("home");
        for stack in ["convertik", "caddy"] {
            fs::create_dir_all(home.join(stack)).expect("a world's directory can be written");
        }
        for name in [".env.production", ".env.database"] {
            let example = self.repo.read(&format!("{name}.example"));
            self.write_host_file(name, &example.replace("change-me", PASSWORD));
        }
        let port = format!("CADDY_HTTP_PORT={}\n", self.ports.proxy.number());
        fs::write(home.join("caddy/.env"), port).expect("a world's directory can be written");
    }

    /// Replaces a file on the host the way editors do: a new file, moved over the old one.
    pub fn write_host_file(&self, name: &str, text: &str) {
        let (path, new) = (self.host_file(name), self.host_file(".new"));
        fs::write(&new, text).expect("a world's directory can be written");
        fs::rename(new, path).expect("a world's directory can be written");
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// The root of the workspace.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is below the workspace").to_owned()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|problem| panic!("{}: {problem}", directory.display()));
    let paths = entries.map(|entry| entry.expect("a directory can be listed").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
