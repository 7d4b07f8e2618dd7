//! What is left of it when ids do not matter.

use std::collections::{BTreeMap, BTreeSet};

use super::{Revisions, World};
use crate::compose::RestartPolicy;
use crate::container::label;
use crate::name::{ContainerId, ImageId, ReleaseDigest};
use crate::observed::{Container, Joined, State};

/// What is left of a container when ids and parts played do not matter.
pub(in crate::plan::tests) type Shape =
    (String, String, State, RestartPolicy, Vec<(String, Vec<String>)>, bool);

impl World {
    /// What stands, whoever made it: containers by name, image, state and networks that users know; schema; tags.
    pub(in crate::plan::tests) fn standing(
        &self,
    ) -> (BTreeSet<String>, Revisions, BTreeMap<String, ImageId>) {
        let told = |it: &Container| {
            let names = it.networks.iter().filter(|(name, _)| !name.contains("backstage"));
            let names: Vec<_> = names.map(|(name, joined)| (name, &joined.aliases)).collect();
            format!("{} {:?} {:?} {} {names:?}", it.name, it.state, it.restart, it.image_id)
        };
        let (.., tags) = self.shape();
        (self.observed.containers.iter().map(told).collect(), self.schema.clone(), tags)
    }

    /// What a user sees: containers, names, schema, tags, and what the ledger says.
    pub(in crate::plan::tests) fn shape(
        &self,
    ) -> (Vec<Shape>, Revisions, Option<ReleaseDigest>, BTreeMap<String, ImageId>) {
        let serving: BTreeSet<&ContainerId> = self.books.serving.values().collect();
        let mut containers: Vec<Shape> = self
            .observed
            .containers
            .iter()
            .map(|it| {
                let vetted = self.books.vetted.get(&it.id).map(String::as_str);
                let config = it.label(label::CONFIG).or(vetted).unwrap_or_default().to_owned();
                // Names backstage are by the rollout that made it.
                let users = |name: &str| !name.contains("backstage");
                let aliases = |name: &str, joined: &Joined| {
                    if users(name) { joined.aliases.clone() } else { Vec::new() }
                };
                let networks =
                    it.networks.iter().map(|(name, joined)| (name.clone(), aliases(name, joined))).collect();
                (it.name.clone(), config, it.state, it.restart, networks, serving.contains(&it.id))
            })
            .collect();
        containers.sort_by(|a, b| a.0.cmp(&b.0));
        let tags = self.observed.images.iter().filter(|(name, _)| !name.starts_with("evenkeel/"));
        let tags = tags.map(|(name, image)| (name.clone(), image.id.clone())).collect();
        (containers, self.schema.clone(), self.books.live.clone(), tags)
    }
}
