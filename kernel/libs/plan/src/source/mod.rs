//! The plan's source form: TOML for people, on the host.
//!
//! [`load`] reads a plan's source and the images that it names, and gives either a
//! [`Compiled`] plan, ready to be bundled, or a [`Report`] of everything that is wrong with
//! it, each with its line. Where one thing cannot be read the rest is still checked.
//!
//! Sizes and addresses are integers or strings with an optional suffix `K`, `M`, `G` or `T`
//! (powers of 1024). Images are named by their path from the plan's directory.

mod images;
mod machine;
mod partition;
mod reader;
mod rehearsal;
mod remedy;
mod report;
mod restart;
mod rights;
mod suggestion;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;
mod value;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use self::images::Images;
use self::machine::read_machine;
use self::partition::read_partitions;
use self::reader::{Finding, Reader, Table};
use self::rehearsal::rehearse;
use self::remedy::remedy;
pub use self::report::{Diagnostic, Label, Report};
use crate::{Place, Plan, Rule, bundle, check, compile};

/// The version of the source form; those before it are read as well.
pub const SOURCE_VERSION: u32 = 3;

/// A plan that breaks no rule, with the images that it names.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// The plan.
    pub plan: Plan,
    /// The images, each once: `images[0]` is entry 1 of the bundle.
    pub images: Vec<(String, Vec<u8>)>,
    /// The files that the images were read from.
    pub image_files: Vec<PathBuf>,
}

impl Compiled {
    /// The boot module.
    #[must_use]
    pub fn bundle(&self) -> Vec<u8> {
        let plan = compile::encode(&self.plan);
        let mut entries = Vec::from([("plan", plan.as_slice())]);
        entries.extend(
            self.images
                .iter()
                .map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
        );
        compile::build(&entries)
    }
}

/// Loads the plan at `path`, with its images from the same directory.
///
/// # Errors
/// Returns everything that is wrong with the plan.
pub fn load(path: impl AsRef<Path>) -> Result<Compiled, Report> {
    let path = path.as_ref();
    load_with_images(path, path.parent().unwrap_or(Path::new("")))
}

/// Loads the plan at `path`, with its images from `directory`.
///
/// # Errors
/// Returns everything that is wrong with the plan.
pub fn load_with_images(path: &Path, directory: &Path) -> Result<Compiled, Report> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        let what = format!("the plan cannot be read: {error}");
        let finding = Finding::new(Rule::PlanUnreadable, None, what);
        Report::new(&file, String::new(), [finding])
    })?;
    if bytes.starts_with(&bundle::MAGIC) {
        let finding = Finding {
            remedy: Some("name the plan's TOML, which it was made of".into()),
            ..Finding::new(Rule::PlanUnreadable, None, format!("{file} is a bundle"))
        };
        return Err(Report::new(&file, String::new(), [finding]));
    }
    let source = match String::from_utf8(bytes) {
        Ok(source) => source,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let source = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let what = "the plan is no UTF-8 text".into();
            let finding = Finding::new(Rule::PlanUnreadable, Some(at..at), what);
            return Err(Report::new(&file, source, [finding]).without_source());
        }
    };
    compile(&source, directory).map_err(|findings| Report::new(&file, source, findings))
}

/// Compiles `source`, with its images from `directory`.
fn compile(source: &str, directory: &Path) -> Result<Compiled, Vec<Finding>> {
    let (document, errors) = DeTable::parse_recoverable(source);
    if !errors.is_empty() {
        let finding = |error: toml::de::Error| {
            Finding::new(Rule::Syntax, error.span(), error.message().to_owned())
        };
        return Err(errors.into_iter().map(finding).collect());
    }
    let mut reader = Reader::new();
    let mut images = Images::new(directory);
    match read_plan(&mut reader, &mut images, document) {
        Some(plan) => {
            let findings = with_violations(reader, &plan, images.files());
            let (images, image_files) = images.into_parts();
            let compiled = Compiled {
                plan,
                images,
                image_files,
            };
            if findings.is_empty() {
                Ok(compiled)
            } else {
                Err(findings)
            }
        }
        None => Err(reader.into_findings()),
    }
}

fn read_plan(
    reader: &mut Reader,
    images: &mut Images,
    document: Spanned<DeTable<'_>>,
) -> Option<Plan> {
    // What is missing at the top level is missing at the top.
    let document = Spanned::new(0..0, DeValue::Table(document.into_inner()));
    let top = Table::new(&document, "the plan")?;
    let version = reader.require(&top, "version")?;
    let number: u32 = reader.integer(&version, "the version, 1 to 3")?;
    if !(1..=SOURCE_VERSION).contains(&number) {
        let what = format!("version {number} of the plan's source is not known");
        reader.report(Finding::new(
            Rule::UnsupportedVersion,
            Some(version.span()),
            what,
        ));
        return None;
    }
    reader.set_version(number);
    reader.check_keys(&top, &["version", "machine", "partition"]);
    let machine = read_machine(reader, &top);
    reader.end_machine();
    let partitions = read_partitions(reader, images, &top);
    if partitions.is_some() {
        reader.mark(Place::Plan, version.span());
    }
    Some(Plan {
        machine,
        partitions: partitions.unwrap_or_default(),
    })
}

/// What the reader found, and what the checker and a rehearsal of the start find in the part that
/// could be read.
fn with_violations(reader: Reader, plan: &Plan, files: &[(String, Vec<u8>)]) -> Vec<Finding> {
    let mut found = rehearse(&reader, plan, files);
    for violation in check(plan) {
        let span = reader.span(violation.place);
        let other = violation.other.and_then(|other| reader.span(other));
        let says_something_read = span.is_some() && other.is_some() == violation.other.is_some();
        if reader.is_complete() || (says_something_read && reader.can_judge(violation.rule)) {
            found.push(Finding {
                other,
                remedy: remedy(plan, &violation),
                ..Finding::new(violation.rule, span, violation.what)
            });
        }
    }
    let mut findings = reader.into_findings();
    findings.append(&mut found);
    findings
}
