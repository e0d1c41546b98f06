//! Short texts, kept in place.

use core::fmt::{self, Write};

use serde::Deserialize;
use serde::ser::{Serialize, Serializer};

/// A text of at most `BYTES` bytes, 255 at most, without control characters. On the wire it is a
/// string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "&str")]
pub struct Text<const BYTES: usize> {
    bytes: [u8; BYTES],
    length: u8,
}

/// Why something was refused, in words: short enough for an answer that is remembered.
pub type Reason = Text<112>;

impl<const BYTES: usize> Text<BYTES> {
    /// `content` as a text. Control characters and what does not fit are left out.
    pub fn new(content: impl fmt::Display) -> Self {
        let mut text = Self {
            bytes: [0; BYTES],
            length: 0,
        };
        // It is full then.
        let _ = write!(text, "{content}");
        text
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length));
        // Only whole characters are added.
        bytes
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl<const BYTES: usize> Write for Text<BYTES> {
    fn write_char(&mut self, character: char) -> fmt::Result {
        if character.is_control() {
            return Ok(());
        }
        let start = usize::from(self.length);
        let room = self.bytes.get_mut(start..).unwrap_or_default();
        if room.len() < character.len_utf8() {
            return Err(fmt::Error);
        }
        let added = character.encode_utf8(room).len();
        self.length = u8::try_from(start.saturating_add(added)).map_err(|_| fmt::Error)?;
        Ok(())
    }

    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|one| self.write_char(one))
    }
}

impl<const BYTES: usize> fmt::Display for Text<BYTES> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl<const BYTES: usize> fmt::Debug for Text<BYTES> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl<const BYTES: usize> Serialize for Text<BYTES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<const BYTES: usize> TryFrom<&str> for Text<BYTES> {
    type Error = &'static str;

    fn try_from(content: &str) -> Result<Self, Self::Error> {
        let text = Self::new(content);
        (text.as_str() == content)
            .then_some(text)
            .ok_or("a text that is too long, or not printable")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    const MAXIMUM: usize = 112;

    #[test]
    fn what_does_not_fit_is_cut_off_between_characters() {
        assert_eq!(Reason::new("no ELF file").as_str(), "no ELF file");
        assert_eq!(Reason::new("no\x1b[2J \u{9b}ELF\n").as_str(), "no[2J ELF");
        let long = "x".repeat(MAXIMUM - 1) + "\u{e4}y";
        assert_eq!(Reason::new(&long).as_str(), &long[..MAXIMUM - 1]);
    }

    #[test]
    fn texts_on_the_wire_are_checked() {
        let long = "x".repeat(MAXIMUM + 1);
        for (text, is_good) in [
            ("", true),
            (&long[1..], true),
            (&long, false),
            ("\x1b", false),
        ] {
            let bytes = postcard::to_allocvec(text).unwrap();
            let read = postcard::from_bytes::<Reason>(&bytes);
            assert_eq!(read.is_ok(), is_good, "{text:?}");
        }
    }
}
