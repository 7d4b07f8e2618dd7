//! The ways in: the control API on a unix socket, for the command line, and a read-only listener for monitoring and webhooks.

mod act;
mod control;
mod error;
mod listener;
mod query;
mod socket;
mod webhook;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use act::Line;
pub(crate) use control::{Control, ControlError, ControlStatus, PlanReport, PlanStep, ProgressLine};
pub(crate) use error::{ApiError, ErrorBody};
pub(crate) use listener::Listener;
pub(crate) use socket::Socket;

use std::sync::Arc;

use crate::config::SecretFile;
use crate::metrics::Metrics;

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct Api {
    /// The daemon.
    pub(crate) control: Arc<dyn Control>,
    /// The counters.
    pub(crate) metrics: Arc<Metrics>,
    /// The webhook's shared secret; without one everybody who reaches the listener may say "look again".
    pub(crate) webhook_secret: Option<SecretFile>,
}
