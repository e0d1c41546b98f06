//! The setup header of a bzImage, checked once.

use addr::GuestPhysical;

use super::LinuxError;
use crate::bytes::{array_at, u8_at, u16_at, u32_at, u64_at};
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

/// The setup header of a kernel that the 64-bit boot protocol can start.
#[derive(Debug, Clone, Copy)]
pub struct SetupHeader<'a> {
    header: &'a [u8],
    protected_mode: &'a [u8],
    preferred_address: GuestPhysical,
    alignment: u32,
    init_size: u32,
    initrd_addr_max: u32,
    cmdline_size: u32,
}

impl<'a> SetupHeader<'a> {
    /// Checks the file of a kernel, which may be anything.
    ///
    /// # Errors
    /// [`LinuxError`] says in which way this is no kernel that can be started.
    pub fn parse(file: &'a [u8]) -> Result<Self, LinuxError> {
        let too_short = LinuxError::TooShort {
            bytes: byte_count(file),
            needed: byte_count(&[0; field::END]),
        };
        let start = file.get(..field::END).ok_or(too_short)?;
        check_protocol(start, too_short)?;
        let alignment = u32_at(start, field::KERNEL_ALIGNMENT).ok_or(too_short)?;
        let preferred_address = u64_at(start, field::PREF_ADDRESS).ok_or(too_short)?;
        check_alignment(alignment, preferred_address)?;
        Ok(Self {
            header: setup_header(file, too_short)?,
            protected_mode: protected_mode(file, too_short)?,
            preferred_address: GuestPhysical::new(preferred_address),
            alignment,
            init_size: u32_at(start, field::INIT_SIZE).ok_or(too_short)?,
            initrd_addr_max: u32_at(start, field::INITRD_ADDR_MAX).ok_or(too_short)?,
            cmdline_size: u32_at(start, field::CMDLINE_SIZE).ok_or(too_short)?,
        })
    }

    /// The header's own bytes, to be copied into the zero page.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.header
    }

    /// The protected-mode kernel, which is all of the file after its real-mode code.
    #[must_use]
    pub fn protected_mode(&self) -> &'a [u8] {
        self.protected_mode
    }

    /// Where the kernel wants to run; 0 is no preference.
    #[must_use]
    pub fn preferred_address(&self) -> GuestPhysical {
        self.preferred_address
    }

    /// The alignment that the kernel needs, as the lowest address but 0 that has it.
    #[must_use]
    pub fn alignment(&self) -> GuestPhysical {
        GuestPhysical::new(u64::from(self.alignment))
    }

    /// The bytes that the kernel needs from its load address on before it has read its
    /// memory map, and at least its own.
    #[must_use]
    pub fn run_time_bytes(&self) -> u64 {
        u64::from(self.init_size).max(byte_count(self.protected_mode))
    }

    /// One past the highest byte that an initial RAM disk may take.
    #[must_use]
    pub fn ramdisk_limit(&self) -> GuestPhysical {
        GuestPhysical::new(u64::from(self.initrd_addr_max).saturating_add(1))
    }

    /// The longest command line, without its terminating zero.
    #[must_use]
    pub fn command_line_limit(&self) -> u64 {
        u64::from(self.cmdline_size)
    }
}

/// Checks the magic values, the version and the flags.
fn check_protocol(start: &[u8], too_short: LinuxError) -> Result<(), LinuxError> {
    if u16_at(start, field::BOOT_FLAG) != Some(BOOT_FLAG) {
        return Err(LinuxError::NoBootFlag);
    }
    if array_at(start, field::HEADER) != Some(MAGIC) {
        return Err(LinuxError::NoMagic);
    }
    let version = u16_at(start, field::VERSION).ok_or(too_short)?;
    if version < OLDEST_VERSION {
        return Err(LinuxError::ProtocolTooOld { version });
    }
    if u8_at(start, field::LOADFLAGS).ok_or(too_short)? & LOADED_HIGH == 0 {
        return Err(LinuxError::NotLoadedHigh);
    }
    if u16_at(start, field::XLOADFLAGS).ok_or(too_short)? & XLF_KERNEL_64 == 0 {
        return Err(LinuxError::No64BitEntry);
    }
    Ok(())
}

/// Checks that the alignment is a power of two and that the preferred address has it.
fn check_alignment(alignment: u32, preferred_address: u64) -> Result<(), LinuxError> {
    let mask = u64::from(alignment).wrapping_sub(1);
    if alignment.is_power_of_two() && preferred_address & mask == 0 {
        return Ok(());
    }
    Err(LinuxError::Misaligned {
        preferred_address,
        alignment,
    })
}

/// The bytes of the header: from its first field to where its jump leads.
fn setup_header(file: &[u8], too_short: LinuxError) -> Result<&[u8], LinuxError> {
    let distance = u8_at(file, field::JUMP_DISTANCE).ok_or(too_short)?;
    let end = field::HEADER.saturating_add(usize::from(distance));
    file.get(field::SETUP_SECTS..end.min(field::LIMIT))
        .ok_or(too_short)
}

/// The bytes after the boot sector and the setup sectors.
fn protected_mode(file: &[u8], too_short: LinuxError) -> Result<&[u8], LinuxError> {
    let sectors = match u8_at(file, field::SETUP_SECTS).ok_or(too_short)? {
        0 => DEFAULT_SETUP_SECTORS,
        sectors => sectors,
    };
    let real_mode_bytes = usize::from(sectors)
        .saturating_add(1)
        .saturating_mul(SECTOR_BYTES);
    file.get(real_mode_bytes..)
        .filter(|kernel| !kernel.is_empty())
        .ok_or(LinuxError::TooShort {
            bytes: byte_count(file),
            needed: u64::from(sectors)
                .saturating_add(1)
                .saturating_mul(byte_count(&[0; SECTOR_BYTES])),
        })
}
