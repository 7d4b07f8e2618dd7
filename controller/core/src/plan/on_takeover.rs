//! `rollout.onTakeover` of the manifest: whoever asks for names seldom is told that they have changed hands.

use std::collections::BTreeSet;

use super::Effect;
use crate::name::ServiceName;
use crate::release::Release;

/// Everybody who is told when a release takes over: of a service with several containers each, and containers of the host by their names.
pub fn told(release: &Release) -> BTreeSet<ServiceName> {
    hooks(release).into_iter().map(|(name, _)| name).collect()
}

/// Whether nobody has more to say to somebody once the hook of that place in the manifest has run there.
pub fn is_last(release: &Release, place: usize, name: &ServiceName) -> bool {
    let later = |effect: &Effect| matches!(effect, Effect::Hook { index, .. } if *index > place);
    !hooks(release).iter().any(|(other, effect)| other == name && later(effect))
}

/// What tells them, and whom each; in the manifest's order.
pub fn hooks(release: &Release) -> Vec<(ServiceName, Effect)> {
    let mut hooks = Vec::new();
    for (index, hook) in release.manifest.spec.rollout.on_takeover.iter().enumerate() {
        let first = ServiceName::new(&*hook.service);
        let further: Vec<ServiceName> = release.project.further(&first).cloned().collect();
        hooks.extend([first].into_iter().chain(further).map(|name| {
            let effect = Effect::Hook { index, service: name.to_string(), command: hook.exec.clone() };
            (name, effect)
        }));
    }
    hooks
}
