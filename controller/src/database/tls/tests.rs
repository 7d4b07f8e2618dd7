use std::os::unix::fs::PermissionsExt;

use evenkeel_core::database::{Level, Reason};
use evenkeel_core::name::ContainerId;
use evenkeel_core::secret::Secret;
use jiff::Timestamp;

use super::*;
use crate::database::programs::Program;
use crate::database::testing::{Authority, Docker, HERE, Server};
use crate::database::{BackupRequest, Programs, Store, Target};

const NAME: &str = "db.shop.example";
const EVERYBODY: &str = "host all all all trust";

fn asked(parameters: &str) -> Result<Tls, String> {
    let url = format!("postgresql://app:not-told@db.example/x?{parameters}");
    Target::from_url(&Secret::new(url)).map(|target| target.tls).map_err(|error| error.to_string())
}

#[test]
fn parameters_as_applications_have_them() {
    let modes = [
        ("", Mode::Prefer),
        ("application_name=x&connect_timeout=3", Mode::Prefer),
        ("sslmode=disable", Mode::Disable),
        ("sslmode=allow&sslcompression=0", Mode::Allow),
        ("ssl=true", Mode::Require),
        ("ssl=require&sslsni=1&sslnegotiation=postgres", Mode::Require),
        ("sslmode=verify-ca&sslrootcert=%2Fetc%2Fca.pem", Mode::VerifyCa),
        ("sslrootcert=system", Mode::VerifyFull),
    ];
    for (parameters, mode) in modes {
        assert_eq!(asked(parameters).unwrap().mode, mode, "{parameters}");
    }
    let all =
        asked("sslmode=verify-full&sslrootcert=/ca.pem&application_name=x&sslcert=/c&sslkey=/k").unwrap();
    assert_eq!(all.roots, Some(Roots::File("/ca.pem".into())));
    assert_eq!(all.identity, Some(Identity { certificate: "/c".into(), key: "/k".into() }));
    assert_eq!(all.server, "db.example");
    let bound = asked("channel_binding=require&sslmode=require").unwrap();
    assert_eq!(bound.environment(), ["PGSSLMODE=require", "PGCHANNELBINDING=require"]);
    assert!(bound.inimitable().is_some() && all.inimitable().is_some());
    assert!(asked("sslmode=require").unwrap().inimitable().is_none());
}

#[test]
fn what_cannot_be_is_said_with_what_can() {
    let refused = |parameters: &str| asked(parameters).unwrap_err();
    insta::assert_snapshot!(refused("sslmode=verify-full"), @"the database's URL cannot be used: sslmode=verify-full needs the certificate of the authority that signed the server's: add sslrootcert with the path of its file on this host, or sslrootcert=system for an authority that everybody trusts (server db.example:5432)");
    insta::assert_snapshot!(refused("sslmode=require&sslrootcert=system"), @"the database's URL cannot be used: sslrootcert=system goes with sslmode=verify-full only, not with require; say that, or name a file of root certificates (server db.example:5432)");
    insta::assert_snapshot!(refused("sslmode=strict"), @"the database's URL cannot be used: its sslmode is none of disable, allow, prefer, require, verify-ca, verify-full");
    insta::assert_snapshot!(refused("sslrootcert=certs/ca.pem"), @"the database's URL cannot be used: its sslrootcert is no absolute path; evenkeel reads the file on the host that it runs on (server db.example:5432)");
    insta::assert_snapshot!(refused("sslcert=/c.pem"), @"the database's URL cannot be used: sslcert and sslkey belong together; give the paths of both on this host (server db.example:5432)");
    insta::assert_snapshot!(refused("sslcrl=/crl.pem"), @"the database's URL cannot be used: its parameter sslcrl is not supported; of those for TLS, sslmode, sslrootcert, sslcert, sslkey and channel_binding are");
}

#[test]
fn an_address_in_the_place_of_a_name_keeps_the_name() {
    let tls = asked("sslmode=require").unwrap();
    assert_eq!(tls.place("192.0.2.7"), ("db.example", "192.0.2.7".parse().ok()));
    assert_eq!(tls.place("db.example"), ("db.example", None));
    assert_eq!(Tls::default().place("192.0.2.7"), ("192.0.2.7", None));
}

/// A server that speaks TLS under its own name, and the authority behind it.
struct Stage {
    server: Server,
    authority: Authority,
}

impl Stage {
    async fn set(hba: &str) -> Option<Self> {
        let (server, authority) = (Server::start().await?, Authority::new("Test CA")?);
        authority.sign("server", "somebody", Some(&format!("subjectAltName = DNS:{NAME}")));
        authority.sign("keel", "keel", None);
        server.secure(&authority.path("server.crt"), &authority.path("root.crt"), hba);
        Some(Self { server, authority })
    }

