//! Which database, and how it is reached.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use evenkeel_core::secret::Secret;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config};

use super::error::{DatabaseError, chain};
use super::programs::Programs;
use super::tls::{Material, Mode, Parameters, Tls};

/// What evenkeel's own sessions call themselves; by it they are spared when others are hunted.
pub(super) const APPLICATION: &str = "evenkeel";

/// A connection is made within this, or not.
const CONNECT: Duration = Duration::from_secs(10);

/// Settings of evenkeel's own sessions: they never queue long behind a lock, and they print every value and name the same way
/// whatever the role, the database and the server are set to.
const SETTINGS: &str = "SET lock_timeout = '5s'; SET statement_timeout = '60s'; SET search_path = ''; \
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; \
    SET extra_float_digits = 1; SET quote_all_identifiers = off; SET default_transaction_read_only = off";

/// A database.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Address or name of the server, as evenkeel sees it.
    pub host: String,
    /// Its port there.
    pub port: u16,
    /// The role.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// The database's name.
    pub name: String,
    /// Where PostgreSQL's client programs run; needed for backups, restores and rehearsals only.
    pub programs: Option<Programs>,
    /// How much TLS is asked for.
    pub tls: Tls,
    /// The revision table.
    pub version_table: String,
    /// The schema of that table.
    pub version_table_schema: String,
}

impl Target {
    /// The database behind a URL (`postgresql://user:password@host:port/name`; a driver such as `+asyncpg` in the scheme is
    /// the application's affair). The revision table is Alembic's default.
    ///
    /// # Errors
    /// When it is no such URL, or asks for TLS in a way that cannot be.
    pub(crate) fn from_url(url: &Secret) -> Result<Self, DatabaseError> {
        let (url, parameters) = Parameters::take_from(&plain(url.expose())?).map_err(|why| unusable(&why))?;
        let config = Config::from_str(&url).map_err(|error| unusable(&chain(&error)))?;
        let host = match config.get_hosts() {
            [Host::Tcp(host)] => host.clone(),
            _ => return Err(unusable("it must name exactly one host")),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let user = config.get_user().ok_or_else(|| unusable("it names no user"))?.to_owned();
        let tls = Tls::new(parameters, config.get_channel_binding(), &host);
        let tls = tls.map_err(|why| unusable(&format!("{why} (server {host}:{port})")))?;
        Ok(Self {
            host,
            port,
            tls,
            name: config.get_dbname().unwrap_or(&user).to_owned(),
            user,
            password: config.get_password().map(|bytes| Secret::new(String::from_utf8_lossy(bytes))),
            programs: None,
            version_table: "alembic_version".to_owned(),
            version_table_schema: "public".to_owned(),
        })
    }

    /// A session on it, bounded in time.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub(crate) async fn connect(&self) -> Result<Client, DatabaseError> {
        self.connect_to(&self.name).await
    }

    /// A session on the maintenance database: `postgres`, else `template1`.
    ///
    /// # Errors
    /// When neither can be reached.
    pub(crate) async fn connect_for_maintenance(&self) -> Result<Client, DatabaseError> {
        match self.connect_to("postgres").await {
            Err(DatabaseError::Refused { .. }) => self.connect_to("template1").await,
            session => session,
        }
    }

