//! The loop: look, decide, act, record. A trigger only says *look again*, and is kept as the reason.

mod app;
mod choose;
mod control;
mod daemon;
mod desired;
#[cfg(test)]
mod driver;
mod events;
mod follow;
mod let_go;
mod owner;
mod pass;
mod retention;
mod validate;
mod view;

pub(crate) use daemon::{Daemon, StartError};
#[cfg(test)]
pub(crate) use driver::Driver;
pub(crate) use validate::{ValidateReport, init, validate};
