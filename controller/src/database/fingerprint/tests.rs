use evenkeel_core::database::fingerprint::{additive, compare};

use super::*;
use crate::database::testing::Server;

/// One of everything that the catalog queries list.
const SCHEMA: &str = include_str!("schema.sql");

struct Changed {
    differences: Vec<String>,
    refused: Vec<String>,
}

async fn changed(server: &Server, name: &str, sql: &str) -> Changed {
    let target = server.database(name).await;
    let user = server.session(&target, "psql").await;
    user.batch_execute(SCHEMA).await.unwrap();
    let before = fingerprint(&target).await.unwrap();
    for statement in sql.split(";;") {
        let done = user.batch_execute(statement).await;
        assert!(done.is_ok() || statement.contains("CONCURRENTLY u "), "{statement}: {done:?}");
    }
    let after = fingerprint(&target).await.unwrap();
    let show = |differences: Vec<evenkeel_core::database::Difference>| {
        differences.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    Changed {
        differences: show(compare(&before, &after)),
        refused: additive(&before, &after).err().map(show).unwrap_or_default(),
    }
}

#[tokio::test]
async fn two_databases_of_one_schema_are_equal_and_every_kind_is_there() {
    let Some(server) = Server::start().await else { return };
    let mut digests = Vec::new();
    for name in ["one", "two"] {
        let target = server.database(name).await;
        let user = server.session(&target, "psql").await;
        user.batch_execute("SET TimeZone = 'Asia/Tokyo'").await.unwrap();
        user.batch_execute(SCHEMA).await.unwrap();
        user.batch_execute(&format!("ALTER DATABASE {name} SET DateStyle = 'German'")).await.unwrap();
        let fingerprint = fingerprint(&target).await.unwrap();
        for (kind, _) in CATALOG {
            assert!(fingerprint.objects().keys().any(|key| key.kind == kind), "{kind:?}");
        }
        assert!(!fingerprint.objects().keys().any(|key| key.to_string().contains("alembic")));
        digests.push(fingerprint.digest());
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn additions() {
    let Some(server) = Server::start().await else { return };
    let sql = "CREATE TABLE more (id serial PRIMARY KEY, user_id int REFERENCES users, name text UNIQUE NOT NULL);; \
        ALTER TABLE users ADD note text, ADD age int NOT NULL DEFAULT 0, ADD n bigint GENERATED ALWAYS AS IDENTITY;; \
        CREATE INDEX CONCURRENTLY by_note ON users (note);; CREATE TYPE hue AS ENUM ('red');; \
        CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 2';; GRANT SELECT ON users TO reader;; \
        CREATE VIEW elders AS SELECT * FROM users WHERE age > 60;; INSERT INTO alembic_version VALUES ('b')";
    let changed = changed(&server, "app", sql).await;
    assert_eq!(changed.refused, Vec::<String>::new());
    let has = |start: &str| changed.differences.iter().any(|difference| difference.starts_with(start));
    for start in [
        "table public.more is new",
        "column public.users.age is new: integer not null default 0",
        "index public.by_note on public.users is new",
        "type public.hue is new: enum ('red')",
        "function public.g() is new",
        "view public.elders is new",
    ] {
        assert!(has(start), "{start}: {:#?}", changed.differences);
    }
}

#[tokio::test]
async fn whatever_is_more_than_an_addition_is_told() {
    let Some(server) = Server::start().await else { return };
    let cases = [
        ("ALTER TABLE users ADD must int NOT NULL", "column public.users.must is new"),
        ("ALTER TABLE users ADD must filled", "column public.users.must is new"),
        ("ALTER TABLE papers ALTER id TYPE bigint", "column public.papers.id was integer, is bigint"),
        (
            "ALTER TABLE papers ALTER id SET (n_distinct = 5)",
            "column public.papers.id was integer, is integer with",
        ),
        (
            "ALTER TABLE users ALTER email SET NOT NULL",
            "column public.users.email was text, is text not null",
        ),
        ("ALTER TABLE users ALTER made DROP DEFAULT", "column public.users.made was"),
        ("ALTER TABLE users RENAME email TO mail", "column public.users.email is gone"),
        ("ALTER TABLE users DROP email CASCADE", "column public.users.email is gone"),
        (
            "ALTER TABLE users ADD CONSTRAINT c CHECK (id > 0) NOT VALID",
            "constraint c on public.users is new",
        ),
        ("CREATE UNIQUE INDEX u ON users (made)", "index public.u on public.users is new"),
        ("DROP INDEX by_email", "index public.by_email on public.users is gone"),
        ("ALTER TYPE mood ADD VALUE 'new'", "type public.mood was enum ('good', 'bad')"),
        ("ALTER DOMAIN positive ADD CHECK (VALUE < 9)", "type public.positive was domain integer"),
        (
            "CREATE TRIGGER more AFTER DELETE ON users EXECUTE FUNCTION touch()",
            "trigger more on public.users is new",
        ),
        ("ALTER TABLE users DISABLE TRIGGER touching", "trigger touching on public.users was"),
        (
            "CREATE OR REPLACE FUNCTION f(x int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
            "function public.f(x integer) was",
        ),
        ("ALTER SEQUENCE counter INCREMENT 2", "sequence public.counter was"),
        ("REVOKE SELECT ON papers FROM reader", "grant to reader on public.papers is gone: SELECT"),
        ("ALTER TABLE users OWNER TO reader", "table public.users was"),
        ("ALTER TABLE users ENABLE ROW LEVEL SECURITY", "table public.users was"),
        ("CREATE OR REPLACE VIEW mails AS SELECT email FROM users WHERE id > 1", "view public.mails was"),
        (
            "INSERT INTO users (email) VALUES ('a'), ('b');; CREATE UNIQUE INDEX CONCURRENTLY u ON users (feeling)",
            "index public.u on public.users is new: CREATE UNIQUE INDEX u ON public.users USING btree (feeling) not valid",
        ),
    ];
    for (number, (sql, expected)) in cases.into_iter().enumerate() {
        let changed = changed(&server, &format!("case{number}"), sql).await;
        assert!(
            changed.refused.iter().any(|line| line.starts_with(expected)),
            "{sql}: {:#?}",
            changed.refused
        );
    }
}

#[tokio::test]
async fn a_way_back_leaves_no_trace() {
    let Some(server) = Server::start().await else { return };
    let sql = "ALTER TABLE users ADD note text;; CREATE INDEX i ON users (note);; DROP INDEX i;; \
        ALTER TABLE users DROP note;; SELECT nextval('counter')";
    assert_eq!(changed(&server, "app", sql).await.differences, Vec::<String>::new());
}
