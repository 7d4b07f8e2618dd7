//! What can happen to an application: the stories that are told with a crash at every place.

use std::time::Duration;

use evenkeel_core::compose::RestartPolicy;
use evenkeel_core::observed::State;

use super::world::World;

/// A commit: what is in its tree.
#[derive(Clone)]
pub(super) struct Commit {
    pub(super) manifest: String,
    pub(super) compose: String,
    pub(super) code: &'static str,
}

/// A story.
pub(super) struct Story {
    pub(super) name: &'static str,
    pub(super) commits: Vec<Commit>,
    /// The commits that are deployed one after the other before it begins.
    pub(super) before: Vec<usize>,
    /// What somebody does to the host then.
    pub(super) drift: fn(&mut World),
    /// The commit that the branch points to from then on.
    pub(super) tip: usize,
    /// What evenkeel knows when it begins: nothing, where Compose made what runs.
    pub(super) made_by_compose: bool,
    /// Containers that stand when it begins and are never replaced, by name.
    pub(super) keeps: &'static [&'static str],
    /// The commit that is live in the end.
    pub(super) ends_at: Option<usize>,
    /// While evenkeel is down after a crash, the branch moves to this commit; what is then the end is the same as
    /// when it goes there by itself after the story.
    pub(super) moves_to: Option<usize>,
}

const MANIFEST: &str = "apiVersion: evenkeel/v1
kind: Application
metadata: {name: shop}
spec:
  compose: {files: [compose.yaml]}
  database: {service: db, migrations: {tool: alembic, service: api}}
  services:
    api: {probe: {http: {path: /, port: 8000}, interval: 1s, startTimeout: 8s}}
  smoke:
    - http: {service: api, port: 8000, path: /smoke}
  rollout:
    minHealthy: 1s
    bake: 8s
    retryDelay: 2s
    onTakeover: [{service: db, exec: [pg_isready]}]
";

const COMPOSE: &str = "services:
  db:
    image: postgres:15
    restart: always
    environment: {POSTGRES_USER: shop, POSTGRES_DB: shop, POSTGRES_PASSWORD: secret}
    volumes: ['data:/var/lib/postgresql/data']
    healthcheck: {test: [CMD, pg_isready], interval: 1s}
  api:
    build: ./api
    image: shop-api
    restart: always
    ports: ['8000:8000']
    environment: {GREETING: hello}
    volumes: ['./app.ini:/etc/app.ini:ro']
    mem_limit: 256m
    depends_on: [db]
  worker:
    image: shop-api
    restart: unless-stopped
    depends_on: [db]
volumes: {data: {}}
";

/// One that is restarted with what it depends on.
const DEPENDENT: &str = "  mailer:
    image: mailer:1
    restart: always
    depends_on: {api: {condition: service_started, restart: true}}
";

/// One that keeps data, and has a port of the host.
const KEEPING: &str = "  keep:
    image: mailer:1
    restart: always
    ports: ['7000:7000']
    volumes: ['kept:/kept']
";

/// One that mounts a file of the repository.
pub(super) const MOUNTING: &str = "  reader:
    image: mailer:1
    restart: always
    volumes: ['./app.ini:/etc/app.ini:ro']
";

/// One whose tag is asked for.
const POLLED: &str = "  poller:
    image: poller:1
    pull_policy: every_1m
    restart: always
";

/// One with a healthcheck.
const CHECKED: &str = "  cache:
    image: mailer:1
    restart: always
    healthcheck: {test: [CMD, 'true'], interval: 1s}
";

fn commit(code: &'static str) -> Commit {
    Commit { manifest: MANIFEST.to_owned(), compose: COMPOSE.to_owned(), code }
}

/// Commits that differ in their code.
pub(super) fn commits(code: &[&'static str]) -> Vec<Commit> {
    code.iter().map(|code| commit(code)).collect()
}

fn story(name: &'static str, before: &[&'static str], then: &'static str) -> Story {
    let commits: Vec<Commit> = before.iter().chain([&then]).map(|code| commit(code)).collect();
    let tip = commits.len() - 1;
    Story {
        name,
        before: (0..tip).collect(),
        commits,
        drift: |_| {},
        tip,
        made_by_compose: false,
        keeps: &[],
        ends_at: Some(tip),
        moves_to: None,
    }
}

impl Story {
    /// One without anything.
    pub(super) fn of(name: &'static str) -> Self {
        story(name, &[], FIRST)
    }

