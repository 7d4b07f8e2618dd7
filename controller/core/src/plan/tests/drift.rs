//! Every kind of drift: told from facts, and healed by the action that the table names.

use super::drive::{deploy, forward, lines, nothing_to_do};
use super::releases::{API_PORT, SPEC, SPEC_DB, STACK, release};
use super::world::{Code, Notes, World};
use crate::compose::{IpamPool, RestartPolicy};
use crate::container::label;
use crate::name::{ContainerId, ImageId, RolloutId};
use crate::observed::{Health, HealthStatus, Joined, NetworkState, State};
use crate::plan::drift::{Drift, Healing, KINDS, Kind, entry, found, tells};
use crate::plan::make;
use crate::release::Release;

const COMPOSE: &str = "
services:
  api: {build: ., image: shop-api, restart: always, mem_limit: 64m, ports: ['8000:8000'], volumes: ['uploads:/uploads:ro']}
networks: {default: {ipam: {config: [{subnet: 10.9.0.0/24}]}}}
volumes: {uploads: {}}
";

fn first() -> (World, Release) {
    let mut world = World::default();
    let release = release(SPEC, COMPOSE, "code-1");
    world.knows(&release, Code::default());
    deploy(&mut world, &release, 1);
    let network = world.observed.networks.get_mut("shop_default").unwrap();
    network.subnets = vec!["10.9.0.0/24".to_owned()];
    network.pools = vec![IpamPool { subnet: Some("10.9.0.0/24".to_owned()), ..Default::default() }];
    network.labels.insert(label::COMPOSE_NETWORK.to_owned(), "default".to_owned());
    world.notes = Notes::default();
    (world, release)
}

fn drifts(world: &mut World, release: &Release) -> Vec<Drift> {
    let seen = world.look(release, false);
    found(&seen.facts(release, RolloutId(3)))
}

fn health(status: HealthStatus) -> Option<Health> {
    Some(Health {
        status,
        failing_streak: 3,
        last_output: String::new(),
        command: Vec::new(),
        timeout: std::time::Duration::ZERO,
    })
}

/// What somebody does, for each kind that is told from facts.
fn by_hand(kind: Kind) -> Option<fn(&mut World)> {
    Some(match kind {
        Kind::Stopped => |world| world.observed.containers[0].state = State::Exited,
        Kind::Killed => |world| {
            world.observed.containers[0].state = State::Exited;
            world.observed.containers[0].exit_code = 137;
        },
        Kind::Unhealthy => |world| world.observed.containers[0].health = health(HealthStatus::Unhealthy),
        Kind::Paused => |world| world.observed.containers[0].state = State::Paused,
        Kind::Removed => |world| world.observed.containers.clear(),
        Kind::Dead => |world| world.observed.containers[0].state = State::Dead,
        Kind::Replaced => |world| {
            let container = &mut world.observed.containers[0];
            container.id = ContainerId::new("f00f00f00f00f00");
            container.labels.retain(|key, _| !key.starts_with("evenkeel."));
        },
        Kind::Renamed => |world| world.observed.containers[0].name = "x".to_owned(),
        Kind::Limits => |world| world.observed.containers[0].limits.memory = Some(1),
        Kind::RestartPolicy => |world| world.observed.containers[0].restart = RestartPolicy::No,
        Kind::NetworkDetached => |world| drop(world.observed.containers[0].networks.remove("shop_default")),
        Kind::AliasLost => |world| {
            let networks = &mut world.observed.containers[0].networks;
            networks.insert("shop_default".to_owned(), Joined::default());
        },
        Kind::NetworkAttached => |world| {
            let networks = &mut world.observed.containers[0].networks;
            networks.insert("somebodys".to_owned(), Joined::default());
        },
        Kind::NetworkRemoved => |world| drop(world.observed.networks.remove("zz_shop_backstage")),
        Kind::NetworkChanged => {
            |world| world.observed.networks.get_mut("shop_default").unwrap().internal = true
        }
        Kind::Labels => |world| world.observed.networks.get_mut("shop_default").unwrap().labels.clear(),
        Kind::ImageRetagged => |world| {
            world.observed.images.get_mut("shop-api").unwrap().id = ImageId::new("sha256:another");
        },
        Kind::ImageRemoved => |world| {
            world.observed.containers.clear();
            world.observed.images.clear();
        },
        Kind::VolumeRemoved => |world| world.observed.volumes.clear(),
        Kind::Orphan => |world| {
            let mut container = world.observed.containers[0].clone();
            container.id = ContainerId::new("f00f00f00f00f00");
            container.name = "shop-api-2".to_owned();
            container.labels.retain(|key, _| !key.starts_with("evenkeel."));
            world.observed.containers.push(container);
        },
        // Told by the reconciler from how often containers begin; and by the database: `stories::` have migrations by hand.
        Kind::CrashLoop | Kind::Schema => return None,
    })
}

