//! Errors as users see them: what kind, what is wrong, what to do, and an exit code.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use evenkeel_core::located::{Fault, Faults};

use super::output;
use crate::api::{ApiError, ControlStatus, ErrorBody};
use crate::config::ConfigError;
use crate::ledger::LedgerError;
use crate::reconcile::StartError;

/// The exit code of every error: 1 is `plan`'s "there are changes".
const EXIT: u8 = 2;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CliError {
    /// A word or two before the message.
    pub(super) kind: &'static str,
    /// What is wrong.
    pub(super) message: String,
    /// What to do.
    pub(super) hint: Option<String>,
    /// Nothing to say: whoever read the output went away.
    silent: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl CliError {
    /// An error of a kind.
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, silent: false, source: None }
    }

    /// A wrong call.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new("usage", message)
    }

    /// The same with advice.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn because(kind: &'static str, error: impl Error + Send + Sync + 'static) -> Self {
        let source = error.source().map(|cause| chain(cause).into());
        Self { source, ..Self::new(kind, error.to_string()) }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Ends a verb: shows its error, if it has one, and gives the exit code.
pub(crate) fn conclude(result: Result<ExitCode, CliError>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) if error.silent => ExitCode::SUCCESS,
        Err(error) => {
            let text = explain(&error, output::colours(&std::io::stderr()));
            // Where even this cannot be written, the exit code says it.
            let _ = std::io::stderr().write_all(text.as_bytes());
            ExitCode::from(EXIT)
        }
    }
}

/// An error in a few lines.
pub(super) fn explain(error: &CliError, colours: bool) -> String {
    let (red, bold, off) = if colours { ("\x1b[31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    let mut text = format!("{red}error{off} ({}): {}", error.kind, error.message);
    if let Some(source) = &error.source {
        text.push_str(&format!(": {source}"));
    }
    text.push('\n');
    if let Some(hint) = &error.hint {
        text.push_str(&format!("{bold}hint{off}: {hint}\n"));
    }
    text
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        let silent = error.kind() == std::io::ErrorKind::BrokenPipe;
        Self { silent, ..Self::because("system", error) }
    }
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(kind) => std::io::Error::from(kind).into(),
            None => Self::because("protocol", error)
                .hint("the daemon may be of another version than this program; `evenkeel --version` tells this one's"),
        }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Fault(fault) => fault.into(),
            error @ ConfigError::Read { .. } => Self::because("configuration", error),
        }
    }
}

impl From<Fault> for CliError {
    fn from(fault: Fault) -> Self {
        let Fault { hint, snippet, .. } = &fault;
        let bare = Fault { hint: None, ..fault.clone() };
        let message = snippet.as_ref().map_or_else(|| bare.to_string(), |line| format!("{bare}\n    {line}"));
        Self { hint: hint.clone(), ..Self::new("configuration", message) }
    }
}

impl From<Faults> for CliError {
    fn from(faults: Faults) -> Self {
        Self::new("manifest", faults.to_string())
    }
}

impl From<ApiError> for CliError {
    fn from(error: ApiError) -> Self {
        Self::because("listen", error)
    }
}

impl From<LedgerError> for CliError {
    fn from(error: LedgerError) -> Self {
        Self::because("ledger", error)
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        Self::because("start", error)
    }
}

impl From<prometheus::Error> for CliError {
    fn from(error: prometheus::Error) -> Self {
        Self::because("metrics", error)
    }
}

impl From<ErrorBody> for CliError {
    fn from(body: ErrorBody) -> Self {
        let ErrorBody { kind, error, hint } = body;
        let kind = match kind {
            ControlStatus::NotFound => "not found",
            ControlStatus::Conflict => "conflict",
            ControlStatus::Invalid => "invalid",
            ControlStatus::Unavailable => "unavailable",
            ControlStatus::Failed => "failed",
        };
        Self { hint, ..Self::new(kind, error) }
    }
}
