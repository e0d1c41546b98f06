//! The setup header of a bzImage, checked once.

use addr::GuestPhysical;
use byte_fields::{array_at, u8_at, u16_at, u32_at, u64_at};

use crate::ImageError;
use crate::memory::byte_count;

/// Offsets of fields in the file, which are those in the zero page too.
mod field {
    pub const SETUP_SECTS: usize = 0x1f1;
    pub const BOOT_FLAG: usize = 0x1fe;
    pub const JUMP_DISTANCE: usize = 0x201;
    pub const HEADER: usize = 0x202;
    pub const VERSION: usize = 0x206;
    pub const LOADFLAGS: usize = 0x211;
    pub const INITRD_ADDR_MAX: usize = 0x22c;
    pub const KERNEL_ALIGNMENT: usize = 0x230;
    pub const XLOADFLAGS: usize = 0x236;
    pub const CMDLINE_SIZE: usize = 0x238;
    pub const PREF_ADDRESS: usize = 0x258;
    pub const INIT_SIZE: usize = 0x260;
    /// One past `init_size`, the last field that is read.
    pub const END: usize = 0x264;
    /// Where the zero page's next field begins, so that no setup header reaches further.
    pub const LIMIT: usize = 0x290;
}

const BOOT_FLAG: u16 = 0xaa55;
const MAGIC: [u8; 4] = *b"HdrS";
/// The first protocol with `xloadflags`, which tells of the 64-bit entry.
const OLDEST_VERSION: u16 = 0x020c;
/// `loadflags`: the protected-mode code is loaded at 1 MiB or above.
const LOADED_HIGH: u8 = 1 << 0;
/// `xloadflags`: the 64-bit entry point exists.
const XLF_KERNEL_64: u16 = 1 << 0;
const SECTOR_BYTES: usize = 512;
/// What a `setup_sects` of 0 means.
const DEFAULT_SETUP_SECTORS: u8 = 4;

/// What the setup header says of a kernel that the 64-bit boot protocol can start.
pub struct SetupHeader<'a> {
    /// The header's own bytes, to be copied into the zero page.
    pub bytes: &'a [u8],
    /// The protected-mode kernel, which is all of the file after its real-mode code.
    pub protected_mode: &'a [u8],
    /// Where the kernel wants to run; 0 is no preference.
    pub preferred_address: GuestPhysical,
    /// The alignment that the kernel needs, as the lowest address but 0 that has it.
    pub alignment: GuestPhysical,
    /// The bytes that the kernel needs from its load address on before it has read its
    /// memory map, and at least its own.
    pub run_time_bytes: u64,
    /// One past the highest byte that an initial RAM disk may take.
    pub ramdisk_limit: GuestPhysical,
    /// The longest command line, without its terminating zero.
    pub command_line_limit: u64,
}

impl<'a> SetupHeader<'a> {
    /// Checks the file of a kernel, which may be anything.
    ///
    /// # Errors
    /// [`ImageError`] says in which way this is no kernel that can be started.
    pub fn parse(file: &'a [u8]) -> Result<Self, ImageError> {
        let too_short = ImageError::TooShort {
            bytes: byte_count(file),
            needed: byte_count(&[0; field::END]),
        };
        let start = file.get(..field::END).ok_or(too_short)?;
        check_protocol(start, too_short)?;
        let number = |offset| u32_at(start, offset).ok_or(too_short).map(u64::from);
        let alignment = number(field::KERNEL_ALIGNMENT)?;
        let preferred_address = u64_at(start, field::PREF_ADDRESS).ok_or(too_short)?;
        check_alignment(alignment, preferred_address)?;
        let protected_mode = protected_mode(file, too_short)?;
        let last = number(field::INITRD_ADDR_MAX)?;
        Ok(Self {
            bytes: setup_header(file, too_short)?,
            protected_mode,
            preferred_address: GuestPhysical::new(preferred_address),
            alignment: GuestPhysical::new(alignment),
            run_time_bytes: number(field::INIT_SIZE)?.max(byte_count(protected_mode)),
            ramdisk_limit: GuestPhysical::new(last.saturating_add(1)),
            command_line_limit: number(field::CMDLINE_SIZE)?,
        })
    }
}

/// Checks the magic values, the version and the flags.
fn check_protocol(start: &[u8], too_short: ImageError) -> Result<(), ImageError> {
    if u16_at(start, field::BOOT_FLAG) != Some(BOOT_FLAG) {
        return Err(ImageError::NoBootFlag);
    }
    if array_at(start, field::HEADER) != Some(MAGIC) {
        return Err(ImageError::NoMagic);
    }
    let version = u16_at(start, field::VERSION).ok_or(too_short)?;
    if version < OLDEST_VERSION {
        return Err(ImageError::ProtocolTooOld { version });
    }
    if u8_at(start, field::LOADFLAGS).ok_or(too_short)? & LOADED_HIGH == 0 {
        return Err(ImageError::NotLoadedHigh);
    }
    if u16_at(start, field::XLOADFLAGS).ok_or(too_short)? & XLF_KERNEL_64 == 0 {
        return Err(ImageError::No64BitEntry);
    }
    Ok(())
}

/// Checks that the alignment is a power of two and that the preferred address has it.
fn check_alignment(alignment: u64, preferred_address: u64) -> Result<(), ImageError> {
    let mask = alignment.wrapping_sub(1);
    if alignment.is_power_of_two() && preferred_address & mask == 0 {
        return Ok(());
    }
    Err(ImageError::Misaligned {
        preferred_address,
        alignment,
    })
}

/// The bytes of the header: from its first field to where its jump leads.
fn setup_header(file: &[u8], too_short: ImageError) -> Result<&[u8], ImageError> {
    let distance = u8_at(file, field::JUMP_DISTANCE).ok_or(too_short)?;
    let end = field::HEADER.saturating_add(usize::from(distance));
    file.get(field::SETUP_SECTS..end.min(field::LIMIT))
        .ok_or(too_short)
}

/// The bytes after the boot sector and the setup sectors.
fn protected_mode(file: &[u8], too_short: ImageError) -> Result<&[u8], ImageError> {
    let sectors = match u8_at(file, field::SETUP_SECTS).ok_or(too_short)? {
        0 => DEFAULT_SETUP_SECTORS,
        sectors => sectors,
    };
    let real_mode_bytes = usize::from(sectors)
        .saturating_add(1)
        .saturating_mul(SECTOR_BYTES);
    file.get(real_mode_bytes..)
        .filter(|kernel| !kernel.is_empty())
        .ok_or(ImageError::TooShort {
            bytes: byte_count(file),
            needed: u64::from(sectors)
                .saturating_add(1)
                .saturating_mul(byte_count(&[0; SECTOR_BYTES])),
        })
}
