//! Files of a release whose content the Compose file gives (`configs`, `secrets`), beside those of the repository.
//!
//! They may be secret: the directory is evenkeel's alone, and so is every file until it has its owner and permissions. The engine
//! mounts them into containers, where their own permissions count.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use evenkeel_core::name::{AppName, ReleaseDigest};
use evenkeel_core::secret::Secret;
use evenkeel_core::spec::GIVEN;

use super::materialise::{MaterialiseError, Releases, failed, write_file};

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// Its path below the release's given files.
    pub name: String,
    /// What it holds.
    pub content: Secret,
    /// Its permissions.
    pub mode: u32,
    /// Its owner; evenkeel's own user where `None`.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
}

impl Releases {
    /// Where a release's given files are, or will be.
    pub(crate) fn given(&self, app: &AppName, digest: &ReleaseDigest) -> PathBuf {
        self.directory(app, digest).with_file_name(GIVEN)
    }

    /// Writes them, each whole or not at all. What is there and right stays as it is: containers have it mounted.
    ///
    /// # Errors
    /// Where the disk fails, or evenkeel may not give a file to its owner.
    pub(crate) fn write_given(
        &self,
        app: &AppName,
        digest: &ReleaseDigest,
        files: &[Given],
    ) -> Result<(), MaterialiseError> {
        if files.is_empty() {
            return Ok(());
        }
        let directory = self.given(app, digest);
        private(&directory).map_err(|e| failed(&directory, &e))?;
        for file in files {
            let target = directory.join(&file.name);
            if !intact(&target, file) {
                write(&target, file).map_err(|e| failed(&target, &e))?;
            }
        }
        Ok(())
    }
}

fn private(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(0o700))
}

fn intact(target: &Path, file: &Given) -> bool {
    let Ok(meta) = fs::symlink_metadata(target) else { return false };
    let owned = file.uid.is_none_or(|uid| uid == meta.uid()) && file.gid.is_none_or(|gid| gid == meta.gid());
    let same = || fs::read(target).is_ok_and(|content| content == file.content.expose().as_bytes());
    meta.is_file() && owned && meta.mode() & 0o777 == file.mode && same()
}

fn write(target: &Path, file: &Given) -> std::io::Result<()> {
    write_file(target, file.content.expose().as_bytes(), 0o400)?;
    // In this order: once it is somebody else's, only a process with `CAP_FOWNER` may.
    fs::set_permissions(target, Permissions::from_mode(file.mode))?;
    if file.uid.is_some() || file.gid.is_some() {
        chown(target, file.uid, file.gid)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str, mode: u32, uid: Option<u32>) -> Given {
        let name = "secrets/token/-.-.444".to_owned();
        Given { name, content: Secret::new(content), mode, uid, gid: None }
    }

    #[test]
    fn writes_once_with_the_permissions_asked_for_in_a_directory_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let releases = Releases::new(directory.path());
        let (app, digest) = ("app".into(), "d1".into());
        let write = |file: Given| releases.write_given(&app, &digest, &[file]);
        let given = releases.given(&app, &digest);
        let target = given.join("secrets/token/-.-.444");
        write(file("s3cret", 0o440, None)).unwrap();
        let rights = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((rights(&given), rights(&target)), (0o700, 0o440));
        let inode = fs::metadata(&target).unwrap().ino();
        write(file("s3cret", 0o440, None)).unwrap();
        assert_eq!(fs::metadata(&target).unwrap().ino(), inode);
        fs::remove_file(&target).unwrap();
        fs::write(&target, "tampered").unwrap();
        write(file("s3cret", 0o444, Some(fs::metadata(&target).unwrap().uid()))).unwrap();
        assert_eq!((fs::read_to_string(&target).unwrap().as_str(), rights(&target)), ("s3cret", 0o444));
        assert!(releases.given(&app, &digest).starts_with(directory.path().join("releases/app/d1")));
    }

    #[test]
    fn nothing_given_makes_no_directory() {
        let directory = tempfile::tempdir().unwrap();
        let releases = Releases::new(directory.path());
        releases.write_given(&"app".into(), &"d1".into(), &[]).unwrap();
        assert!(!releases.given(&"app".into(), &"d1".into()).exists());
    }
}