    /// Every commit's Compose file has more services.
    pub(super) fn with(mut self, services: &str) -> Self {
        for commit in &mut self.commits {
            commit.compose =
                commit.compose.replace("volumes: {data: {}}", &format!("{services}volumes: {{data: {{}}}}"));
        }
        self
    }

    /// One more commit: the first, but for this. It is not deployed by itself.
    pub(super) fn and(mut self, change: impl FnOnce(&mut Commit)) -> Self {
        let mut commit = self.commits[0].clone();
        change(&mut commit);
        self.commits.push(commit);
        self
    }

    /// With a service that keeps data, and has another name in the last commit.
    fn renamed(mut self) -> Self {
        let last = self.commits.len() - 1;
        for (number, commit) in self.commits.iter_mut().enumerate() {
            let service =
                if number == last { KEEPING.replace("keep:", "store:") } else { KEEPING.to_owned() };
            let volumes = "volumes: {data: {}}";
            commit.compose =
                commit.compose.replace(volumes, &format!("{service}volumes: {{data: {{}}, kept: {{}}}}"));
        }
        self
    }

    /// With a service whose image is pulled.
    pub(super) fn with_a_cache(self) -> Self {
        self.with(CHECKED)
    }

    /// With two services that share an image.
    pub(super) fn with_two_caches(self) -> Self {
        self.with_a_cache().with(&CHECKED.replace("cache:", "store:"))
    }

    /// With a service whose tag is asked for every minute.
    pub(super) fn polled(self) -> Self {
        self.with(POLLED)
    }

    /// With more of them, of these images.
    pub(super) fn polled_as_well(self, images: &[&str]) -> Self {
        images.iter().zip(1..).fold(self, |story, (image, number)| {
            let service = POLLED.replace("poller:1", image).replace("poller", &format!("also{number}"));
            story.with(&service)
        })
    }

    /// With one whose tag is asked for once a day.
    pub(super) fn polled_daily(self) -> Self {
        self.with(&POLLED.replace("every_1m", "daily"))
    }

    /// Every commit's services have hooks.
    fn hooked(mut self) -> Self {
        for commit in &mut self.commits {
            for service in ["db", "api", "worker"] {
                let hooks = format!(
                    "  {service}:\n    post_start: [{{command: [greet, {service}]}}, {{command: [warm, up]}}]\n    \
                     pre_stop: [{{command: [drain, {service}]}}]\n"
                );
                commit.compose = commit.compose.replacen(&format!("  {service}:\n"), &hooks, 1);
            }
        }
        self
    }

    /// The last commit's hook of a service fails.
    fn with_a_hook_that_fails(self, service: &str) -> Self {
        let mut story = self.hooked().fails();
        if let Some(commit) = story.commits.last_mut() {
            commit.compose = commit.compose.replace(&format!("[greet, {service}]"), "['false']");
        }
        story
    }

    /// Every commit asks for so many containers of its services; what has several publishes no port.
    fn replicated(mut self, counts: [u32; 2]) -> Self {
        for (commit, count) in self.commits.iter_mut().zip(counts) {
            commit.compose = commit
                .compose
                .replace("    ports: ['8000:8000']\n", &format!("    scale: {count}\n"))
                .replace("    restart: unless-stopped\n", "    restart: unless-stopped\n    scale: 2\n");
        }
        self
    }

    /// It fails, and everything is put back.
    fn fails(self) -> Self {
        Self { ends_at: self.tip.checked_sub(1), ..self }
    }

    /// It fails, and what Compose made runs as before.
    fn fails_anew(self) -> Self {
        Self { ends_at: None, ..self }
    }

    /// The branch goes back to an earlier commit while evenkeel is down.
    fn taken_back(self) -> Self {
        Self { moves_to: Some(self.tip - 1), ..self }
    }

    /// The branch goes back to an earlier commit, with evenkeel watching.
    fn reverts_to(self, commit: usize) -> Self {
        Self { before: (0..=self.tip).collect(), tip: commit, ends_at: Some(commit), ..self }
    }

    /// It cannot be done: what it was to take back stays.
    fn in_vain(self) -> Self {
        Self { ends_at: self.before.last().copied(), ..self }
    }

    /// The first commit is what runs when it begins.
    pub(super) fn runs_already(self) -> Self {
        Self { before: vec![0], tip: 0, ends_at: Some(0), ..self }
    }

    /// Compose made what runs, not evenkeel. The database is as every release asks for it, so it stays.
    fn adopts(self) -> Self {
        Self { made_by_compose: true, keeps: &["shop-db-1"], ..self }
    }

