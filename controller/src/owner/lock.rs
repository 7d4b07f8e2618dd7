//! One evenkeel a project and host: the kernel gives the lock back however the process ends.
//!
//! It stands beside the record at the engine: a data directory that was copied has the same name there, and a record can be
//! swept away while its owner lives.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use evenkeel_core::name::ProjectName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How often a file that was replaced under the lock is tried again.
const TRIES: usize = 16;

/// Who holds a lock, for whoever comes second.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    pid: u32,
    /// Process ids mean something in one of these only: a container has its own.
    namespace: String,
    data_dir: PathBuf,
}

/// An exclusive lock on a project of an engine, on this host; held as long as the value lives.
#[derive(Debug)]
pub(super) struct HostLock(#[expect(dead_code, reason = "held for the lock on it")] File);

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum NoLock {
    /// Another process holds it: its id, and its data directory.
    Held(String),
    /// There is no place where it could be.
    NoPlace {
        /// The last that was tried.
        path: PathBuf,
        /// Why not there.
        source: Error,
    },
}

impl HostLock {
    /// Takes the lock in the first of the places that can be used.
    pub(super) fn take(
        places: &[PathBuf],
        engine: &str,
        project: &ProjectName,
        data_dir: &Path,
    ) -> Result<Self, NoLock> {
        let mut last = NoLock::NoPlace { path: PathBuf::new(), source: ErrorKind::NotFound.into() };
        for place in places {
            match Self::take_in(&place.join(file_name(engine, project)), data_dir) {
                Err(error @ NoLock::NoPlace { .. }) => last = error,
                taken => return taken,
            }
        }
        Err(last)
    }

    fn take_in(path: &Path, data_dir: &Path) -> Result<Self, NoLock> {
        let io = |source| NoLock::NoPlace { path: path.to_owned(), source };
        for _ in 0..TRIES {
            let mut file = open(path).map_err(io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(NoLock::Held(holder(&mut file))),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
            // Somebody may have removed the file since it was opened: whoever comes next would lock another.
            if is_still_at(&file, path).map_err(io)? {
                introduce(&mut file, data_dir);
                return Ok(Self(file));
            }
        }
        Err(io(Error::other("somebody keeps replacing it")))
    }
}

/// Also one that may only be read can be locked: that of another user.
fn open(path: &Path) -> std::io::Result<File> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
        refuse_strangers(directory)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o644);
    match options.open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            File::open(path).map_err(|_| error)
        }
        opened => opened,
    }
}

/// Below `/tmp` a directory of this name may be anybody's, who could take files away or lead them elsewhere.
fn refuse_strangers(directory: &Path) -> std::io::Result<()> {
    let (found, me) = (fs::symlink_metadata(directory)?, fs::metadata("/proc/self")?.uid());
    if found.is_dir() && [0, me].contains(&found.uid()) && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::PermissionDenied, "others may write in that directory"))
}

fn is_still_at(file: &File, path: &Path) -> std::io::Result<bool> {
    let of = |found: &fs::Metadata| (found.dev(), found.ino());
    match fs::metadata(path) {
        Ok(found) => Ok(of(&found) == of(&file.metadata()?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The lock is what counts: a file that cannot be written, because it is another user's, is locked all the same.
fn introduce(file: &mut File, data_dir: &Path) {
    let me = Holder { pid: std::process::id(), namespace: namespace(), data_dir: data_dir.to_owned() };
    let written = serde_json::to_vec(&me).map_err(Error::from).and_then(|text| {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&text)
    });
    if let Err(error) = written {
        tracing::debug!(%error, "the lock does not say who holds it");
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(8 * 1024).read_to_string(&mut text);
    match read.map(|_| serde_json::from_str::<Holder>(&text)) {
        Ok(Ok(Holder { pid, namespace: of, data_dir })) => {
            let container = if of == namespace() { "" } else { " of another container or host" };
            format!("pid {pid}{container}, with the data directory {}", data_dir.display())
        }
        _ => "a process of unknown pid".to_owned(),
    }
}

/// In which processes ids count.
fn namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map(|path| path.display().to_string()).unwrap_or_default()
}

/// Readable, and of bounded length whatever the names are.
fn file_name(engine: &str, project: &ProjectName) -> String {
    let digest = Sha256::digest(format!("{engine}\n{project}"));
    let readable: String = project.as_str().chars().take(64).collect();
    format!("{readable}-{}.lock", hex::encode(&digest[..8]))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn take(place: &Path, engine: &str, project: &str) -> Result<HostLock, NoLock> {
        HostLock::take(&[place.join("evenkeel")], engine, &project.into(), Path::new("/srv/data"))
    }

    #[test]
    fn two_cannot_hold_it_and_the_second_is_told_who_does() {
        let place = tempfile::tempdir().unwrap();
        let first = take(place.path(), "engine", "shop").unwrap();
        let Err(NoLock::Held(holder)) = take(place.path(), "engine", "shop") else { panic!("taken twice") };
        assert_eq!(holder, format!("pid {}, with the data directory /srv/data", std::process::id()));
        drop(first);
        take(place.path(), "engine", "shop").unwrap();
    }

    #[test]
    fn other_projects_and_other_engines_have_others() {
        let place = tempfile::tempdir().unwrap();
        let _first = take(place.path(), "engine", "shop").unwrap();
        let _second = take(place.path(), "engine", "shop2").unwrap();
        let _third = take(place.path(), "another", "shop").unwrap();
    }

    #[test]
    fn a_file_that_was_replaced_under_its_holder_is_no_lock_to_rely_on() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.lock");
        let file = open(&path).unwrap();
        assert!(is_still_at(&file, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!is_still_at(&file, &path).unwrap());
        let _another = open(&path).unwrap();
        assert!(!is_still_at(&file, &path).unwrap());
    }

    #[test]
    fn the_next_place_is_taken_where_one_cannot_be_used() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a-file");
        fs::write(&file, "").unwrap();
        let open_to_all = dir.path().join("open");
        fs::create_dir(&open_to_all).unwrap();
        fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o777)).unwrap();
        let places = [file.join("evenkeel"), open_to_all.clone(), dir.path().join("third")];
        let take = |places| HostLock::take(places, "engine", &"shop".into(), Path::new("/srv/data"));
        assert!(matches!(take(&places[..2]), Err(NoLock::NoPlace { .. })));
        let _lock = take(&places).unwrap();
        assert_eq!(fs::read_dir(&places[2]).unwrap().count(), 1);
        assert_eq!(fs::read_dir(&open_to_all).unwrap().count(), 0);
    }

    #[test]
    fn its_name_is_bounded() {
        let name = file_name("A:B", &"x".repeat(500).into());
        assert!(name.len() < 100 && !name.contains(':'), "{name}");
    }
}
