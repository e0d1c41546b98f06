//! A guest's console as lines of text: enough of a terminal that boot messages, prompts and
//! progress lines read as they were meant. Colours and cursor addressing are dropped.

/// How many lines are kept.
const LINES: usize = 500;
/// How long a line grows.
const COLUMNS: usize = 500;

/// What a guest has printed, as lines.
#[derive(Debug, Default)]
pub struct Screen {
    lines: Vec<String>,
    line: Vec<char>,
    column: usize,
    state: State,
    /// The bytes of a character that has not come whole.
    partial: Vec<u8>,
}

/// Where in an escape sequence the text is (ECMA-48, 5th edition, section 5.4 "Control
/// sequences").
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind ESC.
    Escape,
    /// In a control sequence, until its final byte.
    Control,
    /// In a string such as a window's title, until BEL or ESC.
    String,
}

impl Screen {
    /// Takes what has come.
    pub fn print(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.take(*byte);
        }
    }

    /// The last lines, at most `count`, the unfinished one with them.
    pub fn last(&self, count: usize) -> Vec<String> {
        let unfinished: String = self.line.iter().collect();
        let all = self.lines.iter().cloned().chain([unfinished]);
        let skipped = self.lines.len().saturating_add(1).saturating_sub(count);
        all.skip(skipped).collect()
    }

    fn take(&mut self, byte: u8) {
        match (self.state, byte) {
            (State::Text, 0x1b) => self.state = State::Escape,
            (State::Text, _) => self.text(byte),
            (State::Escape, b'[') => self.state = State::Control,
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => self.state = State::String,
            (State::Escape, 0x20..=0x2f) => {}
            (State::Escape, _) => self.state = State::Text,
            (State::Control, 0x20..=0x3f) => {}
            (State::Control, _) => self.state = State::Text,
            (State::String, 0x07) => self.state = State::Text,
            (State::String, 0x1b) => self.state = State::Escape,
            (State::String, _) => {}
        }
    }

    fn text(&mut self, byte: u8) {
        match byte {
            b'\n' => self.end_line(),
            b'\r' => self.column = 0,
            0x08 => self.column = self.column.saturating_sub(1),
            b'\t' => {
                let next = (self.column | 7).saturating_add(1);
                while self.column < next {
                    self.put(' ');
                }
            }
            0x20..=0x7e => self.put(char::from(byte)),
            0x80.. => self.part(byte),
            _ => {}
        }
    }

    /// Takes a byte of a character of several.
    fn part(&mut self, byte: u8) {
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let character = text.chars().next().filter(|one| !one.is_control());
                self.partial.clear();
                if let Some(character) = character {
                    self.put(character);
                }
            }
            // Not yet whole.
            Err(error) if error.error_len().is_none() => {}
            Err(_) => {
                self.partial.clear();
                self.put(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    fn put(&mut self, character: char) {
        if self.column >= COLUMNS {
            self.end_line();
        }
        match self.line.get_mut(self.column) {
            Some(place) => *place = character,
            None => self.line.push(character),
        }
        self.column = self.column.saturating_add(1);
    }

    fn end_line(&mut self) {
        if self.lines.len() >= LINES {
            self.lines.remove(0);
        }
        self.lines.push(self.line.drain(..).collect());
        self.column = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let mut screen = Screen::default();
        screen.print(text.as_bytes());
        screen.last(LINES)
    }

    #[test]
    fn lines_end_where_they_end() {
        assert_eq!(lines("one\r\ntwo\nthr"), ["one", "two", "thr"]);
        assert_eq!(lines("a\tb"), ["a       b"]);
    }

    #[test]
    fn what_is_overwritten_is_gone() {
        assert_eq!(lines("10 %\r20 %"), ["20 %"]);
        assert_eq!(lines("passwd\x08\x08xy"), ["passxy"]);
    }

    #[test]
    fn colours_and_titles_do_not_show() {
        assert_eq!(
            lines("\x1b[1;32mok\x1b[0m \x1b]0;title\x07done"),
            ["ok done"]
        );
        assert_eq!(lines("\x1b]0;title\x1b\\done \x1b(Bx\x1b[?25l"), ["done x"]);
    }

    #[test]
    fn characters_come_whole_however_they_come() {
        let mut screen = Screen::default();
        for byte in "gr\u{fc}\u{df} \u{2713}".bytes() {
            screen.print(&[byte]);
        }
        screen.print(b"\xff.");
        assert_eq!(screen.last(1), ["gr\u{fc}\u{df} \u{2713}\u{fffd}."]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut screen = Screen::default();
        for number in 0..2 * LINES {
            screen.print(format!("{number}\n").as_bytes());
        }
        assert_eq!(
            screen.last(2),
            [format!("{}", 2 * LINES - 1), String::new()]
        );
        assert!(screen.last(usize::MAX).len() <= LINES + 1);
    }

    proptest! {
        #[test]
        fn nothing_that_steers_a_terminal_comes_through(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut screen = Screen::default();
            screen.print(&bytes);
            for line in screen.last(LINES) {
                prop_assert!(!line.chars().any(char::is_control));
            }
        }
    }
}
