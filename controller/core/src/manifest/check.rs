//! What a manifest says about a Compose project must be there.

use super::{Application, Database};
use crate::compose::{MountSource, Project};
use crate::located::{Fault, Faults};
use crate::name::ServiceName;
use crate::yaml::{self, Node, suggestion};

/// Checks a manifest against its project. Without the text there are no places: messages name the key instead.
pub fn check(application: &Application, project: &Project) -> Faults {
    Checker { project, node: None, faults: Faults::default() }.run(application)
}

/// Checks a manifest against its project, with the places in the manifest's text.
pub fn check_located(file: &str, text: &str, application: &Application, project: &Project) -> Faults {
    let node = yaml::parse(file, text).ok();
    Checker { project, node: node.as_ref(), faults: Faults::default() }.run(application)
}

struct Checker<'c> {
    project: &'c Project,
    node: Option<&'c Node>,
    faults: Faults,
}

impl Checker<'_> {
    fn run(mut self, application: &Application) -> Faults {
        let spec = &application.spec;
        if let Some(database) = &spec.database {
            self.database(database);
        }
        for (name, options) in &spec.services {
            self.service(&["spec", "services", name.as_str()], name);
            self.shared_volumes(name, &options.shared_volumes);
            if options.singleton {
                let why = "a singleton is never two";
                self.alone(&["spec", "services", name.as_str(), "singleton"], name, why);
            }
        }
        for (index, smoke) in spec.smoke.iter().enumerate() {
            if let Some(http) = &smoke.http {
                self.service(&["spec", "smoke", &index.to_string(), "http", "service"], &http.service);
            }
        }
        for (index, network) in spec.rollout.dependency_networks.iter().enumerate() {
            self.network(&["spec", "rollout", "dependencyNetworks", &index.to_string()], network);
        }
        self.faults
    }

    fn database(&mut self, database: &Database) {
        if let Some(service) = &database.service {
            self.service(&["spec", "database", "service"], service);
            self.alone(&["spec", "database", "service"], service, "a database is one server");
        }
        let variables = [("urlFrom", &database.url_from), ("passwordFrom", &database.password_from)];
        for (key, variable) in
            variables.into_iter().filter_map(|(key, variable)| Some((key, variable.as_ref()?)))
        {
            self.variable(key, variable);
        }
        self.migrations(&database.migrations.service);
    }

    /// What can only be one container is asked for once.
    fn alone(&mut self, path: &[&str], name: &ServiceName, why: &str) {
        let count = self.project.further(name).count() + 1;
        if count > 1 {
            let message = format!("the Compose file asks for {count} containers of `{name}`, and {why}");
            self.fault(path, message, None);
        }
    }

    fn variable(&mut self, key: &str, variable: &super::Variable) {
        let path = ["spec", "database", key];
        if !self.service(&[path[0], path[1], key, "service"], &variable.service) {
            return;
        }
        let service = self.project.services.get(&variable.service);
        if service.is_none_or(|service| !service.environment.contains_key(&variable.env)) {
            let message = format!("the environment of `{}` has no `{}`", variable.service, variable.env);
            self.fault(&[path[0], path[1], key, "env"], message, None);
        }
    }

    fn migrations(&mut self, name: &ServiceName) {
        let path = ["spec", "database", "migrations", "service"];
        self.service(&path, name);
    }

    fn service(&mut self, path: &[&str], name: &ServiceName) -> bool {
        let known = name.as_str() == name.base() && self.project.services.contains_key(name);
        if !known {
            let meant = suggestion(name.as_str(), self.project.services.keys().map(ServiceName::base));
            let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
            self.fault(path, format!("the Compose project has no service `{name}`"), hint);
        }
        known
    }

    fn shared_volumes(&mut self, name: &ServiceName, shared: &[String]) {
        let Some(service) = self.project.services.get(name) else { return };
        for (index, key) in shared.iter().enumerate() {
            let mounted =
                |source: &MountSource| matches!(source, MountSource::Volume { volume, .. } if volume == key);
            if !service.mounts.iter().any(|mount| mounted(&mount.source)) {
                let path = ["spec", "services", name.as_str(), "sharedVolumes", &index.to_string()];
                self.fault(&path, format!("`{name}` mounts no volume `{key}`"), None);
            }
        }
    }

    fn network(&mut self, path: &[&str], name: &str) {
        let known = |(key, network): (&String, &crate::compose::Network)| key == name || network.name == name;
        if !self.project.networks.iter().any(known) {
            let meant = suggestion(name, self.project.networks.keys().map(String::as_str));
            let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
            self.fault(path, format!("no service of the project is on a network `{name}`"), hint);
        }
    }

    fn fault(&mut self, path: &[&str], message: String, hint: Option<String>) {
        let fault = match self.node {
            Some(node) => node.place_of(path).fault(message),
            None => Fault::new(format!("{}: {message}", path.join("."))),
        };
        self.faults.0.push(Fault { hint, ..fault });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::compose::Service;

    const TEXT: &str = r#"apiVersion: evenkeel/v1
kind: Application
metadata: {name: shop}
spec:
  compose: {}
  database:
    urlFrom: {env: DATABASE_URL, service: api}
    clientImage: postgres:16
    migrations: {tool: alembic, service: aip}
  services:
    api: {sharedVolumes: [uploads]}
    db: {singleton: true}
  smoke:
    - http: {service: ghost, port: 80, path: /}
  rollout: {dependencyNetworks: [shared]}
"#;

    fn project() -> Project {
        Project {
            name: "shop".into(),
            directory: String::new(),
            files: Vec::new(),
            services: BTreeMap::from([("api".into(), Service::default())]),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            host_files: Vec::new(),
            classic: BTreeMap::new(),
            inactive: std::collections::BTreeSet::new(),
            modern: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_named_must_exist() {
        let app = crate::manifest::read("evenkeel.yaml", TEXT).unwrap();
        let located = check_located("evenkeel.yaml", TEXT, &app, &project());
        insta::assert_snapshot!(located, @r#"
evenkeel.yaml:7:20: the environment of `api` has no `DATABASE_URL`
evenkeel.yaml:9:42: the Compose project has no service `aip` (did you mean `api`?)
evenkeel.yaml:11:27: `api` mounts no volume `uploads`
evenkeel.yaml:12:5: the Compose project has no service `db`
evenkeel.yaml:14:23: the Compose project has no service `ghost`
evenkeel.yaml:15:34: no service of the project is on a network `shared`
"#);
        assert_eq!(check(&app, &project()).0.len(), located.0.len());
        insta::assert_snapshot!(check(&app, &project()).0[0], @"spec.database.urlFrom.env: the environment of `api` has no `DATABASE_URL`");
    }

    #[test]
    fn what_is_said_of_a_service_is_said_of_all_its_containers() {
        let mut project = project();
        project.services.extend(["api#2", "db", "db#2"].map(|name| (name.into(), Service::default())));
        let text = TEXT.replace("{service: ghost, ", "{service: 'api#2', ");
        let app = crate::manifest::read("evenkeel.yaml", &text).unwrap();
        let told = check_located("evenkeel.yaml", &text, &app, &project).to_string();
        let about = told.lines().filter(|line| line.contains("api#") || line.contains("containers"));
        insta::assert_snapshot!(about.collect::<Vec<_>>().join("\n"), @"
        evenkeel.yaml:12:21: the Compose file asks for 2 containers of `db`, and a singleton is never two
        evenkeel.yaml:14:23: the Compose project has no service `api#2`
        ");
    }
}
