//! What a process that ended left under way: its one-off containers, and their sessions on the database.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::container::label;
use evenkeel_core::observed::Container;
use evenkeel_core::plan::{Role, backstage, temporary};
use evenkeel_core::release::Release;
use evenkeel_core::spec::outside;

use super::database::gateway;
use super::{Context, Failure};
use crate::database::Quarry;

/// How long sessions may take to go.
const HUNT: Duration = Duration::from_secs(60);

/// Ends what runs beside the services though no step is being made, before anybody looks at the database: while a migration
/// goes on, what it shows is not the truth. Only to be called between rollouts.
///
/// A container goes last, so that after another crash it still tells that there are sessions to look for.
pub(crate) async fn sweep(context: &Context, release: &Release) -> Result<(), Failure> {
    let containers = context.engine.containers(&release.project.name).await?;
    remove_again(context, &containers).await?;
    let mut left: Vec<&Container> = Vec::new();
    for container in containers.iter().filter(|it| is_temporary(context, it) && !it.given_up()) {
        // An operator may be proving a backup right now.
        if !context.holds_helper(&container.id).await {
            left.push(container);
        }
    }
    for container in &left {
        tracing::warn!(app = %context.app, container = %container.name, "an earlier process left it under way; it is ended");
        context.engine.stop(container.id.as_str(), Some(Duration::ZERO)).await?;
    }
    if !left.is_empty()
        && let Some(target) = context.running_database(release).await?
    {
        context.databases.hunt(&target, &context.quarry(release).await?, HUNT).await?;
    }
    for container in &left {
        context.engine.remove(container.id.as_str(), true).await?;
    }
    Ok(())
}

/// What the engine has given up: whatever held its files may have let go of them.
async fn remove_again(context: &Context, containers: &[Container]) -> Result<(), Failure> {
    // One that is on record as serving goes once another has its place, and its anonymous volumes.
    let serving = context.ledger.serving(&context.app)?;
    let is_ours = |it: &&Container| {
        it.label(label::APP) == Some(context.app.as_str()) && !serving.values().any(|id| *id == it.id)
    };
    for container in containers.iter().filter(|it| it.given_up()).filter(is_ours) {
        let temporary = container.label(label::ROLE).is_some_and(|role| role != Role::Replacement.as_str());
        context.engine.remove(container.id.as_str(), temporary).await?;
    }
    Ok(())
}

fn is_temporary(context: &Context, container: &Container) -> bool {
    temporary(container) && container.label(label::APP) == Some(context.app.as_str())
}

impl Context {
    /// Sessions from the private network that belong to nobody alive were left by a migration that was killed.
    pub(super) async fn quarry(&self, release: &Release) -> Result<Quarry, Failure> {
        if outside(release) {
            return Ok(Quarry { by_name_only: true, ..Quarry::default() });
        }
        let name = backstage(&release.project.name);
        let Some(network) = self.engine.network(&name).await? else { return Ok(Quarry::default()) };
        let containers = self.engine.containers(&release.project.name).await?;
        let addresses = containers
            .iter()
            .filter(|container| container.running())
            .filter_map(|container| container.networks.get(&name)?.ip_address.parse().ok());
        let gateways = network.subnets.iter().filter_map(|subnet| gateway(subnet));
        let alive: BTreeSet<IpAddr> = addresses.chain(gateways).collect();
        Ok(Quarry { subnets: network.subnets, alive, ..Quarry::default() })
    }
}