    /// The same server and role, another database.
    pub(super) fn sibling(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// The revision table's name, qualified and quoted.
    pub(super) fn version_table(&self) -> String {
        format!("{}.{}", quoted(&self.version_table_schema), quoted(&self.version_table))
    }

    async fn connect_to(&self, database: &str) -> Result<Client, DatabaseError> {
        let late = |_| DatabaseError::Timeout {
            target: self.to_string(),
            action: "connect".to_owned(),
            after: CONNECT,
        };
        timeout(CONNECT, self.open(database)).await.map_err(late)?
    }

    /// Plain or not, in libpq's order. A mode that takes both tries the other one after a refusal, and it is the attempt with TLS
    /// whose error tells more.
    async fn open(&self, database: &str) -> Result<Client, DatabaseError> {
        let refused = |error: &DatabaseError| {
            matches!(error, DatabaseError::Refused { .. } | DatabaseError::Tls { .. })
        };
        let material = Material::read(&self.tls).await.map_err(|error| self.no_tls(error))?;
        let session = |mode| self.session(database, mode, &material);
        match self.tls.mode() {
            Mode::Disable => session(SslMode::Disable).await,
            Mode::Allow => match session(SslMode::Disable).await {
                Err(error) if refused(&error) => session(SslMode::Require).await,
                opened => opened,
            },
            Mode::Prefer => match session(SslMode::Prefer).await {
                Err(error) if refused(&error) => session(SslMode::Disable).await.map_err(|_| error),
                opened => opened,
            },
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => session(SslMode::Require).await,
        }
    }

    async fn session(
        &self,
        database: &str,
        mode: SslMode,
        material: &Material,
    ) -> Result<Client, DatabaseError> {
        let refused = |error| DatabaseError::sql(self, format!("connect to {database}"), &error);
        let tls = material.connector(&self.tls).map_err(|error| self.no_tls(error))?;
        let connected = self.config(database, mode).connect(tls).await;
        let (client, connection) = connected.map_err(|error| match self.tls.refusal(&error) {
            Some(why) => self.no_tls(why),
            None => refused(error),
        })?;
        // It ends when the client is dropped. What breaks it, the next statement reports.
        tokio::spawn(connection);
        client.batch_execute(SETTINGS).await.map_err(refused)?;
        Ok(client)
    }

    /// No TLS, and why.
    pub(super) fn no_tls(&self, why: impl ToString) -> DatabaseError {
        let (target, mode) = (self.to_string(), self.tls.mode().as_str());
        DatabaseError::Tls { target, mode, reason: why.to_string() }
    }

    fn config(&self, database: &str, mode: SslMode) -> Config {
        let (host, address) = self.tls.place(&self.host);
        let mut config = Config::new();
        config.host(host).port(self.port).user(&self.user).dbname(database).application_name(APPLICATION);
        config.ssl_mode(mode).channel_binding(self.tls.channel_binding()).connect_timeout(CONNECT);
        config.keepalives_idle(Duration::from_secs(15)).tcp_user_timeout(Duration::from_secs(30));
        if let Some(address) = address {
            config.hostaddr(address);
        }
        if let Some(password) = &self.password {
            config.password(password.expose());
        }
        config
    }
}

/// Never the password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database {} at {}:{}", self.name, self.host, self.port)
    }
}

/// The URL as PostgreSQL itself has it: applications put their driver into the scheme.
fn plain(url: &str) -> Result<String, DatabaseError> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| unusable("it is no URL"))?;
    match scheme.split('+').next() {
        Some("postgres" | "postgresql") => Ok(format!("postgresql://{rest}")),
        _ => Err(unusable("its scheme is not postgresql")),
    }
}

fn unusable(reason: &str) -> DatabaseError {
    DatabaseError::Url { reason: reason.to_owned() }
}

/// A name as SQL takes it whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal, for the statements that take no parameters.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<Target, String> {
        Target::from_url(&Secret::new(url)).map_err(|error| error.to_string())
    }

    #[test]
    fn urls_as_applications_have_them() {
        let target = parsed("postgresql+asyncpg://app:s%40cret@db.example:6432/shop").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.name.as_str()), ("db.example", 6432, "shop"));
        assert_eq!(target.password.as_ref().map(Secret::expose), Some("s@cret"));
        assert_eq!(target.to_string(), "database shop at db.example:6432");
        assert!(!format!("{target:?}").contains("cret"));
        let short = parsed("postgres://app@db").unwrap();
        assert_eq!((short.port, short.name.as_str(), short.password), (5432, "app", None));
    }

    #[test]
    fn what_cannot_be_done_is_said_without_the_secret() {
        let cases = [
            ("postgresql://app:secret@db/x?sslmode=verify-full", "add sslrootcert"),
            ("postgresql://app:secret@db/x?sslpassword=secret", "sslpassword is not supported"),
            ("postgresql://app:se?ssl-secret=1@db/x?ssl-secret=1", "ssl… is not supported"),
            ("postgresql://app:secret@one,two/x", "exactly one host"),
            ("mysql://app:secret@db/x", "scheme"),
            ("host=db password=secret", "no URL"),
        ];
        for (url, reason) in cases {
            let error = parsed(url).unwrap_err();
            assert!(error.contains(reason) && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's \\ x"), "E'it''s \\\\ x'");
    }
}
