//! Stand-in for the reconciler: answers what the ledger alone can tell, refuses the rest.

mod stand_in;

pub(crate) use stand_in::{Daemon, StartError, ValidateReport, init, validate};
