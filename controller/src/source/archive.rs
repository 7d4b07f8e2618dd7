//! A build context as a tar file: the same list gives the same bytes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::checkout::Checkout;
use super::context::{Content, Context, ContextEntry, ContextError};
use crate::space;

impl Checkout {
    /// Writes a context that this commit listed; one blob at a time is in memory.
    ///
    /// # Errors
    /// Where the file cannot be written or the mirror is broken. What was written so far is removed.
    pub(crate) fn write_context(&self, context: &Context, to: &Path) -> Result<(), ContextError> {
        let done = self.write_all(context, to);
        if done.is_err() {
            let _ = std::fs::remove_file(to);
        }
        done
    }

    fn write_all(&self, context: &Context, to: &Path) -> Result<(), ContextError> {
        let failed = |e: std::io::Error| ContextError::Write {
            path: to.display().to_string(),
            reason: space::reason(to, &e),
        };
        let file =
            File::options().create(true).write(true).truncate(true).mode(0o600).open(to).map_err(failed)?;
        let mut archive = Builder::new(BufWriter::new(file));
        // Not zero: web servers make Last-Modified and ETag from it, and browsers would keep what a deployment replaced.
        let time = u64::try_from(self.meta()?.committed_at.as_second()).unwrap_or_default();
        for entry in &context.entries {
            let content = self.content(entry)?;
            append(&mut archive, entry, &content, time).map_err(failed)?;
        }
        archive.into_inner().and_then(|mut out| out.flush()).map_err(failed)
    }

    fn content(&self, entry: &ContextEntry) -> Result<Vec<u8>, ContextError> {
        match &entry.content {
            Content::None => Ok(Vec::new()),
            Content::Blob(id) => Ok(self.blob(*id)?),
            Content::Text(text) => Ok(text.clone().into_bytes()),
        }
    }
}

fn append<W: Write>(
    archive: &mut Builder<W>,
    entry: &ContextEntry,
    content: &[u8],
    time: u64,
) -> std::io::Result<()> {
    let (kind, mode, size) = match entry.mode {
        0o040_000 => (EntryType::Directory, 0o755, 0),
        0o120_000 => (EntryType::Symlink, 0o777, 0),
        mode => (EntryType::Regular, mode & 0o777, content.len() as u64),
    };
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(time);
    header.set_uid(0);
    header.set_gid(0);
    match kind {
        EntryType::Symlink => append_link(archive, &mut header, &entry.path, content),
        EntryType::Directory => {
            archive.append_data(&mut header, format!("{}/", entry.path), std::io::empty())
        }
        _ => archive.append_data(&mut header, &entry.path, content),
    }
}

/// The target as its very bytes: the archive's own path type would tidy it.
fn append_link<W: Write>(
    archive: &mut Builder<W>,
    header: &mut Header,
    path: &str,
    target: &[u8],
) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    if header.set_link_name_literal(target).is_ok() {
        return archive.append_data(header, path, std::io::empty());
    }
    archive.append_link(header, path, std::ffi::OsStr::from_bytes(target))
}
