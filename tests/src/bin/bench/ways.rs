//! The ways to deploy that are compared, each in a world of its own.

use std::cell::Cell;
use std::sync::Arc;

use evenkeel_tests::docker::docker;
use evenkeel_tests::world::Options;
use evenkeel_tests::{Controller, World};

use crate::clients::Nginx;
use crate::idle::Calls;
use crate::measure::Event;

/// A way to deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WayKind {
    Evenkeel,
    ComposeUp,
    Runbook,
}

impl WayKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Evenkeel => "evenkeel",
            Self::ComposeUp => "docker-compose up --build",
            Self::Runbook => "runbook",
        }
    }
}

/// A way, with a stack that is up. The controller goes before the world that it runs in.
pub(crate) struct Way {
    pub(crate) kind: WayKind,
    controller: Option<Controller>,
    calls: Option<Arc<Calls>>,
    pub(crate) nginx: Nginx,
    pub(crate) world: World,
    count: Cell<u32>,
}

impl Way {
    pub(crate) fn prepare(kind: WayKind) -> Self {
        let world = World::with(Options { bake: 10, start_timeout: 60 });
        let nginx = Nginx::new(&world);
        let network = network(kind, &world);
        let (controller, calls) = match kind {
            WayKind::Evenkeel => start_evenkeel(&world),
            WayKind::ComposeUp | WayKind::Runbook => {
                world.up_by_hand();
                (None, None)
            }
        };
        // It needs the name that it forwards to, and the hook needs it.
        nginx.start(&world, &network);
        let commit = reload_after_takeover(&world, &nginx);
        if let Some(controller) = &controller {
            controller.settle(&commit, 300);
        }
        Self { kind, controller, calls, nginx, world, count: Cell::new(0) }
    }

    /// Where its users in the project are.
    pub(crate) fn network(&self) -> String {
        network(self.kind, &self.world)
    }

    pub(crate) fn controller(&self) -> Option<&Controller> {
        self.controller.as_ref()
    }

    pub(crate) fn engine_calls(&self) -> Option<&Calls> {
        self.calls.as_deref()
    }

    /// The version that an event is going to bring.
    pub(crate) fn next_version(&self, event: Event) -> String {
        match event {
            Event::Code => format!("1.0.{}", self.count.get() + 1),
            Event::Migration => "1.1.0".to_owned(),
            Event::Revert => format!("1.0.{}", self.count.get()),
        }
    }

    /// Pushes a commit and deploys it: returns when the way says that it is done.
    pub(crate) fn deploy(&self, event: Event) {
        if event == Event::Revert && self.kind != WayKind::Evenkeel {
            self.world.alembic(&["downgrade", "-1"]);
        }
        let commit = match event {
            Event::Code => self.world.commit_version(&self.next_version(event)),
            Event::Migration => self.world.commit_overlay("add-column"),
            Event::Revert => self.world.repo.revert_head(),
        };
        if event == Event::Code {
            self.count.set(self.count.get() + 1);
        }
        match (&self.controller, self.kind) {
            (Some(controller), _) => drop(controller.settle(&commit, 300)),
            (None, WayKind::Runbook) => self.world.runbook(),
            (None, _) => self.world.compose_up(),
        }
        if self.kind != WayKind::Evenkeel {
            docker(&["exec", self.nginx.name(), "nginx", "-s", "reload"]);
        }
    }
}

/// The project's own network. Compose would recreate it under its users (the runbook) or knows no difference, so there it is the
/// one that the proxy is on.
fn network(kind: WayKind, world: &World) -> String {
    match kind {
        WayKind::Evenkeel => format!("{}_default", world.names.app),
        WayKind::ComposeUp | WayKind::Runbook => world.names.network.clone(),
    }
}

fn start_evenkeel(world: &World) -> (Option<Controller>, Option<Arc<Calls>>) {
    let calls = Calls::listen(&world.directory().join("engine.sock"));
    let endpoint = format!("unix://{}", world.directory().join("engine.sock").display());
    let controller = Controller::start_with(world, &[("DOCKER_HOST", &endpoint)]);
    controller.settle(&world.repo.head(), 300);
    (Some(controller), Some(calls))
}

fn reload_after_takeover(world: &World, nginx: &Nginx) -> String {
    let hook =
        format!("{{onTakeover: [{{service: {}, exec: [nginx, -s, reload]}}], minHealthy", nginx.name());
    world.edit("evenkeel.yaml", |text| text.replace("{minHealthy", &hook))
}
