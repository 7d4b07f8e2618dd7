//! Where a verb prints, and how.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use super::CliError;
use super::env;

/// For people or for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned tables
    #[default]
    Table,
    /// JSON, as documented
    Json,
}

/// Colours, by what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Busy,
    Bad,
    Faint,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "\x1b[32m",
            Self::Busy => "\x1b[33m",
            Self::Bad => "\x1b[31m",
            Self::Faint => "\x1b[2m",
        }
    }
}

/// Where a verb prints.
pub(super) struct Out {
    writer: Box<dyn Write + Send>,
    /// How.
    pub(super) format: Format,
    colours: bool,
}

impl Out {
    /// Standard output; colours only on a terminal.
    pub(super) fn stdout(format: Format) -> Self {
        let stdout = std::io::stdout();
        Self { colours: colours(&stdout), writer: Box::new(stdout), format }
    }

    /// Somewhere else, without colours.
    #[cfg(test)]
    pub(super) fn to(writer: impl Write + Send + 'static, format: Format) -> Self {
        Self { writer: Box::new(writer), format, colours: false }
    }

    /// A line.
    pub(super) fn line(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        self.text(&format!("{}\n", text.as_ref()))
    }

    /// Text as it is.
    pub(super) fn text(&mut self, text: &str) -> Result<(), CliError> {
        self.writer.write_all(text.as_bytes())?;
        Ok(self.writer.flush()?)
    }

    /// A value as indented JSON.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value)?;
        self.line(text)
    }

    /// Text in a tone, where colours are wanted.
    pub(super) fn paint(&self, text: &str, tone: Tone) -> String {
        match tone.code() {
            code if self.colours && !code.is_empty() => format!("{code}{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// Whether a stream wants colours.
pub(super) fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::colours()
}

/// Text from elsewhere (a commit message, a log line) on one line, and without what could steer a terminal.
pub(super) fn clean(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A line without anything that a terminal obeys; its indentation stays.
pub(super) fn plain(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Asks whoever sits at the terminal; nobody there is no.
pub(super) fn confirm(question: &str) -> Result<bool, CliError> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Ok(false);
    }
    write!(std::io::stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
