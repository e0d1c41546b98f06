//! Violations for people: drawn on a terminal, plain text elsewhere.

use std::fmt;
use std::io::{self, IsTerminal};

use miette::{GraphicalReportHandler, LabeledSpan, NamedSource, SourceCode};
use plan::source::{Diagnostic, Report};

/// The text of `report` for standard error.
pub fn render(report: &Report) -> String {
    if !io::stderr().is_terminal() {
        return report.to_string();
    }
    draw(report).unwrap_or_else(|fmt::Error| report.to_string())
}

fn draw(report: &Report) -> Result<String, fmt::Error> {
    let source = NamedSource::new(&report.file, report.source.clone());
    let mut text = String::new();
    for diagnostic in &report.diagnostics {
        let violation = Violation {
            diagnostic,
            source: &source,
        };
        // Where miette has a help, the plain text has a remedy.
        let remedy = format!("= remedy: {}", diagnostic.remedy);
        let handler = GraphicalReportHandler::new().with_footer(remedy);
        handler.render_report(&mut text, &violation)?;
        text.push('\n');
    }
    text.push_str(&report.verdict());
    Ok(text)
}

/// A diagnostic as `miette` wants it.
#[derive(Debug)]
struct Violation<'r> {
    diagnostic: &'r Diagnostic,
    source: &'r NamedSource<String>,
}

impl fmt::Display for Violation<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Violation<'_> {}

impl miette::Diagnostic for Violation<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.rule))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let has_excerpt = self.diagnostic.label.is_some() && !self.source.inner().is_empty();
        has_excerpt.then_some(self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = self.diagnostic.label.iter().chain(&self.diagnostic.other);
        Some(Box::new(labels.map(|label| {
            LabeledSpan::new_with_span(Some(label.text.into()), label.span.clone())
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_shows_rule_line_and_remedy() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/plans/bad/core-used-twice.toml"
        );
        let report = plan::source::load(file).unwrap_err();
        let text = draw(&report).unwrap();
        for part in [
            "core-used-twice",
            "give each core to one partition",
            "refused here",
            "= remedy: ",
            ": 1 violation, plan refused",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
