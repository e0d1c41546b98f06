//! Why a table was not changed.

use core::fmt;

/// Why a table was not changed. After any of them, all addresses translate as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapError {
    /// An address or a length is not a multiple of 4 KiB, or a length is 0.
    Misaligned,
    /// An address does not fit into the format's address width.
    BeyondAddressWidth,
    /// A part of the range is mapped already.
    AlreadyMapped,
    /// The format cannot allow these accesses without allowing others.
    AccessNotExpressible,
    /// There is no memory for another table.
    OutOfTables,
}

impl fmt::Display for MapError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Misaligned => "the range is not made of whole 4 KiB pages",
            Self::BeyondAddressWidth => "the range leaves the address width",
            Self::AlreadyMapped => "a part of the range is mapped already",
            Self::AccessNotExpressible => "the table's format has no such access rights",
            Self::OutOfTables => "there is no memory for another page table",
        })
    }
}

impl core::error::Error for MapError {}
