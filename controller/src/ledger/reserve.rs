//! Room that is kept for the ledger alone: a file of some megabytes that is given up when the disk is full. A rollout that has
//! begun can then be put back, or brought to its end, on record; whatever is not needed for that waits until there is room again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use crate::space;

/// The file's name in the data directory.
const FILE: &str = "ledger.reserve";

/// Its size in bytes: SQLite's log grows to four megabytes before it is used again, and as much may have to be moved from it.
pub(super) const SIZE: u64 = 8 * 1024 * 1024;

/// What has to be free beside it before it is made again, so that it is not made and given up in turns.
const BESIDE: u64 = SIZE;

/// The reserve of a data directory.
pub(super) struct Reserve {
    directory: PathBuf,
}

impl Reserve {
    /// In this directory, there or not.
    pub(super) fn of(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Gives it up; whether there was one.
    pub(super) fn give_up(&self) -> bool {
        let there = fs::remove_file(self.file()).is_ok();
        if there {
            let directory = self.directory.display().to_string();
            tracing::warn!(
                directory,
                "no space left: the ledger's reserve is given up, and nothing new is begun"
            );
        }
        there
    }

    /// Sees to it that it is there; what it takes that there is not, else.
    pub(super) fn keep(&self) -> Result<(), Short> {
        if self.is_whole() {
            return Ok(());
        }
        let short = |_: io::Error| Short { need: SIZE + BESIDE };
        if space::free(&self.directory).map_err(short)? < SIZE + BESIDE {
            return Err(Short { need: SIZE + BESIDE });
        }
        self.make().inspect_err(|_| drop(fs::remove_file(self.file()))).map_err(short)
    }

    fn is_whole(&self) -> bool {
        fs::metadata(self.file()).is_ok_and(|meta| meta.len() == SIZE)
    }

    fn make(&self) -> io::Result<()> {
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.file())?;
        match fallocate(&file, FallocateFlags::empty(), 0, SIZE) {
            Ok(()) => file.sync_all(),
            Err(rustix::io::Errno::NOSPC) => Err(io::ErrorKind::StorageFull.into()),
            Err(_) => write_out(file),
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.join(FILE)
    }
}

/// Where the file system cannot promise blocks, they are written; not as zeros, which some would not store.
fn write_out(mut file: File) -> io::Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    for _ in 0..SIZE / chunk.len() as u64 {
        chunk.fill_with(|| fastrand::u8(..));
        file.write_all(&chunk)?;
    }
    file.sync_all()
}

/// There is too little room for it.
pub(super) struct Short {
    /// How much there has to be, in bytes.
    pub(super) need: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_its_room_until_it_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(directory.path());
        assert!(!reserve.give_up(), "there is none yet");
        assert!(reserve.keep().is_ok() && reserve.keep().is_ok());
        let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(reserve.file()).unwrap());
        assert!(blocks * 512 >= SIZE, "its blocks are its own: {blocks}");
        assert!(reserve.give_up() && !reserve.is_whole());
    }

    #[test]
    fn written_out_it_has_the_same_size() {
        let file = tempfile::NamedTempFile::new().unwrap();
        write_out(file.reopen().unwrap()).unwrap();
        assert_eq!(file.as_file().metadata().unwrap().len(), SIZE);
    }
}
