use super::*;
use crate::compose::testing::disk;
use crate::name::ContainerId;
use crate::observed::State;

const SHOP: &str = "services:\n  api: {build: .}\n  db: {image: 'postgres:15'}\n  odd: {image: 'x:1', annotations: {a: b}}\n";

fn release() -> Release {
    disk(SHOP).file("Dockerfile", "FROM scratch\n").release("projectDirectory: /opt/shop")
}

fn image() -> ImageId {
    ImageId::new("sha256:1")
}

fn images() -> BTreeMap<String, ImageId> {
    ["shop_api", "postgres:15", "x:1"].map(|name| (name.to_owned(), image())).into()
}

fn container(service: &str, labels: &[(&str, String)]) -> Container {
    let own = [(label::COMPOSE_SERVICE, service.to_owned())];
    let labels = own.iter().chain(labels).map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    Container {
        id: ContainerId::new(service),
        name: format!("shop_{service}_1"),
        image: "x".to_owned(),
        image_id: image(),
        labels,
        state: State::Running,
        health: None,
        created_at: String::new(),
        started_at: String::new(),
        restart_count: 0,
        restart: crate::compose::RestartPolicy::No,
        networks: BTreeMap::new(),
        port_bindings: Vec::new(),
        bound_ports: Vec::new(),
        limits: Default::default(),
        mounts: Vec::new(),
        environment: Vec::new(),
        exit_code: 0,
        error: String::new(),
        oom_killed: false,
    }
}

fn hash(release: &Release, service: &str) -> (&'static str, String) {
    (label::COMPOSE_CONFIG_HASH, release.project.classic[&ServiceName::new(service)].hash(&image()).unwrap())
}

fn said(containers: &[Container], images: &BTreeMap<String, ImageId>) -> String {
    told(&afterwards(&release(), containers, images))
}

#[test]
fn what_bears_the_programs_own_digest_is_kept_whoever_made_it() {
    let release = release();
    let rollout = (label::ROLLOUT, "r7".to_owned());
    let api = container("api", &[hash(&release, "api"), rollout]);
    let db = container("db", &[hash(&release, "db")]);
    let odd = container("odd", &[(label::COMPOSE_CONFIG_HASH, "from docker-compose".to_owned())]);
    insta::assert_snapshot!(said(&[api, db, odd], &images()), @"keeps api, db as they are; it keeps odd if nothing changed since it made it, which cannot be told from here (docker-compose 1.29 does not know `annotations`, or it is not known what it makes of it)");
}

#[test]
fn everything_else_is_made_anew_and_it_is_said_why() {
    let release = release();
    let rollout = (label::ROLLOUT, "r7".to_owned());
    let other = (label::COMPOSE_CONFIG_HASH, "0".to_owned());
    let api = container("api", &[other, rollout.clone()]);
    let db = container("db", std::slice::from_ref(&rollout));
    insta::assert_snapshot!(said(&[api, db, container("odd", &[rollout])], &images()), @"makes api anew (its image's name leads to another image by now, or something has changed that evenkeel needs no new container for); it makes db anew (it was made before evenkeel knew docker-compose's digests); it makes odd anew (docker-compose 1.29 does not know `annotations`, or it is not known what it makes of it)");
    insta::assert_snapshot!(said(&[container("db", &[hash(&release, "db")])], &BTreeMap::new()), @"makes api (it has no container); it makes db anew (the engine has no image of its name); it makes odd (it has no container)");
    assert_eq!(tags_of_builds(&release), [(ServiceName::new("api"), "shop_api".to_owned())].into());
}

