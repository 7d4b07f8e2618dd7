//! Room on a disk: how much there is, and what to say where there is too little.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

const MIB: u64 = 1024 * 1024;

/// What is asked of a disk to see whether it takes anything at all.
const SAMPLE: [u8; 4096] = [0; 4096];

/// Bytes that are free for this user in a directory.
///
/// # Errors
/// Where the system does not tell, because there is no such directory for one.
pub(crate) fn free(directory: &Path) -> io::Result<u64> {
    let status = rustix::fs::statvfs(directory)?;
    Ok(status.f_bavail.saturating_mul(status.f_frsize))
}

/// Whether it is an error of a disk, or a quota, that is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Writes a little to a directory and takes it away again: why nothing can be written there, in the system's own terms.
///
/// # Errors
/// Whatever stands against it.
pub(crate) fn probe(directory: &Path) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".evenkeel-probe-").tempfile_in(directory)?;
    file.write_all(&SAMPLE)?;
    file.as_file().sync_all()
}

/// What to say of a full disk: where, how much there is, how much is needed where that is known, and what to do.
pub(crate) fn full(directory: &Path, need: Option<u64>) -> String {
    let free = free(directory).map_or_else(|_| "little".to_owned(), bytes);
    let need = need.map_or_else(String::new, |need| format!(", about {} are needed", bytes(need)));
    format!(
        "no space left in {}: {free} free{need}. Free some there (`df -h {0}`, `du -xh {0}`); evenkeel then goes on by itself",
        directory.display()
    )
}

/// What to say of a file that could not be written: of a full disk all of the above, else the system's words.
pub(crate) fn reason(path: &Path, error: &io::Error) -> String {
    let directory = path.ancestors().find(|it| it.is_dir()).unwrap_or(path);
    match error.kind() {
        _ if is_full(error) => full(directory, None),
        ErrorKind::ReadOnlyFilesystem => read_only(directory),
        _ => error.to_string(),
    }
}

/// What to say of a disk that takes nothing.
pub(crate) fn read_only(directory: &Path) -> String {
    format!(
        "{0} is on a file system that has become read-only, mostly after a fault of the disk (`dmesg`, `findmnt -T {0}`). \
         Once it can be written again, evenkeel goes on by itself; after a repair that unmounts it, start evenkeel again",
        directory.display()
    )
}

/// A size as people read it.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..MIB => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{:.1} MiB", bytes as f64 / MIB as f64),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! A small disk for tests to fill up; only root can mount one.

    use std::path::Path;
    use std::process::Command;

    /// A file system in memory; gone with the value.
    pub(crate) struct SmallDisk(tempfile::TempDir);

    impl SmallDisk {
        /// Of so many KiB; none where this user may not mount one, which is said.
        pub(crate) fn mount(size: u32) -> Option<Self> {
            let directory = tempfile::tempdir().unwrap();
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &format!("size={size}k"), "tmpfs"]).arg(directory.path());
            if mount.status().is_ok_and(|status| status.success()) {
                return Some(Self(directory));
            }
            eprintln!("skipped: a small file system cannot be mounted here");
            None
        }

        pub(crate) fn path(&self) -> &Path {
            self.0.path()
        }

        /// Leaves no byte free.
        pub(crate) fn fill(&self) {
            let size = super::free(self.path()).unwrap() + 4096;
            assert!(std::fs::write(self.filler(), vec![0; size as usize]).is_err());
        }

        /// Takes away what filled it.
        pub(crate) fn relieve(&self) {
            std::fs::remove_file(self.filler()).unwrap();
        }

        fn filler(&self) -> std::path::PathBuf {
            self.path().join("filler")
        }
    }

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(self.path()).status();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_with_its_place_its_size_and_a_way_out() {
        let directory = tempfile::tempdir().unwrap();
        let told = reason(&directory.path().join("not/there"), &ErrorKind::StorageFull.into());
        assert!(told.starts_with(&format!("no space left in {}: ", directory.path().display())), "{told}");
        assert!(told.contains("free") && told.contains("df -h"), "{told}");
        assert!(full(directory.path(), Some(32 * MIB)).contains("about 32.0 MiB are needed"));
        assert_eq!((bytes(1), bytes(3 * MIB / 2)), ("1 KiB".to_owned(), "1.5 MiB".to_owned()));
    }

    #[test]
    fn what_can_be_written_is_probed_without_a_trace() {
        let directory = tempfile::tempdir().unwrap();
        probe(directory.path()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(probe(&directory.path().join("gone")).is_err());
    }
}
