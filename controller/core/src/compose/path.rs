//! Paths: lexical, `/`-separated, without touching anything.

/// A relative path from a directory of the tree; `None` where it leaves the repository. `.` is the root.
pub(crate) fn in_tree(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

/// A path from an absolute directory of the host.
pub(super) fn on_host(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let directory = if path.starts_with('/') { "" } else { directory };
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The directory of a file; `.` for the root.
pub(crate) fn parent(file: &str) -> &str {
    file.rsplit_once('/').map_or(".", |(directory, _)| directory)
}

/// A file of the tree as it is called in one of its directories.
pub(crate) fn from(directory: &str, file: &str) -> String {
    let mut above = directory.split('/').filter(|part| *part != ".").peekable();
    let mut below = file.split('/').peekable();
    while above.peek().is_some() && above.peek() == below.peek() {
        above.next();
        below.next();
    }
    above.map(|_| "..").chain(below).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(in_tree(".", "./backend").as_deref(), Some("backend"));
        assert_eq!(in_tree("deploy", "../backend/").as_deref(), Some("backend"));
        assert_eq!(in_tree("deploy", "..").as_deref(), Some("."));
        assert_eq!(in_tree(".", "../x"), None);
        assert_eq!(on_host("/opt/c", "../x/./y"), "/opt/x/y");
        assert_eq!(on_host("/opt/c", "/etc/x"), "/etc/x");
        assert_eq!(parent("a/b/c.yml"), "a/b");
        assert_eq!(parent("c.yml"), ".");
        assert_eq!(from(".", "a/c.yml"), "a/c.yml");
        assert_eq!(from("a/b", "a/b/c.yml"), "c.yml");
        assert_eq!(from("a/b", "a/x/c.yml"), "../x/c.yml");
        assert_eq!(from("a", "c.yml"), "../c.yml");
    }
}
