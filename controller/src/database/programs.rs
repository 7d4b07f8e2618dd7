//! PostgreSQL's client programs, run where they are: in the server's container, or in one beside it.

use evenkeel_core::database::redact::Redactor;
use evenkeel_core::name::ContainerId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::error::DatabaseError;
use super::target::Target;
use super::tls::{HandedOver, Material};
use crate::engine::{Engine, Exec, ExecOutcome};

/// Where PostgreSQL's client programs run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Programs {
    /// In the server's own container, over its socket.
    Server(ContainerId),
    /// In another container (of a client image, say), over the network.
    Beside {
        /// The container.
        container: ContainerId,
        /// The server's address as it is seen from there.
        host: String,
        /// And its port.
        port: u16,
    },
}

/// Runs a program that finds files, with keys among them, in a directory of its own: in memory, for this one user, gone when the
/// program ends, whoever is still there by then. They come before its input, each up to a line with a dot; `read` takes no byte
/// more. Its own failures have a code that no program of PostgreSQL's has.
const HAND_OVER: &str = r#"
umask 077
directory=$(mktemp -d /dev/shm/evenkeel.XXXXXX) || exit 125
trap 'rm -rf "$directory"' EXIT
trap 'exit 125' HUP INT TERM
while [ "$1" != -- ]; do
    while IFS= read -r line && [ "$line" != . ]; do
        printf '%s\n' "$line" || exit 125
    done > "$directory/$1" || exit 125
    export "$1=$directory/$1"
    shift
done
shift
"$@"
"#;

/// What a program reads.
pub(super) type Input = Box<dyn AsyncRead + Send + Unpin>;

/// Where its output goes.
pub(super) type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// One run of a program.
pub(super) struct Program<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) target: &'a Target,
    pub(super) name: &'static str,
    pub(super) arguments: Vec<String>,
    /// What its session calls itself.
    pub(super) application: String,
}

impl<'a> Program<'a> {
    pub(super) fn new(
        engine: &'a dyn Engine,
        target: &'a Target,
        name: &'static str,
        arguments: &[&str],
    ) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { engine, target, name, arguments, application: super::target::APPLICATION.to_owned() }
    }

    /// Runs it as the target's role; anything but exit code 0 is an error with the last of what it said.
    pub(super) async fn run(
        self,
        stdin: Option<Input>,
        stdout: Option<Output>,
    ) -> Result<ExecOutcome, DatabaseError> {
        let files = self.files().await?;
        let exec = Exec {
            command: with_files(&files, self.command()?),
            environment: self.environment()?,
            stdin: after_files(&files, stdin),
            stdout,
            ..Exec::default()
        };
        let outcome = self.engine.exec(self.container()?.as_str(), exec).await?;
        if outcome.exit_code == 0 { Ok(outcome) } else { Err(self.failed(&outcome)) }
    }

    /// Its major version.
    pub(super) async fn version(&self) -> Result<i32, DatabaseError> {
        let command = vec![self.name.to_owned(), "--version".to_owned()];
        let outcome =
            self.engine.exec(self.container()?.as_str(), Exec { command, ..Exec::default() }).await?;
        let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
        major(&text).filter(|_| outcome.exit_code == 0).ok_or_else(|| self.failed(&outcome))
    }

    fn programs(&self) -> Result<&Programs, DatabaseError> {
        let none =
            || DatabaseError::NoPrograms { target: self.target.to_string(), program: self.name.to_owned() };
        self.target.programs.as_ref().ok_or_else(none)
    }

    fn container(&self) -> Result<&ContainerId, DatabaseError> {
        Ok(match self.programs()? {
            Programs::Server(container) | Programs::Beside { container, .. } => container,
        })
    }

    fn command(&self) -> Result<Vec<String>, DatabaseError> {
        let mut command =
            vec![self.name.to_owned(), "-U".to_owned(), self.target.user.clone(), "-w".to_owned()];
        if let Programs::Beside { host, port, .. } = self.programs()? {
            let (host, _) = self.target.tls.place(host);
            command.extend(["-h".to_owned(), host.to_owned(), "-p".to_owned(), port.to_string()]);
        }
        command.extend(self.arguments.clone());
        Ok(command)
    }

    fn environment(&self) -> Result<Vec<String>, DatabaseError> {
        let mut environment =
            vec![format!("PGAPPNAME={}", self.application), "PGCONNECT_TIMEOUT=10".to_owned()];
        if let Some(password) = &self.target.password {
            environment.push(format!("PGPASSWORD={}", password.expose()));
        }
        if let Programs::Beside { host, .. } = self.programs()? {
            environment.extend(self.target.tls.environment());
            let (_, address) = self.target.tls.place(host);
            environment.extend(address.map(|address| format!("PGHOSTADDR={address}")));
        }
        Ok(environment)
    }

    /// The certificates that it needs; over a socket none.
    async fn files(&self) -> Result<Vec<HandedOver>, DatabaseError> {
        if let Programs::Server(_) = self.programs()? {
            return Ok(Vec::new());
        }
        let files = Material::read(&self.target.tls).await.and_then(|material| material.handed_over());
        files.map_err(|error| self.target.no_tls(error))
    }

    fn failed(&self, outcome: &ExecOutcome) -> DatabaseError {
        let redactor = Redactor::new(&Default::default(), self.target.password.clone());
        let lines: Vec<&str> = outcome.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(5)..].join(" | ");
        DatabaseError::Program {
            program: self.name.to_owned(),
            exit_code: outcome.exit_code,
            reason: redactor.line(&last),
        }
    }
}

fn with_files(files: &[HandedOver], command: Vec<String>) -> Vec<String> {
    if files.is_empty() {
        return command;
    }
    let variables = files.iter().map(|file| file.variable);
    let shell = ["sh", "-c", HAND_OVER, "sh"].into_iter().chain(variables).chain(["--"]);
    shell.map(str::to_owned).chain(command).collect()
}

fn after_files(files: &[HandedOver], stdin: Option<Input>) -> Option<Input> {
    if files.is_empty() {
        return stdin;
    }
    let texts: Vec<u8> = files.iter().flat_map(|file| [file.pem.as_slice(), b".\n"].concat()).collect();
    let texts = std::io::Cursor::new(texts);
    Some(match stdin {
        Some(stdin) => Box::new(texts.chain(stdin)),
        None => Box::new(texts),
    })
}

/// `pg_dump (PostgreSQL) 15.20 (Debian …)`.
fn major(version: &str) -> Option<i32> {
    let number = version.split_whitespace().nth(2)?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n"), Some(15));
        assert_eq!(major("pg_dump (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major(""), None);
    }
}
