//! Why a table was not changed.

use thiserror::Error;

/// Why a table was not changed. After any of them, all addresses translate as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MapError {
    /// An address or a length is not a multiple of 4 KiB, or a length is 0.
    #[error("the range is not made of whole 4 KiB pages")]
    Misaligned,
    /// An address does not fit into the format's address width.
    #[error("the range leaves the address width")]
    BeyondAddressWidth,
    /// A part of the range is mapped already.
    #[error("a part of the range is mapped already")]
    AlreadyMapped,
    /// The format cannot allow these accesses without allowing others.
    #[error("the table's format has no such access rights")]
    AccessNotExpressible,
    /// There is no memory for another table.
    #[error("there is no memory for another page table")]
    OutOfTables,
}
