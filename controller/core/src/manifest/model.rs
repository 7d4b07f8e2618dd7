//! The manifest, `evenkeel.yaml`: what Compose cannot say.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration;
use super::upkeep::{Images, OnRemoval};
use crate::name::{AppName, ProjectName, ServiceName};

/// One application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Application {
    /// Always `evenkeel/v1`.
    pub api_version: ApiVersion,
    /// Always `Application`.
    pub kind: Kind,
    /// Its name.
    pub metadata: Metadata,
    /// What it is made of.
    pub spec: Spec,
}

/// The manifest's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first.
    #[serde(rename = "evenkeel/v1")]
    V1,
}

/// The manifest's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// An application.
    Application,
}

/// `metadata`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Unique on the host; lower-case letters, digits and `-`.
    pub name: AppName,
}

/// `spec`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// The Compose project.
    pub compose: Compose,
    /// How images are built.
    #[serde(default)]
    pub build: BuildOptions,
    /// How images from registries are kept up to date.
    #[serde(default)]
    pub images: Images,
    /// The database whose schema moves with the code.
    #[serde(default)]
    pub database: Option<Database>,
    /// What Compose cannot say about single services.
    #[serde(default)]
    pub services: BTreeMap<ServiceName, ServiceOptions>,
    /// Probes from outside, through whatever stands before the services.
    #[serde(default)]
    pub probes: Vec<UrlProbe>,
    /// Checks made once, after the take-over.
    #[serde(default)]
    pub smoke: Vec<Smoke>,
    /// How a release is proven and taken over.
    #[serde(default)]
    pub rollout: Rollout,
    /// When nothing new is rolled out. Windows never block a revert or a drift repair.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// What becomes of containers that have the project's labels and belong to nothing that the Compose file asks for.
    #[serde(default)]
    pub orphans: Orphans,
    /// What becomes of the stack when the manifest is removed from the repository. It runs on in any case.
    #[serde(default)]
    pub on_removal: OnRemoval,
}

/// What becomes of orphans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Orphans {
    /// They are shown.
    #[default]
    Report,
    /// They are stopped and removed. Their volumes stay.
    Remove,
}

/// `spec.compose`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Compose {
    /// Compose files, relative to the manifest; later ones override earlier ones. Where none is named: the first that exists
    /// of `compose.yaml`, `compose.yml`, `docker-compose.yaml`, `docker-compose.yml`.
    #[serde(default)]
    pub files: Vec<String>,
    /// The Compose project's name; by default `name:` of the Compose file, else the application's.
    #[serde(default)]
    pub project_name: Option<ProjectName>,
    /// Where the stack lives on the host, absolute: files that the Compose file names but git does not hold (`.env`, env
    /// files) are looked for there, and watched.
    #[serde(default)]
    pub project_directory: Option<String>,
    /// Active profiles.
    #[serde(default)]
    pub profiles: Vec<String>,
}

/// `spec.build`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildOptions {
    /// Whether the engine may reuse layers of earlier builds.
    #[serde(default = "yes")]
    pub cache: bool,
    /// How long one build may take.
    #[serde(default = "build_timeout", with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self { cache: true, timeout: build_timeout() }
    }
}

/// `spec.database`. Exactly one of `service` and `urlFrom`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Database {
    /// The project's service that runs PostgreSQL.
    #[serde(default)]
    pub service: Option<ServiceName>,
    /// A PostgreSQL outside the project: the variable that holds its URL.
    #[serde(default)]
    pub url_from: Option<Variable>,
    /// The database's name; by default `POSTGRES_DB` of the service, or the URL's.
    #[serde(default)]
    pub name: Option<String>,
    /// The role that evenkeel connects as; by default `POSTGRES_USER` of the service, or the URL's.
    #[serde(default)]
    pub user: Option<String>,
    /// The variable that holds the password; by default `POSTGRES_PASSWORD` of the service, or the URL's password.
    #[serde(default)]
    pub password_from: Option<Variable>,
    /// For a database outside the project: an image with PostgreSQL's client programs, not older than the server.
    #[serde(default)]
    pub client_image: Option<String>,
    /// The migrations.
    pub migrations: Migrations,
    /// Backups.
    #[serde(default)]
    pub backup: Backup,
}

/// A variable of a service's environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub env: String,
    /// The service in whose environment it stands.
    pub service: ServiceName,
}

