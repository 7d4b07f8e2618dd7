//! PostgreSQL's client programs, run where they are: in the server's container, or in one beside it.

use evenkeel_core::database::redact::Redactor;
use evenkeel_core::name::ContainerId;
use tokio::io::{AsyncRead, AsyncWrite};

use super::error::DatabaseError;
use super::target::Target;
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
        let exec =
            Exec { command: self.command()?, environment: self.environment(), user: None, stdin, stdout };
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
            command.extend(["-h".to_owned(), host.clone(), "-p".to_owned(), port.to_string()]);
        }
        command.extend(self.arguments.clone());
        Ok(command)
    }

    fn environment(&self) -> Vec<String> {
        let password =
            self.target.password.as_ref().map(|password| format!("PGPASSWORD={}", password.expose()));
        let application = format!("PGAPPNAME={}", self.application);
        password.into_iter().chain([application, "PGCONNECT_TIMEOUT=10".to_owned()]).collect()
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
