//! No file is longer than a reader can keep in mind. Functions are clippy's.

use super::sources::Source;

/// The most lines of a file.
const MOST_LINES: usize = 600;

/// Names the files that are too long.
pub fn check(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(source, lines)| format!("{}: {lines} lines, {MOST_LINES} at most", source.path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_too_many_is_found() {
        let source = |lines: usize| Source {
            path: "a.rs".to_owned(),
            text: "\n".repeat(lines),
        };
        assert!(check(&[source(MOST_LINES)]).is_empty());
        assert_eq!(check(&[source(MOST_LINES + 1)]).len(), 1);
    }
}
