//! The journal of rollouts, read from the ledger's own file while the controller writes it. What is in there was committed: a
//! moment later is as near to a step as anybody outside of the process can come.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row};

/// How often the file is asked. An entry costs its writer more than this, so that none goes by unseen as a rule.
const PAUSE: Duration = Duration::from_micros(50);

/// Into an effect of the engine: the look that comes before it takes about as long.
const AMID: Duration = Duration::from_millis(8);
/// Into one that takes its time.
const AMID_SLOW: Duration = Duration::from_millis(300);
const SLOW: [&str; 8] = ["build", "pull", "read-scripts", "rehearse", "backup", "migrate", "restore", "bake"];

/// What a restart finds begun, and marks as interrupted, is no moment of its own.
const NEWEST: &str = "SELECT id, stage, name, subject, outcome FROM steps \
    WHERE rollout = (SELECT max(id) FROM rollouts WHERE app = ?1 AND revision = ?2 AND id > ?3) \
    AND outcome IS NOT 'interrupted' ORDER BY id DESC LIMIT 1";
const ENDED: &str = "SELECT finished_at IS NOT NULL AND outcome <> 'Cancelled' FROM rollouts \
    WHERE app = ?1 AND revision = ?2 AND id > ?3 ORDER BY id DESC LIMIT 1";

/// Which side of its effect a step is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The intent is on record.
    Begun,
    /// A little later: the effect is being made.
    Amid,
    /// So is what came of it.
    Done,
}

/// A moment of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// `prepare`, `deploy` or `revert`.
    pub stage: String,
    /// `build`, `migrate`, …
    pub step: String,
    /// What it is about.
    pub subject: String,
    /// Before or after.
    pub side: Side,
}

/// The journal of one application.
#[derive(Debug)]
pub struct Journal {
    file: PathBuf,
    app: String,
    reader: Option<Connection>,
    /// The last entry of the controller that was killed last: what is newer is of the one that runs.
    dead: i64,
    /// The last entry that was seen.
    seen: i64,
    /// The last rollout that does not count.
    past: i64,
}

impl Journal {
    /// In a data directory; the ledger need not be there yet.
    pub fn of(data_dir: &Path, app: &str) -> Self {
        Self {
            file: data_dir.join("ledger.db"),
            app: app.to_owned(),
            reader: None,
            dead: 0,
            seen: 0,
            past: 0,
        }
    }

    /// The same, of rollouts that are begun after this one only.
    #[must_use]
    pub fn after(self, rollout: i64) -> Self {
        Self { past: rollout, ..self }
    }

    /// Waits for a moment that `wanted` takes; `None` once the rollout of that commit, the latest one, has ended, however.
    ///
    /// # Panics
    /// When neither happens within `limit`.
    pub fn wait(
        &mut self,
        revision: &str,
        limit: Duration,
        wanted: impl Fn(&Moment) -> bool,
    ) -> Option<Moment> {
        let start = Instant::now();
        let mut last = None;
        while start.elapsed() < limit {
            match self.now(revision) {
                Some(moment) if wanted(&moment) => return Some(moment),
                moment => last = moment.or(last),
            }
            let past = self.past;
            if self.asked(|reader, app| ended(reader, app, revision, past)) == Some(true) {
                return None;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("nothing of what was wanted was journalled within {limit:?}; the last was {last:?}");
    }

    /// Waits as long as an effect may be on its way, or until it is on record as done.
    pub fn amid(&mut self, revision: &str, begun: &Moment) {
        let slow = SLOW.contains(&begun.step.as_str());
        let (start, pause) = (Instant::now(), if slow { AMID_SLOW } else { AMID });
        while start.elapsed() < pause && self.now(revision).as_ref() == Some(begun) {
            std::thread::sleep(PAUSE);
        }
    }

    fn now(&mut self, revision: &str) -> Option<Moment> {
        let (dead, past) = (self.dead, self.past);
        let (id, moment) = self.asked(|reader, app| newest(reader, app, revision, past))?;
        self.seen = self.seen.max(id);
        (id > dead).then_some(moment)
    }

    /// Lets go of the file, so that the next controller finds it as the last one left it.
    pub fn let_go(&mut self) {
        self.reader = None;
    }

    /// The last moment on record, from a copy: the file itself is recovered by whoever opens it first after a crash, and that is
    /// not to be this one.
    ///
    /// # Panics
    /// When an entry that was there is not there any more.
    pub fn of_the_dead(&mut self, revision: &str) -> Option<Moment> {
        let copy = self.file.with_extension("copy");
        for (from, to) in [(self.file.clone(), copy.clone()), (wal(&self.file), wal(&copy))] {
            std::fs::copy(&from, &to).unwrap_or_else(|problem| panic!("{}: {problem}", from.display()));
        }
        let newest =
            Connection::open(&copy).and_then(|reader| newest(&reader, &self.app, revision, self.past));
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", copy.display()));
        }
        let newest =
            newest.unwrap_or_else(|problem| panic!("the ledger that a crash left cannot be read: {problem}"));
        let (last, seen) = (newest.as_ref().map_or(0, |(id, _)| *id), self.seen);
        assert!(last >= seen, "entry {seen} was on record, and the last one after the crash is {last}");
        newest.map(|(id, moment)| {
            self.dead = id;
            moment
        })
    }

    /// A file that is not there yet, or just being recovered, has nothing to tell.
    fn asked<T>(&mut self, ask: impl FnOnce(&Connection, &str) -> rusqlite::Result<Option<T>>) -> Option<T> {
        if self.reader.is_none() {
            self.reader = reader(&self.file).ok();
        }
        let answer = ask(self.reader.as_ref()?, &self.app);
        if answer.is_err() {
            self.reader = None;
        }
        answer.ok()?
    }
}

fn wal(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", file.display()))
}

fn reader(file: &Path) -> rusqlite::Result<Connection> {
    let reader = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    reader.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(reader)
}

fn newest(
    reader: &Connection,
    app: &str,
    revision: &str,
    past: i64,
) -> rusqlite::Result<Option<(i64, Moment)>> {
    reader.prepare_cached(NEWEST)?.query_row((app, revision, past), moment).optional()
}

fn ended(reader: &Connection, app: &str, revision: &str, past: i64) -> rusqlite::Result<Option<bool>> {
    reader.prepare_cached(ENDED)?.query_row((app, revision, past), |row| row.get(0)).optional()
}

fn moment(row: &Row<'_>) -> rusqlite::Result<(i64, Moment)> {
    let outcome: Option<String> = row.get("outcome")?;
    let side = if outcome.is_some() { Side::Done } else { Side::Begun };
    let moment =
        Moment { stage: row.get("stage")?, step: row.get("name")?, subject: row.get("subject")?, side };
    Ok((row.get("id")?, moment))
}
