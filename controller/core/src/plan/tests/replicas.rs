//! Several containers of a service.

use super::adoption::{self, ids, made_by_compose};
use super::drive::{deploy, forward, lines, nothing_to_do};
use super::prefixes::{Pair, code, pair, resumes, reverts, supersedes, undoes};
use super::releases::{SPEC, STACK, release};
use super::world::{Code, World};
use crate::container::label;
use crate::name::RolloutId;
use crate::observed::State;
use crate::plan::drift::{Kind, found};
use crate::plan::make;
use crate::release::Release;

pub(super) const TWO: &str = "
services:
  api: {build: ., image: shop-api, restart: always, scale: 2}
  web:
    image: web
    healthcheck: {test: [CMD, check]}
    depends_on: [api]
  worker: {image: worker, deploy: {replicas: 2}, depends_on: [api]}
";

fn with(count: u32) -> Release {
    release(SPEC, &TWO.replace("scale: 2", &format!("scale: {count}")), "code-1")
}

fn names(world: &World) -> Vec<&str> {
    let mut names: Vec<&str> = world.observed.containers.iter().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn all_are_proven_and_then_they_take_over_one_after_the_other() {
    let Pair { mut world, new, old } = pair(SPEC, TWO, Code::default(), Code::default());
    insta::assert_snapshot!(deploy(&mut world, &new, 2).join("\n"), @"
    prepare:
      build evenkeel/shop-api:c4a01313d4197a1b — the engine has no image of context code-2
    deploy:
      create shop-api-1-r2 — the build context . changed
      start shop-api-1-r2 — in private: no user reaches it there
      create shop-api-2-r2 — the build context . changed
      start shop-api-2-r2 — in private: no user reaches it there
      prove shop-api-1-r2, shop-api-2-r2 — nothing that serves is touched before its successor is proven
      join shop-api-1-r2 — it is proven
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r2 — it serves under its own name
      stop shop-api-1-000000000001-old — its successor serves
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      join shop-api-2-r2 — it is proven
      set-restart shop-api-2 — it must not come back by itself
      hand-over the name shop-api-2 to shop-api-2-r2 — it serves under its own name
      stop shop-api-2-000000000002-old — its successor serves
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000001-old — it is no longer needed
      remove shop-api-2-000000000002-old — it is no longer needed
    ");
    assert_eq!(names(&world), ["shop-api-1", "shop-api-2", "shop-web-1", "shop-worker-1", "shop-worker-2"]);
    let told = |it: &&crate::observed::Container| {
        let (service, number) = (it.label(label::COMPOSE_SERVICE), it.label(label::COMPOSE_NUMBER));
        (service, number) == (Some("api"), Some("2")) && it.networks["shop_default"].aliases == ["api"]
    };
    assert!(world.observed.containers.iter().any(|it| told(&it)), "{:?}", world.observed.containers);
    assert_eq!(old.config(&"api".into()), old.config(&"api#2".into()), "its number is no configuration");
}

#[test]
fn one_more_and_one_less_touch_no_other() {
    let two = with(2);
    let mut world = World::default();
    world.knows(&two, Code::default());
    deploy(&mut world, &two, 1);
    let three = with(3);
    world.knows(&three, Code::default());
    insta::assert_snapshot!(deploy(&mut world, &three, 2).join("\n"), @"
    deploy:
      create shop-api-3-r2 — no container of it exists
      start shop-api-3-r2 — in private: no user reaches it there
      prove shop-api-3-r2 — nothing that serves is touched before its successor is proven
      join shop-api-3-r2 — it is proven
      rename shop-api-3-r2 to shop-api-3 — it serves under its own name
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
    ");
    insta::assert_snapshot!(deploy(&mut world, &two, 3).join("\n"), @"
    deploy:
      set-restart shop-api-3 — it must not come back by itself
      stop shop-api-3 — the release asks for fewer
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-3 — it is no longer needed
    ");
    let one = with(1);
    world.knows(&one, Code::default());
    insta::assert_snapshot!(deploy(&mut world, &one, 4).join("\n"), @"
    deploy:
      set-restart shop-api-2 — it must not come back by itself
      stop shop-api-2 — the release asks for fewer
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-2 — it is no longer needed
    ");
    assert_eq!(names(&world), ["shop-api-1", "shop-web-1", "shop-worker-1", "shop-worker-2"]);
}

#[test]
fn the_one_that_is_stopped_is_started() {
    let Pair { mut world, old, .. } = pair(SPEC, TWO, Code::default(), Code::default());
    let second = world.observed.containers.iter_mut().find(|it| it.name == "shop-api-2").unwrap();
    second.state = State::Exited;
    insta::assert_snapshot!(forward(&old, 2).run(&mut world).lines.join("\n"), @"
    deploy:
      start shop-api-2 — it is stopped (exit code 0)
      prove shop-api-2 — it was repaired
    ");
    nothing_to_do(&mut world, &old);
}

#[test]
fn whatever_interrupts_it() {
    let mut pair = pair(SPEC, TWO, Code::default(), Code::default());
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
    for count in [1, 3] {
        pair.new = with(count);
        pair.world.knows(&pair.new, Code::default());
        resumes(&pair.world, forward(&pair.new, 2));
        reverts(&pair);
        supersedes(&pair, &pair.old, Code::default());
    }
}

#[test]
fn fewer_of_other_code_go_once_what_stays_is_proven() {
    let mut pair = pair(SPEC, &TWO.replace("scale: 2", "scale: 3"), Code::default(), Code::default());
    pair.new = release(SPEC, &TWO.replace("scale: 2", "scale: 1"), "code-2");
    pair.world.knows(&pair.new, Code::default());
    let told = deploy(&mut pair.world.clone(), &pair.new, 2);
    let steps = told.iter().skip_while(|line| !line.contains("deploy:")).map(String::as_str);
    insta::assert_snapshot!(steps.collect::<Vec<_>>().join("\n"), @"
    deploy:
      create shop-api-1-r2 — the build context . changed
      start shop-api-1-r2 — in private: no user reaches it there
      prove shop-api-1-r2 — nothing that serves is touched before its successor is proven
      join shop-api-1-r2 — it is proven
      set-restart shop-api-1 — it must not come back by itself
      hand-over the name shop-api-1 to shop-api-1-r2 — it serves under its own name
      stop shop-api-1-000000000001-old — its successor serves
      set-restart shop-api-2 — it must not come back by itself
      stop shop-api-2 — the release asks for fewer
      set-restart shop-api-3 — it must not come back by itself
      stop shop-api-3 — the release asks for fewer
      tag evenkeel/shop-api:c4a01313d4197a1b as shop-api — the Compose file names it so
      bake 300 s — the release is watched before the old one goes
      mark-live — it has shown that it works
      remove shop-api-1-000000000001-old — it is no longer needed
      remove shop-api-2 — it is no longer needed
      remove shop-api-3 — it is no longer needed
    ");
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
    supersedes(&pair, &pair.old, Code::default());
}

/// What is found, and what is done about it.
fn healed(by_hand: fn(&mut World)) -> String {
    let Pair { mut world, old, .. } = pair(SPEC, TWO, Code::default(), Code::default());
    by_hand(&mut world);
    let seen = world.look(&old, false);
    let facts = seen.facts(&old, RolloutId(2));
    let there = found(&facts).into_iter().filter(|drift| drift.kind != Kind::Labels);
    let drifts = there.map(|drift| format!("{:?} {}", drift.kind, drift.subject));
    let told = drifts.chain(lines(&make(&facts).unwrap())).collect::<Vec<_>>().join("\n");
    resumes(&world, forward(&old, 2));
    told
}

fn second(world: &mut World) -> &mut crate::observed::Container {
    world.observed.containers.iter_mut().find(|it| it.name == "shop-api-2").unwrap()
}

#[test]
fn drift_of_one_is_found_and_healed_alone() {
    insta::assert_snapshot!(healed(|world| second(world).state = State::Exited), @"
    Stopped shop-api-2
      start shop-api-2 — it is stopped (exit code 0)
      prove shop-api-2 — it was repaired
    ");
    insta::assert_snapshot!(healed(|world| world.observed.containers.retain(|it| it.name != "shop-api-2")), @"
    Removed shop-api-2
      create shop-api-2-r2 — no container of it exists
      start shop-api-2-r2 — in private: no user reaches it there
      prove shop-api-2-r2 — nothing that serves is touched before its successor is proven
      join shop-api-2-r2 — it is proven
      rename shop-api-2-r2 to shop-api-2 — it serves under its own name
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
    ");
    insta::assert_snapshot!(healed(|world| drop(second(world).networks.remove("shop_default"))), @"
    NetworkDetached shop-api-2
      join shop-api-2 — it is not on network shop_default under its names
      prove shop-api-2 — it was repaired
    ");
    insta::assert_snapshot!(healed(|world| second(world).limits.memory = Some(1)), @"
    Limits shop-api-2
      create shop-api-2-r2 — it has a limit that the release has not; the engine takes none away
      start shop-api-2-r2 — in private: no user reaches it there
      prove shop-api-2-r2 — nothing that serves is touched before its successor is proven
      join shop-api-2-r2 — it is proven
      set-restart shop-api-2 — it must not come back by itself
      hand-over the name shop-api-2 to shop-api-2-r2 — it serves under its own name
      stop shop-api-2-000000000002-old — its successor serves
      tag evenkeel/shop-api:c1a83445fdc55bae as shop-api — the Compose file names it so
      remove shop-api-2-000000000002-old — it is no longer needed
    ");
    insta::assert_snapshot!(healed(|world| {
        let mut third = second(world).clone();
        third.id = crate::name::ContainerId::new("f00f00f00f00f00");
        third.name = "shop-api-3".to_owned();
        third.labels.retain(|key, _| !key.starts_with("evenkeel."));
        third.labels.insert(label::COMPOSE_NUMBER.to_owned(), "3".to_owned());
        world.observed.containers.push(third);
    }), @"Orphan shop-api-3");
}

/// Once it serves, a link on its own network goes before the one backstage, and leads to whoever has the service's name there.
#[test]
fn who_serves_finds_those_that_come_later_too() {
    let (one, two, three) = (with(1), with(2), with(3));
    let mut world = World::default();
    let links = |world: &World| {
        let web = world.observed.containers.iter().find(|it| it.name == "shop-web-1").unwrap();
        web.networks["shop_default"]
            .links
            .iter()
            .map(|(target, name)| format!("{target} as {name}"))
            .collect::<Vec<_>>()
    };
    let mut go = |release: &Release, rollout: i64| {
        world.knows(release, Code::default());
        let seen = world.look(release, false);
        let notes = make(&seen.facts(release, RolloutId(rollout))).unwrap().notes;
        deploy(&mut world, release, rollout);
        (notes, links(&world))
    };
    assert_eq!(go(&one, 1), (Vec::new(), vec!["worker as worker".to_owned()]));
    let said = "made when api had one container, and led to that one until replaced: web";
    assert_eq!(go(&two, 2).0, [said]);
    let other = release(SPEC, &TWO.replace("image: web", "image: web:2"), "code-1");
    assert_eq!(go(&other, 3).1, ["api as api", "worker as worker"]);
    assert_eq!(go(&three, 4).0, Vec::<String>::new());
}

#[test]
fn hooks_are_for_each_of_them() {
    let spec = format!("{SPEC}  rollout: {{onTakeover: [{{service: worker, exec: [reload]}}]}}\n");
    let text = TWO.replace("scale: 2}", "scale: 2, post_start: [{command: [warm, up]}]}");
    let pair = pair(&spec, &text, Code::default(), Code::default());
    let told = deploy(&mut pair.world.clone(), &pair.new, 2);
    let hooks = told.iter().filter(|line| ["post-start", "hook", "stop"].iter().any(|it| line.contains(it)));
    insta::assert_snapshot!(hooks.map(String::as_str).collect::<Vec<_>>().join("\n"), @"
    post-start shop-api-1-r2 — its `post_start` belongs to the start
    post-start shop-api-2-r2 — its `post_start` belongs to the start
    hook worker: reload — rollout.onTakeover
    hook worker#2: reload — rollout.onTakeover
    stop shop-api-1-000000000001-old — its successor serves
    hook worker: reload — rollout.onTakeover
    hook worker#2: reload — rollout.onTakeover
    stop shop-api-2-000000000002-old — its successor serves
    ");
    resumes(&pair.world, forward(&pair.new, 2));
    reverts(&pair);
}

/// What docker-compose 1.29 made with `--scale`, or of a file that says so.
#[test]
fn those_that_docker_compose_made_are_kept() {
    let stack = STACK.replace("    ports: ['8000:8000']\n", "    scale: 2\n").replace(
        "    image: shop-api\n    restart: unless-stopped\n",
        "    image: shop-api\n    deploy: {replicas: 2}\n",
    );
    let (mut world, release) = made_by_compose(&stack);
    for container in &mut world.observed.containers {
        container.name = container.name.replace('-', "_");
    }
    let before = ids(&world);
    assert_eq!(before.len(), 5, "{before:?}");
    resumes(&world, forward(&release, 1));
    undoes(&Pair { world: world.clone(), old: release.clone(), new: release.clone() });
    let mut more = world.clone();
    deploy(&mut world, &release, 1);
    assert_eq!(ids(&world), before, "not one of them is touched");

    // The engine shows the newest first.
    more.observed.containers.reverse();
    let one = super::releases::release(adoption::SPEC, &stack.replace("    scale: 2\n", ""), "code-1");
    more.knows(&one, code("a", true, true));
    deploy(&mut more, &one, 1);
    let kept = |at: usize| ids(&more).contains(&before[at]);
    assert!(before[1].0 == "shop_api_1" && kept(1) && !kept(2), "the highest number goes: {:?}", ids(&more));

    let next = super::releases::release(adoption::SPEC, &stack, "code-2");
    world.knows(&next, code("a", true, true));
    deploy(&mut world, &next, 2);
    let names = |world: &World| {
        ids(world).into_iter().map(|(name, _)| name).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&world), before.into_iter().map(|(name, _)| name).collect());
}

#[test]
fn fewer_go_once_the_rest_of_the_release_is_proven() {
    let mut world = World::default();
    let three = with(3);
    world.knows(&three, Code::default());
    deploy(&mut world, &three, 1);
    let text = TWO.replace("scale: 2", "scale: 1").replace("image: web", "image: web:2");
    let one = release(SPEC, &text, "code-1");
    world.knows(&one, Code::default());
    let told = deploy(&mut world, &one, 2);
    let at = |words: &str| told.iter().position(|line| line.contains(words));
    let proven = at("prove shop-web-1-r2");
    assert!(
        proven.is_some() && proven < at("stop shop-api-2") && proven < at("stop shop-api-3"),
        "{told:#?}"
    );
}

/// Its name and its number would part, and the next one of that number would find its name taken.
#[test]
fn whoever_stands_in_for_another_number_is_replaced() {
    let mut world = World::default();
    let two = with(2);
    world.knows(&two, Code::default());
    deploy(&mut world, &two, 1);
    world.observed.containers.retain(|it| it.name != "shop-api-1");
    let one = with(1);
    world.knows(&one, Code::default());
    deploy(&mut world, &one, 2);
    let next = release(SPEC, TWO, "code-2");
    world.knows(&next, Code::default());
    deploy(&mut world, &next, 3);
    assert_eq!(names(&world), ["shop-api-1", "shop-api-2", "shop-web-1", "shop-worker-1", "shop-worker-2"]);
    nothing_to_do(&mut world, &next);
}
