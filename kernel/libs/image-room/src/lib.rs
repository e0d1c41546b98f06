//! The images that stand in for a partition's own, and how new ones come in beside them.
//!
//! Key type: [`Room`], a piece of memory in three equal slots. Each of the two images that a
//! partition can have fills one; the third is where the next one comes in, piece by piece.
//! When it is whole and has passed the checks, it changes places with the image that it
//! replaces. So new bytes never touch an image that a start may need, an image is never moved,
//! and the largest image is the same at any time, whatever was replaced before. Slots that
//! grow and shrink were rejected: what fits would depend on what came earlier.
//!
//! Not handled: what an image is. The caller checks that, with the images as they will be.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;

use core::mem;

use plan::{Checksum, ImagePart};

/// The images that stand in for the partition's own; `None` where its own is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Images<'a> {
    /// The kernel.
    pub kernel: Option<&'a [u8]>,
    /// The initial RAM disk.
    pub initial_ramdisk: Option<&'a [u8]>,
}

impl<'a> Images<'a> {
    /// The same with another image for `part`.
    fn with(self, part: ImagePart, image: Option<&'a [u8]>) -> Self {
        match part {
            ImagePart::Kernel => Self {
                kernel: image,
                ..self
            },
            ImagePart::InitialRamdisk => Self {
                initial_ramdisk: image,
                ..self
            },
        }
    }
}

/// What is said of an image before its bytes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// Which image it replaces.
    pub part: ImagePart,
    /// Its size.
    pub bytes: u64,
    /// Its CRC-32C.
    pub crc32c: u32,
}

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

/// Memory for one image.
struct Slot<'m> {
    memory: &'m mut [u8],
    content: Option<Announcement>,
}

impl<'m> Slot<'m> {
    const fn new(memory: &'m mut [u8]) -> Self {
        Self {
            memory,
            content: None,
        }
    }

    fn image(&self) -> Option<&[u8]> {
        first(self.memory, self.content?.bytes)
    }
}

/// The first bytes of `memory`, if there are so many.
fn first(memory: &[u8], bytes: u64) -> Option<&[u8]> {
    memory.get(..usize::try_from(bytes).ok()?)
}

/// An image on its way.
struct Incoming {
    announced: Announcement,
    received: u64,
    checksum: Checksum,
}

/// The memory in which one partition's images are replaced.
pub struct Room<'m> {
    kernel: Slot<'m>,
    initial_ramdisk: Slot<'m>,
    /// Where the next image comes in.
    spare: &'m mut [u8],
    incoming: Option<Incoming>,
}

impl<'m> Room<'m> {
    /// An empty room in `memory`, whose bytes may be anything: none is read before it was
    /// written.
    #[must_use]
    pub const fn new(memory: &'m mut [u8]) -> Self {
        let third = memory.len() / 3;
        let (kernel, rest) = memory.split_at_mut(third);
        let (initial_ramdisk, spare) = rest.split_at_mut(third);
        let (spare, _) = spare.split_at_mut(third);
        Self {
            kernel: Slot::new(kernel),
            initial_ramdisk: Slot::new(initial_ramdisk),
            spare,
            incoming: None,
        }
    }

    /// The size in bytes of the largest image that can come.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        // All slots have the same size.
        self.spare.len() as u64
    }

    /// The images that are here, whole and checked.
    #[must_use]
    pub fn images(&self) -> Images<'_> {
        Images {
            kernel: self.kernel.image(),
            initial_ramdisk: self.initial_ramdisk.image(),
        }
    }

    /// What was said of the image that stands in for the partition's own, if one does.
    #[must_use]
    pub const fn replaced(&self, part: ImagePart) -> Option<Announcement> {
        match part {
            ImagePart::Kernel => self.kernel.content,
            ImagePart::InitialRamdisk => self.initial_ramdisk.content,
        }
    }

    /// Begins to take an image, or goes on with it after a break if all that is said of it is
    /// as before; how many bytes of it are here. Another one on its way is forgotten.
    ///
    /// # Errors
    /// It has no bytes, or too many. Nothing is forgotten then.
    pub fn begin(&mut self, announced: Announcement) -> Result<u64, Refusal> {
        if announced.bytes == 0 {
            return Err(Refusal::NoBytes);
        }
        let limit = self.limit();
        if announced.bytes > limit {
            return Err(Refusal::TooLarge { limit });
        }
        let incoming = self.incoming.take();
        let incoming = incoming.filter(|incoming| incoming.announced == announced);
        let incoming = incoming.unwrap_or_else(|| Incoming {
            announced,
            received: 0,
            checksum: Checksum::new(),
        });
        Ok(self.incoming.insert(incoming).received)
    }

    /// Takes a piece of the image that begins at its byte `offset`, if it goes on where the
    /// bytes that are here end; how many bytes are here now.
    ///
    /// # Errors
    /// No image is on its way, or the piece goes on behind its end. It is not taken then.
    pub fn add(&mut self, offset: u64, piece: &[u8]) -> Result<u64, Refusal> {
        let incoming = self.incoming.as_mut().ok_or(Refusal::NotBegun)?;
        if offset != incoming.received {
            return Ok(incoming.received);
        }
        let end = offset.saturating_add(piece.len() as u64);
        if end > incoming.announced.bytes {
            return Err(Refusal::BehindTheEnd);
        }
        let start = usize::try_from(offset).ok();
        let place = start.and_then(|start| self.spare.get_mut(start..)?.get_mut(..piece.len()));
        place.ok_or(Refusal::BehindTheEnd)?.copy_from_slice(piece);
        incoming.checksum.update(piece);
        incoming.received = end;
        Ok(end)
    }

    /// Puts the image that has come in the place of the one that it replaces, if `check`
    /// takes the images as they will be. Refused by a check, it is forgotten.
    ///
    /// # Errors
    /// No image is on its way, or not all of it is here, or it is not what was announced, or
    /// `check` refuses. The images are as they were then.
    pub fn commit<E: From<Refusal>>(
        &mut self,
        check: impl FnOnce(Images<'_>) -> Result<(), E>,
    ) -> Result<Announcement, E> {
        let incoming = self.incoming.take().ok_or(Refusal::NotBegun)?;
        let announced = incoming.announced;
        if incoming.received < announced.bytes {
            self.incoming = Some(incoming);
            return Err(Refusal::Incomplete.into());
        }
        if incoming.checksum.finish() != announced.crc32c {
            return Err(Refusal::Damaged.into());
        }
        let image = first(self.spare, announced.bytes);
        check(self.images().with(announced.part, image))?;
        let slot = match announced.part {
            ImagePart::Kernel => &mut self.kernel,
            ImagePart::InitialRamdisk => &mut self.initial_ramdisk,
        };
        mem::swap(&mut slot.memory, &mut self.spare);
        slot.content = Some(announced);
        Ok(announced)
    }

    /// Uses the partition's own image again, if `check` takes the images as they will be.
    ///
    /// # Errors
    /// `check` refuses. The images are as they were then.
    pub fn restore<E>(
        &mut self,
        part: ImagePart,
        check: impl FnOnce(Images<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        check(self.images().with(part, None))?;
        match part {
            ImagePart::Kernel => self.kernel.content = None,
            ImagePart::InitialRamdisk => self.initial_ramdisk.content = None,
        }
        Ok(())
    }
}
