//! The host that this process runs on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Where this process runs.
pub(crate) struct Surroundings {
    /// The host's name, for people.
    pub(crate) host: String,
    /// Where the locks of this host may be; the first that can be used is. All evenkeels of a host have to come to the same, so the
    /// others are for those that cannot write in the first at all.
    pub(crate) lock_places: Vec<PathBuf>,
}

impl Surroundings {
    /// Looks at the host.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub(crate) fn look() -> std::io::Result<Self> {
        let user = fs::metadata("/proc/self")?.uid();
        let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty());
        let places = [Some(PathBuf::from("/run")), own.map(PathBuf::from)];
        let mut lock_places: Vec<PathBuf> =
            places.into_iter().flatten().map(|directory| directory.join("evenkeel")).collect();
        lock_places.push(std::env::temp_dir().join(format!("evenkeel-{user}")));
        Ok(Self { host: fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned(), lock_places })
    }
}
