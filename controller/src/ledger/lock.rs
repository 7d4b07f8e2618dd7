//! One evenkeel a data directory: the kernel gives the lock back however the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::LedgerError;

/// An exclusive lock on a data directory, held as long as the value lives.
pub(super) struct Lock(#[expect(dead_code, reason = "held for the lock on it")] File);

impl Lock {
    /// Takes the lock, and writes this process's id into it for whoever comes second.
    pub(super) fn take(dir: &Path) -> Result<Self, LedgerError> {
        let path = dir.join("evenkeel.lock");
        let io = |source| LedgerError::from_io("lock", &path, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::Locked { path: dir.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        // Only for whoever comes second; a disk that is full, or takes nothing, says so where it matters.
        drop(write_pid(&mut file));
        Ok(Self(file))
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(32).read_to_string(&mut text);
    match text.trim() {
        pid if read.is_ok() && !pid.is_empty() => format!("pid {pid}"),
        _ => "of unknown pid".to_owned(),
    }
}
