//! `bulkhead plan`.

mod destination;
mod drawing;
mod json;
mod pretty;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use destination::{Destination, Source};
use drawing::Drawing;
use plan::source::{Compiled, Report, load, load_with_images};

use crate::arguments::Input;
use crate::output::{self, Format};
use crate::problem::Problem;

/// `bulkhead plan check`
pub fn check(input: &Input) -> ExitCode {
    match read(input) {
        Ok(compiled) => announce(input, &compiled, Done::Checked),
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
    let destination = Destination {
        path: output,
        option: "--output",
    };
    if let Err(problem) = destination.write(&bundle, sources(input, &compiled)) {
        return finish(input, Err(problem));
    }
    let bytes = bundle.len();
    announce(input, &compiled, Done::Written { output, bytes })
}

/// `bulkhead plan show`
pub fn show(input: &Input, svg: Option<&Path>) -> ExitCode {
    let compiled = match read(input) {
        Ok(compiled) => compiled,
        Err(report) => return refuse(input, &report),
    };
    let drawing = Drawing::new(input.file.display().to_string(), &compiled.plan);
    let shown = match svg {
        Some(path) => {
            let picture = drawing::svg::draw(&drawing);
            let destination = Destination {
                path,
                option: "--svg",
            };
            destination.write(picture.as_bytes(), sources(input, &compiled))
        }
        None if input.json => output::line(&drawing::json::draw(&drawing)),
        None => output::line(&drawing::text::draw(&drawing)),
    };
    finish(input, shown)
}

fn read(input: &Input) -> Result<Compiled, Report> {
    match &input.images {
        Some(directory) => load_with_images(&input.file, directory),
        None => load(&input.file),
    }
}

/// The files that `compiled` was made of.
fn sources<'a>(input: &'a Input, compiled: &'a Compiled) -> impl Iterator<Item = Source<'a>> {
    let image = |path: &'a PathBuf| Source::Image(path);
    std::iter::once(Source::Plan(&input.file)).chain(compiled.image_files.iter().map(image))
}

/// What was done with a plan that breaks no rule.
#[derive(Debug, Clone, Copy)]
enum Done<'a> {
    /// Nothing more.
    Checked,
    /// Its boot module was written.
    Written { output: &'a Path, bytes: usize },
}

fn announce(input: &Input, compiled: &Compiled, done: Done<'_>) -> ExitCode {
    let file = input.file.display().to_string();
    let partitions = compiled.plan.partitions.iter();
    let names: Vec<_> = partitions.map(|one| one.name.as_str()).collect();
    let text = if input.json {
        json::accepted(&file, &names, done)
    } else {
        let what = match done {
            Done::Checked => "the plan breaks no rule".to_owned(),
            Done::Written { output, bytes } => {
                format!("{bytes} bytes written to {}", output.display())
            }
        };
        format!("{file}: {what} (partitions: {})", names.join(", "))
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
