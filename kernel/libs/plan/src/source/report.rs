//! What is wrong with a plan's source, and where.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::reader::Finding;
use crate::Rule;

/// Everything that is wrong with a plan. It prints as plain text with an excerpt each.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The plan's file.
    pub file: String,
    /// The plan's source without what could steer a terminal; nothing if it is no text.
    pub source: String,
    /// What is wrong, in the order of the source. Never empty.
    pub diagnostics: Vec<Diagnostic>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// The broken rule.
    pub rule: Rule,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Where it is wrong, unless the file could not be read at all.
    pub label: Option<Label>,
    /// The other party to a conflict.
    pub other: Option<Label>,
}

/// A place in the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The bytes of the source, at character boundaries.
    pub span: Range<usize>,
    /// The line of the first one, from 1 on.
    pub line: usize,
    /// The column of the first one in characters, from 1 on.
    pub column: usize,
    /// What is there.
    pub text: &'static str,
}

impl Report {
    pub(super) fn new(
        file: &str,
        source: String,
        findings: impl IntoIterator<Item = Finding>,
    ) -> Self {
        let diagnostic = |finding: Finding| Diagnostic {
            rule: finding.rule,
            message: escaped(&finding.what),
            remedy: finding.remedy.map_or_else(
                || finding.rule.remedy().to_string(),
                |remedy| escaped(&remedy),
            ),
            label: finding
                .span
                .map(|span| Label::new(&source, span, "refused here")),
            other: finding
                .other
                .map(|span| Label::new(&source, span, "conflicts with this")),
        };
        let mut diagnostics: Vec<_> = findings.into_iter().map(diagnostic).collect();
        let start = |one: &Diagnostic| one.label.as_ref().map(|label| label.span.start);
        diagnostics.sort_by_key(start);
        Self {
            file: file.to_owned(),
            source: harmless(&source),
            diagnostics,
        }
    }

    /// The same with no excerpts.
    pub(super) fn without_source(self) -> Self {
        Self {
            source: String::new(),
            ..self
        }
    }

    /// What comes of it, for people.
    #[must_use]
    pub fn verdict(&self) -> String {
        let count = self.diagnostics.len();
        let plural = if count == 1 { "" } else { "s" };
        format!("{}: {count} violation{plural}, plan refused", self.file)
    }

    fn write_label(
        &self,
        formatter: &mut fmt::Formatter<'_>,
        label: &Label,
        mark: &str,
    ) -> fmt::Result {
        let Label {
            line, column, text, ..
        } = label;
        if self.source.is_empty() {
            return Ok(());
        }
        let excerpt = self
            .source
            .lines()
            .nth(line.saturating_sub(1))
            .unwrap_or_default();
        let before = column.saturating_sub(1);
        // A tab stays a tab below, so that the mark stands under what it means.
        let blank = |letter: char| if letter == '\t' { '\t' } else { ' ' };
        let indent: String = excerpt.chars().take(before).map(blank).collect();
        let marked = self.source.get(label.span.clone()).unwrap_or_default();
        let length = marked
            .lines()
            .next()
            .map_or(1, |first| first.chars().count().max(1));
        writeln!(formatter, "{line:>5} | {excerpt}")?;
        writeln!(formatter, "      | {indent}{} {text}", mark.repeat(length))
    }
}

impl Label {
    fn new(source: &str, span: Range<usize>, text: &'static str) -> Self {
        let start = source.floor_char_boundary(span.start);
        let end = source.ceil_char_boundary(span.end).max(start);
        let before = source.get(..start).unwrap_or_default();
        let line_start = before
            .rfind('\n')
            .map_or(0, |newline| newline.saturating_add(1));
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        Self {
            span: start..end,
            line: before.matches('\n').count().saturating_add(1),
            column: column.saturating_add(1),
            text,
        }
    }
}

/// The text with what could steer a terminal written out.
fn escaped(text: &str) -> String {
    let letter = |letter: char| {
        if letter.is_control() {
            letter.escape_default().to_string()
        } else {
            letter.to_string()
        }
    };
    text.chars().map(letter).collect()
}

/// The source with dots for what could steer a terminal, each of as many bytes, so that the spans
/// stay right.
fn harmless(source: &str) -> String {
    let mut letters = source.chars().peekable();
    let mut text = String::with_capacity(source.len());
    while let Some(letter) = letters.next() {
        let ends_line = letter == '\n' || (letter == '\r' && letters.peek() == Some(&'\n'));
        text.push(match letter {
            _ if ends_line => letter,
            '\t' => letter,
            '\u{80}'..='\u{9f}' => '\u{b7}',
            letter if letter.is_control() => '.',
            letter => letter,
        });
    }
    text
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Diagnostic {
            rule,
            message,
            remedy,
            label,
            other,
        } in &self.diagnostics
        {
            let place = label.as_ref().map_or_else(
                || self.file.clone(),
                |label| format!("{}:{}:{}", self.file, label.line, label.column),
            );
            writeln!(formatter, "{place}: error[{rule}]: {message}")?;
            if let Some(label) = label {
                self.write_label(formatter, label, "^")?;
            }
            if let Some(other) = other {
                self.write_label(formatter, other, "-")?;
            }
            writeln!(formatter, "      = remedy: {remedy}\n")?;
        }
        writeln!(formatter, "{}", self.verdict())
    }
}

impl core::error::Error for Report {}
