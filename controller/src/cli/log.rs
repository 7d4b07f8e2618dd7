//! The log: to standard error, for people or as JSON.

use tracing_subscriber::EnvFilter;

use super::env;
use crate::config::LogFormat;

/// Starts it. A filter that cannot be read is no reason not to start: `info` then, and a warning.
pub(crate) fn start(format: LogFormat) {
    let wanted = std::env::var(env::LOG).unwrap_or_default();
    let (filter, fault) = match EnvFilter::try_new(if wanted.is_empty() { "info" } else { &wanted }) {
        Ok(filter) => (filter, None),
        Err(fault) => (EnvFilter::new("info"), Some(fault)),
    };
    // At `debug` the engine's client logs whole requests, environments included.
    let filter = match "bollard=info".parse() {
        Ok(cap) => filter.add_directive(cap),
        Err(_) => filter,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(super::output::colours(&std::io::stderr())).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    if let Some(error) = fault {
        tracing::warn!(%error, "{} cannot be read; logging at info", env::LOG);
    }
}
