//! A source: the remote, and its mirror on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_core::name::Revision;
use git2::{Oid, Repository};
use serde::{Deserialize, Serialize};

use super::checkout::{Checkout, TreeError};
use super::config::{Credentials, SourceConfig};
use super::error::SourceError;
use super::helper::{self, Request};
use super::location::{Location, Transport};
use super::mirror::{self, Layout};
use super::{hostkeys, materialise};
use crate::space;

/// The helper's git configuration.
const CONFIG: &[u8] = b"[safe]\n\tdirectory = *\n";

/// Where the followed branch is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tip {
    /// The commit.
    pub revision: Revision,
    /// Whether it is another one than at the last poll.
    pub moved: bool,
    /// Whether the branch was rewritten: the last tip is no ancestor of this one.
    pub forced: bool,
    /// Whether the branch went back: this is an ancestor of the last tip.
    pub back: bool,
    /// Set when the mirror was broken and made anew.
    pub recloned: Option<Recloned>,
}

/// What became of a broken mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recloned {
    /// What was wrong.
    pub reason: String,
    /// Where the broken one lies now.
    pub aside: PathBuf,
    /// Kept commits that neither the remote's branch nor the broken mirror still had.
    pub lost: Vec<Revision>,
}

/// A repository that is followed. Cheap to clone; all state is on disk.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    config: SourceConfig,
    location: Location,
    layout: Layout,
}

impl Source {
    /// Checks the configuration and makes the source's folder. Contacts nobody.
    ///
    /// # Errors
    /// `Invalid` where the configuration cannot work, `Local` where the folder cannot be made.
    pub(crate) fn open(mut config: SourceConfig) -> Result<Self, SourceError> {
        let location = check(&mut config)
            .map_err(|reason| SourceError::Invalid { name: config.name.clone(), reason })?;
        let layout = Layout { root: config.data_dir.join("sources").join(&config.name) };
        prepare(&layout).map_err(|e| {
            SourceError::local(format!("make {}", layout.root.display()), space::reason(&layout.root, &e))
        })?;
        Ok(Self { config, location, layout })
    }

    /// Asks the remote for the branch's tip, and fetches it if it moved.
    ///
    /// Safe to drop: the helper is killed, and the mirror is as before or as after. Several processes may poll at once.
    ///
    /// # Errors
    /// See [`SourceError`]; `transient` says which ones time may heal.
    pub(crate) async fn poll(&self) -> Result<Tip, SourceError> {
        self.trust_hosts()?;
        let tip = helper::poll(&self.request(), &self.layout.home(), self.config.silence).await?;
        if let Some(anew) = &tip.recloned {
            let (aside, lost) = (anew.aside.display(), anew.lost.len());
            tracing::warn!(source = %self.config.name, reason = %anew.reason, %aside, lost, "made the mirror anew");
        }
        Ok(tip)
    }

    /// The tip as last fetched; asks nobody.
    ///
    /// # Errors
    /// `Corrupt` where the mirror cannot be read.
    pub(crate) fn last_tip(&self) -> Result<Option<Revision>, SourceError> {
        if !self.layout.repository().exists() {
            return Ok(None);
        }
        let tip = self.mirror().and_then(|repository| mirror::tip(&repository, &self.config.branch));
        Ok(tip.map_err(|e| self.corrupt(&e))?.map(|id| id.to_string().into()))
    }

    /// One commit, for reading.
    ///
    /// # Errors
    /// Where the mirror has no such commit.
    pub(crate) fn checkout(&self, revision: &Revision) -> Result<Checkout, TreeError> {
        Checkout::open(&self.layout.repository(), revision)
    }

    /// Keeps a commit and its history in the mirror, whatever becomes of the branch, until [`Source::unkeep`].
    ///
    /// # Errors
    /// `Corrupt` where the mirror does not have it.
    pub(crate) fn keep(&self, revision: &Revision) -> Result<(), SourceError> {
        let kept =
            self.mirror().and_then(|repository| mirror::keep(&repository, Oid::from_str(revision.as_str())?));
        kept.map_err(|e| self.corrupt(&e))
    }

    /// Lets a kept commit go. Not kept: fine.
    ///
    /// # Errors
    /// `Corrupt` where the mirror cannot be written.
    pub(crate) fn unkeep(&self, revision: &Revision) -> Result<(), SourceError> {
        let gone = self
            .mirror()
            .and_then(|repository| mirror::unkeep(&repository, Oid::from_str(revision.as_str())?));
        gone.map_err(|e| self.corrupt(&e))
    }

    /// Called when reading a commit failed with [`TreeError::Corrupt`]: the next poll makes the mirror anew.
    ///
    /// # Errors
    /// `Local` where that cannot be noted.
    pub(crate) fn distrust(&self) -> Result<(), SourceError> {
        fs::write(self.layout.marker(), b"")
            .map_err(|e| SourceError::local("note that the mirror is broken", e))
    }

