//! Compose, as users have it: read, merged, interpolated, normalised.

mod model;

pub use model::*;
