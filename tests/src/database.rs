//! The database, asked by `psql` in its own container.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::command::{command, feed};
use crate::load::Row;
use crate::world::World;

const PSQL: [&str; 9] = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "convertik"];

impl World {
    /// What a statement gives, `|` between columns.
    pub fn psql(&self, statement: &str) -> String {
        feed(&mut psql(&self.names.container("db")), statement)
    }

    /// The rows of the revision table.
    pub fn schema_revision(&self) -> String {
        self.psql("SELECT string_agg(version_num, ',' ORDER BY version_num) FROM alembic_version")
    }

    /// Every column, index and constraint of the user's tables, as text that can be compared.
    pub fn schema(&self) -> String {
        self.psql(
            "SELECT table_name, column_name, data_type, is_nullable, character_maximum_length, column_default \
             FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position; \
             SELECT i.relname, x.indisvalid, pg_get_indexdef(x.indexrelid) FROM pg_index x \
             JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace \
             WHERE n.nspname = 'public' ORDER BY 1; \
             SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint \
             WHERE connamespace = 'public'::regnamespace ORDER BY 1",
        )
    }

    /// How many conversions there are.
    pub fn count_rows(&self) -> usize {
        self.psql("SELECT count(*) FROM conversions").parse().expect("a count is a number")
    }

    /// Rows that every migration of the fixtures has to cope with, two of them alike.
    pub fn seed_rows(&self) -> Vec<Row> {
        let values =
            "VALUES ('USD','EUR',10,9.2,'seed'), ('USD','EUR',10,9.2,'seed'), ('GBP','USD',7.5,9.4936,NULL)";
        let insert = format!(
            "INSERT INTO conversions (source,target,amount,result,client) {values} RETURNING id, amount"
        );
        self.psql(&insert).lines().map(Row::parse).collect()
    }

    /// Fails unless every row that somebody was told about is there, unchanged.
    pub fn assert_rows(&self, acknowledged: &[Row]) {
        let there = self.psql("SELECT id, amount FROM conversions");
        let there: std::collections::HashSet<Row> = there.lines().map(Row::parse).collect();
        let lost: Vec<&Row> = acknowledged.iter().filter(|row| !there.contains(row)).take(10).collect();
        assert!(
            lost.is_empty(),
            "of {} acknowledged rows are lost or changed: {lost:?} …",
            acknowledged.len()
        );
    }

    /// Opens a session that reads the table in a transaction and keeps it open until it is dropped.
    pub fn open_transaction(&self) -> Session {
        let mut session = Session::open(&self.names.container("db"));
        assert_eq!(session.ask("BEGIN; SELECT count(*) >= 0 FROM conversions;").as_deref(), Some("t"));
        session
    }
}

fn psql(container: &str) -> std::process::Command {
    let mut args = vec!["exec", "-i", container];
    args.extend(PSQL);
    args.extend(["-d", "convertik"]);
    command("docker", args)
}

/// One session of `psql`, asked line by line.
#[derive(Debug)]
pub struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// In a container.
    pub fn open(container: &str) -> Self {
        let mut command = psql(container);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("docker can be started");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, input, output }
    }

    /// The first line of the answer; `None` once the session is gone.
    pub fn ask(&mut self, statement: &str) -> Option<String> {
        self.input.write_all(statement.as_bytes()).and_then(|()| self.input.write_all(b"\n")).ok()?;
        self.input.flush().ok()?;
        let mut line = String::new();
        let count = self.output.read_line(&mut line).ok()?;
        (count > 0).then(|| line.trim_end().to_owned())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.input.write_all(b"\\q\n");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who writes beside the application, straight into PostgreSQL, and remembers every row that was acknowledged.
#[derive(Debug)]
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Row>>,
}

impl Writer {
    /// Twenty rows a second, until it is stopped.
    pub fn start(world: &World) -> Self {
        let (stop, container) = (Arc::new(AtomicBool::new(false)), world.names.container("db"));
        let flag = Arc::clone(&stop);
        Self { stop, thread: std::thread::spawn(move || write(&container, &flag)) }
    }

    /// Stops it, and gives what was acknowledged.
    pub fn stop(self) -> Vec<Row> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a writer does not panic")
    }
}

fn write(container: &str, stop: &AtomicBool) -> Vec<Row> {
    let (mut session, mut rows) = (Session::open(container), Vec::new());
    for count in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let insert = format!(
            "INSERT INTO conversions (source,target,amount,result) VALUES ('EUR','RUB',{count}.5,1) RETURNING id, amount;"
        );
        match session.ask(&insert) {
            Some(line) => rows.push(Row::parse(&line)),
            None => session = Session::open(container),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    rows
}
