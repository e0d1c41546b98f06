//! Bulkhead's messages without those that are for programs.

/// How a message for programs begins.
const FOR_PROGRAMS: &[u8] = b"[bulkhead] json {";

/// Leaves lines for programs out of a text that comes in pieces.
#[derive(Debug, Default)]
pub struct ForPeople {
    /// The beginning of a line, as long as it may be one for programs.
    held: Vec<u8>,
    line: Line,
}

/// What the line that comes is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Line {
    #[default]
    Unknown,
    ForPeople,
    ForPrograms,
}

impl ForPeople {
    /// What of these bytes, and of those held back before, is for people.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::new();
        for byte in bytes {
            match self.line {
                Line::ForPeople => shown.push(*byte),
                Line::ForPrograms => {}
                Line::Unknown => {
                    self.held.push(*byte);
                    if self.held == FOR_PROGRAMS {
                        self.held.clear();
                        self.line = Line::ForPrograms;
                    } else if !FOR_PROGRAMS.starts_with(&self.held) {
                        shown.append(&mut self.held);
                        self.line = Line::ForPeople;
                    }
                }
            }
            if *byte == b'\n' {
                self.line = Line::Unknown;
            }
        }
        shown
    }

    /// What was held back, now that nothing more comes.
    pub fn end(self) -> Vec<u8> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart_however_they_come() {
        let text = b"[bulkhead] one\n[bulkhead] json {\"a\":1}\n\n[bulkhead] json\n[bulk";
        for size in 1..text.len() {
            let mut people = ForPeople::default();
            let mut shown = Vec::new();
            for piece in text.chunks(size) {
                shown.extend(people.take(piece));
            }
            shown.extend(people.end());
            assert_eq!(shown, b"[bulkhead] one\n\n[bulkhead] json\n[bulk", "{size}");
        }
    }
}
