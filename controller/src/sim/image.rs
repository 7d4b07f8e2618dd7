//! What a crash leaves: the world, and the data directory, byte by byte, at one moment.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::likeness::Records;
use super::world::World;

/// What is there after a crash.
#[derive(Clone)]
pub(super) struct Image {
    /// The world.
    pub(super) world: World,
    /// The data directory's files.
    pub(super) files: Arc<Vec<(PathBuf, Vec<u8>)>>,
    /// When it was taken.
    pub(super) place: String,
    /// How many rollouts the ledger had, where that is known.
    pub(super) rollouts: usize,
}

impl Image {
    /// Nothing yet.
    pub(super) fn blank() -> Self {
        Self { world: World::new(), files: Arc::default(), place: "the beginning".to_owned(), rollouts: 0 }
    }

    /// The world alone, for somebody without any data directory.
    pub(super) fn of(world: &World) -> Self {
        Self { world: world.clone(), ..Self::blank() }
    }

    pub(super) fn take(world: &World, data_dir: &Path, place: String) -> Self {
        let mut files = Vec::new();
        read(data_dir, data_dir, &mut files);
        files.sort();
        Self { world: world.clone(), files: Arc::new(files), place, rollouts: 0 }
    }

    /// Lays the files out in an empty directory.
    pub(super) fn lay_out(&self, data_dir: &Path) {
        for (path, bytes) in self.files.iter() {
            let path = data_dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// SQLite's shared memory is lost with the processes that shared it.
fn read(root: &Path, directory: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read(root, &path, files);
        } else if path.extension().is_none_or(|extension| extension != "db-shm") {
            let bytes = std::fs::read(&path).unwrap_or_default();
            files.push((path.strip_prefix(root).unwrap().to_owned(), bytes));
        }
    }
}

/// Takes an image whenever something has become durable.
pub(super) struct Recorder {
    data_dir: PathBuf,
    sink: Sink,
    records: Records,
    last: Option<(u64, [u8; HEADER])>,
    count: usize,
}

/// Hears of every moment at which something has become durable.
pub(super) type Sink = Box<dyn FnMut(&Moment<'_>) + Send>;

/// A moment at which something has become durable.
pub(super) struct Moment<'a> {
    pub(super) world: &'a World,
    pub(super) records: &'a Records,
    pub(super) place: String,
    data_dir: &'a Path,
}

impl Moment<'_> {
    /// What a crash would leave.
    pub(super) fn image(&self) -> Image {
        Image::take(self.world, self.data_dir, self.place.clone())
    }
}

/// The part of SQLite's shared memory that changes with every transaction (sqlite.org/walformat.html, 2.1).
const HEADER: usize = 48;

impl Recorder {
    pub(super) fn new(data_dir: &Path, sink: Sink) -> Self {
        let records = Records::of(data_dir);
        Self { data_dir: data_dir.to_owned(), sink, records, last: None, count: 0 }
    }

    /// What did not change since the last moment is the same crash.
    pub(super) fn record(&mut self, world: &World, changes: u64, what: &str) {
        let now = (changes, header(&self.data_dir));
        if self.last == Some(now) {
            return;
        }
        self.last = Some(now);
        self.count += 1;
        let place = format!("{}: {what}", self.count);
        (self.sink)(&Moment { world, records: &self.records, place, data_dir: &self.data_dir });
    }
}

fn header(data_dir: &Path) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let file = std::fs::File::open(data_dir.join("ledger.db-shm"));
    file.and_then(|mut file| file.read_exact(&mut header)).unwrap();
    header
}
