//! Volumes. They are made and looked for, never removed; the records of `owner` are no user's.

use bollard::models::VolumeCreateRequest;

use super::{Docker, errors, path::segment};
use crate::engine::{EngineError, VolumeSpec};

impl Docker {
    pub(super) async fn has_volume(&self, name: &str) -> Result<bool, EngineError> {
        let client = self.client().await?;
        let inspected =
            self.ask(format!("inspect volume {name}"), client.inspect_volume(&segment(name))).await;
        Ok(errors::found(inspected)?.is_some())
    }

    /// Creates a volume; the engine answers with the one that exists already.
    pub(super) async fn make_volume(&self, spec: &VolumeSpec) -> Result<(), EngineError> {
        let client = self.client().await?;
        let VolumeSpec { name, driver, options, labels } = spec.clone();
        let request = VolumeCreateRequest {
            driver_opts: Some(options.into_iter().collect()),
            labels: Some(labels.into_iter().collect()),
            name: Some(name),
            driver,
            ..Default::default()
        };
        self.ask(format!("create volume {}", spec.name), client.create_volume(request)).await.map(drop)
    }
}
