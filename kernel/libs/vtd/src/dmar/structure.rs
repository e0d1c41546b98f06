//! The remapping structures of a table, one behind the other (VT-d, section 8.2 "Remapping
//! Structure Types").

use byte_fields::u16_at;

use super::DmarError;

/// The bytes of a structure's own header: type and length.
const HEADER_BYTES: usize = 4;

/// A structure: its type, its place in the table, and all its bytes, header included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Structure<'a> {
    pub kind: u16,
    pub offset: usize,
    pub bytes: &'a [u8],
}

/// The structures of a table, up to the first malformed one.
#[derive(Debug, Clone)]
pub(super) struct Structures<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Structures<'a> {
    pub fn new(table: &'a [u8], offset: usize) -> Self {
        Self {
            rest: table.get(offset..).unwrap_or(&[]),
            offset,
        }
    }

    /// Takes the first structure off the rest, which so gets shorter by four bytes at least.
    fn take(&mut self) -> Option<Structure<'a>> {
        let kind = u16_at(self.rest, 0)?;
        let length = usize::from(u16_at(self.rest, 2)?);
        if length < HEADER_BYTES {
            return None;
        }
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        let structure = Structure {
            kind,
            offset: self.offset,
            bytes,
        };
        self.rest = rest;
        self.offset = self.offset.checked_add(length)?;
        Some(structure)
    }
}

impl<'a> Iterator for Structures<'a> {
    type Item = Result<Structure<'a>, DmarError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let structure = self.take().ok_or(DmarError::Structure(self.offset));
        if structure.is_err() {
            self.rest = &[];
        }
        Some(structure)
    }
}
