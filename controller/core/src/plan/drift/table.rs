//! The table of kinds. `docs/drift.md` is made from it, and the end-to-end test walks it.

use super::Healing::{By, Reported};
use super::{Entry, Kind};

/// Every kind, in the order of the page.
pub const KINDS: &[Entry] = &[
    Entry {
        kind: Kind::Stopped,
        what: "a container was stopped, or its process ended and its restart policy did not start it again",
        events: &[("container", "die"), ("container", "stop")],
        healing: By(&["start"], "started, and proven"),
    },
    Entry {
        kind: Kind::Killed,
        what: "the same by `SIGKILL` (exit code 137): `docker kill`, want of memory, a stop that took too long",
        events: &[("container", "die"), ("container", "kill"), ("container", "oom")],
        healing: By(&["start"], "started, and proven"),
    },
    Entry {
        kind: Kind::CrashLoop,
        what: "a container has begun anew, or was to be made, three times within ten minutes, by evenkeel or by its restart policy",
        events: &[("container", "die"), ("container", "start")],
        healing: Reported(
            "the application is `Degraded`. What the engine starts again is left to the engine; what evenkeel starts again waits \
             5 s, then twice as long each time, 5 min at most, until it has run for ten minutes; so does what cannot be made. What a repair made \
             and could not prove is removed. Other services are put right meanwhile, but for a schema that somebody moved: that needs all",
        ),
    },
    Entry {
        kind: Kind::Unhealthy,
        what: "something in the container is damaged, as its healthcheck sees (a probe of the manifest is not asked between rollouts)",
        events: &[("container", "health_status")],
        healing: By(
            &["restart"],
            "restarted, and proven; again later and later where that does not help. The database's container is left alone: one that \
             recovers is unhealthy, too, and would begin that again",
        ),
    },
    Entry {
        kind: Kind::Paused,
        what: "a container was paused",
        events: &[("container", "pause")],
        healing: By(&["unpause"], "unpaused, and proven"),
    },
    Entry {
        kind: Kind::Removed,
        what: "a container was removed",
        events: &[("container", "destroy")],
        healing: By(&["create"], "created from the image that is there, proven, and put in its place"),
    },
    Entry {
        kind: Kind::Dead,
        what: "the engine has given a container up (`dead`: its files could not be removed)",
        events: &[("container", "die")],
        healing: By(
            &["create"],
            "another one takes its place: such a container cannot be started. It is shown as an `orphan` until its files can be removed, and then goes",
        ),
    },
    Entry {
        kind: Kind::Replaced,
        what: "a container was removed, and another of the same service stands there that evenkeel did not make, such as after \
               `docker compose up --force-recreate`",
        events: &[("container", "destroy"), ("container", "start")],
        healing: By(&["create"], "one that evenkeel makes takes over from it, as at an adoption"),
    },
    Entry {
        kind: Kind::Renamed,
        what: "a container was renamed",
        events: &[("container", "rename")],
        healing: By(&["rename"], "renamed back"),
    },
    Entry {
        kind: Kind::Limits,
        what: "a limit was changed with `docker update`: of memory, its reservation, memory with swap, CPUs, their shares, periods, quotas and sets, \
               block devices' weight, processes (swap without a limit is not told from a host that cannot limit it)",
        events: &[("container", "update")],
        healing: By(
            &["set-limits", "create"],
            "set back in place; where the release has no such limit, another container takes its place: the engine takes none away but that of \
             processes",
        ),
    },
    Entry {
        kind: Kind::RestartPolicy,
        what: "the restart policy was changed with `docker update`",
        events: &[("container", "update")],
        healing: By(&["set-restart"], "set back in place"),
    },
    Entry {
        kind: Kind::NetworkDetached,
        what: "a container was disconnected from one of its networks, the private one too",
        events: &[("network", "disconnect")],
        healing: By(&["join", "attach"], "connected again, with its names"),
    },
    Entry {
        kind: Kind::AliasLost,
        what: "a container was disconnected and connected again without its names",
        events: &[("network", "disconnect"), ("network", "connect")],
        healing: By(&["join"], "connected anew, with its names"),
    },
    Entry {
        kind: Kind::NetworkAttached,
        what: "a container was connected to a network that the Compose file does not give it",
        events: &[("network", "connect")],
        healing: Reported(
            "a proxy may reach it there; the next container of the service is not on it. Name the network in the Compose file, or \
             disconnect it",
        ),
    },
    Entry {
        kind: Kind::NetworkRemoved,
        what: "a network of the project was removed, the private one too",
        events: &[("network", "destroy")],
        healing: By(
            &["create-network", "create-backstage"],
            "created, and whoever belongs on it is connected; one that is `external` blocks the plan and is named",
        ),
    },
    Entry {
        kind: Kind::NetworkChanged,
        what: "a network was made anew with another driver, other options, subnets, gateways or ranges, without IPv6 or `attachable`, or is \
               internal or not where the Compose file says otherwise; or a commit says something else of it",
        events: &[("network", "create"), ("network", "destroy")],
        healing: Reported(
            "making it anew would take every container off it. Remove it when that suits you, and evenkeel makes it as it should be",
        ),
    },
    Entry {
        kind: Kind::Labels,
        what: "a network of the project has not Compose's labels (it was made by hand), or not those that the Compose file gives it",
        events: &[("network", "create")],
        healing: Reported(
            "nothing works less for it, but `docker compose` refuses it; labels cannot be changed in place",
        ),
    },
    Entry {
        kind: Kind::ImageRetagged,
        what: "a tag that the Compose file gives a built image names another image, or none",
        events: &[("image", "tag"), ("image", "untag")],
        healing: By(&["tag"], "moved back; nothing is built"),
    },
    Entry {
        kind: Kind::ImageRemoved,
        what: "an image was removed that a container has to be made from now",
        events: &[("image", "delete")],
        healing: By(&["build", "pull"], "built or pulled again, once a container needs it"),
    },
    Entry {
        kind: Kind::VolumeRemoved,
        what: "a volume of the project was removed",
        events: &[("volume", "destroy")],
        healing: By(
            &["create-volume"],
            "created, empty, and said so. One that the database writes to is **never** made anew: the plan is blocked until a person \
             brings it back, or makes an empty one",
        ),
    },
    Entry {
        kind: Kind::Orphan,
        what: "a container has the project's labels and belongs to no service, or stands beside the one that serves (but for those of \
               `docker compose run`, and of services that are in the Compose file and not to run: outside the active profiles, or \
               scaled to 0)",
        events: &[("container", "create"), ("container", "start")],
        healing: Reported(
            "nobody knows whose it is. With `orphans: remove` in the manifest it is stopped and removed; its volumes stay",
        ),
    },
    Entry {
        kind: Kind::Schema,
        what: "the database's schema was moved by hand to a revision that the release knows",
        events: &[],
        healing: By(
            &["backup", "migrate", "rehearse", "stop"],
            "moved to the release's, as in a rollout; one that the release does not know stops everything",
        ),
    },
];

/// What the table says of a kind.
///
/// # Panics
/// Never: a test walks all kinds.
pub fn entry(kind: Kind) -> &'static Entry {
    KINDS.iter().find(|entry| entry.kind == kind).unwrap_or(&KINDS[0])
}
