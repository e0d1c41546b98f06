//! `bulkhead plan`.

mod drawing;
mod json;
mod pretty;

use std::path::Path;
use std::process::ExitCode;

use drawing::Drawing;
use plan::source::{Compiled, Report, load, load_with_images};

use crate::arguments::Input;
use crate::output::{self, Format};
use crate::problem::Problem;

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
    if let Err(problem) = write(output, &bundle) {
        return finish(input, Err(problem));
    }
    let written = format!("{} bytes written to {}", bundle.len(), output.display());
    announce(input, &compiled, &written)
}

/// `bulkhead plan show`
pub fn show(input: &Input, svg: Option<&Path>) -> ExitCode {
    let compiled = match read(input) {
        Ok(compiled) => compiled,
        Err(report) => return refuse(input, &report),
    };
    let drawing = Drawing::new(input.file.display().to_string(), &compiled.plan);
    let shown = match svg {
        Some(path) => write(path, drawing::svg::draw(&drawing).as_bytes()),
        None if input.json => output::line(&drawing::json::draw(&drawing)),
        None => output::line(&drawing::text::draw(&drawing)),
    };
    finish(input, shown)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    std::fs::write(path, bytes).map_err(|error| Problem::Here {
        what: format!("cannot write {}: {error}", path.display()),
    })
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
    finish(input, output::line(&text))
}

fn refuse(input: &Input, report: &Report) -> ExitCode {
    if !input.json {
        output::note(pretty::render(report).trim_end());
        return output::refused();
    }
    match output::line(&json::refused(report)) {
        Ok(()) => output::refused(),
        problem => finish(input, problem),
    }
}

fn finish(input: &Input, result: Result<(), Problem>) -> ExitCode {
    output::status(result, Format::from_flag(input.json))
}