    /// These stay: two of three, for the third mounts a file of the repository.
    fn keeps(self, keeps: &'static [&'static str]) -> Self {
        Self { keeps, ..self }
    }

    fn drifts(self, drift: fn(&mut World)) -> Self {
        Self { before: vec![0], tip: 0, ends_at: Some(0), drift, ..self }
    }
}

const FIRST: &str = "script a\n";

/// More releases than are kept.
const EARLIER: [&str; 12] = [
    FIRST,
    "script a\n1",
    "script a\n2",
    "script a\n3",
    "script a\n4",
    "script a\n5",
    "script a\n6",
    "script a\n7",
    "script a\n8",
    "script a\n9",
    "script a\n10",
    "script a\n11",
];

/// All of them; the long ones first.
pub(super) fn all() -> Vec<Story> {
    let mut stories = failures();
    stories.extend(reverts());
    stories.extend(deploys());
    stories.extend(drifts());
    stories.extend(hooks());
    stories.extend(replicas());
    stories
}

fn replicas() -> Vec<Story> {
    let next = "script a\nnew\n";
    vec![
        story("replicas: code only", &[FIRST], next).replicated([2, 2]),
        story("replicas: one more", &[FIRST], FIRST).replicated([1, 2]),
        story("replicas: one less", &[FIRST], FIRST).replicated([2, 1]),
        story("replicas: code fails its bake", &[FIRST], "script a\nfault late\n").replicated([2, 2]).fails(),
        story("replicas: a fenced migration", &[FIRST], "script a\nscript b breaking\n").replicated([2, 2]),
        story("replicas: drift", &[], FIRST)
            .replicated([2, 2])
            .drifts(|world| world.meddle("shop-api-2", World::remove)),
        story("replicas: drift of one with hooks", &[], FIRST).replicated([2, 2]).hooked().drifts(|world| {
            world.meddle("shop-api-2", World::stop);
            world.meddle("shop-worker-2", |world, place| world.leave(place, "shop_default"));
        }),
        story("replicas: fewer, of other code", &[FIRST], next).replicated([3, 1]),
        story("replicas: two more, taken back by a commit", &[FIRST], FIRST).replicated([1, 3]).reverts_to(0),
        story("replicas: adoption of what matches", &[], FIRST)
            .replicated([2, 2])
            .runs_already()
            .adopts()
            .keeps(&["shop-db-1", "shop-worker-1", "shop-worker-2"]),
    ]
}

fn hooks() -> Vec<Story> {
    let next = "script a\nnew\n";
    vec![
        story("hooks: code only", &[FIRST], next).hooked(),
        story("hooks: a fenced migration", &[FIRST], "script a\nscript b breaking\n").hooked(),
        // A Compose that knows of no hooks made what runs.
        story("hooks: adoption with new code", &[FIRST], next).adopts().keeps(&[]).hooked(),
        story("hooks: code that fails its bake", &[FIRST], "script a\nfault late\n").hooked().fails(),
        story("hooks: a candidate's fails", &[FIRST], next).with_a_hook_that_fails("api"),
        story("hooks: one that is stopped first fails", &[FIRST], next).with_a_hook_that_fails("worker"),
        story("hooks: drift", &[], FIRST).hooked().drifts(|world| {
            world.meddle("shop-api-1", World::stop);
            world.meddle("shop-db-1", World::stop);
        }),
    ]
}

fn deploys() -> Vec<Story> {
    let mut env = story("env change", &[FIRST], FIRST);
    let depends = |story: Story| story.with(DEPENDENT);
    env.commits[1].compose = COMPOSE.replace("hello", "goodbye");
    vec![
        story("first deploy", &[], FIRST),
        story("adoption of what matches", &[], FIRST)
            .runs_already()
            .adopts()
            .keeps(&["shop-db-1", "shop-worker-1"]),
        story("adoption with new code", &[FIRST], "script a\nnew\n").adopts(),
        story("adoption with a migration", &[FIRST], "script a\nscript b\n").adopts(),
        story("adoption with a fenced migration", &[FIRST], "script a\nscript b breaking\n").adopts(),
        story("retention", &EARLIER, "script a\nthe newest\n"),
        story("code only", &[FIRST], "script a\nnew\n"),
        story("another name for what keeps data", &[FIRST], FIRST).renamed(),
        story(
            "another name for what keeps data, and code that fails its bake",
            &[FIRST],
            "script a\nfault late\n",
        )
        .renamed()
        .fails(),
        story("another name for what keeps data, taken back by a commit", &[FIRST], FIRST)
            .renamed()
            .reverts_to(0),
        story("code only, taken back while down", &[FIRST], "script a\nnew\n").taken_back(),
        env,
        depends(story("dependent is restarted", &[FIRST], "script a\nnew\n")),
        depends(story("dependent is restarted behind a fence", &[FIRST], "script a\nscript b breaking\n")),
        depends(story(
            "dependent is restarted, and again on the way back",
            &[FIRST],
            "script a\nfault late\n",
        ))
        .fails(),
        depends(story("drift: dependent is restarted", &[], FIRST))
            .drifts(|world| world.meddle("shop-api-1", World::stop)),
        story("additive migration", &[FIRST], "script a\nscript b\n"),
        story("additive migration, taken back while down", &[FIRST], "script a\nscript b\n").taken_back(),
        story("fenced migration", &[FIRST], "script a\nscript b breaking\n"),
        story("fenced migration, taken back while down", &[FIRST], "script a\nscript b breaking\n")
            .taken_back(),
    ]
}

