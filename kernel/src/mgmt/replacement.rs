//! Carrying out the replacement of images.

use image_room::Announcement;
use mgmt_proto::{Answer, Error, ImagePart, Name};

use super::desk::Desk;
use super::wire;
use crate::log;

impl Desk<'_> {
    pub fn begin_image(
        &mut self,
        name: Name,
        (part, bytes, crc32c): (ImagePart, u64, u32),
    ) -> Result<Answer<'_>, Error> {
        let begun = self.custody(name)?.pristine.begin(Announcement {
            part,
            bytes,
            crc32c,
        });
        let bytes = begun.map_err(wire::refusal)?;
        Ok(Answer::Taken { bytes })
    }

    pub fn add_to_image(
        &mut self,
        name: Name,
        offset: u64,
        piece: &[u8],
    ) -> Result<Answer<'_>, Error> {
        let added = self.custody(name)?.pristine.add(offset, piece);
        let bytes = added.map_err(wire::refusal)?;
        Ok(Answer::Taken { bytes })
    }

    pub fn commit_image(&mut self, partition: Name) -> Result<Answer<'_>, Error> {
        let committed = self.custody(partition)?.pristine.commit();
        let taken = committed.map_err(wire::refusal)?;
        let part = taken.part;
        log!(
            "partition {partition}: its {part} is replaced by one of {} bytes",
            taken.bytes
        );
        Ok(Answer::Done)
    }

    pub fn restore_image(&mut self, partition: Name, part: ImagePart) -> Result<Answer<'_>, Error> {
        let restored = self.custody(partition)?.pristine.restore(part);
        if restored.map_err(wire::refusal)? {
            log!("partition {partition}: its {part} is the bundle's again");
        }
        Ok(Answer::Done)
    }
}
