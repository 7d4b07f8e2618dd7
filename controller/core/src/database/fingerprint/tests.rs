use proptest::prelude::*;

use super::*;

fn object(kind: Kind, on: Option<&str>, name: &str, definition: &str, traits: &[Trait]) -> (Key, Object) {
    let key = Key { kind, on: on.map(str::to_owned), name: name.to_owned() };
    (key, Object { definition: definition.to_owned(), traits: traits.iter().copied().collect() })
}

fn table(name: &str) -> (Key, Object) {
    object(Kind::Table, None, name, "owner app", &[])
}

fn column(table: &str, name: &str, traits: &[Trait]) -> (Key, Object) {
    object(Kind::Column, Some(table), name, "integer", traits)
}

fn base() -> Vec<(Key, Object)> {
    vec![
        table("public.users"),
        column("public.users", "id", &[Trait::NotNull]),
        object(Kind::Type, None, "public.mood", "enum (good, bad)", &[]),
        table("public.alembic_version"),
        column("public.alembic_version", "version_num", &[Trait::NotNull]),
    ]
}

fn with(more: impl IntoIterator<Item = (Key, Object)>) -> Fingerprint {
    base().into_iter().chain(more).collect::<Vec<_>>().into()
}

fn judged(more: impl IntoIterator<Item = (Key, Object)>) -> Result<(), String> {
    additive(&base().into(), &with(more))
        .map_err(|differences| differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

#[test]
fn additions_that_older_code_does_not_notice() {
    let cases = [
        table("public.posts"),
        column("public.users", "note", &[]),
        column("public.users", "age", &[Trait::NotNull, Trait::HasValue]),
        column("public.new_table", "id", &[Trait::NotNull]),
        object(Kind::Index, Some("public.users"), "public.i", "CREATE INDEX …", &[]),
        object(Kind::Index, Some("public.new_table"), "public.u", "CREATE UNIQUE INDEX …", &[Trait::Unique]),
        object(Kind::Constraint, Some("public.new_table"), "pk", "PRIMARY KEY (id)", &[]),
        object(Kind::Trigger, Some("public.new_table"), "t", "…", &[]),
        object(Kind::Type, None, "public.other", "enum (x)", &[]),
        object(Kind::Function, None, "public.f(integer)", "…", &[]),
        object(Kind::Grant, Some("public.users"), "to reader", "SELECT", &[]),
    ];
    for case in cases {
        assert_eq!(judged([case]), Ok(()));
    }
}

#[test]
fn additions_that_stand_in_its_way() {
    let on = Some("public.users");
    let cases = [
        column("public.users", "age", &[Trait::NotNull]),
        object(Kind::Index, on, "public.i", "CREATE UNIQUE INDEX …", &[Trait::Unique]),
        object(Kind::Index, on, "public.i", "CREATE INDEX …", &[Trait::Invalid]),
        object(Kind::Index, Some("public.new_table"), "public.i", "CREATE INDEX …", &[Trait::Invalid]),
        object(Kind::Constraint, on, "c", "CHECK (id > 0) NOT VALID", &[]),
        object(Kind::Trigger, on, "t", "…", &[]),
        object(Kind::Trigger, None, "ddl", "event trigger", &[]),
        object(Kind::Rule, on, "r", "…", &[]),
        object(Kind::Policy, on, "p", "…", &[]),
    ];
    for case in cases {
        let key = case.0.to_string();
        assert!(judged([case]).unwrap_err().contains(&key), "{key}");
    }
}

#[test]
fn whatever_existed_must_stay_as_it_was() {
    let changed =
        judged([object(Kind::Type, None, "public.mood", "enum (good, bad, new)", &[])]).unwrap_err();
    assert_eq!(changed, "type public.mood was enum (good, bad), is enum (good, bad, new)");
    let gone = additive(&with([column("public.users", "note", &[])]), &base().into()).unwrap_err();
    assert_eq!(gone[0].to_string(), "column public.users.note is gone: integer");
}

#[test]
fn the_revision_table_is_left_out_with_all_that_belongs_to_it() {
    let fingerprint = Fingerprint::from(base()).without_table("public.alembic_version");
    assert!(!fingerprint.objects().keys().any(|key| key.to_string().contains("alembic")), "{fingerprint:?}");
    assert_eq!(fingerprint.objects().len(), 3);
}

#[test]
fn a_fingerprint_survives_json_and_keeps_its_digest() {
    let fingerprint = with([column("public.users", "note", &[Trait::HasValue])]);
    let json = serde_json::to_string(&fingerprint).unwrap();
    let back: Fingerprint = serde_json::from_str(&json).unwrap();
    assert_eq!((&back, back.digest()), (&fingerprint, fingerprint.digest()));
    assert_ne!(back.digest(), Fingerprint::from(base()).digest());
}

#[test]
fn invalid_indexes_are_named() {
    let left = object(Kind::Index, Some("public.users"), "public.i", "CREATE INDEX …", &[Trait::Invalid]);
    assert_eq!(with([left]).invalid_indexes(), BTreeSet::from(["public.i".to_owned()]));
}

fn any_fingerprint() -> impl Strategy<Value = Fingerprint> {
    let kind =
        prop::sample::select(vec![Kind::Table, Kind::Column, Kind::Index, Kind::Constraint, Kind::Type]);
    let traits = prop::collection::btree_set(
        prop::sample::select(vec![Trait::NotNull, Trait::HasValue, Trait::Unique, Trait::Invalid]),
        0..3,
    );
    let any = (kind, prop::option::of("[ab]"), "[a-c]", "[xy]", traits).prop_map(
        |(kind, on, name, definition, traits)| {
            let on = on.filter(|_| matches!(kind, Kind::Column | Kind::Index | Kind::Constraint));
            (Key { kind, on, name }, Object { definition, traits })
        },
    );
    prop::collection::vec(any, 0..12).prop_map(Fingerprint::from)
}

proptest! {
    #[test]
    fn equal_schemas_have_no_differences(one in any_fingerprint()) {
        prop_assert_eq!(compare(&one, &one), []);
        prop_assert!(additive(&one, &one).is_ok());
    }

    #[test]
    fn digests_are_equal_exactly_where_schemas_are(one in any_fingerprint(), other in any_fingerprint()) {
        prop_assert_eq!(one.digest() == other.digest(), one == other);
        prop_assert_eq!(compare(&one, &other).is_empty(), one == other);
    }

    #[test]
    fn an_additive_change_removes_and_changes_nothing(one in any_fingerprint(), other in any_fingerprint()) {
        if additive(&one, &other).is_ok() {
            for (key, object) in one.objects() {
                prop_assert_eq!(other.objects().get(key), Some(object));
            }
        }
    }
}
