//! Secrets by where they are.

use std::path::PathBuf;

use evenkeel_core::secret::Secret;
use serde::Deserialize;

/// Why a secret could not be had. It names the place, never what is there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the secret in {}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The variable is not set.
    #[error("the environment variable {name} is not set, and a secret is to come from it")]
    Variable {
        /// Its name.
        name: String,
    },
    /// There is nothing in it.
    #[error("the secret in {place} is empty")]
    Empty {
        /// The file or variable.
        place: String,
    },
}

/// A file that holds a secret; white space around it is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretFile(pub(super) PathBuf);

impl SecretFile {
    /// Reads it.
    pub(crate) fn read(&self) -> Result<Secret, SecretError> {
        let text = std::fs::read_to_string(&self.0)
            .map_err(|source| SecretError::File { path: self.0.clone(), source })?;
        filled(&text, || self.0.display().to_string())
    }
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, try_from = "Places")]
pub(crate) enum SecretFrom {
    /// In a file.
    File(SecretFile),
    /// In an environment variable of evenkeel's own process.
    Env(String),
}

impl SecretFrom {
    /// Reads it.
    pub(crate) fn read(&self) -> Result<Secret, SecretError> {
        match self {
            Self::File(file) => file.read(),
            Self::Env(name) => {
                let text = std::env::var(name).map_err(|_| SecretError::Variable { name: name.clone() })?;
                filled(&text, || name.clone())
            }
        }
    }
}

/// As it is written: a map with one key. (serde_yaml would want a tag for an enum.)
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Places {
    file: Option<SecretFile>,
    env: Option<String>,
}

impl TryFrom<Places> for SecretFrom {
    type Error = &'static str;

    fn try_from(places: Places) -> Result<Self, Self::Error> {
        match places {
            Places { file: Some(file), env: None } => Ok(Self::File(file)),
            Places { file: None, env: Some(name) } => Ok(Self::Env(name)),
            _ => Err("a secret comes from either `file` or `env`"),
        }
    }
}

fn filled(text: &str, place: impl FnOnce() -> String) -> Result<Secret, SecretError> {
    match text.trim() {
        "" => Err(SecretError::Empty { place: place() }),
        secret => Ok(Secret::new(secret)),
    }
}