    fn target(&self, parameters: &str) -> Target {
        self.server.target_by(&format!("keel@{NAME}"), &self.with_paths(parameters)).unwrap()
    }

    /// `{file}` is a file of the authority.
    fn with_paths(&self, parameters: &str) -> String {
        parameters.replace('{', &self.authority.path("")).replace('}', "")
    }

    /// Whether a session has TLS; without one, why, and where no path of this run shows.
    async fn encrypted(&self, parameters: &str) -> Result<bool, String> {
        let target = self.target(parameters);
        encrypted(&target).await.map_err(|error| {
            let error = error.replace(&self.authority.path(""), "/certs/");
            error.replace(&format!(":{}", target.port), ":5432")
        })
    }
}

async fn encrypted(target: &Target) -> Result<bool, String> {
    let session = target.connect().await.map_err(|error| error.to_string())?;
    let sql = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()";
    Ok(session.query_one(sql, &[]).await.unwrap().get(0))
}

#[tokio::test]
async fn every_mode_with_a_server_that_speaks_tls() {
    let Some(stage) = Stage::set(EVERYBODY).await else { return };
    let expected = [
        ("", true),
        ("sslmode=disable", false),
        ("sslmode=allow", false),
        ("sslmode=prefer", true),
        ("sslmode=require", true),
        ("sslmode=require&sslrootcert={root.crt}", true),
        ("sslmode=verify-ca&sslrootcert={root.crt}", true),
        ("sslmode=verify-full&sslrootcert={root.crt}", true),
    ];
    for (parameters, tls) in expected {
        assert_eq!(stage.encrypted(parameters).await, Ok(tls), "{parameters}");
    }
}

#[tokio::test]
async fn every_mode_with_a_server_that_does_not() {
    let Some(server) = Server::start().await else { return };
    for parameters in ["", "sslmode=disable", "sslmode=allow", "sslmode=prefer"] {
        let target = server.target_by("keel@db.shop.example", parameters).unwrap();
        assert_eq!(encrypted(&target).await, Ok(false), "{parameters}");
    }
    let target = server.target_by("keel@db.shop.example", "sslmode=require").unwrap();
    let error = encrypted(&target).await.unwrap_err().replace(&target.port.to_string(), "5432");
    insta::assert_snapshot!(error, @"no TLS to database postgres at 127.0.0.1:5432 with sslmode=require: the server does not offer it; turn it on there (ssl = on), or ask for less with sslmode=prefer");
}

#[tokio::test]
async fn a_server_that_takes_only_one_kind() {
    let Some(stage) = Stage::set("hostssl all all all trust").await else { return };
    assert_eq!(stage.encrypted("sslmode=allow").await, Ok(true));
    let refused = stage.encrypted("sslmode=disable").await.unwrap_err();
    assert!(refused.contains("no encryption"), "{refused}");
    let Some(stage) = Stage::set("hostnossl all all all trust").await else { return };
    assert_eq!(stage.encrypted("sslmode=prefer").await, Ok(false));
    let refused = stage.encrypted("sslmode=require").await.unwrap_err();
    assert!(refused.contains("SSL encryption"), "{refused}");
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused_in_every_mode_that_names_one() {
    let Some(stage) = Stage::set(EVERYBODY).await else { return };
    stage.authority.signed_by_itself("other", "Other CA");
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused =
            stage.encrypted(&format!("sslmode={mode}&sslrootcert={{other.crt}}")).await.unwrap_err();
        assert!(refused.contains("certificate is not good: self-signed"), "{refused}");
    }
    // As libpq has it: no TLS with it, but a session all the same.
    assert_eq!(stage.encrypted("sslmode=prefer&sslrootcert={other.crt}").await, Ok(false));
    let refused = stage.encrypted("sslmode=verify-full&sslrootcert={other.crt}").await.unwrap_err();
    insta::assert_snapshot!(refused, @"no TLS to database postgres at 127.0.0.1:5432 with sslmode=verify-full: the server's certificate is not good: self-signed certificate in certificate chain; it has to be signed by an authority in /certs/other.crt (sslrootcert), and made out to db.shop.example");
    if openssl_probe::probe().cert_file.is_some() {
        let refused = stage.encrypted("sslrootcert=system").await.unwrap_err();
        insta::assert_snapshot!(refused, @"no TLS to database postgres at 127.0.0.1:5432 with sslmode=verify-full: the server's certificate is not good: self-signed certificate in certificate chain; it has to be signed by an authority that this host trusts (sslrootcert=system), and made out to db.shop.example");
    }
}

