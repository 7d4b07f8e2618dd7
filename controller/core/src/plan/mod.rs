//! Plans: the ordered steps from what is observed to a release.

mod adopt;
mod alike;
mod clear_away;
mod deploy;
pub mod drift;
mod explain;
mod explained;
mod facts;
mod hooks;
mod lint;
mod major;
mod make;
mod on_takeover;
mod prepare;
mod room;
mod schema;
mod service;
mod step;
#[cfg(test)]
mod tests;
mod undo;
mod way_down;

pub use adopt::{adopted, before, inherited, unnoted, unrecorded};
pub use alike::{alike, vetted};
pub use clear_away::clear_away;
pub use deploy::writes;
pub use explain::differences;
pub use explained::{Move, explain};
pub use facts::*;
pub use lint::lint;
pub use make::{Blocked, make, waiting_for};
pub use on_takeover::{hooks, is_last, told};
pub use schema::{SchemaMove, schema_move};
pub use service::final_name;
pub use step::*;
pub use undo::{Before, undo};
