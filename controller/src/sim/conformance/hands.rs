//! What a scenario needs beside evenkeel's own traits.

use std::collections::BTreeSet;

use async_trait::async_trait;
use evenkeel_core::name::ContainerId;

use crate::engine::Engine;

/// What a person does beside evenkeel, and what only shows inside a container.
#[async_trait(?Send)]
pub(super) trait Hands {
    /// A port of the host that nobody has, for the so-manieth time.
    fn free_port(&self, number: u16) -> u16;

    /// A subnet that nobody has, with room for sixty addresses.
    fn subnet(&self, number: u8) -> String;

    /// Makes sure that there is an image with PostgreSQL; its reference.
    async fn postgres(&self, engine: &dyn Engine) -> &'static str;

    /// Pauses a container.
    async fn pause(&self, container: &ContainerId);

    /// Makes a container's process end with this exit code.
    async fn end(&self, container: &ContainerId, exit_code: u8);

    /// Removes a network.
    async fn remove_network(&self, name: &str);

    /// The addresses that each name has in a container.
    async fn resolve(&self, from: &ContainerId, names: &[&str]) -> Vec<BTreeSet<String>>;

    /// Writes a row through a session of its own, unless that has to wait for somebody; whether it is written.
    async fn write(&self, server: &ContainerId, row: u64) -> bool;

    /// Makes barred migrations on a server wait.
    async fn bar(&self, server: &ContainerId);

    /// Lets them go on: whoever is there to wait for it, and what is left of the killed.
    async fn unbar(&self, server: &ContainerId);

    /// How many sessions there are that are neither evenkeel's nor the server's own.
    async fn sessions(&self, server: &ContainerId) -> usize;
}
