//! One poll, as the helper does it: ask for the branch's tip, fetch it if it moved.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{
    AutotagOption, CertificateCheckStatus, Cred, CredentialType, Direction, ErrorClass, ErrorCode,
    FetchOptions, FetchPrune, Oid, ProxyOptions, Remote, RemoteCallbacks, Repository,
};

use super::config::Credentials;
use super::error::SourceError;
use super::helper::Request;
use super::mirror::{self, Layout};
use super::repository::{Recloned, Tip};
use crate::space;

const HEADS: &str = "refs/heads/";
const LOCK_WAIT: Duration = Duration::from_secs(20);

/// Asks the remote, and brings the mirror up to it. A mirror that turns out to be broken is moved aside and made anew.
pub(super) fn poll(request: &Request, alive: &mut dyn FnMut()) -> Result<Tip, SourceError> {
    let layout = Layout { root: request.root.clone() };
    let _lock = mirror::lock(&layout, LOCK_WAIT, alive)?;
    let session = Session { request, alive: RefCell::new(alive), fingerprint: RefCell::default() };
    let wanted = session.ask()?;
    // A disk that takes nothing is to blame for whatever fails on it.
    let blame = |error| space::probe(&layout.root).err().map_or(error, |e| unwritable(&layout, &e));
    session.bring_up(&layout, wanted).map_err(blame)
}

fn unwritable(layout: &Layout, e: &std::io::Error) -> SourceError {
    SourceError::local("bring the mirror up to date", space::reason(&layout.root, e))
}

/// Whose fault it is.
enum Failure {
    Remote(git2::Error),
    Mirror(git2::Error),
}

struct Session<'a> {
    request: &'a Request,
    alive: RefCell<&'a mut dyn FnMut()>,
    fingerprint: RefCell<String>,
}

