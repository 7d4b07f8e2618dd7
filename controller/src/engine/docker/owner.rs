//! Who looks after a project, on record in the engine itself: an empty volume whose labels say it.
//!
//! The engine makes a volume of a name once, however many ask for it at the same time, and never changes its labels afterwards;
//! so whoever reads his own there was the first. It stays when the process, the engine or the host goes down. These are the only
//! volumes that evenkeel ever removes: empty ones, by their name, whose labels were read just before, and never by force.

use std::collections::{BTreeMap, HashMap};

use bollard::query_parameters::RemoveVolumeOptions;
use evenkeel_core::name::{InstanceId, ProjectName};

use super::{Docker, errors, path::segment};
use crate::engine::{EngineError, Owner, VolumeSpec};

/// What the names of these volumes begin with; the project follows.
const PREFIX: &str = "evenkeel-owner-";

/// Labels of the record. They are decided upon, unlike those of containers.
mod label {
    /// The installation.
    pub(super) const OWNER: &str = "evenkeel.owner";
    /// The Compose project. Not Compose's own label: `docker compose down --volumes` must not find it.
    pub(super) const PROJECT: &str = "evenkeel.owner.project";
    /// The host.
    pub(super) const HOST: &str = "evenkeel.owner.host";
    /// The data directory.
    pub(super) const DATA_DIR: &str = "evenkeel.owner.data-dir";
    /// Since when, RFC 3339.
    pub(super) const SINCE: &str = "evenkeel.owner.since";
}

/// The project whose record a volume is, by its name.
pub(super) fn project_of_record(volume: &str) -> Option<ProjectName> {
    volume.strip_prefix(PREFIX).map(ProjectName::new)
}

impl Docker {
    pub(super) async fn owner_on_record(&self, project: &ProjectName) -> Result<Option<Owner>, EngineError> {
        let name = record(project);
        let client = self.client().await?;
        let action = format!("tell who looks after {project}");
        let inspected = self.ask(&action, client.inspect_volume(&segment(&name))).await;
        let Some(volume) = errors::found(inspected)? else { return Ok(None) };
        let owner = read(project, &volume.labels);
        owner.map(Some).ok_or_else(|| errors::refused(action, 409, unlabelled(&name)))
    }

    pub(super) async fn put_on_record(
        &self,
        project: &ProjectName,
        owner: &Owner,
    ) -> Result<Owner, EngineError> {
        let name = record(project);
        let volume =
            VolumeSpec { name: name.clone(), labels: labels(project, owner), ..VolumeSpec::default() };
        self.make_volume(&volume).await?;
        let on_record = self.owner_on_record(project).await?;
        on_record.ok_or_else(|| {
            errors::refused(format!("create volume {name}"), 404, "it is gone again: somebody removed it")
        })
    }

    pub(super) async fn take_off_record(
        &self,
        project: &ProjectName,
        owner: &Owner,
    ) -> Result<(), EngineError> {
        let name = record(project);
        let action = format!("remove volume {name}");
        match self.owner_on_record(project).await? {
            None => return Ok(()),
            Some(found) if found == *owner => {}
            Some(found) => {
                return Err(errors::refused(action, 409, format!("it is the record of {} by now", found.id)));
            }
        }
        let client = self.client().await?;
        let gently = RemoveVolumeOptions { force: false };
        let removed = self.ask(action, client.remove_volume(&segment(&name), Some(gently))).await;
        errors::gone_is_fine(removed)
    }
}

fn record(project: &ProjectName) -> String {
    format!("{PREFIX}{project}")
}

fn labels(project: &ProjectName, owner: &Owner) -> BTreeMap<String, String> {
    let Owner { id, host, data_dir, since } = owner;
    let pairs = [
        (label::OWNER, id.to_string()),
        (label::PROJECT, project.to_string()),
        (label::HOST, host.clone()),
        (label::DATA_DIR, data_dir.clone()),
        (label::SINCE, since.to_string()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The owner that a volume's labels name; `None` unless all of them are there, and about this project.
fn read(project: &ProjectName, labels: &HashMap<String, String>) -> Option<Owner> {
    if labels.get(label::PROJECT).map(String::as_str) != Some(project.as_str()) {
        return None;
    }
    Some(Owner {
        id: InstanceId::new(labels.get(label::OWNER).filter(|id| !id.is_empty())?),
        host: labels.get(label::HOST)?.clone(),
        data_dir: labels.get(label::DATA_DIR)?.clone(),
        since: labels.get(label::SINCE)?.parse().ok()?,
    })
}

fn unlabelled(name: &str) -> String {
    format!(
        "there is a volume {name} that evenkeel did not make, or not whole; if nothing is in it, `docker volume rm {name}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner {
            id: "00ff00ff00ff00ff".into(),
            host: "harbour".to_owned(),
            data_dir: "/var/lib/evenkeel".to_owned(),
            since: "2026-03-01T12:00:00.123456Z".parse().unwrap(),
        }
    }

    fn written() -> HashMap<String, String> {
        labels(&"shop".into(), &owner()).into_iter().collect()
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&"shop".into(), &written()), Some(owner()));
    }

    #[test]
    fn a_volume_without_all_of_the_labels_is_nobodys_record() {
        assert_eq!(read(&"shop".into(), &HashMap::new()), None);
        assert_eq!(read(&"another".into(), &written()), None);
        for missing in [label::OWNER, label::PROJECT, label::HOST, label::DATA_DIR, label::SINCE] {
            let mut labels = written();
            labels.remove(missing);
            assert_eq!(read(&"shop".into(), &labels), None, "{missing}");
        }
    }
}
