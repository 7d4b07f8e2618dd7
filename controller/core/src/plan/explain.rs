//! Why a service needs another container: named down to the variable, never with a value.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::alike::{has_its_variables, is_kept};
use crate::compose::Service;
use crate::name::ServiceName;
use crate::observed::Container;
use crate::release::{ImageSource, Release};

/// The reasons, as one sentence.
pub(super) fn explain(facts: &Facts<'_>, name: &ServiceName, container: Option<&Container>) -> String {
    let Some(container) = container else { return "no container of it exists".to_owned() };
    let Some(config) = facts.config_of(container) else {
        return match is_kept(facts, name, container) {
            Err(why) => format!("its container was not made by evenkeel: {why}"),
            Ok(()) => "its container was not made by evenkeel".to_owned(),
        };
    };
    let from_live = facts.live.filter(|live| config == live.config(name));
    let reasons = from_live.map(|live| differences(live, facts.desired, name)).unwrap_or_default();
    if !reasons.is_empty() {
        return reasons.join("; ");
    }
    if config != facts.desired.config(name) {
        return "its container belongs to another release".to_owned();
    }
    match has_its_variables(facts, name, container) {
        Err(why) => format!("environment: {why}"),
        Ok(()) => "its container runs another image".to_owned(),
    }
}

/// What differs between two releases for one service.
pub fn differences(old: &Release, new: &Release, name: &ServiceName) -> Vec<String> {
    let mut reasons = Vec::new();
    let releases = [old, new];
    if let (Some(old), Some(new)) = (old.images.get(name), new.images.get(name)) {
        match moved_tag(releases, name) {
            Some(tag) => reasons.push(format!(
                "the tag {tag} has moved: image {} instead of {}",
                new.reference(),
                old.reference()
            )),
            None => image(old, new, &mut reasons),
        }
    }
    if let (Some(old), Some(new)) = (old.project.services.get(name), new.project.services.get(name)) {
        environment(old, new, &mut reasons);
        fields(old, new, &mut reasons);
    }
    reasons
}

/// The tag that both releases' Compose files have for a service, where it leads to different images.
fn moved_tag<'r>([old, new]: [&'r Release; 2], name: &ServiceName) -> Option<&'r str> {
    let registry = |release: &'r Release| match release.images.get(name)? {
        ImageSource::Registry { reference } => {
            Some((reference.as_str(), release.project.services.get(name)?.image.as_deref()?))
        }
        ImageSource::Build { .. } => None,
    };
    let ((before, tag), (now, same)) = (registry(old)?, registry(new)?);
    (tag == same && before != now).then_some(tag)
}

fn image(old: &ImageSource, new: &ImageSource, reasons: &mut Vec<String>) {
    match (old, new) {
        (
            ImageSource::Build { context: old_context, build: old_build, .. },
            ImageSource::Build { context, build, .. },
        ) => {
            if old_context != context {
                reasons.push(format!("the build context {} changed", build.context));
            }
            if old_build.without_values() != build.without_values() {
                reasons.push("the build's arguments or options changed".to_owned());
            }
        }
        (old, new) if old.reference() != new.reference() => {
            reasons.push(format!("image {} instead of {}", new.reference(), old.reference()));
        }
        _ => {}
    }
}

fn environment(old: &Service, new: &Service, reasons: &mut Vec<String>) {
    let mut changed: Vec<&str> = new
        .environment
        .iter()
        .filter(|(key, value)| old.environment.get(*key) != Some(value))
        .map(|(key, _)| key.as_str())
        .collect();
    changed
        .extend(old.environment.keys().filter(|key| !new.environment.contains_key(*key)).map(String::as_str));
    // One that is named without a value is not what is not named.
    let unset = old.unset.symmetric_difference(&new.unset).map(String::as_str);
    changed.extend(unset.collect::<Vec<_>>());
    changed.sort_unstable();
    changed.dedup();
    if !changed.is_empty() {
        reasons.push(format!("environment: {} changed", changed.join(", ")));
    }
}

/// Compares the rest field by field, by the names that the fields have in the model.
fn fields(old: &Service, new: &Service, reasons: &mut Vec<String>) {
    let plain = |service: &Service| -> BTreeMap<String, serde_json::Value> {
        let bare = Service {
            environment: BTreeMap::new(),
            unset: BTreeSet::new(),
            depends_on: BTreeMap::new(),
            build: None,
            image: None,
            ..service.clone()
        };
        serde_json::to_value(bare)
            .ok()
            .and_then(|value| serde_json::from_value(value).ok())
            .unwrap_or_default()
    };
    let (old, new) = (plain(old), plain(new));
    // What says nothing is left out of either.
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed: Vec<&str> =
        keys.into_iter().filter(|key| old.get(*key) != new.get(*key)).map(String::as_str).collect();
    if !changed.is_empty() {
        reasons.push(format!("{} changed", changed.join(", ")));
    }
}