fn reverts() -> Vec<Story> {
    vec![
        story("revert of code", &[FIRST], "script a\nnew\n").reverts_to(0),
        story("revert of an additive migration", &[FIRST], "script a\nscript b\n").reverts_to(0),
        story("revert of a fenced migration", &[FIRST], "script a\nscript b breaking\n").reverts_to(0),
        story(
            "revert to code that does not start on additions",
            &["script a\npicky\n"],
            "script a\nscript b\n",
        )
        .reverts_to(0),
        story(
            "revert of migrations, each by itself, of which one cannot be taken back",
            &[FIRST],
            "apart\nscript a\nscript b stays-on-rows\nscript c\n",
        )
        .reverts_to(0)
        .in_vain(),
        story(
            "revert of fenced migrations, each by itself, of which one cannot be taken back",
            &[FIRST],
            "apart\nscript a\nscript b stays-on-rows\nscript c breaking\n",
        )
        .reverts_to(0)
        .in_vain(),
        story(
            "revert to code that fails its probe on a schema that went down",
            &[FIRST, "script a\nscript b\n"],
            "script a\nfault probe\n",
        )
        .fails(),
        story(
            "revert to code that fails its probe on a schema that went down behind a fence",
            &[FIRST, "script a\nscript b breaking\n"],
            "script a\nfault probe\n",
        )
        .fails(),
        story(
            "revert to code that fails its bake on a schema that went down",
            &[FIRST, "script a\nscript b\n"],
            "script a\nfault late\n",
        )
        .fails(),
    ]
}