#[test]
fn every_kind_has_one_entry() {
    let mut kinds: Vec<Kind> = KINDS.iter().map(|entry| entry.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), KINDS.len());
    assert_eq!(kinds.last(), Some(&Kind::Schema));
    assert_eq!(kinds.len(), Kind::Schema as usize + 1, "a kind is not in the table");
    assert!(KINDS.iter().all(|it| entry(it.kind).kind == it.kind));
}

#[test]
fn whats_as_it_was_left_is_no_drift() {
    let (mut world, release) = first();
    assert_eq!(drifts(&mut world, &release), []);
}

/// It goes as soon as it can be removed; meanwhile nothing is planned for it, `orphans: remove` or not.
#[test]
fn what_the_engine_cannot_remove_is_shown_and_holds_up_nothing() {
    let (whole, _) = first();
    for spec in [SPEC.to_owned(), format!("{SPEC}  orphans: remove\n")] {
        let release = release(&spec, COMPOSE, "code-1");
        let mut world = whole.clone();
        let mut left = world.observed.containers[0].clone();
        left.id = ContainerId::new("deaddeaddeaddead");
        left.name = format!("shop-api-1-{}-old", left.id.short());
        left.state = State::Dead;
        world.observed.containers.push(left);
        let drifts = drifts(&mut world, &release);
        assert_eq!(drifts.iter().map(|drift| drift.kind).collect::<Vec<_>>(), [Kind::Orphan], "{drifts:?}");
        let seen = world.look(&release, false);
        let plan = make(&seen.facts(&release, RolloutId(3))).unwrap();
        assert!(!plan.steps.iter().any(|step| step.effect.name() == "remove"), "{:?}", lines(&plan));
    }
}

