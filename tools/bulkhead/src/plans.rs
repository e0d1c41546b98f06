//! `bulkhead plan`.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use plan::source::{Compiled, Report, load, load_with_images};

use crate::arguments::Input;
use crate::{json, pretty};

/// The plan breaks a rule.
const REFUSED: u8 = 1;
/// What was asked could not be done, whatever the plan.
const FAILED: u8 = 2;

/// `bulkhead plan check`
pub fn check(input: &Input) -> ExitCode {
    match read(input) {
        Ok(compiled) => announce(input, &compiled, "the plan breaks no rule"),
        Err(report) => refuse(input, &report),
    }
}

/// `bulkhead plan compile`
pub fn compile(input: &Input, output: &Path) -> ExitCode {
    let compiled = match read(input) {
        Ok(compiled) => compiled,
        Err(report) => return refuse(input, &report),
    };
    let bundle = compiled.bundle();
    if let Err(error) = std::fs::write(output, &bundle) {
        return fail(&format!("cannot write {}: {error}", output.display()));
    }
    let written = format!("{} bytes written to {}", bundle.len(), output.display());
    announce(input, &compiled, &written)
}

fn read(input: &Input) -> Result<Compiled, Report> {
    match &input.images {
        Some(directory) => load_with_images(&input.file, directory),
        None => load(&input.file),
    }
}

fn announce(input: &Input, compiled: &Compiled, what: &str) -> ExitCode {
    let text = if input.json {
        json::accepted(&input.file.display().to_string(), &compiled.plan)
    } else {
        let names: Vec<_> = compiled
            .plan
            .partitions
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        format!(
            "{}: {what} (partitions: {})",
            input.file.display(),
            names.join(", ")
        )
    };
    print(&text, ExitCode::SUCCESS)
}

fn refuse(input: &Input, report: &Report) -> ExitCode {
    if input.json {
        return print(&json::refused(report), ExitCode::from(REFUSED));
    }
    match write!(io::stderr(), "{}", pretty::render(report)) {
        Ok(()) => ExitCode::from(REFUSED),
        Err(_) => ExitCode::from(FAILED),
    }
}

/// Prints on standard output; who closed it does not want to hear of it.
fn print(text: &str, code: ExitCode) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => fail(&format!("cannot write: {error}")),
    }
}

fn fail(what: &str) -> ExitCode {
    // Nothing is left to tell if standard error is gone as well.
    let _ = writeln!(io::stderr(), "bulkhead: {what}");
    ExitCode::from(FAILED)
}
