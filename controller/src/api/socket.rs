//! The control socket: everything, for whoever may open it. Its mode is the access control.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::routing::{get, post};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::{Api, ApiError, act, query};

/// A socket that listens. Its file goes when it does, unless somebody else's has taken the name.
pub(crate) struct Socket {
    listener: UnixListener,
    file: OwnFile,
}

impl Socket {
    /// Listens on a path with mode 0600. A socket that nobody answers on is a leftover, and replaced.
    ///
    /// # Errors
    /// When another process answers there, the path is no socket, or the system refuses.
    pub(crate) fn bind(path: &Path) -> Result<Self, ApiError> {
        refuse_taken(path)?;
        let listen = |source| ApiError::Listen { address: path.display().to_string(), source };
        // Bound under another name first: under its own it is never reachable with a wider mode, and a leftover is
        // replaced in one step.
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh).map_err(listen)?;
        fs::set_permissions(&fresh, Permissions::from_mode(0o600)).map_err(listen)?;
        fs::rename(&fresh, path).map_err(listen)?;
        Ok(Self { listener, file: OwnFile::of(path).map_err(listen)? })
    }

    /// Serves until cancelled, then until the requests that are under way have ended.
    pub(crate) async fn serve(self, api: Api, stop: CancellationToken) {
        let Self { listener, file } = self;
        let served = axum::serve(listener, router(api)).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "the control socket failed");
        }
        drop(file);
    }
}

fn router(api: Api) -> Router {
    Router::new()
        .route("/metrics", get(query::metrics))
        .route("/healthz", get(query::healthz))
        .route("/readyz", get(query::readyz))
        .route("/api/v1/status", get(query::status))
        .route("/api/v1/plan", get(query::plan))
        .route("/api/v1/history", get(query::history))
        .route("/api/v1/events", get(query::events))
        .route("/api/v1/apps/{app}/sync", post(act::sync))
        .route("/api/v1/apps/{app}/retry", post(act::retry))
        .route("/api/v1/apps/{app}/suspend", post(act::suspend))
        .route("/api/v1/apps/{app}/resume", post(act::resume))
        .route("/api/v1/apps/{app}/claim", post(act::claim))
        .route("/api/v1/apps/{app}/disown", post(act::disown))
        .route("/api/v1/apps/{app}/release", post(act::release))
        .route("/api/v1/apps/{app}/backups", get(act::backups).post(act::create_backup))
        .route("/api/v1/apps/{app}/backups/{id}/verify", post(act::verify_backup))
        .route("/api/v1/apps/{app}/backups/{id}/restore", post(act::restore_backup))
        .with_state(api)
}

fn refuse_taken(path: &Path) -> Result<(), ApiError> {
    let listen = |source| ApiError::Listen { address: path.display().to_string(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(ApiError::NotASocket { path: path.to_owned() }),
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => Err(ApiError::InUse { path: path.to_owned() }),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            Err(source) => Err(listen(source)),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(listen(source)),
    }
}

/// A socket's file, known by its inode: a successor's is not removed.
struct OwnFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl OwnFile {
    fn of(path: &Path) -> std::io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}
