//! What a crash leaves: the world, and the data directory, byte by byte, at one moment.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::likeness::Records;
use super::world::World;

/// What is there after a crash.
#[derive(Clone)]
pub(super) struct Image {
    /// The world.
    pub(super) world: World,
    /// The data directory's files, each in parts that images share.
    files: Arc<Vec<(PathBuf, Parts)>>,
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
        Self { world: world.clone(), files: Arc::new(read(data_dir, &[])), place, rollouts: 0 }
    }

    /// Lays the files out in an empty directory.
    pub(super) fn lay_out(&self, data_dir: &Path) {
        for (path, parts) in self.files.iter() {
            let path = data_dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut file = File::create(path).unwrap();
            parts.iter().for_each(|part| file.write_all(part).unwrap());
        }
    }
}

/// What a file consists of.
type Parts = Vec<Arc<[u8]>>;

/// The files of a directory but for SQLite's shared memory, which is lost with the processes that shared it, and those that
/// the caller has already.
fn read(root: &Path, known: &[&str]) -> Vec<(PathBuf, Parts)> {
    let mut files = Vec::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(directory) = ahead.pop() {
        for path in std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                ahead.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap();
            if name != Path::new(SHARED) && !known.iter().any(|known| name == Path::new(known)) {
                files.push((name.to_owned(), vec![std::fs::read(&path).unwrap_or_default().into()]));
            }
        }
    }
    files
}

/// The ledger's file, its write-ahead log, and their shared memory.
const LOG: &str = "ledger.db-wal";
const SHARED: &str = "ledger.db-shm";

/// The log of the ledger as it grows: what was read of it before is not read again.
#[derive(Default)]
struct Log {
    salts: [u8; 8],
    parts: Parts,
    read: u64,
}

impl Log {
    /// All of it up to its last commit: what comes after that SQLite does not believe.
    fn read(&mut self, data_dir: &Path, header: &Header) -> Parts {
        if self.salts != header.salts() {
            *self = Self { salts: header.salts(), ..Self::default() };
        }
        let until = header.committed();
        if until > self.read {
            let mut part = Vec::new();
            let mut file = File::open(data_dir.join(LOG)).unwrap();
            file.seek(SeekFrom::Start(self.read)).unwrap();
            file.take(until - self.read).read_to_end(&mut part).unwrap();
            self.parts.push(part.into());
            self.read = until;
        }
        self.parts.clone()
    }
}

/// The part of SQLite's shared memory that changes with every transaction (sqlite.org/walformat.html, 2.1).
#[derive(Clone, PartialEq)]
pub(super) struct Header([u8; 48]);

impl Header {
    fn read(data_dir: &Path) -> Self {
        let mut header = [0; 48];
        File::open(data_dir.join(SHARED)).and_then(|mut file| file.read_exact(&mut header)).unwrap();
        Self(header)
    }

    /// They change when the log begins anew.
    fn salts(&self) -> [u8; 8] {
        self.0[32..40].try_into().unwrap()
    }

    /// How long the log is that is committed, bytes: its header, and frames of a page with a header each.
    fn committed(&self) -> u64 {
        let page = u64::from(u16::from_ne_bytes(self.0[14..16].try_into().unwrap()));
        let frames = u64::from(u32::from_ne_bytes(self.0[16..20].try_into().unwrap()));
        if frames == 0 { 0 } else { 32 + frames * (24 + page) }
    }
}

/// Takes an image whenever something has become durable.
pub(super) struct Recorder {
    data_dir: PathBuf,
    sink: Sink,
    records: Records,
    last: Option<(u64, Header)>,
    log: Log,
    count: usize,
}

/// Hears of every moment at which something has become durable.
pub(super) type Sink = Box<dyn FnMut(&mut Moment<'_>) + Send>;

/// A moment at which something has become durable.
pub(super) struct Moment<'a> {
    pub(super) world: &'a World,
    pub(super) records: &'a mut Records,
    pub(super) place: String,
    data_dir: &'a Path,
    pub(super) header: &'a Header,
    log: &'a mut Log,
}

impl Moment<'_> {
    /// What a crash would leave.
    pub(super) fn image(&mut self) -> Image {
        let mut files = read(self.data_dir, &[LOG]);
        files.push((PathBuf::from(LOG), self.log.read(self.data_dir, self.header)));
        Image { world: self.world.clone(), files: Arc::new(files), place: self.place.clone(), rollouts: 0 }
    }
}

impl Recorder {
    pub(super) fn new(data_dir: &Path, sink: Sink) -> Self {
        let records = Records::of(data_dir);
        Self { data_dir: data_dir.to_owned(), sink, records, last: None, log: Log::default(), count: 0 }
    }

    /// What did not change since the last moment is the same crash.
    pub(super) fn record(&mut self, world: &World, changes: u64, what: &str) {
        let now = (changes, Header::read(&self.data_dir));
        if self.last.as_ref() == Some(&now) {
            return;
        }
        let (_, header) = self.last.insert(now);
        self.count += 1;
        let place = format!("{}: {what}", self.count);
        let (records, data_dir, log) = (&mut self.records, self.data_dir.as_path(), &mut self.log);
        (self.sink)(&mut Moment { world, records, place, data_dir, header, log });
    }
}
