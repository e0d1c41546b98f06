//! What `--json` prints: one object on one line.

use plan::Plan;
use plan::source::{Diagnostic, Label, Report};
use serde_json::{Value, json};

/// The plan breaks no rule.
pub fn accepted(file: &str, plan: &Plan) -> String {
    let partitions: Vec<_> = plan
        .partitions
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    json!({ "file": file, "accepted": true, "partitions": partitions, "violations": [] })
        .to_string()
}

/// The plan breaks the rules of `report`.
pub fn refused(report: &Report) -> String {
    let violations: Vec<_> = report.diagnostics.iter().map(violation).collect();
    json!({ "file": report.file, "accepted": false, "violations": violations }).to_string()
}

fn violation(diagnostic: &Diagnostic) -> Value {
    let place = |label: &Label| json!({ "line": label.line, "column": label.column });
    let label = diagnostic.label.as_ref();
    json!({
        "rule": diagnostic.rule.name(),
        "line": label.map(|label| label.line),
        "column": label.map(|label| label.column),
        "message": diagnostic.message,
        "remedy": diagnostic.remedy,
        "conflicts_with": diagnostic.other.as_ref().map(place),
    })
}
