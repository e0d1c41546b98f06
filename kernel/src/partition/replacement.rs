//! Other images in place of a partition's own, from its next start on.

use image_room::{Announcement, Refusal, Room};
use plan::ImagePart;

use super::build::BuildError;
use super::pristine::Pristine;

/// Why an image is not replaced.
#[derive(Debug)]
pub enum ReplaceError {
    /// The plan gives no room for it.
    NoRoom,
    /// A bare guest has no initial RAM disk.
    NoRamdisk,
    /// It has not come as it should.
    Transfer(Refusal),
    /// A guest could not be started with it.
    Image(BuildError<'static>),
}

impl From<Refusal> for ReplaceError {
    fn from(why: Refusal) -> Self {
        Self::Transfer(why)
    }
}

impl Pristine {
    fn room(&mut self) -> Result<&mut Room<'static>, ReplaceError> {
        self.room.as_mut().ok_or(ReplaceError::NoRoom)
    }

    /// Begins to take an image, or goes on with it; how many bytes of it are here.
    ///
    /// # Errors
    /// There is no room for it, or no use.
    pub fn begin(&mut self, announced: Announcement) -> Result<u64, ReplaceError> {
        let is_bare = matches!(self.recipe.image, plan::Image::Elf { .. });
        let room = self.room()?;
        if is_bare && announced.part == ImagePart::InitialRamdisk {
            return Err(ReplaceError::NoRamdisk);
        }
        Ok(room.begin(announced)?)
    }

    /// Takes a piece of the image; how many bytes of it are here.
    ///
    /// # Errors
    /// No image is on its way, or the piece goes on behind its end.
    pub fn add(&mut self, offset: u64, piece: &[u8]) -> Result<u64, ReplaceError> {
        Ok(self.room()?.add(offset, piece)?)
    }

    /// Checks the image that has come as a start would, and uses it from the next one on.
    ///
    /// # Errors
    /// Says what is wrong with it; nothing has changed then.
    pub fn commit(&mut self) -> Result<Announcement, ReplaceError> {
        let Self { recipe, room } = self;
        let room = room.as_mut().ok_or(ReplaceError::NoRoom)?;
        room.commit(|images| recipe.check(images).map_err(ReplaceError::Image))
    }

    /// Uses the bundle's image again from the next start on; whether another one was used.
    ///
    /// # Errors
    /// It does not go with the other image, which was replaced; nothing has changed then.
    pub fn restore(&mut self, part: ImagePart) -> Result<bool, ReplaceError> {
        let Self { recipe, room } = self;
        let room = room.as_mut().ok_or(ReplaceError::NoRoom)?;
        let is_replaced = room.replaced(part).is_some();
        if is_replaced {
            room.restore(part, |images| {
                recipe.check(images).map_err(ReplaceError::Image)
            })?;
        }
        Ok(is_replaced)
    }

    /// What is known of the image in place of the bundle's, if one is.
    pub fn replaced(&self, part: ImagePart) -> Option<Announcement> {
        self.room.as_ref()?.replaced(part)
    }

    /// What is known of the bundle's image.
    pub fn own(&self, part: ImagePart) -> Option<Announcement> {
        let index = self.recipe.own(part)?;
        Some(Announcement {
            part,
            bytes: self.recipe.bundle.entry(index)?.len() as u64,
            crc32c: self.recipe.bundle.checksum(index)?,
        })
    }

    /// The size in bytes of the largest image that can replace one.
    pub fn largest_image(&self) -> Option<u64> {
        self.room.as_ref().map(Room::limit)
    }
}
