//! `rollout.onTakeover` of the manifest: whoever asks for names seldom is told that they have changed hands.

use super::Effect;
use crate::manifest::Hook;
use crate::name::ServiceName;
use crate::release::Release;

/// A hook and one of the containers that it runs in: its place in the manifest, and the service.
pub type Told = (usize, ServiceName);

/// Everybody who is told when a release takes over, in order: of a service with several containers each.
pub fn told(release: &Release) -> Vec<Told> {
    let mut told = Vec::new();
    for (index, hook) in hooks(release).iter().enumerate() {
        let first = ServiceName::new(&*hook.service);
        let further: Vec<ServiceName> = release.project.further(&first).cloned().collect();
        told.extend([first].into_iter().chain(further).map(|name| (index, name)));
    }
    told
}

/// The step that tells one of them; `None` where the manifest has no such hook.
pub(super) fn telling(release: &Release, (index, name): &Told) -> Option<Effect> {
    let command = hooks(release).get(*index)?.exec.clone();
    Some(Effect::Hook { index: *index, service: name.to_string(), command })
}

fn hooks(release: &Release) -> &[Hook] {
    &release.manifest.spec.rollout.on_takeover
}
