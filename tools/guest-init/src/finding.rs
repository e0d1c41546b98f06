//! One finding: a line of JSON on the console.

use std::fmt::Write;

use crate::console;

/// One finding, built value by value.
#[derive(Debug, Clone)]
pub struct Finding {
    json: String,
}

impl Finding {
    /// The finding `name`, which holds or not.
    pub fn new(name: &str, ok: bool) -> Self {
        Self {
            json: format!("{{\"name\":{},\"ok\":{ok}", quote(name)),
        }
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, key: &str, value: u64) -> Self {
        self.raw(key, &value.to_string())
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, key: &str, value: &str) -> Self {
        self.raw(key, &quote(value))
    }

    /// Adds a list of texts.
    #[must_use]
    pub fn texts(self, key: &str, values: &[String]) -> Self {
        let quoted: Vec<_> = values.iter().map(|value| quote(value)).collect();
        self.raw(key, &format!("[{}]", quoted.join(",")))
    }

    /// Adds a list of numbers.
    #[must_use]
    pub fn numbers(self, key: &str, values: &[u64]) -> Self {
        let texts: Vec<_> = values.iter().map(u64::to_string).collect();
        self.raw(key, &format!("[{}]", texts.join(",")))
    }

    /// Adds a value that is JSON already.
    #[must_use]
    pub fn raw(mut self, key: &str, json: &str) -> Self {
        // Writing to a String cannot fail.
        let _ = write!(self.json, ",{}:{json}", quote(key));
        self
    }

    /// The line's text.
    pub fn line(&self) -> String {
        format!("check: {}}}", self.json)
    }

    /// Prints the finding.
    pub fn print(&self) {
        console::print(&self.line());
    }
}

/// A JSON string; what is not printable ASCII becomes a question mark.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            ' '..='~' => quoted.push(character),
            _ => quoted.push('?'),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_of_json() {
        let finding = Finding::new("nproc", true)
            .number("found", 1)
            .text("why", "a \"quoted\"\nword")
            .numbers("list", &[1, 2]);
        assert_eq!(
            finding.line(),
            r#"check: {"name":"nproc","ok":true,"found":1,"why":"a \"quoted\"?word","list":[1,2]}"#
        );
    }
}
