//! Windows of sequences that are longer than a frame: records ([`Page`]) and text
//! ([`Bytes`]), both read by position.
//!
//! A position is a number that counts from the machine's boot and never goes back. The
//! reader names the position it wants; the writer gives what it has from there on, or from
//! the oldest that it still has. So the reader goes on at the end of what it got, and knows
//! what it missed: all between the position it named and the first one it got.

use core::marker::PhantomData;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use crate::frame::BODY_BYTES;

/// Records of one kind, one after another in postcard's encoding. They were checked when
/// they were decoded, and need no memory of their own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Items<'a, T> {
    bytes: &'a [u8],
    kind: PhantomData<fn() -> T>,
}

impl<'a, T> Items<'a, T> {
    /// The most bytes that records take, so that a frame holds them and what goes with them.
    pub const MAX_BYTES: usize = BODY_BYTES - 100;

    const fn over(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            kind: PhantomData,
        }
    }
}

#[cfg(any(test, feature = "client"))]
impl<T: DeserializeOwned> Items<'_, T> {
    /// The records, in order.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        let mut rest = self.bytes;
        core::iter::from_fn(move || {
            let (item, behind) = take(rest)?;
            rest = behind;
            Some(item)
        })
    }
}

/// The first record of `bytes`, and what is behind it.
fn take<T: DeserializeOwned>(bytes: &[u8]) -> Option<(T, &[u8])> {
    let taken = postcard::take_from_bytes::<T>(bytes).ok();
    // A record of no bytes would never come to an end.
    taken.filter(|(_, rest)| rest.len() < bytes.len())
}

impl<T> Serialize for Items<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.bytes)
    }
}

impl<'de: 'a, 'a, T: DeserializeOwned> Deserialize<'de> for Items<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&'de [u8]>::deserialize(deserializer)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = take::<T>(rest);
            (_, rest) = taken.ok_or_else(|| D::Error::custom("a record cannot be read"))?;
        }
        Ok(Items::over(bytes))
    }
}

impl<'a, T: Serialize> Items<'a, T> {
    /// As many of `records`, in order, as find room in `buffer`, of which at most
    /// [`Items::MAX_BYTES`] are used.
    pub fn new(buffer: &'a mut [u8], records: impl IntoIterator<Item = T>) -> Self {
        let room = buffer.len().min(Self::MAX_BYTES);
        let mut used = 0_usize;
        for record in records {
            let free = buffer.get_mut(used..room).unwrap_or_default();
            let Ok(written) = postcard::to_slice(&record, free) else {
                break;
            };
            used = used.saturating_add(written.len());
        }
        let bytes: &'a [u8] = buffer;
        Self::over(bytes.get(..used).unwrap_or_default())
    }
}

/// A window of a numbered sequence of records.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(bound(serialize = "", deserialize = "T: DeserializeOwned"))]
pub struct Page<'a, T> {
    /// The number of the first record here: the one that was asked for, or the oldest that
    /// there still is if that is later, or `end` if that is earlier.
    pub first: u64,
    /// The number that the next record of the sequence will have.
    pub end: u64,
    /// The records from `first` on, as many as fit.
    #[serde(borrow)]
    pub items: Items<'a, T>,
}

impl<'a, T: Serialize> Page<'a, T> {
    /// The records from number `first` on, which `records` gives in order, as many as find
    /// room in `buffer`.
    pub fn new(
        buffer: &'a mut [u8],
        first: u64,
        end: u64,
        records: impl IntoIterator<Item = T>,
    ) -> Self {
        let items = Items::new(buffer, records);
        Self { first, end, items }
    }
}

/// A window of a stream of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Bytes<'a> {
    /// The position of the first byte here: the one that was asked for, or of the oldest that
    /// there still is if that is later, or `end` if that is earlier.
    pub first: u64,
    /// The position that the next byte of the stream will have.
    pub end: u64,
    /// The bytes from `first` on, at most [`MAX_DATA`](crate::MAX_DATA).
    pub bytes: &'a [u8],
}
