//! What a partition's guest begins with: made once, at boot, and put into its memory before
//! each start. After boot nothing is allocated, so all that a later start needs is kept.

use addr::{GuestPhysical, Range};
use guest_image::acpi::{self, Description};
use guest_image::{Entry, Image, MemoryMap, elf, layout, linux, reset_vector};
use plan::bundle::Bundle;

use super::build::BuildError;
use super::memory::GuestRam;
use crate::host::frames;

/// The image, the generated tables, and how they are laid out.
pub struct Pristine {
    map: MemoryMap,
    tables_at: GuestPhysical,
    tables: &'static [u8],
    kind: &'static plan::Image,
    image: Image<'static>,
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
    ) -> Result<Self, BuildError<'static>> {
        let ecam = Range::new(layout::ECAM, layout::ECAM_BYTES);
        let tables = acpi::tables(&Description {
            cores: &source.cores,
            map: &map,
            windows,
            ecam: ecam.ok_or(BuildError::OutOfFrames)?,
        })?;
        let bytes = |index| bundle.entry(index).unwrap_or_default();
        Ok(Self {
            map,
            tables_at: tables.at,
            tables: frames::keep(&tables.bytes).ok_or(BuildError::OutOfFrames)?,
            kind: &source.image,
            image: Image {
                kernel: bytes(source.image.kernel()),
                initial_ramdisk: source.image.initial_ramdisk().map(bytes),
                command_line: source.image.command_line(),
            },
        })
    }

    /// Puts everything into `memory`, which must be clear, and says how to begin: the same
    /// each time.
    ///
    /// # Errors
    /// The image is none, or does not fit.
    pub fn load(&self, memory: &GuestRam) -> Result<Entry, BuildError<'static>> {
        use guest_image::GuestMemory;
        let mut memory = memory;
        memory.write(self.tables_at, self.tables)?;
        reset_vector::write(&mut memory)?;
        Ok(match self.kind {
            plan::Image::Linux { .. } => {
                linux::load(&mut memory, &self.map, &self.image, layout::RSDP)?
            }
            plan::Image::Elf { .. } => {
                elf::load(&mut memory, &self.map, &self.image, layout::RSDP)?
            }
        })
    }
}