#[test]
fn every_kind_is_told_and_healed_by_what_the_table_says() {
    let (whole, release) = first();
    let mut told = Vec::new();
    for entry in KINDS {
        let Some(by_hand) = by_hand(entry.kind) else { continue };
        let mut world = whole.clone();
        by_hand(&mut world);
        let drifts = drifts(&mut world, &release);
        assert!(drifts.iter().any(|drift| drift.kind == entry.kind), "{}: {drifts:?}", entry.kind);
        let seen = world.look(&release, false);
        let plan = make(&seen.facts(&release, RolloutId(3))).unwrap();
        let first = plan.steps.first().map(|step| step.effect.name());
        match entry.healing {
            Healing::By(steps, _) => {
                assert!(first.is_some_and(|it| steps.contains(&it)), "{}: {first:?}", entry.kind)
            }
            Healing::Reported(_) => assert!(plan.is_empty(), "{}: {:?}", entry.kind, lines(&plan)),
        }
        let drifts: Vec<String> = drifts.iter().map(ToString::to_string).collect();
        told.push(format!("{}\n{}", drifts.join("\n"), lines(&plan).join("\n")));
        world.notes = Notes::default();
        forward(&release, 3).run(&mut world);
        nothing_to_do(&mut world, &release);
    }
    insta::assert_snapshot!(told.join("\n"), @"
    stopped shop-api-1: it has stopped (exit code 0)
      start shop-api-1 — it is stopped (exit code 0)
      prove shop-api-1 — it was repaired
    killed shop-api-1: it was killed
      start shop-api-1 — it is stopped (exit code 137)
      prove shop-api-1 — it was repaired
    unhealthy shop-api-1: its healthcheck failed 3 times in a row
      restart shop-api-1 — its healthcheck fails
      prove shop-api-1 — it was repaired
    paused shop-api-1: it is paused
      unpause shop-api-1 — it is paused
      prove shop-api-1 — it was repaired
    removed shop-api-1: there is no container of the service
      create shop-api-1-r3 — no container of it exists
      start shop-api-1-r3 — in private: no user reaches it there
      prove shop-api-1-r3 — nothing that serves is touched before its successor is proven
      join shop-api-1-r3 — it is proven
      rename shop-api-1-r3 to shop-api-1 — it serves under its own name
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
    dead shop-api-1: the engine has given it up
      create shop-api-1-r3 — the engine calls its container dead
      start shop-api-1-r3 — in private: no user reaches it there
      prove shop-api-1-r3 — nothing that serves is touched before its successor is proven
      join shop-api-1-r3 — it is proven
      hand-over the name shop-api-1 to shop-api-1-r3 — it serves under its own name
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      remove shop-api-1-000000000001-old — it is no longer needed
    replaced shop-api-1: evenkeel has not made it
      create shop-api-1-r3 — its container was not made by evenkeel: it bears no digest of docker-compose's
      start shop-api-1-r3 — in private: no user reaches it there
      create shop-api-1-r3-stand-in — the published port is still held; a portless copy carries the names meanwhile
      start shop-api-1-r3-stand-in — in private
      prove shop-api-1-r3, shop-api-1-r3-stand-in — nothing that serves is touched before its successor is proven
      join shop-api-1-r3-stand-in — it carries the names while the port changes hands
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r3-stand-in — it serves meanwhile
      stop shop-api-1-f00f00f00f00-old — its successor serves
      join shop-api-1-r3 — the port is free
      hand-over the name shop-api-1 to shop-api-1-r3 — it serves under its own name
      stop shop-api-1-r3-stand-in — the successor serves; it drains
      remove shop-api-1-r3-stand-in — it was temporary
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      remove shop-api-1-f00f00f00f00-old — it is no longer needed
    renamed shop-api-1: it is called x
      rename x to shop-api-1 — it serves under shop-api-1
    limits shop-api-1: its mem_limit is 1, the release says 67108864
      set-limits shop-api-1 — its mem_limit is 1, the release says 67108864
    restart-policy shop-api-1: its restart policy is not the release's
      set-restart shop-api-1 — its restart policy is no, the release says always
    network-detached shop-api-1: it is not on network shop_default
      join shop-api-1 — it is not on network shop_default under its names
      prove shop-api-1 — it was repaired
    alias-lost shop-api-1: it has lost its names on shop_default
      join shop-api-1 — it is not on network shop_default under its names
      prove shop-api-1 — it was repaired
    network-attached shop-api-1: it is on network somebodys, which nothing asks for

    network-removed zz_shop_backstage: there is no such network
      create-backstage zz_shop_backstage — releases are proven there before anybody reaches them
    network-changed shop_default: it is internal, the release says not internal

    labels shop_default: it has not Compose's labels

    image-retagged shop-api: it names another image, or none
      tag sha256:evenkeel/shop-api:c1a83445fdc55bae as shop-api — shop-api names another image
    removed shop-api-1: there is no container of the service
    image-removed evenkeel/shop-api:c1a83445fdc55bae: the engine does not have it any more
      build evenkeel/shop-api:c1a83445fdc55bae — the engine has no image of context code-1
    volume-removed shop_uploads: there is no such volume
      create-volume shop_uploads — somebody removed it, and what was in it; it begins empty
    orphan shop-api-2: it says that it is of service api; evenkeel has not made it
    ");
}

/// It says that it is of the service, but nobody asked for it: nothing is made of it when the right one goes.
#[test]
fn an_orphan_takes_nobodys_place() {
    let (mut world, release) = first();
    world.observed.containers[0].id = ContainerId::new("f00f00f00f00f00");
    world.observed.containers[0].name = "somebodys".to_owned();
    world.observed.containers[0].state = State::Exited;
    world.observed.containers[0].labels.retain(|key, _| !key.starts_with("evenkeel."));
    let kinds: Vec<Kind> = drifts(&mut world, &release).iter().map(|drift| drift.kind).collect();
    assert_eq!(kinds, [Kind::Removed, Kind::Orphan]);
    forward(&release, 3).run(&mut world);
    assert!(world.observed.containers.iter().any(|it| it.name == "somebodys"));
}

#[test]
fn orphans_go_where_the_manifest_says_so() {
    let spec = format!("{SPEC}  orphans: remove\n");
    let mut world = World::default();
    let release = release(&spec, API_PORT, "code-1");
    world.knows(&release, Code::default());
    deploy(&mut world, &release, 1);
    world.notes = Notes::default();
    by_hand(Kind::Orphan).unwrap()(&mut world);
    let seen = world.look(&release, false);
    let plan = make(&seen.facts(&release, RolloutId(3))).unwrap();
    insta::assert_snapshot!(lines(&plan).join("\n"), @"
    stop shop-api-2 — nobody asked for it, and the manifest says `orphans: remove`
    remove shop-api-2 — nobody asked for it, and the manifest says `orphans: remove`
    ");
    forward(&release, 3).run(&mut world);
    nothing_to_do(&mut world, &release);
}

/// Compose does not count them either: somebody has started them by hand, with `--profile` or `--scale`.
#[test]
fn what_the_compose_file_has_is_no_orphan_though_it_is_not_to_run() {
    let spec = format!("{SPEC}  orphans: remove\n");
    let compose =
        format!("{API_PORT}  tool: {{image: tool, profiles: [debug]}}\n  none: {{image: none, scale: 0}}\n");
    let mut world = World::default();
    let release = release(&spec, &compose, "code-1");
    world.knows(&release, Code::default());
    deploy(&mut world, &release, 1);
    world.notes = Notes::default();
    for (number, service) in ["tool", "none", "gone"].into_iter().enumerate() {
        by_hand(Kind::Orphan).unwrap()(&mut world);
        let container = world.observed.containers.last_mut().unwrap();
        container.id = ContainerId::new(format!("f00f00f00f00f0{number}"));
        container.name = format!("shop-{service}-1");
        container.labels.insert(label::COMPOSE_SERVICE.to_owned(), service.to_owned());
    }
    let seen = world.look(&release, false);
    let orphans = seen.facts(&release, RolloutId(3)).orphans();
    assert_eq!(orphans.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["shop-gone-1"]);
}

/// Whatever is to be replaced anyway is proven in private; what it replaces is not restarted before.
#[test]
fn a_rollout_restarts_nothing_for_its_health() {
    let (mut world, _) = first();
    world.observed.containers[0].health = health(HealthStatus::Unhealthy);
    let next = release(SPEC, API_PORT, "code-2");
    world.knows(&next, Code::default());
    let told = deploy(&mut world, &next, 2);
    assert!(!told.iter().any(|line| line.trim().starts_with("restart ")), "{told:?}");
}

#[test]
fn what_the_database_writes_to_is_never_made_anew() {
    let mut world = World::default();
    let release = release(SPEC_DB, STACK, "code-1");
    world.knows(&release, Code { scripts: "a", ..Code::default() });
    deploy(&mut world, &release, 1);
    world.observed.containers.clear();
    world.observed.volumes.clear();
    let seen = world.look(&release, false);
    let blocked = make(&seen.facts(&release, RolloutId(3))).unwrap_err();
    assert!(
        blocked.message.contains("the volume shop_data, which the database writes to, is gone"),
        "{blocked}"
    );
}

#[test]
fn the_table_says_which_events_ask_for_a_look() {
    assert!(tells("container", "die") && tells("container", "health_status: unhealthy"));
    assert!(tells("network", "connect") && tells("image", "untag"));
    assert!(!tells("container", "top") && !tells("network", "die"));
}

/// Whatever the Compose file says of a network is compared, and nothing that it does not say.
#[test]
fn a_network_is_compared_by_what_is_said_of_it() {
    let (mut world, _) = first();
    let said = "networks: {default: {attachable: true, enable_ipv6: true, driver_opts: {mtu: '1400'}, labels: {team: web}, ipam: \
                {config: [{subnet: 10.9.0.0/24, gateway: 10.9.0.1, ip_range: 10.9.0.128/25, aux_addresses: {router: 10.9.0.5}}]}}}\n";
    let last = COMPOSE.lines().find(|line| line.starts_with("networks:")).unwrap();
    let asked = release(SPEC, &COMPOSE.replace(last, said.trim()), "code-1");
    world.knows(&asked, Code::default());
    let of_network = |world: &mut World| -> Vec<String> {
        let drifts = drifts(world, &asked).into_iter();
        drifts.filter(|drift| drift.subject == "shop_default").map(|drift| drift.to_string()).collect()
    };
    let mut seen = Vec::new();
    let mends: [fn(&mut NetworkState); 7] = [
        |it| it.attachable = true,
        |it| it.enable_ipv6 = true,
        |it| drop(it.options.insert("mtu".into(), "1400".into())),
        |it| it.pools[0].gateway = Some("10.9.0.1".into()),
        |it| it.pools[0].ip_range = Some("10.9.0.128/25".into()),
        |it| drop(it.pools[0].aux_addresses.insert("router".into(), "10.9.0.5".into())),
        |it| drop(it.labels.insert("team".into(), "web".into())),
    ];
    for mend in mends {
        seen.extend(of_network(&mut world).into_iter().next());
        mend(world.observed.networks.get_mut("shop_default").unwrap());
    }
    insta::assert_snapshot!(seen.join("\n"), @"
    network-changed shop_default: it is without `attachable`, which the release asks for
    network-changed shop_default: it is without `enable_ipv6`, which the release asks for
    network-changed shop_default: its driver's option mtu is not there, the release says 1400
    network-changed shop_default: the gateway of 10.9.0.0/24 is not there, the release says 10.9.0.1
    network-changed shop_default: the ip_range of 10.9.0.0/24 is not there, the release says 10.9.0.128/25
    network-changed shop_default: it has not 10.9.0.5 for router, which the release says
    labels shop_default: it has not the label team=web of the release
    ");
    assert_eq!(of_network(&mut world), [""; 0]);
}
