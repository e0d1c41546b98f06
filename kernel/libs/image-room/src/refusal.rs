//! Why an image is not taken.

use core::fmt;

/// Why an image is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has no bytes.
    NoBytes,
    /// It has more bytes than there is room for.
    TooLarge {
        /// The most bytes that an image may have.
        limit: u64,
    },
    /// No image is on its way.
    NotBegun,
    /// A piece has bytes behind the announced end.
    BehindTheEnd,
    /// Not all of it is here.
    Incomplete,
    /// It does not have the checksum that was announced.
    Damaged,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBytes => formatter.write_str("the image has no bytes"),
            Self::TooLarge { limit } => write!(formatter, "an image may have {limit} bytes"),
            Self::NotBegun => formatter.write_str("no image is on its way"),
            Self::BehindTheEnd => formatter.write_str("there are bytes behind the image's end"),
            Self::Incomplete => formatter.write_str("not all of the image is there"),
            Self::Damaged => formatter.write_str("the image's checksum is wrong"),
        }
    }
}

impl core::error::Error for Refusal {}
