//! The database: what it is at, moving its schema, keeping its rows.
//!
//! `target → observe, fingerprint → lock → rehearsal → backup → migration (blocking, hunt) → fingerprint`. What the findings mean
//! is decided in `evenkeel_core::database`; everything here is one read or one bounded effect, and the trait [`Databases`] lists them. Statements go through a network
//! address, PostgreSQL's client programs through exec, in the server's container or beside it.

mod access;
mod backup;
mod blocking;
mod error;
mod fingerprint;
mod hunt;
mod lock;
mod migration;
mod observe;
mod programs;
mod rehearsal;
mod sweep;
mod target;
#[cfg(test)]
mod testing;
mod tls;

pub(crate) use self::access::{Databases, Held, Postgres};
#[cfg(test)]
pub(crate) use self::backup::Restored;
pub(crate) use self::backup::{Request as BackupRequest, Store};
#[cfg(test)]
pub(crate) use self::blocking::Blocking;
pub(crate) use self::error::DatabaseError;
#[cfg(test)]
pub(crate) use self::hunt::Found;
pub(crate) use self::hunt::Quarry;
pub(crate) use self::migration::{Ended, Limits, OneOff, Outcome, run, scripts};
pub(crate) use self::observe::Observation;
pub(crate) use self::programs::Programs;
pub(crate) use self::rehearsal::{Request as RehearsalRequest, rehearse};
pub(crate) use self::target::Target;
