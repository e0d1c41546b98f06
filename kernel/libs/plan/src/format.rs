//! The plan's binary form: a header of 20 bytes and the plan in postcard's encoding.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `BLKHPLAN` |
//! | 8 | 4 | version of the format |
//! | 12 | 4 | length of the encoding in bytes |
//! | 16 | 4 | CRC-32C of the encoding |
//!
//! Numbers are little-endian. `CHANGELOG.md` says what each version changed.

use thiserror::Error;

use crate::{Plan, crc32c};

/// The version of the binary form that this library writes, and the only one that it reads.
pub const FORMAT_VERSION: u32 = 3;

pub(crate) const MAGIC: [u8; 8] = *b"BLKHPLAN";

/// Why bytes are no plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes do not start as a plan does.
    #[error("the bundle's first entry is no compiled plan")]
    NotAPlan,
    /// The plan is of another version of the format.
    #[error("the bundle's plan has format version {0}, this Bulkhead takes {FORMAT_VERSION}")]
    Version(u32),
    /// The plan does not have the length that its header says.
    #[error("the bundle's plan is cut off or has bytes behind its end")]
    Length,
    /// The plan's checksum is wrong.
    #[error("the plan's checksum is wrong")]
    Checksum,
    /// The encoding does not describe a plan.
    #[error("the plan's encoding is malformed")]
    Malformed,
}

/// The plan whose binary form `bytes` is.
///
/// It is well formed, not checked: hold it against [`crate::fit`] before using it.
///
/// # Errors
/// Says why `bytes` are no plan.
pub fn decode(bytes: &[u8]) -> Result<Plan, DecodeError> {
    let (magic, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or(DecodeError::NotAPlan)?;
    if *magic != MAGIC {
        return Err(DecodeError::NotAPlan);
    }
    let (version, rest) = split_number(rest)?;
    if version != FORMAT_VERSION {
        return Err(DecodeError::Version(version));
    }
    let (length, rest) = split_number(rest)?;
    let (checksum, encoding) = split_number(rest)?;
    if usize::try_from(length) != Ok(encoding.len()) {
        return Err(DecodeError::Length);
    }
    if crc32c(encoding) != checksum {
        return Err(DecodeError::Checksum);
    }
    match postcard::take_from_bytes(encoding) {
        Ok((plan, [])) => Ok(plan),
        _ => Err(DecodeError::Malformed),
    }
}

fn split_number(bytes: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    let (number, rest) = bytes.split_first_chunk::<4>().ok_or(DecodeError::Length)?;
    Ok((u32::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::compile::encode;
    use crate::testing::{any_plan, example};

    #[test]
    fn errors_are_told_apart() {
        let good = encode(&example());
        assert_eq!(decode(b"BLKH"), Err(DecodeError::NotAPlan));
        assert_eq!(decode(&good[..good.len() - 1]), Err(DecodeError::Length));
        let with = |index: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[index] ^= value;
            decode(&bytes)
        };
        assert_eq!(with(0, 1), Err(DecodeError::NotAPlan));
        assert_eq!(with(8, 1), Err(DecodeError::Version(2)));
        assert_eq!(with(25, 1), Err(DecodeError::Checksum));
        assert_eq!(
            DecodeError::Version(2).to_string(),
            "the bundle's plan has format version 2, this Bulkhead takes 3"
        );
    }

    /// Puts a header with the right length and checksum before `encoding`.
    fn seal(encoding: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let length = u32::try_from(encoding.len()).unwrap();
        for field in [FORMAT_VERSION, length, crc32c(encoding)] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(encoding);
        bytes
    }

    #[test]
    fn bytes_behind_the_plan_are_refused() {
        let mut encoding = encode(&example()).split_off(20);
        encoding.push(0);
        assert_eq!(decode(&seal(&encoding)), Err(DecodeError::Malformed));
    }

    proptest! {
        #[test]
        fn plan_reads_back_as_written(plan in any_plan()) {
            prop_assert_eq!(decode(&encode(&plan)), Ok(plan));
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
            let _ = decode(&seal(&bytes));
        }

        #[test]
        fn mutated_plan_never_panics(plan in any_plan(), at in any::<prop::sample::Index>(), value: u8) {
            let mut encoding = encode(&plan).split_off(20);
            let index = at.index(encoding.len());
            encoding[index] = value;
            if let Ok(plan) = decode(&seal(&encoding)) {
                let _ = crate::check(&plan);
            }
        }
    }
}
