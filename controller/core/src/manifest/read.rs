//! Reading a manifest: its shape by serde, then the rules that types cannot say.

use jiff::Timestamp;

use super::{Application, Database, Probe, Smoke, UrlProbe, Window, window};
use crate::located::Faults;
use crate::name::{AppName, ProjectName};
use crate::yaml::{self, Node};

/// Reads and validates a manifest.
///
/// # Errors
/// Every fault that can be found, each with its place. A manifest of the wrong shape gives the first only.
pub fn read(file: &str, text: &str) -> Result<Application, Faults> {
    let node = yaml::parse(file, text)?;
    let application: Application = yaml::from_node(&node)?;
    let mut rules = Rules { node: &node, faults: Faults::default() };
    rules.application(&application);
    if rules.faults.0.is_empty() { Ok(application) } else { Err(rules.faults) }
}

/// The JSON Schema of a manifest, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Application).to_value()
}

struct Rules<'m> {
    node: &'m Node,
    faults: Faults,
}

type Path<'p> = &'p [&'p str];

impl Rules<'_> {
    fn fault(&mut self, path: Path<'_>, message: impl Into<String>, hint: &str) {
        let fault = self.node.place_of(path).fault(message);
        self.faults.0.push(if hint.is_empty() { fault } else { fault.hint(hint) });
    }

    fn require(&mut self, holds: bool, path: Path<'_>, message: &str, hint: &str) {
        if !holds {
            self.fault(path, message, hint);
        }
    }

    fn application(&mut self, app: &Application) {
        self.app_name(&app.metadata.name);
        let spec = &app.spec;
        self.compose(&spec.compose);
        if let Some(database) = &spec.database {
            self.database(database);
        }
        for (name, service) in &spec.services {
            if let Some(probe) = &service.probe {
                self.probe(&["spec", "services", name.as_str(), "probe"], probe);
            }
        }
        self.numbered(&spec.probes, "probes", Self::url_probe);
        self.numbered(&spec.smoke, "smoke", Self::smoke);
        self.numbered(&spec.windows, "windows", Self::window);
        self.rollout(&spec.rollout);
    }

    fn numbered<T>(&mut self, items: &[T], key: &str, check: fn(&mut Self, Path<'_>, &T)) {
        for (index, item) in items.iter().enumerate() {
            check(self, &["spec", key, &index.to_string()], item);
        }
    }

    fn app_name(&mut self, name: &AppName) {
        let name = name.as_str();
        let valid = is_name(name, |c| c == '-') && !name.ends_with('-') && name.len() <= 63;
        let message = format!("`{name}` cannot be an application's name");
        self.require(
            valid,
            &["metadata", "name"],
            &message,
            "lower-case letters, digits and `-`, at most 63",
        );
    }

    fn compose(&mut self, compose: &super::Compose) {
        let path = ["spec", "compose"];
        if let Some(name) = &compose.project_name {
            let message = format!("`{name}` cannot be a Compose project's name");
            let at = [path[0], path[1], "projectName"];
            self.require(is_project_name(name), &at, &message, "lower-case letters, digits, `-` and `_`");
        }
        if let Some(directory) = &compose.project_directory {
            let at = [path[0], path[1], "projectDirectory"];
            let message = format!("`{directory}` is not an absolute path without `..`");
            self.require(is_clean_absolute(directory), &at, &message, "name it as the host does");
        }
        for (index, file) in compose.files.iter().enumerate() {
            let at = [path[0], path[1], "files", &index.to_string()];
            let message = format!("`{file}` is not a path relative to the manifest");
            self.require(
                !file.is_empty() && !file.starts_with('/'),
                &at,
                &message,
                "Compose files come from the commit",
            );
        }
    }

    fn database(&mut self, database: &Database) {
        let path = ["spec", "database"];
        let one = database.service.is_some() != database.url_from.is_some();
        self.require(one, &path, "exactly one of `service` and `urlFrom` is needed", "");
        let client = database.url_from.is_none() || database.client_image.is_some();
        let hint = "name an image with PostgreSQL's client programs, such as postgres:16";
        self.require(client, &path, "a database outside the project needs `clientImage`", hint);
        self.require(
            database.backup.keep > 0,
            &[path[0], path[1], "backup", "keep"],
            "at least 1 backup is kept",
            "",
        );
        self.migrations(&database.migrations);
    }

    fn migrations(&mut self, migrations: &super::Migrations) {
        let at = |key: &'static str| ["spec", "database", "migrations", key];
        let has_command = migrations.command.first().is_some_and(|word| !word.is_empty());
        self.require(has_command, &at("command"), "the command is empty", "leave it out for `[alembic]`");
        self.require(!migrations.timeout.is_zero(), &at("timeout"), "must be longer than 0", "");
        for (key, value) in [
            ("versionTable", &migrations.version_table),
            ("versionTableSchema", &migrations.version_table_schema),
        ] {
            self.require(!value.is_empty(), &at(key), "a name is needed", "");
        }
    }

    fn probe(&mut self, path: Path<'_>, probe: &Probe) {
        let kinds = [probe.http.is_some(), probe.tcp.is_some(), probe.exec.is_some()];
        let one = kinds.iter().filter(|given| **given).count() == 1;
        self.require(one, path, "exactly one of `http`, `tcp` and `exec` is needed", "");
        for (key, value) in
            [("successThreshold", probe.success_threshold), ("failureThreshold", probe.failure_threshold)]
        {
            self.require(value > 0, &[path, &[key]].concat(), "must be at least 1", "");
        }
        let times =
            [("interval", probe.interval), ("timeout", probe.timeout), ("startTimeout", probe.start_timeout)];
        for (key, value) in times {
            self.require(!value.is_zero(), &[path, &[key]].concat(), "must be longer than 0", "");
        }
        self.probe_kinds(path, probe);
    }

    fn probe_kinds(&mut self, path: Path<'_>, probe: &Probe) {
        if let Some(http) = &probe.http {
            let path = [path, &["http"]].concat();
            self.request(&path, &http.path, http.port);
            self.expect(&path, &http.expect);
        }
        if let Some(tcp) = &probe.tcp {
            self.require(tcp.port > 0, &[path, &["tcp", "port"]].concat(), "port 0 cannot be probed", "");
        }
        if let Some(exec) = &probe.exec {
            self.require(!exec.is_empty(), &[path, &["exec"]].concat(), "the command is empty", "");
        }
    }

    fn request(&mut self, path: Path<'_>, target: &str, port: u16) {
        let message = format!("`{target}` is not a path");
        self.require(target.starts_with('/'), &[path, &["path"]].concat(), &message, "it begins with `/`");
        self.require(port > 0, &[path, &["port"]].concat(), "port 0 cannot be probed", "");
    }

    fn expect(&mut self, path: Path<'_>, expect: &super::Expect) {
        let valid = expect.status.is_none_or(|status| (100..600).contains(&status));
        self.require(valid, &[path, &["expect", "status"]].concat(), "an HTTP status is from 100 to 599", "");
    }

    fn url_probe(&mut self, path: Path<'_>, probe: &UrlProbe) {
        let message = format!("`{}` is not a URL that can be probed", probe.url);
        let host = probe.url.strip_prefix("https://").or_else(|| probe.url.strip_prefix("http://"));
        let valid = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'));
        self.require(valid, &[path, &["url"]].concat(), &message, "write http://… or https://…");
        self.require(!probe.timeout.is_zero(), &[path, &["timeout"]].concat(), "must be longer than 0", "");
        self.expect(path, &probe.expect);
    }

    fn smoke(&mut self, path: Path<'_>, smoke: &Smoke) {
        let one = smoke.http.is_some() != smoke.url.is_some();
        self.require(one, path, "exactly one of `http` and `url` is needed", "");
        if let Some(http) = &smoke.http {
            let path = [path, &["http"]].concat();
            self.request(&path, &http.path, http.port);
            self.expect(&path, &http.expect);
            let method = !http.method.is_empty() && http.method.bytes().all(|b| b.is_ascii_uppercase());
            self.require(
                method,
                &[&path[..], &["method"]].concat(),
                "an HTTP method is written in capitals",
                "",
            );
        }
        if let Some(url) = &smoke.url {
            self.url_probe(&[path, &["url"]].concat(), url);
        }
    }

    fn window(&mut self, path: Path<'_>, given: &Window) {
        let deny = [path, &["deny"]].concat();
        match window::cron(&given.deny) {
            Err(error) => self.fault(&deny, error.to_string(), "for example `0 18 * * *`"),
            Ok(_) if !window::ever_opens(given, Timestamp::UNIX_EPOCH) => {
                self.fault(&deny, format!("`{}` never happens", given.deny), "");
            }
            Ok(_) => {}
        }
        if let Err(error) = window::zone(&given.time_zone) {
            self.fault(&[path, &["timeZone"]].concat(), error.to_string(), "for example `Europe/Moscow`");
        }
        self.require(!given.duration.is_zero(), &[path, &["for"]].concat(), "must be longer than 0", "");
    }

    fn rollout(&mut self, rollout: &super::Rollout) {
        for (index, pattern) in rollout.fail_on_log.iter().enumerate() {
            let at = ["spec", "rollout", "failOnLog", &index.to_string()];
            self.require(!pattern.is_empty(), &at, "an empty text is in every line", "");
        }
        for (index, hook) in rollout.on_takeover.iter().enumerate() {
            let at = ["spec", "rollout", "onTakeover", &index.to_string(), "exec"];
            self.require(!hook.exec.is_empty(), &at, "the command is empty", "");
        }
        let at = ["spec", "rollout", "retryDelay"];
        self.require(!rollout.retry_delay.is_zero(), &at, "must be longer than 0", "");
    }
}

/// Compose's rule for project names.
pub(crate) fn is_project_name(name: &ProjectName) -> bool {
    is_name(name.as_str(), |c| matches!(c, '-' | '_'))
}

fn is_name(name: &str, also: fn(char) -> bool) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(plain) && name.chars().all(|c| plain(c) || also(c))
}

fn is_clean_absolute(path: &str) -> bool {
    path.starts_with('/') && path.split('/').all(|part| part != "..")
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
