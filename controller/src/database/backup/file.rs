//! Files that are there whole or not at all, and hashes of what streams through.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};
use tokio::fs::{self, File};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::super::error::DatabaseError;
use crate::space;

/// What is being written begins with this; after a crash it is swept.
pub(super) const PARTIAL: &str = ".partial-";

/// How much is read at a time.
const CHUNK: usize = 256 * 1024;

/// What streamed through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Streamed {
    pub(super) size: u64,
    pub(super) sha256: String,
}

/// A file that vanishes when it is dropped before it has been given its name. Mode 0600, as temporary files are.
pub(super) struct Partial {
    pub(super) file: File,
    pub(super) path: TempPath,
}

impl Partial {
    pub(super) fn new(directory: &Path) -> Result<Self, DatabaseError> {
        let made =
            tempfile::Builder::new().prefix(PARTIAL).tempfile_in(directory).map(NamedTempFile::into_parts);
        let (file, path) = made.map_err(|error| DatabaseError::file("create a file in", directory, error))?;
        Ok(Self { file: File::from_std(file), path })
    }

    /// Down to the disk.
    pub(super) async fn sync(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await
    }

    /// Gives it its name; the directory is yet to be synced.
    pub(super) fn name(self, path: &Path) -> Result<(), DatabaseError> {
        self.path.persist(path).map_err(|error| DatabaseError::file("rename a file to", path, error.error))
    }
}

/// Copies to the end, hashing. Where the other side wants no more (`BrokenPipe`), the rest is still hashed: a program may leave
/// out what it does not need, and says by itself what it could not take.
pub(super) async fn stream(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<Streamed> {
    let (mut hash, mut size, mut buffer, mut wanted) = (Sha256::new(), 0, vec![0; CHUNK], true);
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        size += read as u64;
        wanted = wanted && taken(to.write_all(&buffer[..read]).await)?;
    }
    taken(to.flush().await)?;
    Ok(Streamed { size, sha256: hex::encode(hash.finalize()) })
}

fn taken(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

/// Writes a small file, whole or not at all, and durably.
pub(super) async fn place(directory: &Path, content: &[u8], path: &Path) -> Result<(), DatabaseError> {
    let mut partial = Partial::new(directory)?;
    let written = async {
        partial.file.write_all(content).await?;
        partial.sync().await
    };
    written.await.map_err(|error| DatabaseError::file("write", path, error))?;
    partial.name(path)?;
    sync_directory(directory).await
}

/// A rename is durable once its directory is.
pub(super) async fn sync_directory(directory: &Path) -> Result<(), DatabaseError> {
    let synced = async { File::open(directory).await?.sync_all().await };
    synced.await.map_err(|error| DatabaseError::file("sync", directory, error))
}

/// The directory, made where it is missing, for its owner only.
pub(super) async fn directory(path: &Path) -> Result<(), DatabaseError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path).await;
    made.map_err(|error| DatabaseError::file("create", path, error))
}

/// Removes a file; one that is gone already is fine.
pub(super) async fn remove(path: &PathBuf) -> Result<(), DatabaseError> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|error| DatabaseError::file("remove", path, error)),
    }
}

/// Bytes that are free for this user.
pub(super) fn free(path: &Path) -> Result<u64, DatabaseError> {
    space::free(path).map_err(|error| DatabaseError::file("ask for the free space in", path, error))
}

/// An error of writing, told apart where the disk is full.
pub(super) fn written(directory: &Path, need: u64, error: io::Error) -> DatabaseError {
    if space::is_full(&error) {
        return DatabaseError::no_space(directory, Some(need));
    }
    DatabaseError::file("write a backup in", directory, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_streams_through_is_hashed_and_counted() {
        let mut out = Vec::new();
        let streamed = stream(&b"abc"[..], &mut out).await.unwrap();
        assert_eq!((out.as_slice(), streamed.size), (&b"abc"[..], 3));
        assert_eq!(streamed.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[tokio::test]
    async fn a_file_is_there_whole_for_its_owner_only_or_not_at_all() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        place(directory.path(), b"one", &path).await.unwrap();
        place(directory.path(), b"two", &path).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(Partial::new(directory.path()).unwrap());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_is_transient_and_says_so() {
        let full = written(Path::new("/tmp"), 9, ErrorKind::StorageFull.into());
        assert!(full.transient());
        assert!(full.to_string().starts_with("the backup cannot be made: no space left in /tmp: "), "{full}");
    }
}
