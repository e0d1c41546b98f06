//! Whether the images of a plan can be started in their partitions' memory: found out by the
//! code that starts them, without the memory.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use addr::PageSize;
use guest_image::layout::{LOW_RAM_LIMIT, RSDP};
use guest_image::{ImageError, MemoryMap, Rehearsal, elf, linux};

use super::reader::{Finding, Reader};
use crate::{
    Image, ImageIndex, MAX_COMMAND_LINE, Partition, PartitionPlace as At, Place, Plan, Rule,
};

/// The images by their file's names: `files[0]` is entry 1 of the bundle.
type Files<'a> = &'a [(String, Vec<u8>)];

/// What keeps images from being started. A partition of which something could not be read is
/// left out.
pub fn rehearse(reader: &Reader, plan: &Plan, files: Files<'_>) -> Vec<Finding> {
    let of = |(index, partition): (usize, &Partition)| {
        let span = |place| reader.span(Place::Partition(index, place));
        span(At::Memory)?;
        span(At::Kernel)?;
        if partition.image.initial_ramdisk().is_some() {
            span(At::InitialRamdisk)?;
        }
        let failure = Failure::of(partition, files)?;
        Some(Finding {
            remedy: Some(failure.remedy()),
            ..Finding::new(failure.rule(), span(failure.place()), failure.what(files))
        })
    };
    plan.partitions.iter().enumerate().filter_map(of).collect()
}

/// Why a partition cannot start its images.
struct Failure<'a> {
    partition: &'a Partition,
    error: ImageError,
    /// The memory with which it could.
    enough_bytes: Option<u64>,
}

impl<'a> Failure<'a> {
    fn of(partition: &'a Partition, files: Files<'_>) -> Option<Self> {
        let own = partition.memory.iter();
        let bytes = own.fold(0_u64, |sum, range| sum.saturating_add(range.bytes()));
        // Memory of a size that no partition can have is another rule's to refuse.
        let error = start(&partition.image, files, bytes)?.err()?;
        // So is a command line that suits no image.
        let command_line = partition.image.command_line();
        if command_line.len() > MAX_COMMAND_LINE || command_line.contains('\0') {
            return None;
        }
        let page = PageSize::Size2MiB.bytes();
        let pages = bytes.div_ceil(page)..=LOW_RAM_LIMIT.as_u64().div_ceil(page);
        let mut sizes = pages.map(|pages| pages.saturating_mul(page));
        let suffices = |bytes: &u64| matches!(start(&partition.image, files, *bytes), Some(Ok(())));
        Some(Self {
            partition,
            error,
            enough_bytes: sizes.find(suffices),
        })
    }

    const fn rule(&self) -> Rule {
        match (self.enough_bytes, self.error) {
            (_, ImageError::CommandLineTooLong { .. }) => Rule::CommandLineTooLong,
            (Some(_), _) => Rule::ImageTooLarge,
            (None, _) => Rule::ImageUnusable,
        }
    }

    const fn place(&self) -> At {
        match self.error {
            ImageError::CommandLineTooLong { .. } => At::CommandLine,
            ImageError::InitialRamdiskDoesNotFit { .. } => At::InitialRamdisk,
            _ => At::Kernel,
        }
    }

    fn remedy(&self) -> String {
        match (self.enough_bytes, self.error) {
            (_, ImageError::CommandLineTooLong { limit, .. }) => {
                format!("shorten the command line to {limit} bytes")
            }
            (Some(bytes), _) => format!("give the partition at least {} MiB", bytes >> 20),
            (None, _) => Rule::ImageUnusable.remedy().into(),
        }
    }

    fn what(&self, files: Files<'_>) -> String {
        let image = &self.partition.image;
        let index = match self.place() {
            At::InitialRamdisk => image.initial_ramdisk(),
            _ => Some(image.kernel()),
        };
        let file = index.and_then(|index| file(files, index));
        let file = file.map_or("", |(name, _)| name);
        let name = &self.partition.name;
        format!("partition {name:?} cannot start {file:?}: {}", self.error)
    }
}

fn file(files: Files<'_>, index: ImageIndex) -> Option<&(String, Vec<u8>)> {
    files.get(usize::from(index.0).checked_sub(1)?)
}

/// Starts `image` in so much memory; `None` where that cannot be tried.
fn start(image: &Image, files: Files<'_>, bytes: u64) -> Option<Result<(), ImageError>> {
    let map = MemoryMap::new(bytes).ok()?;
    let content = |index| file(files, index).map(|(_, bytes)| bytes.as_slice());
    let wanted = guest_image::Image {
        kernel: content(image.kernel())?,
        initial_ramdisk: image.initial_ramdisk().and_then(content),
        command_line: image.command_line(),
    };
    let mut memory = Rehearsal::new(&map);
    let started = match image {
        Image::Linux { .. } => linux::load(&mut memory, &map, &wanted, RSDP),
        Image::Elf { .. } => elf::load(&mut memory, &map, &wanted, RSDP),
    };
    Some(started.map(|_| ()))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;
