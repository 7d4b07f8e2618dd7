//! TLS to a database: what the parameters of its URL ask for, in libpq's words and with libpq's meaning.
//!
//! `URL → Tls → Material (the files, read anew for each use) → a connector for evenkeel, files for PostgreSQL's programs`.

mod material;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use tokio_postgres::config::ChannelBinding;

pub(super) use self::material::{HandedOver, Material};

/// What stands for the host's own root certificates.
const SYSTEM: &str = "system";

/// `sslmode`, from the least to the most that is asked of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    #[default]
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Mode {
    const ALL: [Self; 6] =
        [Self::Disable, Self::Allow, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    /// The word for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word)
    }
}

/// Who may have signed the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Roots {
    System,
    File(PathBuf),
}

/// evenkeel's own certificate, where the server wants one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

/// What is asked for. By default no TLS.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    mode: Mode,
    roots: Option<Roots>,
    identity: Option<Identity>,
    channel_binding: ChannelBinding,
    /// The server's name in the URL, which its certificate has to bear; the address that it is reached by may be another.
    server: String,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            mode: Mode::Disable,
            roots: None,
            identity: None,
            channel_binding: ChannelBinding::Prefer,
            server: String::new(),
        }
    }
}

impl Tls {
    /// From the parameters of a URL, to the server of that name. `channel_binding` is known to the client library.
    ///
    /// # Errors
    /// Why they cannot be, and what could; never a value that might be secret.
    pub(super) fn new(
        parameters: Parameters,
        channel_binding: ChannelBinding,
        server: &str,
    ) -> Result<Self, String> {
        let roots = parameters.roots()?;
        let mode = parameters.mode_with(roots.as_ref())?;
        Ok(Self { mode, roots, identity: parameters.identity()?, channel_binding, server: server.to_owned() })
    }

    /// TLS with whoever it is.
    pub(super) fn demanded() -> Self {
        Self { mode: Mode::Require, ..Self::default() }
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn channel_binding(&self) -> ChannelBinding {
        self.channel_binding
    }

    /// What is not to be had on a scratch server in the real one's place: it has neither the real one's key nor its passwords.
    pub(crate) fn inimitable(&self) -> Option<&'static str> {
        if self.roots.is_some() {
            Some("has the server's certificate verified (sslrootcert)")
        } else if self.channel_binding == ChannelBinding::Require {
            Some("binds the password to the server's certificate (channel_binding=require)")
        } else {
            None
        }
    }

    /// Whether a server without TLS will not do.
    pub(super) fn required(&self) -> bool {
        self.mode >= Mode::Require
    }

    /// The name by which the server is called, and the address where it is, should that be another.
    pub(super) fn place<'a>(&'a self, host: &'a str) -> (&'a str, Option<IpAddr>) {
        match host.parse() {
            Ok(address) if !self.server.is_empty() && self.server != host => (&self.server, Some(address)),
            _ => (host, None),
        }
    }

    /// The same for PostgreSQL's own programs; the files come with the [`Material`].
    pub(super) fn environment(&self) -> [String; 2] {
        let binding = match self.channel_binding {
            ChannelBinding::Disable => "disable",
            ChannelBinding::Require => "require",
            _ => "prefer",
        };
        [format!("PGSSLMODE={}", self.mode.as_str()), format!("PGCHANNELBINDING={binding}")]
    }

    /// Whether an attempt failed for the want of TLS, and what to do about it.
    pub(super) fn refusal(&self, error: &tokio_postgres::Error) -> Option<String> {
        let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        if let Some(alert) = reason.split(':').find(|part| part.contains(" alert ")) {
            return Some(format!("the server ended it: {alert}{}", self.offered()));
        }
        // The library does not let its kinds be asked for; tests hold it to the words.
        match error.to_string().as_str() {
            "error performing TLS handshake" => Some(self.handshake(reason)),
            // In TLS 1.3 the server judges evenkeel's certificate when the handshake seems to be over, and its alert may be lost.
            "error communicating with the server" | "connection closed" if self.identity.is_some() => {
                Some(format!("the connection ended: {reason}{}", self.offered()))
            }
            _ => None,
        }
    }

    fn handshake(&self, reason: String) -> String {
        match reason.rsplit_once(": ") {
            _ if reason.contains("does not support TLS") => {
                "the server does not offer it; turn it on there (ssl = on), or ask for less with sslmode=prefer".to_owned()
            }
            Some((head, why)) if head.contains("certificate verify failed") => {
                let trusted = self.trusted();
                format!("the server's certificate is not good: {why}; it has to be signed by {trusted}")
            }
            _ => reason,
        }
    }

    /// What the server may have against evenkeel, for an error.
    fn offered(&self) -> String {
        match &self.identity {
            Some(own) => {
                format!("; the server has to trust who signed {} (sslcert)", own.certificate.display())
            }
            None => String::new(),
        }
    }

    /// Whom the server has to convince, for an error.
    fn trusted(&self) -> String {
        let by = match &self.roots {
            Some(Roots::System) => "an authority that this host trusts (sslrootcert=system)".to_owned(),
            Some(Roots::File(path)) => format!("an authority in {} (sslrootcert)", path.display()),
            None => return "somebody".to_owned(),
        };
        match self.mode {
            Mode::VerifyFull => format!("{by}, and made out to {}", self.server),
            _ => by,
        }
    }
}

