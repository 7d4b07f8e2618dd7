//! From a file and flags to one checked configuration.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_core::located::{Fault, Location};

use super::{Config, DEFAULT_FILE, Source};

/// Why there is no configuration to run with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{0}")]
    Fault(Fault),
}

/// What flags say; each wins over the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// The file; the usual one, if it exists, by default.
    pub(crate) config: Option<PathBuf>,
    /// A repository, in place of the file's sources.
    pub(crate) repo: Option<String>,
    /// The branch, of every source.
    pub(crate) branch: Option<String>,
    /// The path, of every source.
    pub(crate) path: Option<String>,
    /// How often to look, at every source.
    pub(crate) poll: Option<Duration>,
    /// The data directory.
    pub(crate) data_dir: Option<PathBuf>,
    /// The listener.
    pub(crate) listen: Option<String>,
    /// The socket.
    pub(crate) socket: Option<PathBuf>,
}

/// Reads the file, lays the flags over it, fills in what is left out and checks the result.
///
/// # Errors
/// When the file cannot be read, something in it is wrong, or there is no source.
pub(crate) fn load(overrides: &Overrides) -> Result<Config, ConfigError> {
    let mut config = read(overrides.config.as_deref())?;
    lay_over(&mut config, overrides);
    config.sources.iter_mut().for_each(complete);
    check(&config).map_err(ConfigError::Fault)?;
    Ok(config)
}

fn read(path: Option<&Path>) -> Result<Config, ConfigError> {
    let file = path.unwrap_or(Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(file) {
        Ok(text) => parse(&text, file).map_err(ConfigError::Fault),
        // Only a file that somebody asked for has to exist.
        Err(error) if path.is_none() && error.kind() == ErrorKind::NotFound => Ok(Config::default()),
        Err(source) => Err(ConfigError::Read { path: file.to_owned(), source }),
    }
}

/// Reads a configuration from text.
pub(super) fn parse(text: &str, file: &Path) -> Result<Config, Fault> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Config::default());
    }
    serde_yaml::from_str(text).map_err(|error| located(&error, text, file))
}

fn located(error: &serde_yaml::Error, text: &str, file: &Path) -> Fault {
    let Some(at) = error.location() else { return Fault::new(format!("{}: {error}", file.display())) };
    let suffix = format!(" at line {} column {}", at.line(), at.column());
    let mut fault = Fault::new(error.to_string().replace(&suffix, ""));
    fault.snippet = text.lines().nth(at.line().saturating_sub(1)).map(str::to_owned);
    fault.at(Location { file: file.display().to_string(), line: at.line(), column: at.column() })
}

fn lay_over(config: &mut Config, overrides: &Overrides) {
    let Overrides { config: _, repo, branch, path, poll, data_dir, listen, socket } = overrides.clone();
    if let Some(repo) = repo {
        config.sources = vec![Source::new(repo)];
    }
    for source in &mut config.sources {
        replace(&mut source.branch, branch.clone());
        replace(&mut source.path, path.clone());
        replace(&mut source.poll, poll);
    }
    replace(&mut config.data_dir, data_dir);
    replace(&mut config.listen, listen);
    config.socket = socket.or(config.socket.take());
}

fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn complete(source: &mut Source) {
    if source.name.is_empty() {
        let last = source.url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        source.name = last.trim_end_matches(".git").to_owned();
    }
    source.path = source.path.trim_matches('/').trim_start_matches("./").to_owned();
    if source.path == "." {
        source.path.clear();
    }
}

fn check(config: &Config) -> Result<(), Fault> {
    if config.sources.is_empty() {
        return Err(Fault::new("there is no repository to follow")
            .hint(format!("name one with --repo URL, or under `sources` in {DEFAULT_FILE}")));
    }
    let mut names = BTreeSet::new();
    for source in &config.sources {
        check_source(source)?;
        if !names.insert(&source.name) {
            return Err(Fault::new(format!("two sources are named `{}`", source.name))
                .hint("give each a `name` of its own"));
        }
    }
    Ok(())
}

fn check_source(source: &Source) -> Result<(), Fault> {
    if source.url.trim().is_empty() || source.name.is_empty() {
        return Err(Fault::new(format!("`{}` is no repository's URL", source.url)));
    }
    if source.path.split('/').any(|part| part == "..") {
        return Err(Fault::new(format!(
            "the path `{}` of source `{}` leaves the repository",
            source.path, source.name
        )));
    }
    Ok(())
}
