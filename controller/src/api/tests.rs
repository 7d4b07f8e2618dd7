//! The API over real sockets, before a fake daemon.

pub(crate) mod fake;
mod listener;
mod socket;
