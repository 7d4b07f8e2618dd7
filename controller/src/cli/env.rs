//! Every environment variable that evenkeel reads for itself, once.

use std::ffi::OsStr;

/// What to log: `info` by default; `evenkeel=debug`, `warn,evenkeel::source=trace`, …
pub(super) const LOG: &str = "EVENKEEL_LOG";
/// The daemon's socket, for the verbs that ask it.
pub(super) const SOCKET: &str = "EVENKEEL_SOCKET";
/// Set and not empty: no colours (no-color.org).
const NO_COLOR: &str = "NO_COLOR";
/// `dumb`: no colours either.
const TERM: &str = "TERM";

/// Where the socket is unless something says otherwise.
pub(super) const DEFAULT_SOCKET: &str = "/var/lib/evenkeel/evenkeel.sock";

/// Whether the user's environment allows colours.
pub(super) fn colours() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    set(NO_COLOR).is_none() && set(TERM).as_deref() != Some(OsStr::new("dumb"))
}
