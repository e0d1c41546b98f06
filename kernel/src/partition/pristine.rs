//! What a partition's guest begins with: made at boot, or taken over the management channel
//! since, and put into its memory before each start. After boot nothing is allocated, so all
//! that a later start needs is kept.

extern crate alloc;
use alloc::boxed::Box;

use addr::{GuestPhysical, Range};
use guest_image::acpi::{self, Description};
use guest_image::{Entry, GuestMemory, Image, MemoryMap, Rehearsal};
use guest_image::{elf, layout, linux, reset_vector};
use image_room::{Images, Room};
use plan::bundle::Bundle;
use plan::{ImageIndex, ImagePart};

use super::build::BuildError;
use super::memory::GuestRam;

/// The images, the generated tables, and how they are laid out.
pub struct Pristine {
    pub(super) recipe: Recipe,
    /// Where images come in place of the bundle's, if the plan gives room for it.
    pub(super) room: Option<Room<'static>>,
}

impl Pristine {
    /// Generates the tables for the partition that `source` describes. The images stay in the
    /// bundle.
    ///
    /// # Errors
    /// The tables cannot be made, or there is no room to keep them.
    pub fn new(
        source: &'static plan::Partition,
        bundle: Bundle<'static>,
        map: MemoryMap,
        windows: &[Range<GuestPhysical>],
        room: Option<Room<'static>>,
    ) -> Result<Self, BuildError<'static>> {
        let tables = acpi::tables(&Description {
            cores: &source.cores,
            map: &map,
            windows,
        })?;
        let recipe = Recipe {
            map,
            tables: Box::leak(tables.into_boxed_slice()),
            image: &source.image,
            bundle,
        };
        Ok(Self { recipe, room })
    }

    /// Puts everything into `memory`, which must be clear, and says how to begin: the same
    /// each time, unless an image was replaced.
    ///
    /// # Errors
    /// The image is none, or does not fit.
    pub fn load(&self, memory: &GuestRam) -> Result<Entry, BuildError<'static>> {
        let images = self.room.as_ref().map(Room::images);
        let mut memory = memory;
        self.recipe.put(&mut memory, images.unwrap_or_default())
    }
}

/// How images become what a guest begins with.
pub(super) struct Recipe {
    map: MemoryMap,
    tables: &'static [u8],
    pub image: &'static plan::Image,
    pub bundle: Bundle<'static>,
}

impl Recipe {
    /// Puts everything into `memory`, with `images` in place of the bundle's.
    fn put(
        &self,
        mut memory: &mut dyn GuestMemory,
        images: Images<'_>,
    ) -> Result<Entry, BuildError<'static>> {
        memory.write(layout::ACPI_TABLES, self.tables)?;
        reset_vector::write(&mut memory)?;
        let own = |part| Some(self.bundle.entry(self.own(part)?).unwrap_or_default());
        let image = Image {
            kernel: images
                .kernel
                .or_else(|| own(ImagePart::Kernel))
                .unwrap_or_default(),
            initial_ramdisk: images
                .initial_ramdisk
                .or_else(|| own(ImagePart::InitialRamdisk)),
            command_line: self.image.command_line(),
        };
        Ok(match self.image {
            plan::Image::Linux { .. } => linux::load(&mut memory, &self.map, &image, layout::RSDP)?,
            plan::Image::Elf { .. } => elf::load(&mut memory, &self.map, &image, layout::RSDP)?,
        })
    }

    /// Whether a guest could be started with `images` in place of the bundle's, as a start
    /// would find out.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self, images: Images<'_>) -> Result<(), BuildError<'static>> {
        self.put(&mut Rehearsal::new(&self.map), images).map(|_| ())
    }

    /// The bundle's image for `part`, if the plan names one.
    pub const fn own(&self, part: ImagePart) -> Option<ImageIndex> {
        match part {
            ImagePart::Kernel => Some(self.image.kernel()),
            ImagePart::InitialRamdisk => self.image.initial_ramdisk(),
        }
    }
}
