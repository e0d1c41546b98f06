//! The images of a machine that is none: what replaces them is real, what they are is not.

use image_room::{Images, Refusal, Room};
use mgmt_proto::{Error, ImagePart, ImageStatus, Origin, Reason};

/// The images of a partition: numbers, where they are the bundle's.
pub fn images_of(room: Option<&Room<'_>>) -> [ImageStatus; 2] {
    [
        (ImagePart::Kernel, 8_000_000, 0x0000_c0de),
        (ImagePart::InitialRamdisk, 20_000_000, 0x0000_d15c),
    ]
    .map(|(part, bytes, crc32c)| {
        let replaced = room.and_then(|room| room.replaced(part));
        ImageStatus {
            part,
            bytes: replaced.map_or(bytes, |image| image.bytes),
            crc32c: replaced.map_or(crc32c, |image| image.crc32c),
            origin: replaced.map_or(Origin::Bundle, |_| Origin::Channel),
        }
    })
}

/// Why an image is refused, for the administrator.
pub struct Why(pub Error);

impl From<Refusal> for Why {
    fn from(refusal: Refusal) -> Self {
        Self(refused(refusal))
    }
}

impl From<Why> for Error {
    fn from(why: Why) -> Self {
        why.0
    }
}

/// A kernel is anything but a script.
pub fn check(images: Images<'_>) -> Result<(), Why> {
    if images
        .kernel
        .is_some_and(|kernel| kernel.starts_with(b"#!"))
    {
        let why = Reason::new("its image: no bzImage: boot signature 0xaa55 is missing");
        return Err(Why(Error::ImageRefused { why }));
    }
    Ok(())
}

pub fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::TooLarge { limit } => Error::NoRoom { bytes: limit },
        Refusal::NotBegun | Refusal::Incomplete => Error::NotBegun,
        Refusal::Damaged => Error::BadChecksum,
        Refusal::NoBytes | Refusal::BehindTheEnd => Error::BadArgument,
    }
}
