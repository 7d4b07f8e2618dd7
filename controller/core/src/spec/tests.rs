use super::*;
use crate::compose::testing::disk;

fn container(release: &Release, service: &str, role: Role) -> ContainerSpec {
    made(release, service, |making| making.container("shop-a-1", role))
}

fn made(release: &Release, service: &str, make: impl FnOnce(&Making<'_>) -> ContainerSpec) -> ContainerSpec {
    let making = Making {
        release,
        service: &service.into(),
        image: &ImageId::new("sha256:a"),
        rollout: RolloutId(1),
        peers: &[],
        serving: &BTreeMap::new(),
        files: "/data/releases/shop/d/files",
        backstage: true,
    };
    make(&making)
}

#[test]
fn what_runs_one_command_is_none_of_those_that_a_name_leads_to() {
    let release = disk("services: {a: {image: x, scale: 2}}").release("{}");
    let candidate = container(&release, "a", Role::Successor);
    assert!(!candidate.endpoints[0].aliases.is_empty());
    let one_off =
        made(&release, "a", |making| making.one_off("shop-a-migrate", &["up".to_owned()], None, &[]));
    assert!(one_off.endpoints[0].aliases.is_empty(), "{:?}", one_off.endpoints);
}

#[test]
fn links_are_on_every_network_of_the_services_own() {
    let text = "services: {a: {image: x, links: ['b:database', b], networks: {n: {mac_address: 02:42:ac:11:00:02}}}, b: {image: y, networks: [n]}}\nnetworks: {n: }";
    let spec = container(&disk(text).release("{}"), "a", Role::Replacement);
    assert_eq!(spec.endpoints[0].links, [("b".to_owned(), "database".to_owned())]);
    assert_eq!(spec.endpoints[0].mac_address.as_deref(), Some("02:42:ac:11:00:02"));
    assert!(spec.endpoints[1].links.is_empty());
}

#[test]
fn given_files_stand_beside_those_of_the_repository_and_sources_that_must_exist_take_the_long_form() {
    let text = "services:
  a:
    image: x
    configs: [c]
    volumes:
      - ./conf:/conf:ro
      - {type: bind, source: /srv/x, target: /x, bind: {create_host_path: false, propagation: rslave}}
      - {type: bind, source: /srv/y, target: /y, bind: {selinux: z}}
      - {type: bind, source: ./conf, target: /z, bind: {recursive: disabled}}
configs: {c: {content: x}}
";
    let spec = container(&disk(text).file("conf/x", "x").release("{}"), "a", Role::Successor);
    insta::assert_snapshot!(spec.binds.join("\n"), @"
    /data/releases/shop/d/given/configs/c/-.-.444:/c:ro
    /data/releases/shop/d/files/conf:/conf:ro
    /srv/y:/y:z
    ");
    insta::assert_debug_snapshot!(spec.mounts, @r#"
    [
        BindMount {
            source: "/srv/x",
            target: "/x",
            read_only: false,
            propagation: Some(
                "rslave",
            ),
            recursive: Enabled,
            create: false,
        },
        BindMount {
            source: "/data/releases/shop/d/files/conf",
            target: "/z",
            read_only: false,
            propagation: None,
            recursive: Disabled,
            create: true,
        },
    ]
    "#);
}
