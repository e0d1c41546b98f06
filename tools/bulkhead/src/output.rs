//! What the tool prints, and its exit status.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;

use crate::problem::Problem;

/// What was asked is refused: by a rule, or by the machine.
const REFUSED: u8 = 1;
/// What was asked could not be tried: wrong usage, no file, no machine.
const FAILED: u8 = 2;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

impl Format {
    /// The format that the flag `--json` asks for.
    pub const fn from_flag(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// The status of what is refused.
pub fn refused() -> ExitCode {
    ExitCode::from(REFUSED)
}

/// Prints a line on standard output.
pub fn line(text: &str) -> Result<(), Problem> {
    write(format_args!("{text}\n").to_string().as_bytes())
}

/// Prints bytes on standard output at once.
pub fn write(bytes: &[u8]) -> Result<(), Problem> {
    let mut output = io::stdout().lock();
    let written = output.write_all(bytes).and_then(|()| output.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Problem::Unheard,
        _ => Problem::here(format!("cannot write: {error}")),
    })
}

/// Prints a line on standard error; nothing is left to tell if that is gone as well.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The exit status of `result`, after its problem has been printed.
pub fn status(result: Result<(), Problem>, format: Format) -> ExitCode {
    match result {
        Ok(()) | Err(Problem::Unheard) => ExitCode::SUCCESS,
        Err(problem) => {
            complain(&problem, format);
            ExitCode::from(if problem.is_refusal() {
                REFUSED
            } else {
                FAILED
            })
        }
    }
}

fn complain(problem: &Problem, format: Format) {
    let remedy = problem.remedy();
    if format == Format::Json {
        let object = json!({
            "error": problem.kind(),
            "message": problem.to_string(),
            "remedy": remedy,
        });
        // Who closed the output does not want to hear of it.
        let _ = line(&object.to_string());
        return;
    }
    note(&format!("bulkhead: {problem}"));
    if let Some(remedy) = remedy {
        note(&format!("  = remedy: {remedy}"));
    }
}
