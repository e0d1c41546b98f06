//! Why something was refused, in words.

use core::fmt::{self, Write};

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// The most bytes of a reason: short enough for an answer that is remembered.
const MAX_REASON: usize = 112;

/// A reason in words, without control characters. What does not fit is cut off. On the wire
/// it is a string.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    bytes: [u8; MAX_REASON],
    length: u8,
}

impl Reason {
    /// The reason that `why` gives.
    pub fn new(why: impl fmt::Display) -> Self {
        let mut reason = Self {
            bytes: [0; MAX_REASON],
            length: 0,
        };
        // What does not fit is left out.
        let _ = write!(reason, "{why}");
        reason
    }

    /// The reason as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length));
        // Only whole characters are added.
        bytes
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl Write for Reason {
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

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        let reason = Self::new(text);
        if reason.as_str() != text {
            return Err(D::Error::custom(
                "a reason that is too long, or not printable",
            ));
        }
        Ok(reason)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_off_between_characters() {
        assert_eq!(Reason::new("no ELF file").as_str(), "no ELF file");
        assert_eq!(Reason::new("no\x1b[2J \u{9b}ELF\n").as_str(), "no[2J ELF");
        let long = "x".repeat(MAX_REASON - 1) + "\u{e4}y";
        assert_eq!(Reason::new(&long).as_str(), &long[..MAX_REASON - 1]);
    }

    #[test]
    fn reasons_on_the_wire_are_checked() {
        let long = "x".repeat(MAX_REASON + 1);
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