fn failures() -> Vec<Story> {
    vec![
        story("first deploy fails its bake", &[], "script a\nfault late\n").fails(),
        story("first deploy does not start", &[], "script a\nfault start\n").fails(),
        story("adoption with code that does not start", &[FIRST], "script a\nfault start\n")
            .adopts()
            .fails_anew(),
        story("adoption with code that fails its bake", &[FIRST], "script a\nfault late\n")
            .adopts()
            .fails_anew(),
        story(
            "adoption with a migration, and code that fails its probe",
            &[FIRST],
            "script a\nscript b\nfault probe\n",
        )
        .adopts()
        .fails_anew(),
        story(
            "adoption with a migration that only a backup takes back, and code that fails its probe",
            &[FIRST],
            "script a\nscript b breaking inexact\nfault probe\n",
        )
        .adopts()
        .fails_anew(),
        story(
            "adoption with a migration that stops half way",
            &[FIRST],
            "script a\nscript b breaking half\n",
        )
        .adopts()
        .fails_anew(),
        story(
            "adoption with a migration that stops between two scripts",
            &[FIRST],
            "script a\nscript b\nscript c half\n",
        )
        .adopts()
        .fails_anew(),
        story(
            "adoption with a fenced migration that stops between two scripts",
            &[FIRST],
            "script a\nscript b breaking\nscript c half\n",
        )
        .adopts()
        .fails_anew(),
        story(
            "adoption with a migration that cannot be taken back, and code that fails its bake",
            &[FIRST],
            "script a\nscript b stays-on-rows\nfault late\n",
        )
        .adopts()
        .fails_anew(),
        story(
            "code fails its probe on a fenced migration that cannot be taken back",
            &[FIRST],
            "script a\nscript b breaking stays-on-rows\nfault probe\n",
        )
        .fails(),
        story("build fails", &[FIRST], "script a\nfault build\n").fails(),
        story("rehearsal fails", &[FIRST], "script a\nscript b fails\n").fails(),
        story("migration fails on rows", &[FIRST], "script a\nscript b fails-on-rows\n").fails(),
        story("fenced migration fails on rows", &[FIRST], "script a\nscript b breaking fails-on-rows\n")
            .fails(),
        story("migration stops half way", &[FIRST], "script a\nscript b half\n").fails(),
        story("fenced migration stops half way", &[FIRST], "script a\nscript b breaking half\n").fails(),
        story("migration stops between two scripts", &[FIRST], "script a\nscript b\nscript c half\n").fails(),
        story(
            "fenced migration stops between two scripts",
            &[FIRST],
            "script a\nscript b breaking\nscript c half\n",
        )
        .fails(),
        story(
            "migrations, each by itself, of which one fails on rows",
            &[FIRST],
            "apart\nscript a\nscript b\nscript c fails-on-rows\n",
        )
        .fails(),
        story(
            "fenced migrations, each by itself, of which one fails on rows",
            &[FIRST],
            "apart\nscript a\nscript b breaking\nscript c fails-on-rows\n",
        )
        .fails(),
        story(
            "code fails its bake on migrations, each by itself, of which one cannot be taken back",
            &[FIRST],
            "apart\nscript a\nscript b stays-on-rows\nscript c\nfault late\n",
        )
        .fails(),
        story(
            "code fails its probe on fenced migrations, each by itself, of which one cannot be taken back",
            &[FIRST],
            "apart\nscript a\nscript b breaking stays-on-rows\nscript c\nfault probe\n",
        )
        .fails(),
        story("code does not start", &[FIRST], "script a\nfault start\n").fails(),
        story("code fails its probe", &[FIRST], "script a\nfault probe\n").fails(),
        story("code fails its probe on an additive migration", &[FIRST], "script a\nscript b\nfault probe\n")
            .fails(),
        story(
            "code fails its probe on a fenced migration",
            &[FIRST],
            "script a\nscript b breaking\nfault probe\n",
        )
        .fails(),
        story(
            "code fails its probe on a migration that only a backup takes back",
            &[FIRST],
            "script a\nscript b breaking inexact\nfault probe\n",
        )
        .fails(),
        story(
            "code fails its bake on an additive migration that cannot be taken back",
            &[FIRST],
            "script a\nscript b stays-on-rows\nfault late\n",
        )
        .fails(),
        story("code fails its smoke check", &[FIRST], "script a\nfault smoke\n").fails(),
        story("code fails its bake", &[FIRST], "script a\nfault late\n").fails(),
        story("code fails its bake on an additive migration", &[FIRST], "script a\nscript b\nfault late\n")
            .fails(),
        story(
            "code fails its bake on a fenced migration",
            &[FIRST],
            "script a\nscript b breaking\nfault late\n",
        )
        .fails(),
    ]
}

fn drifts() -> Vec<Story> {
    let drifted = |name, drift| story(name, &[], FIRST).drifts(drift);
    vec![
        drifted("drift: stopped", |world| world.meddle("shop-api-1", World::stop)),
        drifted("drift: removed", |world| world.meddle("shop-api-1", World::remove)),
        drifted("drift: paused", |world| {
            world.meddle("shop-api-1", |world, place| world.containers[place].seen.state = State::Paused);
        }),
        drifted("drift: restart policy and limits", |world| {
            world.meddle("shop-api-1", |world, place| {
                world.containers[place].seen.restart = RestartPolicy::No;
                world.containers[place].seen.limits.memory = Some(1);
            });
        }),
        drifted("drift: disconnected", |world| {
            world.meddle("shop-api-1", |world, place| world.leave(place, "shop_default"));
            world.meddle("shop-db-1", |world, place| world.leave(place, "zz_shop_backstage"));
        }),
        drifted("drift: renamed", |world| {
            world.meddle("shop-worker-1", |world, place| {
                "mine".clone_into(&mut world.containers[place].seen.name);
            });
        }),
        drifted("drift: unhealthy", |world| {
            world.meddle("shop-cache-1", |world, place| world.containers[place].damaged = true);
        })
        .with(CHECKED),
        drifted("drift: the tag of an image has moved", |world| {
            world.registry.insert("poller:1".to_owned(), "sha256:moved".to_owned());
        })
        .with(POLLED),
        drifted("drift: database stopped", |world| world.meddle("shop-db-1", World::stop)),
        drifted("drift: database removed", |world| world.meddle("shop-db-1", World::remove)),
    ]
}

impl World {
    /// Somebody does something to a container.
    fn meddle(&mut self, name: &str, with: impl FnOnce(&mut Self, usize)) {
        let place = self.position(name).unwrap_or_else(|| panic!("there is no {name}"));
        with(self, place);
        self.clock += Duration::from_millis(1);
    }
}
