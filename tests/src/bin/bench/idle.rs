//! What evenkeel costs while there is nothing to do.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evenkeel_tests::Controller;
use serde::Serialize;

const ENGINE: &str = "/var/run/docker.sock";
const WATCHED: Duration = Duration::from_secs(60);

/// What a minute of nothing costs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Idle {
    /// Seconds of CPU in a minute, with a poll every two seconds and two applications.
    pub(crate) cpu_seconds_per_minute: f64,
    /// Requests to the engine in a minute.
    pub(crate) engine_calls_per_minute: u64,
    /// Resident memory.
    pub(crate) resident_bytes: u64,
}

pub(crate) fn measure(controller: &Controller, calls: Option<&Calls>) -> Idle {
    // What a rollout leaves to tidy up is done by then.
    std::thread::sleep(Duration::from_secs(5));
    let count = || calls.map(Calls::count).unwrap_or_default();
    let (cpu, before) = (cpu(controller), count());
    std::thread::sleep(WATCHED);
    let resident = controller.metrics().sum("process_resident_memory_bytes", &[]) as u64;
    Idle {
        cpu_seconds_per_minute: ((self::cpu(controller) - cpu) * 100.0).round() / 100.0,
        engine_calls_per_minute: count() - before,
        resident_bytes: resident,
    }
}

/// Seconds of CPU since its start: `utime` and `stime` of proc_pid_stat(5), in ticks of 1/100 s on every Linux that Rust runs on.
/// The metric of the same name counts whole seconds, too coarse for a minute of nothing.
fn cpu(controller: &Controller) -> f64 {
    let path = format!("/proc/{}/stat", controller.pid());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|problem| panic!("{path}: {problem}"));
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok());
    f64::from(ticks.sum::<u32>()) / 100.0
}

/// The engine's socket, with everything that is asked counted.
pub(crate) struct Calls(AtomicU64);

impl Calls {
    /// Stands at a path between evenkeel and the engine, as long as the process lives.
    pub(crate) fn listen(path: &Path) -> Arc<Self> {
        let (calls, listener) = (Arc::new(Self(AtomicU64::new(0))), UnixListener::bind(path));
        let listener = listener.unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        let counted = Arc::clone(&calls);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || counted.pass(client));
            }
        });
        calls
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn pass(&self, client: UnixStream) -> Option<()> {
        let engine = UnixStream::connect(ENGINE).ok()?;
        let (answers, asker) = (engine.try_clone().ok()?, client.try_clone().ok()?);
        let back = std::thread::spawn(move || copy(answers, asker, |_| ()));
        copy(client, engine, |bytes| {
            let requests = bytes.windows(11).filter(|window| *window == b" HTTP/1.1\r\n").count();
            self.0.fetch_add(requests as u64, Ordering::Relaxed);
        });
        back.join().ok()
    }
}

/// Passes on, half-closes included: an attached container's input ends by one.
fn copy(mut from: UnixStream, mut to: UnixStream, seen: impl Fn(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
        seen(&buffer[..count]);
    }
    let _ = to.shutdown(Shutdown::Write);
}