impl Session<'_> {
    /// The tip of the branch at the remote.
    fn ask(&self) -> Result<Oid, SourceError> {
        let heads = self.list().map_err(|e| self.explain(&e))?;
        let tip = heads.iter().find(|(name, _)| *name == self.request.branch);
        tip.map(|(_, id)| *id).ok_or_else(|| SourceError::BranchVanished {
            url: self.request.url.clone(),
            branch: self.request.branch.clone(),
            existing: heads.iter().map(|(name, _)| name.clone()).collect(),
        })
    }

    fn list(&self) -> Result<Vec<(String, Oid)>, git2::Error> {
        let mut remote = Remote::create_detached(self.request.url.as_str())?;
        let connection = remote.connect_auth(Direction::Fetch, Some(self.callbacks()), Some(proxy()))?;
        let heads = connection.list()?;
        let branch = |name: &str| name.strip_prefix(HEADS).map(str::to_owned);
        Ok(heads.iter().filter_map(|head| Some((branch(head.name())?, head.oid()))).collect())
    }

    fn bring_up(&self, layout: &Layout, wanted: Oid) -> Result<Tip, SourceError> {
        if layout.marker().exists() {
            return self.start_anew(layout, wanted, "a reader found it broken".to_owned());
        }
        if layout.renewing().exists() {
            return self.start_anew(
                layout,
                wanted,
                "it was being made anew, and that was interrupted".to_owned(),
            );
        }
        match mirror::open_or_create(layout).map(|repository| self.update(&repository, wanted)) {
            Ok(Ok(tip)) => Ok(tip),
            Ok(Err(Failure::Remote(e))) => Err(self.explain(&e)),
            Ok(Err(Failure::Mirror(e))) | Err(e) => self.start_anew(layout, wanted, e.message().to_owned()),
        }
    }

    fn update(&self, repository: &Repository, wanted: Oid) -> Result<Tip, Failure> {
        let branch = &self.request.branch;
        let before = mirror::tip(repository, branch).map_err(Failure::Mirror)?;
        if before != Some(wanted) {
            mirror::forget_other_branches(repository, branch).map_err(Failure::Mirror)?;
            self.fetch(repository).map_err(|e| blame(repository, e))?;
        }
        let now = mirror::tip(repository, branch).map_err(Failure::Mirror)?;
        let now = now.ok_or_else(|| Failure::Mirror(git2::Error::from_str("the branch was not stored")))?;
        repository.find_commit(now).and_then(|commit| commit.tree()).map_err(Failure::Mirror)?;
        Ok(Tip {
            revision: now.to_string().into(),
            moved: before != Some(now),
            forced: before.is_some_and(|before| forced(repository, before, now)),
            back: before.is_some_and(|before| back(repository, before, now)),
            recloned: None,
        })
    }

    fn fetch(&self, repository: &Repository) -> Result<(), git2::Error> {
        let mut options = FetchOptions::new();
        options.remote_callbacks(self.callbacks());
        options.proxy_options(proxy());
        options.prune(FetchPrune::Off).download_tags(AutotagOption::None).update_fetchhead(false);
        let branch = &self.request.branch;
        let refspec = format!("+{HEADS}{branch}:{}", mirror::branch_ref(branch));
        repository.remote_anonymous(&self.request.url)?.fetch(&[refspec], Some(&mut options), None)
    }

    /// Never on a disk that takes nothing: there the mirror is not what is broken, and no new one can be made.
    fn start_anew(&self, layout: &Layout, wanted: Oid, reason: String) -> Result<Tip, SourceError> {
        space::probe(&layout.root).map_err(|e| unwritable(layout, &e))?;
        let aside = mirror::set_aside(layout)?;
        let corrupt = |e: &git2::Error| SourceError::Corrupt {
            mirror: layout.repository().display().to_string(),
            reason: format!("{reason}; and a new one could not be made: {}", e.message()),
        };
        let repository = mirror::open_or_create(layout).map_err(|e| corrupt(&e))?;
        let tip = self.update(&repository, wanted).map_err(|failure| match failure {
            Failure::Remote(e) => self.explain(&e),
            Failure::Mirror(e) => corrupt(&e),
        })?;
        let recloned = Some(rescue(aside, &repository, reason));
        mirror::renewed(layout);
        Ok(Tip { recloned, ..tip })
    }

    fn callbacks(&self) -> RemoteCallbacks<'_> {
        let mut callbacks = RemoteCallbacks::new();
        let mut tries = 0;
        callbacks.credentials(move |_, user, allowed| self.credentials(user, allowed, &mut tries));
        callbacks.transfer_progress(|_| {
            (self.alive.borrow_mut())();
            true
        });
        callbacks.sideband_progress(|_| {
            (self.alive.borrow_mut())();
            true
        });
        callbacks.certificate_check(|certificate, _| {
            if let Some(hash) = certificate.as_hostkey().and_then(|key| key.hash_sha256()) {
                *self.fingerprint.borrow_mut() = fingerprint(hash);
            }
            // The library's own verdict stands: known_hosts for ssh, the certificate store for https.
            Ok(CertificateCheckStatus::CertificatePassthrough)
        });
        callbacks
    }

    /// The library asks again and again for as long as the remote refuses; every secret is offered once.
    fn credentials(
        &self,
        user: Option<&str>,
        allowed: CredentialType,
        tries: &mut u32,
    ) -> Result<Cred, git2::Error> {
        let user = user.unwrap_or("git");
        if allowed.is_username() {
            return Cred::username(user);
        }
        *tries += 1;
        match &self.request.credentials {
            _ if *tries > 1 => Err(refused("they were offered and not accepted")),
            Credentials::Token { user, token } if allowed.is_user_pass_plaintext() => {
                Cred::userpass_plaintext(user.as_deref().unwrap_or("x-access-token"), token.expose())
            }
            Credentials::SshKey { key, passphrase, .. } if allowed.is_ssh_key() => {
                Cred::ssh_key(user, None, key, passphrase.as_ref().map(|secret| secret.expose()))
            }
            Credentials::None => Err(refused("it wants some, and none are configured")),
            _ => Err(refused("it wants another kind than the configured one")),
        }
    }

    /// What an error of the library means to the operator.
    fn explain(&self, e: &git2::Error) -> SourceError {
        let (url, reason) = (self.request.url.clone(), self.scrub(e.message()));
        // For a path that is not there the library complains of the protocol.
        if url.starts_with('/') && !Path::new(&url).exists() {
            return SourceError::NotFound { url, reason: "no such directory".to_owned() };
        }
        match (e.code(), e.class()) {
            (ErrorCode::Certificate, ErrorClass::Ssh) => self.untrusted(),
            (ErrorCode::Certificate, _) => SourceError::Certificate { url, reason },
            (ErrorCode::Auth, _) => SourceError::Authentication { url, reason },
            (_, ErrorClass::Http)
                if reason.contains("status code: 401") || reason.contains("status code: 403") =>
            {
                SourceError::Authentication { url, reason }
            }
            (_, ErrorClass::Http) if reason.contains("status code: 404") => {
                SourceError::NotFound { url, reason }
            }
            (ErrorCode::NotFound, _) | (_, ErrorClass::Repository) => SourceError::NotFound { url, reason },
            (_, ErrorClass::Ssh) if reason.contains("authenticat") || reason.contains("public key") => {
                SourceError::Authentication { url, reason }
            }
            _ => SourceError::Unreachable { url, reason },
        }
    }

    fn untrusted(&self) -> SourceError {
        SourceError::HostKey {
            host: self.request.host.clone(),
            fingerprint: self.fingerprint.borrow().clone(),
            keyscan: self.request.keyscan.clone(),
            known_hosts: self.request.known_hosts.display().to_string(),
        }
    }

    /// No library message has been seen to hold a secret; none ever will.
    fn scrub(&self, message: &str) -> String {
        match &self.request.credentials {
            Credentials::Token { token: secret, .. }
            | Credentials::SshKey { passphrase: Some(secret), .. }
                if !secret.expose().is_empty() =>
            {
                message.replace(secret.expose(), "[redacted]")
            }
            _ => message.to_owned(),
        }
    }
}

