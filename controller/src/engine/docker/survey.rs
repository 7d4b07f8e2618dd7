//! Everything of the engine at a glance: four listings, however many projects there are.

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum, Network};
use bollard::query_parameters::{ListImagesOptions, ListNetworksOptions, ListVolumesOptions};
use evenkeel_core::container::label;

use super::Docker;
use super::owner::project_of_record;
use crate::engine::{EngineError, Survey};

impl Docker {
    pub(super) async fn survey_all(&self) -> Result<Survey, EngineError> {
        let client = self.client().await?;
        let mut survey = Survey::default();
        for container in self.list(true, Vec::new()).await? {
            let project =
                container.labels.as_ref().and_then(|labels| labels.get(label::COMPOSE_PROJECT)).cloned();
            if let Some(project) = project {
                survey.projects.entry(project.into()).or_default().insert(told(container));
            }
        }
        for network in self.ask("list networks", client.list_networks(None::<ListNetworksOptions>)).await? {
            if let Some(name) = network.name.clone() {
                survey.objects.insert(name, told_network(network));
            }
        }
        let listed = self.ask("list volumes", client.list_volumes(None::<ListVolumesOptions>)).await?;
        for volume in listed.volumes.unwrap_or_default() {
            if let Some(project) = project_of_record(&volume.name) {
                survey.projects.entry(project).or_default().insert(volume.name.clone());
            }
            survey.objects.insert(volume.name, volume.driver);
        }
        for image in self.ask("list images", client.list_images(None::<ListImagesOptions>)).await? {
            survey.objects.extend(image.repo_tags.into_iter().map(|tag| (tag, image.id.clone())));
        }
        Ok(survey)
    }
}

/// What changes when somebody changes it, and not by itself: no "Up 5 minutes".
fn told(container: ContainerSummary) -> String {
    let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let mut places: Vec<String> = networks
        .into_iter()
        .map(|(name, place)| format!("{name}={}", place.endpoint_id.unwrap_or_default()))
        .collect();
    places.sort();
    let state = container.state.unwrap_or(ContainerSummaryStateEnum::EMPTY);
    let is_unhealthy = container.status.is_some_and(|status| status.contains("(unhealthy)"));
    format!(
        "{} {:?} {} {state} {is_unhealthy} {}",
        container.id.unwrap_or_default(),
        container.names.unwrap_or_default(),
        container.image_id.unwrap_or_default(),
        places.join(" ")
    )
}

fn told_network(network: Network) -> String {
    let (id, driver) = (network.id.unwrap_or_default(), network.driver.unwrap_or_default());
    format!("{id} {driver} {:?}", network.internal)
}
