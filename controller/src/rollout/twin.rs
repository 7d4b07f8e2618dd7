//! A build of what runs already: docker-compose's image and evenkeel's differ in evenkeel's own labels, and so in their ids.

use evenkeel_core::observed::{Container, Image};
use evenkeel_core::plan::alike;
use evenkeel_core::release::{ImageSource, Release};

use super::{Context, Failure};

/// The image that stands for a build: the one that a container runs which is kept if its image is, where the two have the same
/// content; else the build itself. Services that share the image share what stands for it.
///
/// # Errors
/// When the engine does not answer.
pub(super) async fn as_it_runs(
    context: &Context,
    release: &Release,
    containers: &[Container],
    source: &ImageSource,
    built: &Image,
) -> Result<Image, Failure> {
    if !matches!(source, ImageSource::Build { .. }) || built.content.is_empty() {
        return Ok(built.clone());
    }
    for (name, _) in release.images.iter().filter(|(_, it)| it.reference() == source.reference()) {
        let own = containers.iter().filter(|it| it.running() && it.service().as_ref() == Some(name));
        for container in own.filter(|it| it.image_id != built.id && alike(release, name, it).is_ok()) {
            let running = context.engine.image(container.image_id.as_str()).await?;
            if let Some(running) = running.filter(|running| running.content == built.content) {
                return Ok(running);
            }
        }
    }
    Ok(built.clone())
}
