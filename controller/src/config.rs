//! The controller's configuration: a file, overridden by flags; none of it is needed for `evenkeel run --repo URL`.

mod file;
mod merge;
mod secret;

#[cfg(test)]
mod tests;

pub(crate) use file::{Config, Credentials, LogFormat, Source};
pub(crate) use merge::{ConfigError, Overrides, load};
pub(crate) use secret::{SecretError, SecretFile, SecretFrom};

/// Where the file is looked for when no flag says otherwise; it need not exist there.
pub(crate) const DEFAULT_FILE: &str = "/etc/evenkeel/config.yaml";
/// Where evenkeel keeps its ledger, repositories and backups.
pub(crate) const DEFAULT_DATA_DIR: &str = "/var/lib/evenkeel";
/// The control socket's name in the data directory.
pub(crate) const SOCKET_NAME: &str = "evenkeel.sock";
/// Where the read-only listener is: this machine only.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:9180";
