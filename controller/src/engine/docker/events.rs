//! What happens at the engine.

use std::collections::HashMap;

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptions;
use evenkeel_core::container::label;
use evenkeel_core::name::ProjectName;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

use super::Docker;
use super::owner::project_of_record;
use crate::engine::{EngineError, EngineEvent};

/// The kinds of objects that matter.
const KINDS: [&str; 5] = ["container", "network", "image", "volume", "daemon"];

impl Docker {
    /// Events from the first poll on. Commands run in containers are left out: health checks make most of them, and they show
    /// command lines.
    pub(super) fn watch(self) -> BoxStream<'static, Result<EngineEvent, EngineError>> {
        let ended = self.clone();
        let forget = stream::once(async move { ended.dialect.forget() }).filter_map(|()| async { None });
        stream::once(self.subscribe()).try_flatten().chain(forget).boxed()
    }

    async fn subscribe(self) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        let client = self.client().await?;
        let kinds = KINDS.map(str::to_owned).to_vec();
        let options = EventsOptions {
            filters: Some(HashMap::from([("type".to_owned(), kinds)])),
            ..Default::default()
        };
        let (naming, placing) = (self.clone(), self);
        let events =
            client.events(Some(options)).map_err(move |error| naming.failed("tell its events", error));
        let events = events.try_filter_map(|message| async move { Ok(understand(message)) });
        Ok(events.and_then(move |noticed| placing.clone().place(noticed)).boxed())
    }

    /// Finds the project of a container that joined or left a network: the event has the network's labels at most.
    async fn place(
        self,
        (mut event, container): (EngineEvent, Option<String>),
    ) -> Result<EngineEvent, EngineError> {
        if let (None, Some(container)) = (&event.project, container) {
            let found = self.find_container(&container).await.ok().flatten();
            event.project =
                found.and_then(|found| found.label(label::COMPOSE_PROJECT).map(ProjectName::from));
        }
        Ok(event)
    }
}

/// The event, and the container that it is about where it is another's event.
fn understand(message: EventMessage) -> Option<(EngineEvent, Option<String>)> {
    let kind = message.typ.filter(|kind| *kind != EventMessageTypeEnum::EMPTY)?.to_string();
    let action = message.action.filter(|action| !action.starts_with("exec_"))?;
    let actor = message.actor.unwrap_or_default();
    let mut attributes = actor.attributes.unwrap_or_default();
    let id = actor.id.unwrap_or_default();
    let of_record = || project_of_record(&id).filter(|_| kind == "volume");
    let event = EngineEvent {
        project: attributes.remove(label::COMPOSE_PROJECT).map(ProjectName::new).or_else(of_record),
        name: attributes.remove("name").unwrap_or_else(|| id.clone()),
        kind,
        action,
        id,
    };
    Some((event, attributes.remove("container")))
}

#[cfg(test)]
mod unit {
    use bollard::models::EventActor;

    use super::*;

    fn message(kind: EventMessageTypeEnum, action: &str, attributes: &[(&str, &str)]) -> EventMessage {
        let attributes =
            attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let actor = EventActor { id: Some("f00".into()), attributes: Some(attributes) };
        EventMessage {
            typ: Some(kind),
            action: Some(action.into()),
            actor: Some(actor),
            ..Default::default()
        }
    }

    #[test]
    fn the_project_and_the_name_come_from_the_attributes() {
        let attributes = [("name", "web"), (label::COMPOSE_PROJECT, "shop")];
        let (event, other) =
            understand(message(EventMessageTypeEnum::CONTAINER, "die", &attributes)).expect("an event");
        assert_eq!(
            (event.kind.as_str(), event.action.as_str(), event.id.as_str()),
            ("container", "die", "f00")
        );
        assert_eq!((event.name.as_str(), event.project, other), ("web", Some("shop".into()), None));
    }

    #[test]
    fn a_networks_event_names_the_container() {
        let attributes = [("name", "shop_default"), ("container", "c0ffee")];
        let (event, other) =
            understand(message(EventMessageTypeEnum::NETWORK, "disconnect", &attributes)).expect("an event");
        assert_eq!((event.project, other.as_deref()), (None, Some("c0ffee")));
    }

    #[test]
    fn an_owners_record_is_its_projects() {
        let message = EventMessage {
            actor: Some(EventActor { id: Some("evenkeel-owner-shop".into()), attributes: None }),
            ..message(EventMessageTypeEnum::VOLUME, "destroy", &[])
        };
        let (event, _) = understand(message).expect("an event");
        assert_eq!(event.project, Some("shop".into()));
    }

    #[test]
    fn command_lines_are_left_out() {
        assert!(
            understand(message(EventMessageTypeEnum::CONTAINER, "exec_create: psql -W secret", &[]))
                .is_none()
        );
    }
}