/// `spec.database.migrations`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Migrations {
    /// The migration tool.
    pub tool: Tool,
    /// The service whose image carries the scripts, and whose environment they run in.
    pub service: ServiceName,
    /// The tool's command line, run instead of the image's entrypoint; `[alembic]` by default. Options such as `-c` or `-n`
    /// belong here.
    #[serde(default = "alembic_command")]
    pub command: Vec<String>,
    /// The directory to run it in; the image's by default.
    #[serde(default)]
    pub workdir: Option<String>,
    /// The table that holds the revision.
    #[serde(default = "version_table")]
    pub version_table: String,
    /// The schema of that table.
    #[serde(default = "version_table_schema")]
    pub version_table_schema: String,
    /// `auto` decides from the rehearsal.
    #[serde(default)]
    pub mode: Mode,
    /// What a revert does with the schema.
    #[serde(default)]
    pub on_revert: OnRevert,
    /// How long one migration may take.
    #[serde(default = "migration_timeout", with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How long a migration may keep other sessions waiting for a lock before it is cancelled.
    #[serde(default = "max_blocking", with = "duration")]
    #[schemars(with = "String")]
    pub max_blocking: Duration,
}

/// Migration tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Tool {
    /// Alembic (<https://alembic.sqlalchemy.org>).
    Alembic,
}

/// Whether code and schema may overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// As the rehearsal says: online where the migration only adds, else fenced.
    #[default]
    Auto,
    /// The old code keeps running while the schema moves.
    Online,
    /// What writes is stopped while the schema moves.
    Fenced,
}

/// What a revert does with the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnRevert {
    /// It goes back too, where the rehearsal showed that it leads back exactly.
    #[default]
    Downgrade,
    /// It stays.
    Keep,
}

/// `spec.database.backup`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backup {
    /// When one is made by itself.
    #[serde(default)]
    pub before: BackupBefore,
    /// How many are kept, beside those that the ledger still points to.
    #[serde(default = "keep")]
    pub keep: u32,
}

impl Default for Backup {
    fn default() -> Self {
        Self { before: BackupBefore::Migration, keep: keep() }
    }
}

/// When a backup is made by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BackupBefore {
    /// Before the schema moves.
    #[default]
    Migration,
    /// Before every rollout.
    Rollout,
}

/// `spec.services.<name>`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceOptions {
    /// What shows that it works.
    #[serde(default)]
    pub probe: Option<Probe>,
    /// Never two at once (a bot, a scheduler).
    #[serde(default)]
    pub singleton: bool,
    /// Writable volumes that two containers may share for the moment of a take-over, by their key in the Compose file.
    #[serde(default)]
    pub shared_volumes: Vec<String>,
    /// Consent to a new major version of an image on a writable volume.
    #[serde(default)]
    pub allow_major_upgrade: bool,
}

/// One probe of a container. Exactly one of `http`, `tcp` and `exec`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// An HTTP request to the container.
    #[serde(default)]
    pub http: Option<HttpProbe>,
    /// A TCP connection to the container.
    #[serde(default)]
    pub tcp: Option<TcpProbe>,
    /// A command in the container that must exit with 0.
    #[serde(default)]
    pub exec: Option<Vec<String>>,
    /// Time between probes.
    #[serde(default = "second", with = "duration")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// Time one probe may take.
    #[serde(default = "five_seconds", with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// Successes in a row that make it healthy.
    #[serde(default = "three")]
    pub success_threshold: u32,
    /// Failures in a row that make it failed, once it has been healthy.
    #[serde(default = "three")]
    pub failure_threshold: u32,
    /// How long a new container has to become healthy.
    #[serde(default = "start_timeout", with = "duration")]
    #[schemars(with = "String")]
    pub start_timeout: Duration,
}

impl Probe {
    /// The time to start that somebody has written for this service: another than the default.
    #[must_use]
    pub fn own_start_timeout(&self) -> Option<Duration> {
        Some(self.start_timeout).filter(|it| *it != start_timeout())
    }
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpProbe {
    /// Path and query.
    pub path: String,
    /// The container's port.
    pub port: u16,
    /// The `Host` header, where the service cares.
    #[serde(default)]
    pub host: Option<String>,
    /// What must come back.
    #[serde(default)]
    pub expect: Expect,
}

/// A TCP connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpProbe {
    /// The container's port.
    pub port: u16,
}

