//! What a container mounts, and from where.

use std::collections::BTreeMap;

use super::Making;
use crate::compose::{Mount, MountSource, Recursive, Service};
use crate::container::BindMount;

impl Making<'_> {
    pub(super) fn binds(&self, service: &Service) -> Vec<String> {
        service.mounts.iter().filter_map(|mount| self.bind(mount)).collect()
    }

    pub(super) fn mounts(&self, service: &Service) -> Vec<BindMount> {
        service.mounts.iter().filter_map(|mount| self.mount(mount)).collect()
    }

    /// What the short form cannot say.
    fn mount(&self, mount: &Mount) -> Option<BindMount> {
        let create = match &mount.source {
            MountSource::Host { create, .. } => *create,
            MountSource::Repository { .. } => true,
            _ => return None,
        };
        if create && mount.recursive == Recursive::Enabled {
            return None;
        }
        let propagation = mount.options.iter().find(|option| PROPAGATION.contains(&option.as_str()));
        Some(BindMount {
            source: self.source(&mount.source)?,
            target: mount.target.clone(),
            read_only: mount.read_only,
            propagation: propagation.cloned(),
            recursive: mount.recursive,
            create,
        })
    }

    fn source(&self, source: &MountSource) -> Option<String> {
        Some(match source {
            MountSource::Volume { volume, .. } => {
                self.release.project.volumes.get(volume).map_or(volume.clone(), |volume| volume.name.clone())
            }
            MountSource::Repository { path, .. } => format!("{}/{path}", self.files),
            MountSource::Given { name, .. } => given(self.files, name),
            MountSource::Host { path, .. } => path.clone(),
            MountSource::Anonymous | MountSource::Tmpfs { .. } => return None,
        })
    }

    fn bind(&self, mount: &Mount) -> Option<String> {
        if self.mount(mount).is_some() {
            return None;
        }
        let source = self.source(&mount.source)?;
        let mut options = mount.options.clone();
        if mount.read_only {
            options.insert(0, "ro".to_owned());
        }
        if matches!(mount.source, MountSource::Volume { no_copy: true, .. }) {
            options.push("nocopy".to_owned());
        }
        let suffix = if options.is_empty() { String::new() } else { format!(":{}", options.join(",")) };
        Some(format!("{source}:{}{suffix}", mount.target))
    }
}

/// Options of a bind that say what becomes of later mounts below it.
const PROPAGATION: [&str; 6] = ["shared", "slave", "private", "rshared", "rslave", "rprivate"];

/// Where a file that the Compose file gives the content of stands, beside the files of the repository.
fn given(files: &str, name: &str) -> String {
    let release = files.rsplit_once('/').map_or("", |(release, _)| release);
    format!("{release}/{GIVEN}/{name}")
}

/// The directory of a release beside its `files`, for those whose content the Compose file gives.
pub const GIVEN: &str = "given";

pub(super) fn tmpfs(service: &Service) -> BTreeMap<String, String> {
    let mounts = service.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Tmpfs { options } => Some((mount.target.clone(), options.clone())),
        _ => None,
    });
    mounts.collect()
}

pub(super) fn anonymous(service: &Service) -> Vec<String> {
    let mounts = service.mounts.iter().filter(|mount| mount.source == MountSource::Anonymous);
    mounts.map(|mount| mount.target.clone()).collect()
}
