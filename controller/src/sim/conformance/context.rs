//! A build context that both sides understand: the simulation reads its file `code`, a real engine builds what does the same.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use crate::sim::code::{Code, Fault, Script};

/// The port that the application answers at.
pub(super) const PORT: u16 = 8000;

/// The lock that bars migrations.
pub(super) const BAR: u8 = 7;

/// What is in every context.
const FILES: [(&str, &str); 4] = [
    ("app.py", include_str!("image/app.py")),
    ("alembic.ini", include_str!("image/alembic.ini")),
    ("migrations/env.py", include_str!("image/env.py")),
    ("migrations/script.py.mako", ""),
];

/// Writes a context as a tar file.
pub(super) fn write(path: &Path, code: &str) {
    let mut tar = tar::Builder::new(File::create(path).unwrap());
    let mut add = |name: &str, text: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    };
    FILES.iter().for_each(|(name, text)| add(name, text));
    add("code", code);
    let parsed = Code::parse(code);
    if parsed.apart {
        add("apart", "");
    }
    let fails = if parsed.fault == Fault::Build { "RUN exit 2\n" } else { "" };
    add("Dockerfile", &format!("{}{fails}", include_str!("image/Dockerfile")));
    let mut before = None;
    for (script, line) in parsed.scripts.iter().zip(code.lines().filter(|line| line.starts_with("script"))) {
        let waits = line.split_whitespace().any(|word| word == "barred");
        add(&format!("migrations/versions/{}.py", script.revision), &migration(script, before, waits));
        before = Some(script.revision.as_str());
    }
    tar.finish().unwrap();
}

/// Fails where there are rows.
const NONE_WITH_ROWS: &str = "SELECT 1 / (1 - LEAST(count(*), 1)) FROM public.entries";

/// A migration's script, as the tool has it. One that is barred waits, with its locks held, until somebody removes the bar.
fn migration(script: &Script, before: Option<&str>, waits: bool) -> String {
    let name = &script.revision;
    let mut text = format!("\"\"\"a change\"\"\"\nfrom alembic import op\nrevision = '{name}'\n");
    let _ = writeln!(
        text,
        "down_revision = {}",
        before.map_or("None".to_owned(), |before| format!("'{before}'"))
    );
    let _ = writeln!(text, "\ndef upgrade():");
    for statement in up(script, before.is_none(), waits) {
        let _ = writeln!(text, "    op.execute(\"{statement}\")");
    }
    if script.half {
        let index = format!("CREATE UNIQUE INDEX CONCURRENTLY {name}_index ON public.entries ((1))");
        let _ =
            writeln!(text, "    with op.get_context().autocommit_block():\n        op.execute(\"{index}\")");
    }
    let down = match before {
        None => "DROP TABLE public.entries".to_owned(),
        Some(_) => format!("ALTER TABLE public.entries DROP COLUMN {name}"),
    };
    let _ = writeln!(text, "\ndef downgrade():");
    if script.stays_on_rows {
        let _ = writeln!(text, "    op.execute(\"{NONE_WITH_ROWS}\")");
    }
    let _ = writeln!(text, "    op.execute(\"{down}\")");
    if script.inexact {
        let _ = writeln!(text, "    op.execute(\"ALTER TABLE public.entries ADD COLUMN {name}_left text\")");
    }
    text
}

fn up(script: &Script, first: bool, waits: bool) -> Vec<String> {
    let name = &script.revision;
    let mut statements = Vec::new();
    if script.fails {
        statements.push("SELECT 1 / 0".to_owned());
    }
    if script.fails_on_rows {
        statements.push(NONE_WITH_ROWS.to_owned());
    }
    match (first, script.breaking) {
        _ if script.half => {}
        (true, _) => statements.push(format!("CREATE TABLE public.entries ({name} text)")),
        (false, false) => statements.push(format!("ALTER TABLE public.entries ADD COLUMN {name} text")),
        (false, true) => {
            statements.push(format!("ALTER TABLE public.entries ADD COLUMN {name} text NOT NULL DEFAULT ''"));
            statements.push(format!("ALTER TABLE public.entries ALTER COLUMN {name} DROP DEFAULT"));
        }
    }
    if waits {
        statements.push(format!("SELECT pg_advisory_xact_lock({BAR})"));
    }
    statements
}
