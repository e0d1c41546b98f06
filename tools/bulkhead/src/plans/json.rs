//! What `--json` prints: one object on one line.

use plan::source::{Diagnostic, Label, Report};
use serde_json::{Value, json};

use super::Done;

/// The plan breaks no rule; where its boot module was written, if it was.
pub fn accepted(file: &str, partitions: &[&str], done: Done<'_>) -> String {
    let mut object =
        json!({ "file": file, "accepted": true, "partitions": partitions, "violations": [] });
    if let (Value::Object(fields), Done::Written { output, bytes }) = (&mut object, done) {
        fields.insert("output".into(), json!(output.display().to_string()));
        fields.insert("bytes".into(), json!(bytes));
    }
    object.to_string()
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
