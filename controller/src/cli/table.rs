//! Tables: columns as wide as their widest cell, two spaces apart, the last one open.

use super::CliError;
use super::output::{Out, Tone, clean};

/// A table.
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// A cell.
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in a tone.
    pub(super) fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        let text = clean(text.as_ref());
        Self { text: if text.is_empty() { "-".to_owned() } else { text }, tone }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl Table {
    /// A table with a head; without one where it is empty.
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// Prints it, each line after an indent.
    pub(super) fn print(self, out: &mut Out, indent: &str) -> Result<(), CliError> {
        let Self { head, mut rows } = self;
        if !head.is_empty() {
            rows.insert(0, head.iter().map(|title| Cell::new(title, Tone::Faint)).collect());
        }
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| rows.iter().filter_map(|row| row.get(column)).map(Cell::width).max().unwrap_or(0))
            .collect();
        rows.iter().try_for_each(|row| out.line(format!("{indent}{}", line(row, &widths, out))))
    }
}

fn line(row: &[Cell], widths: &[usize], out: &Out) -> String {
    let mut text = String::new();
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        text.push_str(&out.paint(&cell.text, cell.tone));
        if index + 1 < row.len() {
            text.push_str(&" ".repeat(width - cell.width() + 2));
        }
    }
    text
}
