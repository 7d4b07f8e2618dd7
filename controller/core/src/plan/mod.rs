//! Plans: the ordered steps from what is observed to a release.

mod step;

pub use step::*;
