//! Where a service of the user's own may be asked whether it works: a route in its sources, and the port that it listens on.

use super::Sight;
use super::dockerfile::Dockerfile;
use crate::compose::{Service, in_tree};
use crate::name::ServiceName;

/// Routes that people give such an answer at, the likeliest first.
const ROUTES: [&str; 8] =
    ["/healthz", "/health", "/livez", "/readyz", "/health/live", "/api/health", "/ready", "/ping"];

/// Sources that routes are written in.
const SOURCES: [&str; 12] =
    [".py", ".js", ".mjs", ".ts", ".go", ".rb", ".php", ".java", ".kt", ".rs", ".ex", ".cs"];

/// Folders that hold nothing of the service's own.
const SKIPPED: [&str; 6] = ["node_modules", "vendor", "tests", "test", "dist", "build"];

/// Files and folders that are looked at, at most.
const MOST: usize = 500;

/// Something found, and where.
pub(super) struct Found<T> {
    pub(super) what: T,
    pub(super) by: String,
}

/// The likeliest route among the sources that an image is built from.
pub(super) fn route(sight: &Sight<'_>, service: &Service) -> Option<Found<&'static str>> {
    let build = service.build.as_ref()?;
    let mut best: Option<(usize, String)> = None;
    for path in sources(sight, &build.context) {
        let Some(text) = sight.read(&path) else { continue };
        let quoted = |route: &str| ['"', '\'', '`'].iter().any(|c| text.contains(&format!("{c}{route}{c}")));
        let Some(rank) = ROUTES.iter().position(|route| quoted(route)) else { continue };
        if best.as_ref().is_none_or(|(before, _)| rank < *before) {
            best = Some((rank, path));
        }
    }
    let (rank, by) = best?;
    Some(Found { what: ROUTES.get(rank).copied()?, by })
}

/// The sources below a folder, those nearest to it first.
fn sources(sight: &Sight<'_>, folder: &str) -> Vec<String> {
    let (mut found, mut folders, mut next) = (Vec::new(), vec![folder.to_owned()], 0);
    while let Some(folder) = folders.get(next).cloned().filter(|_| next < MOST && found.len() < MOST) {
        next += 1;
        let own = |name: &String| !name.starts_with('.') && !SKIPPED.contains(&name.as_str());
        let below = sight.folders(&folder).into_iter().filter(own);
        folders.extend(below.filter_map(|name| in_tree(&folder, &name)));
        let names = sight.files.list(&folder).unwrap_or_default();
        let source = |name: &String| SOURCES.iter().any(|end| name.ends_with(end));
        found.extend(names.into_iter().filter(source).filter_map(|name| in_tree(&folder, &name)));
    }
    found
}

/// The port that it listens on: as the Compose file says, else its Dockerfile, else whoever stands before it.
pub(super) fn port(sight: &Sight<'_>, name: &ServiceName, service: &Service) -> Option<Found<u16>> {
    let build = service.build.as_ref().filter(|_| !service.one_shot)?;
    let published = service.ports.iter().find(|port| port.protocol == "tcp").map(|port| port.target);
    let told = published
        .or_else(|| service.expose.iter().find_map(|port| port.trim_end_matches("/tcp").parse().ok()));
    if let Some(what) = told {
        return Some(Found { what, by: "the Compose file".to_owned() });
    }
    if let Some(what) = Dockerfile::of(sight, build).exposed() {
        return Some(Found { what, by: "EXPOSE in its Dockerfile".to_owned() });
    }
    upstream(sight, name)
}

/// Configuration of proxies, as people call it.
const PROXIES: [&str; 6] = [
    "Caddyfile",
    "caddy/Caddyfile",
    "nginx.conf",
    "nginx/nginx.conf",
    "nginx/default.conf",
    "conf/nginx.conf",
];

/// The port at which a proxy's configuration has the service: `reverse_proxy api:8000`, `server api:8000`.
fn upstream(sight: &Sight<'_>, name: &ServiceName) -> Option<Found<u16>> {
    let port_in = |text: &str| {
        let separated = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
        text.lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(|line| line.split(separated))
            .find_map(|word| word.strip_prefix(name.as_str())?.strip_prefix(':')?.parse().ok())
    };
    PROXIES.iter().find_map(|path| {
        let what = port_in(&sight.read(path)?)?;
        Some(Found { what, by: (*path).to_owned() })
    })
}