/// The parameters of a URL that are about TLS.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    mode: Option<Mode>,
    roots: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Parameters {
    /// Takes them out of a URL: the client library knows only some of them.
    ///
    /// # Errors
    /// When one has no such value, or asks for what evenkeel cannot do.
    pub(super) fn take_from(url: &str) -> Result<(String, Self), String> {
        let mut parameters = Self::default();
        // The client library, too, takes whatever is before the first `@` for the credentials.
        let credentials = url.find('@').unwrap_or(0);
        let Some((before, query)) = url[credentials..].split_once('?') else {
            return Ok((url.to_owned(), parameters));
        };
        let mut rest = Vec::new();
        for pair in query.split('&') {
            if !parameters.take(pair)? {
                rest.push(pair);
            }
        }
        let url = format!("{}{before}", &url[..credentials]);
        let url = if rest.is_empty() { url } else { format!("{url}?{}", rest.join("&")) };
        Ok((url, parameters))
    }

    /// Whether it was one of them.
    fn take(&mut self, pair: &str) -> Result<bool, String> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !name.starts_with("ssl") {
            return Ok(false);
        }
        let value = percent_decode_str(value).decode_utf8_lossy();
        match (name, value.as_ref()) {
            // Nothing, or what is so anyhow.
            (_, "") | ("sslcompression", _) | ("sslsni", "1") | ("sslnegotiation", "postgres") => {}
            // As JDBC has it, and libpq understands it.
            ("ssl", "true") => self.mode = Some(Mode::Require),
            // `ssl` is what asyncpg's users write in SQLAlchemy's URLs.
            ("sslmode" | "ssl", word) => self.mode = Some(mode(name, word)?),
            ("sslrootcert", _) => self.roots = Some(value.into_owned()),
            ("sslcert", _) => self.certificate = Some(value.into_owned()),
            ("sslkey", _) => self.key = Some(value.into_owned()),
            _ => return Err(unsupported(name)),
        }
        Ok(true)
    }

    fn roots(&self) -> Result<Option<Roots>, String> {
        match self.roots.as_deref() {
            None => Ok(None),
            Some(SYSTEM) => Ok(Some(Roots::System)),
            Some(path) => Ok(Some(Roots::File(absolute("sslrootcert", path)?))),
        }
    }

    /// libpq's default is `prefer`, with the system's roots `verify-full`, and nothing less goes with those: anybody can get a
    /// certificate from one of them.
    fn mode_with(&self, roots: Option<&Roots>) -> Result<Mode, String> {
        match (self.mode, roots) {
            (None, Some(Roots::System)) => Ok(Mode::VerifyFull),
            (Some(mode), Some(Roots::System)) if mode < Mode::VerifyFull => Err(format!(
                "sslrootcert=system goes with sslmode=verify-full only, not with {}; say that, or name a file of root certificates",
                mode.as_str()
            )),
            (Some(mode), None) if mode > Mode::Require => Err(format!(
                "sslmode={} needs the certificate of the authority that signed the server's: add sslrootcert with the path of its \
                 file on this host, or sslrootcert=system for an authority that everybody trusts",
                mode.as_str()
            )),
            (mode, _) => Ok(mode.unwrap_or(Mode::Prefer)),
        }
    }

    fn identity(&self) -> Result<Option<Identity>, String> {
        match (&self.certificate, &self.key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Identity {
                certificate: absolute("sslcert", certificate)?,
                key: absolute("sslkey", key)?,
            })),
            _ => Err("sslcert and sslkey belong together; give the paths of both on this host".to_owned()),
        }
    }
}

fn mode(name: &str, word: &str) -> Result<Mode, String> {
    Mode::parse(word).ok_or_else(|| {
        let words = Mode::ALL.map(Mode::as_str).join(", ");
        format!("its {name} is none of {words}")
    })
}

/// What a URL asks for and does not get, it should not silently do without.
fn unsupported(name: &str) -> String {
    // The name may hold anything, up to a password with a `?` in it.
    let known = [
        "sslpassword",
        "sslcrl",
        "sslcrldir",
        "sslsni",
        "sslnegotiation",
        "sslcertmode",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
    ];
    let name: Cow<'_, str> = known.into_iter().find(|known| *known == name).unwrap_or("ssl…").into();
    format!(
        "its parameter {name} is not supported; of those for TLS, sslmode, sslrootcert, sslcert, sslkey and channel_binding are"
    )
}

fn absolute(name: &str, path: &str) -> Result<PathBuf, String> {
    if Path::new(path).is_absolute() {
        return Ok(PathBuf::from(path));
    }
    Err(format!("its {name} is no absolute path; evenkeel reads the file on the host that it runs on"))
}