/// The proxy that the environment names (`HTTPS_PROXY`), if any.
fn proxy() -> ProxyOptions<'static> {
    let mut options = ProxyOptions::new();
    options.auto();
    options
}

fn refused(reason: &str) -> git2::Error {
    git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, reason)
}

/// A fetch fails because of the remote, or because the objects that it builds on are broken.
fn blame(repository: &Repository, e: git2::Error) -> Failure {
    use ErrorClass::{Indexer, Object, Odb, Reference, Repository as Mirror, Tree, Zlib};
    let ours = matches!(e.class(), Indexer | Object | Odb | Reference | Tree | Zlib)
        || e.class() == Mirror && !repository.path().join("HEAD").exists();
    if ours { Failure::Mirror(e) } else { Failure::Remote(e) }
}

/// Whether the branch was rewritten: its old tip is no ancestor of the new one.
fn forced(repository: &Repository, before: Oid, now: Oid) -> bool {
    before != now && !repository.graph_descendant_of(now, before).unwrap_or(false)
}

/// Whether the branch went back to where it has been.
fn back(repository: &Repository, before: Oid, now: Oid) -> bool {
    repository.graph_descendant_of(before, now).unwrap_or(false)
}

/// `SHA256:…` as ssh-keygen prints it.
fn fingerprint(hash: &[u8; 32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = |chunk: &[u8]| {
        chunk.iter().chain([0, 0].iter()).take(3).fold(0u32, |all, b| all << 8 | u32::from(*b))
    };
    let text = hash.chunks(3).flat_map(|chunk| {
        let bits = bits(chunk);
        (0..=chunk.len()).map(move |i| char::from(ALPHABET[(bits >> (18 - 6 * i)) as usize & 63]))
    });
    format!("SHA256:{}", text.collect::<String>())
}

fn rescue(aside: PathBuf, repository: &Repository, reason: String) -> Recloned {
    let lost = if aside.exists() { mirror::rescue(&aside, repository) } else { Vec::new() };
    Recloned { reason, aside, lost: lost.iter().map(|commit| commit.to_string().into()).collect() }
}
