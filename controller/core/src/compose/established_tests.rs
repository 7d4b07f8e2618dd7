//! What a release's digest is made of may not change for files that are there already: an update of evenkeel would roll every
//! application out again.

use std::collections::BTreeMap;

use super::testing::{self, APP};
use crate::name::ServiceName;

#[test]
fn the_digests_of_established_keys_stay_what_they_were() {
    let compose = include_str!("../../tests/compose/established.yaml");
    let common =
        "services: {base: {image: y, environment: {C: c}, networks: [outside]}}\nnetworks: {outside: {}}\n";
    let disk = testing::disk(compose)
        .file("common.yaml", common)
        .file("api.env", "RAW='x'\n")
        .file("other.env", "OTHER=\"y\"\n")
        .file("conf/app.ini", "x")
        .file("app/deploy/Dockerfile", "FROM x");
    let release = disk.release("{profiles: [jobs]}");
    let configs: BTreeMap<&ServiceName, &str> =
        release.configs.iter().map(|(name, digest)| (name, digest.as_str())).collect();
    let images: Vec<&str> = release.images.values().map(|image| image.reference()).collect();
    assert_eq!(release.app.as_str(), APP);
    insta::assert_debug_snapshot!((release.digest.as_str(), configs, images), @r#"
(
    "545629f39b9fdda30c72981b855903834bd04fb83c77c38e9b10d2d5b9034987",
    {
        "api": "dcea23d4f80fc83e7b6c6a6d04866b21",
        "db": "9bdee93a9c33e45a417c9eb97e948cf0",
        "job": "4b30dfdf37099e1d0c5f7951be9aa912",
        "like": "ea405bf8ecc7696f0f9ac9a18ab22cdb",
    },
    [
        "evenkeel/shop-api:3cb2fc067d0d05e0",
        "postgres:15",
        "x",
        "y",
    ],
)
"#);
}