#[tokio::test]
async fn the_name_counts_in_verify_full_only() {
    let Some(stage) = Stage::set(EVERYBODY).await else { return };
    let by = |url: &str, mode: &str| {
        let parameters = stage.with_paths(&format!("sslmode={mode}&sslrootcert={{root.crt}}"));
        stage.server.target_by(url, &parameters).unwrap()
    };
    assert_eq!(encrypted(&by("keel@other.example", "verify-ca")).await, Ok(true));
    let refused = encrypted(&by("keel@other.example", "verify-full")).await.unwrap_err();
    assert!(
        refused.contains("ostname mismatch") && refused.contains("made out to other.example"),
        "{refused}"
    );
    let refused = encrypted(&by("keel@127.0.0.1", "verify-full")).await.unwrap_err();
    assert!(refused.contains("IP address mismatch"), "{refused}");
}

#[tokio::test]
async fn certificates_as_people_make_them() {
    let Some(stage) = Stage::set(EVERYBODY).await else { return };
    let authority = &stage.authority;
    let serve = |file: &str| {
        stage.server.secure(&authority.path(&format!("{file}.crt")), &authority.path("root.crt"), EVERYBODY);
    };
    // Nothing but a common name, as in PostgreSQL's own instructions.
    authority.sign("plain", NAME, None);
    serve("plain");
    assert_eq!(stage.encrypted("sslmode=verify-full&sslrootcert={root.crt}").await, Ok(true));
    authority.sign("wildcard", "x", Some("subjectAltName = DNS:*.shop.example"));
    serve("wildcard");
    assert_eq!(stage.encrypted("sslmode=verify-full&sslrootcert={root.crt}").await, Ok(true));
    authority.sign("address", "x", Some("subjectAltName = IP:127.0.0.1"));
    serve("address");
    let parameters = stage.with_paths("sslmode=verify-full&sslrootcert={root.crt}");
    assert_eq!(encrypted(&stage.server.target_by("keel@127.0.0.1", &parameters).unwrap()).await, Ok(true));
    // Signed by nobody but itself, and named as its own authority.
    authority.signed_by_itself("alone", NAME);
    serve("alone");
    assert_eq!(stage.encrypted("sslmode=verify-full&sslrootcert={alone.crt}").await, Ok(true));
}

#[tokio::test]
async fn a_certificate_of_ones_own() {
    let Some(stage) = Stage::set("hostssl all all all cert").await else { return };
    let own = "sslmode=verify-full&sslrootcert={root.crt}&sslcert={keel.crt}&sslkey={keel.key}";
    assert_eq!(stage.encrypted(own).await, Ok(true));
    let refused = stage.encrypted("sslmode=require").await.unwrap_err();
    assert!(refused.contains("valid client certificate"), "{refused}");
    let foreign = "sslmode=require&sslcert={other.crt}&sslkey={other.key}";
    stage.authority.signed_by_itself("other", "keel");
    let refused = stage.encrypted(foreign).await.unwrap_err();
    assert!(
        refused.ends_with("; the server has to trust who signed /certs/other.crt (sslcert)"),
        "{refused}"
    );
}

