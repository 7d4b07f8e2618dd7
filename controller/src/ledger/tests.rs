//! The ledger on a real file system: reopening, refusing, and what it gives back.

mod opening;
mod records;
mod sample;
