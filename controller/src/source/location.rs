//! A repository's address: what kind of transport it takes, and how it may be shown.

use std::path::{Path, PathBuf};

use evenkeel_core::secret::Secret;

/// The transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Https,
    Http,
    Ssh,
    Local,
}

/// An address taken apart. `address` and `display` hold no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) transport: Transport,
    pub(super) address: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
}

impl Location {
    /// Reads what users write; `None` where it is none of the forms that are supported.
    pub(super) fn parse(url: &str) -> Option<Self> {
        if let Some(path) = url.strip_prefix("file://") {
            return path.starts_with('/').then(|| Self::local(&decode(path)));
        }
        match url.split_once("://") {
            Some(("https", rest)) => Self::remote(Transport::Https, "https", rest),
            Some(("http", rest)) => Self::remote(Transport::Http, "http", rest),
            Some(("ssh" | "git+ssh" | "ssh+git", rest)) => Self::remote(Transport::Ssh, "ssh", rest),
            Some(_) => None,
            None => Self::scp_like(url).or_else(|| (!url.is_empty()).then(|| Self::local(url))),
        }
    }

    fn local(path: &str) -> Self {
        let address = path.to_owned();
        Self { transport: Transport::Local, address, user: None, password: None, host: None, port: None }
    }

    fn remote(transport: Transport, scheme: &str, rest: &str) -> Option<Self> {
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (identity, host) = authority.rsplit_once('@').map_or((None, authority), |(i, h)| (Some(i), h));
        let (user, password) = identity.map_or((None, None), identify);
        let (name, port) = split_port(host)?;
        // ssh needs the user within the address; over http it would end up in messages for nothing.
        let shown = user
            .as_ref()
            .filter(|_| transport == Transport::Ssh)
            .map(|u| format!("{u}@"))
            .unwrap_or_default();
        let address = format!("{scheme}://{shown}{host}{path}");
        Some(Self { transport, address, user, password, host: Some(name), port })
    }

    /// `git@host:path`: a colon before the first slash, as git itself decides.
    fn scp_like(text: &str) -> Option<Self> {
        let (authority, path) = text.split_once(':')?;
        if authority.contains('/') || authority.is_empty() || path.is_empty() {
            return None;
        }
        let (user, host) =
            authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u.to_owned()), h));
        let host = Some(host.to_owned());
        Some(Self {
            transport: Transport::Ssh,
            address: text.to_owned(),
            user,
            password: None,
            host,
            port: None,
        })
    }

    /// The directory of a local repository.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        (self.transport == Transport::Local).then(|| Path::new(&self.address).to_path_buf())
    }

    /// Whether the server is this machine, so that plain http gives nothing away.
    pub(super) fn loopback(&self) -> bool {
        matches!(self.host.as_deref(), Some("localhost" | "127.0.0.1" | "[::1]"))
    }

    /// How `ssh-keyscan` is told of the server.
    pub(super) fn keyscan(&self) -> String {
        let host = self.host.clone().unwrap_or_default();
        self.port.map_or(host.clone(), |port| format!("-p {port} {host}"))
    }
}

fn identify(identity: &str) -> (Option<String>, Option<Secret>) {
    match identity.split_once(':') {
        Some((user, password)) => (Some(decode(user)), Some(Secret::new(decode(password)))),
        None => (Some(decode(identity)), None),
    }
}

fn split_port(host: &str) -> Option<(String, Option<u16>)> {
    let after_address = host.rfind(']').unwrap_or(0);
    match host.get(after_address..)?.rfind(':') {
        Some(colon) => {
            let (name, port) = host.split_at(after_address + colon);
            Some((name.to_owned(), Some(port.get(1..)?.parse().ok()?)))
        }
        None => (!host.is_empty()).then(|| (host.to_owned(), None)),
    }
}

/// Undoes percent-encoding; text that is none stays as it is.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|_| first == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        match digits.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => (out.push(byte), rest = &tail[2..]),
            None => (out.push(first), rest = tail),
        };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_and_shows_no_secret() {
        let parse = |url| Location::parse(url).unwrap();
        let https = parse("https://me:s%40cret@example.org:8443/a/b.git");
        assert_eq!(https.address, "https://example.org:8443/a/b.git");
        assert_eq!(https.password, Some(Secret::new("s@cret")));
        assert_eq!((https.user.as_deref(), https.port), (Some("me"), Some(8443)));
        assert_eq!(parse("ssh://git@example.org:2222/a.git").address, "ssh://git@example.org:2222/a.git");
        assert_eq!(parse("ssh://git@example.org:2222/a.git").keyscan(), "-p 2222 example.org");
        assert_eq!(parse("git@example.org:a/b.git").transport, Transport::Ssh);
        assert_eq!(parse("git@example.org:a/b.git").host.as_deref(), Some("example.org"));
        assert_eq!(parse("file:///srv/my%20repo").directory(), Some(PathBuf::from("/srv/my repo")));
        assert_eq!(parse("./repo").transport, Transport::Local);
        assert_eq!(parse("/srv/with:colon").transport, Transport::Local);
        assert!(parse("http://[::1]:80/x").loopback());
        for wrong in ["", "ftp://example.org/x", "https://", "file://relative", "https://host:port/x"] {
            assert_eq!(Location::parse(wrong), None, "{wrong}");
        }
    }
}