    /// The same, where nobody can do anything about it but read the log.
    pub(crate) fn distrust_or_warn(&self) {
        match self.distrust() {
            Ok(()) => {
                tracing::warn!(source = %self.config.name, "the mirror is broken; the next poll makes it anew")
            }
            Err(error) => tracing::error!(source = %self.config.name, %error, "the mirror is broken"),
        }
    }

    /// The directory of a repository on this machine, for watching.
    pub(crate) fn local_directory(&self) -> Option<PathBuf> {
        self.location.directory()
    }

    /// What it was told.
    pub(crate) fn config(&self) -> &SourceConfig {
        &self.config
    }

    fn mirror(&self) -> Result<Repository, git2::Error> {
        Repository::open_bare(self.layout.repository())
    }

    fn corrupt(&self, e: &git2::Error) -> SourceError {
        if let Err(e) = space::probe(&self.layout.root) {
            return SourceError::local("write to the mirror", space::reason(&self.layout.root, &e));
        }
        let mirror = self.layout.repository().display().to_string();
        SourceError::Corrupt { mirror, reason: e.message().to_owned() }
    }

    fn request(&self) -> Request {
        Request {
            url: self.location.address.clone(),
            branch: self.config.branch.clone(),
            root: self.layout.root.clone(),
            credentials: self.config.credentials.clone(),
            host: self.location.host.clone().unwrap_or_default(),
            keyscan: self.location.keyscan(),
            known_hosts: self.known_hosts().into_iter().next().unwrap_or_default(),
        }
    }

    fn known_hosts(&self) -> Vec<PathBuf> {
        match &self.config.credentials {
            Credentials::SshKey { known_hosts, .. } => hostkeys::files(known_hosts.as_deref()),
            _ => hostkeys::files(None),
        }
    }

    /// Writes the helper's known_hosts, afresh for each poll: a key that the operator adds counts at once.
    fn trust_hosts(&self) -> Result<(), SourceError> {
        if self.location.transport != Transport::Ssh {
            return Ok(());
        }
        let texts: Vec<String> =
            self.known_hosts().iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
        let target = self.layout.home().join(".ssh/known_hosts");
        materialise::write_file(&target, hostkeys::usable(&texts).as_bytes(), 0o600)
            .map_err(|e| SourceError::local("write the trusted host keys", e))
    }
}

/// What cannot work is refused before anybody is asked; credentials within the address move to where they belong.
fn check(config: &mut SourceConfig) -> Result<Location, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if config.name.is_empty() || config.name.starts_with('.') || !config.name.chars().all(plain) {
        return Err("its name may only have letters, digits, `-`, `_` and `.`".to_owned());
    }
    if !git2::Reference::is_valid_name(&format!("refs/heads/{}", config.branch)) {
        return Err(format!("`{}` is not a branch name", config.branch));
    }
    let mut location = Location::parse(&config.url)
        .ok_or("its url must be https://…, ssh://…, git@host:path, file:///… or a path")?;
    if location.transport == Transport::Local {
        let absolute = std::path::absolute(&location.address).map_err(|e| e.to_string())?;
        location.address = absolute.to_string_lossy().into_owned();
    }
    adopt_identity(&location, &mut config.credentials);
    config.url.clone_from(&location.address);
    check_credentials(&location, &config.credentials).map(|()| location)
}

fn adopt_identity(location: &Location, credentials: &mut Credentials) {
    if let (Some(token), Credentials::None) = (&location.password, &*credentials) {
        *credentials = Credentials::Token { user: location.user.clone(), token: token.clone() };
    }
}

fn check_credentials(location: &Location, credentials: &Credentials) -> Result<(), String> {
    match (location.transport, credentials) {
        (_, Credentials::None) | (Transport::Https, Credentials::Token { .. }) => Ok(()),
        (Transport::Http, Credentials::Token { .. }) if location.loopback() => Ok(()),
        (Transport::Http, Credentials::Token { .. }) => {
            Err("a token would cross the network in clear text: use https".to_owned())
        }
        (Transport::Ssh, Credentials::SshKey { key, .. }) => fs::File::open(key)
            .map(drop)
            .map_err(|e| format!("its key {} cannot be read: {e}", key.display())),
        (_, Credentials::Token { .. }) => Err("a token is of use over https only".to_owned()),
        (_, Credentials::SshKey { .. }) => Err("an ssh key is of use over ssh only".to_owned()),
    }
}

/// The folder, private, and in it the helper's home: its git configuration trusts what the operator has named, whoever owns it.
fn prepare(layout: &Layout) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let ssh = layout.home().join(".ssh");
    fs::create_dir_all(&ssh)?;
    fs::set_permissions(&layout.root, fs::Permissions::from_mode(0o700))?;
    let config = home_config(&layout.home());
    // Nothing is written that is there: evenkeel has to start on a full disk, too, to say so and to look after what runs.
    if fs::read(&config).is_ok_and(|there| there == CONFIG) {
        return Ok(());
    }
    materialise::write_file(&config, CONFIG, 0o600)
}

fn home_config(home: &Path) -> PathBuf {
    home.join(".gitconfig")
}

#[cfg(test)]
#[path = "repository_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "transport_tests.rs"]
mod transport_tests;