/// What an HTTP answer must be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// The status; any 2xx when unset.
    #[serde(default)]
    pub status: Option<u16>,
    /// Text that the body must contain.
    #[serde(default)]
    pub body: Option<String>,
}

/// A probe from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UrlProbe {
    /// The URL.
    pub url: String,
    /// What must come back.
    #[serde(default)]
    pub expect: Expect,
    /// Time one probe may take.
    #[serde(default = "five_seconds", with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

/// One smoke check. Exactly one of `http` and `url`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Smoke {
    /// A request to a service of the project.
    #[serde(default)]
    pub http: Option<SmokeHttp>,
    /// A request from outside.
    #[serde(default)]
    pub url: Option<UrlProbe>,
}

impl Smoke {
    /// Whether it can be sent again without doing anything twice (RFC 9110, section 9.2.1).
    pub fn reads(&self) -> bool {
        self.http.as_ref().is_none_or(|http| matches!(http.method.as_str(), "GET" | "HEAD"))
    }
}

/// A request to a service of the project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SmokeHttp {
    /// The service.
    pub service: ServiceName,
    /// The container's port.
    pub port: u16,
    /// Path and query.
    pub path: String,
    /// `GET` by default. Anything else is sent at most once, also across a crash.
    #[serde(default = "get")]
    pub method: String,
    /// What must come back.
    #[serde(default)]
    pub expect: Expect,
}

/// `spec.rollout`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// How long a candidate must have been healthy without a break.
    #[serde(default = "five_seconds", with = "duration")]
    #[schemars(with = "String")]
    pub min_healthy: Duration,
    /// How long the new release is watched after the take-over.
    #[serde(default = "bake", with = "duration")]
    #[schemars(with = "String")]
    pub bake: Duration,
    /// Texts in the log that fail the bake, unless the old release logged them as often.
    #[serde(default)]
    pub fail_on_log: Vec<String>,
    /// Commands in other services once a take-over has happened (a proxy that resolves names only once).
    #[serde(default)]
    pub on_takeover: Vec<Hook>,
    /// External networks through which services reach what they depend on; joined by candidates from the start.
    #[serde(default)]
    pub dependency_networks: Vec<String>,
    /// Candidates that need the outside world to start also join the engine's `bridge`.
    #[serde(default)]
    pub candidate_egress: bool,
    /// Waits between tries after a transient failure: the first; doubled each time.
    #[serde(default = "retry_delay", with = "duration")]
    #[schemars(with = "String")]
    pub retry_delay: Duration,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            min_healthy: five_seconds(),
            bake: bake(),
            fail_on_log: Vec::new(),
            on_takeover: Vec::new(),
            dependency_networks: Vec::new(),
            candidate_egress: false,
            retry_delay: retry_delay(),
        }
    }
}

/// A command in a service's container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hook {
    /// The service. One of this project, or the name of a container of the host.
    pub service: String,
    /// The command.
    pub exec: Vec<String>,
}

/// A window in which nothing new is rolled out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Window {
    /// When it opens, as a cron expression of five fields.
    pub deny: String,
    /// How long it lasts.
    #[serde(rename = "for", with = "duration")]
    #[schemars(with = "String")]
    pub duration: Duration,
    /// An IANA time zone; UTC by default.
    #[serde(default = "utc")]
    pub time_zone: String,
}

fn yes() -> bool {
    true
}
fn three() -> u32 {
    3
}
fn keep() -> u32 {
    14
}
fn second() -> Duration {
    Duration::from_secs(1)
}
fn five_seconds() -> Duration {
    Duration::from_secs(5)
}
fn start_timeout() -> Duration {
    Duration::from_secs(60)
}
fn retry_delay() -> Duration {
    Duration::from_secs(15)
}
fn bake() -> Duration {
    Duration::from_secs(300)
}
fn build_timeout() -> Duration {
    Duration::from_secs(30 * 60)
}
fn migration_timeout() -> Duration {
    Duration::from_secs(10 * 60)
}
fn max_blocking() -> Duration {
    Duration::from_secs(5)
}
fn alembic_command() -> Vec<String> {
    vec!["alembic".to_owned()]
}
fn version_table() -> String {
    "alembic_version".to_owned()
}
fn version_table_schema() -> String {
    "public".to_owned()
}
fn get() -> String {
    "GET".to_owned()
}
fn utc() -> String {
    "UTC".to_owned()
}