#[tokio::test]
async fn files_that_will_not_do() {
    let Some(stage) = Stage::set(EVERYBODY).await else { return };
    stage.authority.lock("keel.key", "locked.key");
    stage.authority.signed_by_itself("other", "keel");
    let refused = async |parameters: &str| stage.encrypted(parameters).await.unwrap_err();
    insta::assert_snapshot!(refused("sslmode=prefer&sslrootcert={none.crt}").await, @"no TLS to database postgres at 127.0.0.1:5432 with sslmode=prefer: sslrootcert /certs/none.crt cannot be read: No such file or directory (os error 2); evenkeel reads it on the host (in a container: mounted there under the same path)");
    insta::assert_snapshot!(refused("sslmode=require&sslrootcert={root.key}").await, @"no TLS to database postgres at 127.0.0.1:5432 with sslmode=require: sslrootcert /certs/root.key holds no certificate in PEM");
    insta::assert_snapshot!(refused("sslcert={keel.crt}&sslkey={locked.key}").await, @"no TLS to database postgres at 127.0.0.1:5432 with sslmode=prefer: sslkey /certs/locked.key holds no private key without a passphrase in PEM");
    insta::assert_snapshot!(refused("sslcert={keel.crt}&sslkey={other.key}").await, @"no TLS to database postgres at 127.0.0.1:5432 with sslmode=prefer: sslkey /certs/other.key is not the key of the certificate in sslcert");
    let path = stage.authority.path("keel.key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    insta::assert_snapshot!(refused("sslcert={keel.crt}&sslkey={keel.key}").await, @"no TLS to database postgres at 127.0.0.1:5432 with sslmode=prefer: sslkey /certs/keel.key can be read by others than its owner; chmod it to 0600 (0640 where it belongs to root)");
    // Without TLS nobody needs them.
    assert_eq!(stage.encrypted("sslmode=disable&sslrootcert={none.crt}").await, Ok(false));
}

#[tokio::test]
async fn a_password_is_bound_to_the_servers_certificate() {
    let Some(stage) = Stage::set(EVERYBODY).await else { return };
    let session = stage.target("").connect().await.unwrap();
    session.batch_execute("ALTER ROLE keel PASSWORD 'not-told'").await.unwrap();
    let (certificate, root) = (stage.authority.path("server.crt"), stage.authority.path("root.crt"));
    stage.server.secure(&certificate, &root, "host all all all scram-sha-256");
    let by = |parameters: &str| stage.server.target_by("keel:not-told@db.shop.example", parameters).unwrap();
    assert_eq!(encrypted(&by("sslmode=require&channel_binding=require")).await, Ok(true));
    assert_eq!(encrypted(&by("sslmode=require")).await, Ok(true));
    let refused = encrypted(&by("sslmode=disable&channel_binding=require")).await.unwrap_err();
    assert!(refused.contains("channel binding") && !refused.contains("not-told"), "{refused}");
    assert_eq!(programs_see(&by("sslmode=require&channel_binding=require")).await, Ok("t\n".to_owned()));
}

/// With PostgreSQL's programs on this machine, as they are in a helper.
fn equipped(target: &Target) -> Target {
    let (container, host) = (ContainerId::new(HERE), target.host.clone());
    Target { programs: Some(Programs::Beside { container, host, port: target.port }), ..target.clone() }
}

/// What a program says, asked through its input.
async fn programs_see(target: &Target) -> Result<String, String> {
    let target = equipped(target);
    let question: &[u8] = b"SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid();\n";
    let psql = Program::new(&Docker, &target, "psql", &["-X", "-A", "-t", "-d", "postgres"]);
    let outcome = psql.run(Some(Box::new(question)), None).await;
    let dump = Program::new(&Docker, &target, "pg_dump", &["-s", "-d", "postgres"]).run(None, None).await;
    let text = outcome.map_err(|error| error.to_string())?.stdout;
    assert!(String::from_utf8_lossy(&dump.unwrap().stdout).contains("PostgreSQL database dump complete"));
    Ok(String::from_utf8(text).unwrap())
}

/// Other tests run programs as well: what is still there after a while.
async fn left_behind() -> Vec<String> {
    for _ in 0..50 {
        if handed_over().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    handed_over()
}

fn handed_over() -> Vec<String> {
    let entries = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("evenkeel.")).collect()
}

#[tokio::test]
async fn postgresqls_programs_get_the_same_and_leave_nothing() {
    let Some(stage) = Stage::set("hostssl all all all cert").await else { return };
    let own = "sslmode=verify-full&sslrootcert={root.crt}&sslcert={keel.crt}&sslkey={keel.key}";
    assert_eq!(programs_see(&stage.target(own)).await, Ok("t\n".to_owned()));
    stage.authority.signed_by_itself("other", "Other CA");
    let foreign = stage.target(&own.replace("root.crt", "other.crt"));
    let refused = programs_see(&foreign).await.unwrap_err();
    assert!(refused.contains("certificate verify failed"), "{refused}");
    let (certificate, root) = (stage.authority.path("server.crt"), stage.authority.path("root.crt"));
    stage.server.secure(&certificate, &root, EVERYBODY);
    assert_eq!(programs_see(&stage.target("sslmode=require")).await, Ok("t\n".to_owned()));
    assert_eq!(programs_see(&stage.target("sslmode=disable")).await, Ok("f\n".to_owned()));
    assert_eq!(left_behind().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_backup_is_made_and_restored_over_tls() {
    let Some(stage) = Stage::set("hostssl all all all cert").await else { return };
    let own = "sslmode=verify-full&sslrootcert={root.crt}&sslcert={keel.crt}&sslkey={keel.key}";
    let target = equipped(&stage.target(own));
    let rows = "CREATE TABLE public.t AS SELECT md5(i::text) FROM generate_series(1, 50000) i";
    target.connect().await.unwrap().batch_execute(rows).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let request = BackupRequest { reason: Reason::Manual, image: None, now: Timestamp::UNIX_EPOCH };
    let backup = store.create(&Docker, &target, request).await.unwrap();
    assert_eq!((backup.total_rows(), backup.globals_missing.as_deref()), (50000, None));
    let verified = store.verify(&Docker, &target, &backup.id, true, Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(verified.level, Level::Restored);
}