#[test]
fn the_command_names_what_it_reads_and_where() {
    insta::assert_snapshot!(command(&release()), @"At the live commit (`git checkout r`), `cd /opt/shop && docker-compose -p shop -f compose.yaml up -d`");
    let several = disk("x: y").file("deploy/base.yml", "services: {a: {image: x}}");
    let several = several.file("shared/it's.yml", "services: {b: {image: x}}");
    let files = "files: [deploy/base.yml, \"shared/it's.yml\"]";
    let mut release = several.release(&format!("{{{files}, projectDirectory: /opt/my shop}}"));
    release.manifest.spec.compose.profiles = vec!["jobs".to_owned()];
    insta::assert_snapshot!(command(&release), @r"At the live commit (`git checkout r`), `cd '/opt/my shop' && docker-compose -p shop -f base.yml -f '../shared/it'\''s.yml' --profile jobs up -d`");
    insta::assert_snapshot!(command(&several.release(&format!("{{{files}}}"))), @r"In a checkout of the live commit, r, `cd deploy && docker-compose -p shop -f base.yml -f '../shared/it'\''s.yml' up -d`");
    insta::assert_snapshot!(command(&disk("services: {a: {image: x}}").release("{}")), @"In a checkout of the live commit, r, `docker-compose -p shop -f compose.yaml up -d`");
}

#[test]
fn a_service_with_two_containers_cannot_be_let_go_of() {
    let once = (label::COMPOSE_ONEOFF, "True".to_owned());
    let of = |service, name: &str| Container { name: name.to_owned(), ..container(service, &[]) };
    let job = container("db", &[once]);
    assert_eq!(hindrance(&release(), &[of("api", "shop_api_1"), of("db", "shop_db_1"), job]), None);
    let left = [of("api", "shop_api_1"), of("api", "shop_api_1-r7"), of("gone", "a"), of("gone", "b")];
    insta::assert_snapshot!(hindrance(&release(), &left).unwrap(), @"api has more than one container (shop_api_1, shop_api_1-r7), and docker-compose 1.29 would remove the newer one, which may be the one that serves: not let go of. `evenkeel retry shop`, or a deployment, may clear away what was left over; else remove by hand the one that does not serve (`evenkeel status` names the one that does)");
}

#[test]
fn several_that_the_file_asks_for_are_let_go_of_each_by_itself() {
    let text = SHOP.replace("api: {build: .}", "api: {build: ., scale: 2}");
    let release = disk(&text).file("Dockerfile", "FROM scratch\n").release("projectDirectory: /opt/shop");
    let of = |number: &str, labels: &[(&str, String)]| {
        let number_of = (label::COMPOSE_NUMBER, number.to_owned());
        let api = container("api", &[&[number_of], labels].concat());
        Container { name: format!("shop_api_{number}"), ..api }
    };
    let (first, second) = (of("1", &[hash(&release, "api")]), of("2", &[(label::ROLLOUT, "r7".to_owned())]));
    let two = [first, second];
    assert_eq!(hindrance(&release, &two), None);
    insta::assert_snapshot!(told(&afterwards(&release, &two, &images())), @"keeps api as they are; it makes api#2 anew (it was made before evenkeel knew docker-compose's digests); it makes db (it has no container); it makes odd (it has no container)");
    insta::assert_snapshot!(hindrance(&release, &[two.as_slice(), &[of("3", &[])]].concat()).unwrap(), @"api#2 has more than one container (shop_api_2, shop_api_3), and docker-compose 1.29 would remove the newer one, which may be the one that serves: not let go of. `evenkeel retry shop`, or a deployment, may clear away what was left over; else remove by hand the one that does not serve (`evenkeel status` names the one that does)");
    let tags = tags_of_builds(&release);
    assert!(tags.values().all(|tag| tag == "shop_api"), "{tags:?}");
}

#[test]
fn a_container_keeps_the_kind_of_name_that_its_compose_gave_it() {
    let project = release().project;
    let name = ServiceName::new("db");
    let named = |current: Option<&str>| {
        let current = current.map(|name| Container { name: name.to_owned(), ..container("db", &[]) });
        crate::plan::final_name(&project, &name, &project.services[&name], current.as_ref())
    };
    assert_eq!(named(Some("shop_db_1")), "shop_db_1");
    assert_eq!(named(Some("shop-db-1")), "shop-db-1");
    assert_eq!(named(None), "shop-db-1");
}
