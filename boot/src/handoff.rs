//! The common shape: memory regions, one module, the RSDP's address.

use bootloader_api::BootInfo;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind, MemoryRegions, Optional};

/// How many memory regions are taken over from the firmware.
pub const MAXIMUM_REGIONS: usize = 64;

const EMPTY: MemoryRegion = MemoryRegion {
    start: 0,
    end: 0,
    kind: MemoryRegionKind::UnknownBios(0),
};

/// Backing for [`BootInfo`]'s regions, which must live as long as the kernel.
static mut REGIONS: [MemoryRegion; MAXIMUM_REGIONS] = [EMPTY; MAXIMUM_REGIONS];

/// What a boot protocol tells, gathered piece by piece.
pub struct Handoff {
    regions: [MemoryRegion; MAXIMUM_REGIONS],
    count: usize,
    module: Option<(u64, u64)>,
    rsdp: Option<u64>,
}

impl Handoff {
    /// Nothing told yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            regions: [EMPTY; MAXIMUM_REGIONS],
            count: 0,
            module: None,
            rsdp: None,
        }
    }

    /// Adds a region of `bytes` bytes whose E820 type is `kind` (1 is usable RAM; ACPI 6.5,
    /// section 15 "System Address Map Interfaces"). What has no room, is empty or wraps
    /// around is left out: memory that is not known is memory that is not used.
    pub fn add_region(&mut self, start: u64, bytes: u64, kind: u32) {
        let (Some(slot), Some(end)) = (self.regions.get_mut(self.count), start.checked_add(bytes))
        else {
            return;
        };
        let kind = match kind {
            1 => MemoryRegionKind::Usable,
            other => MemoryRegionKind::UnknownBios(other),
        };
        *slot = MemoryRegion { start, end, kind };
        self.count = self.count.saturating_add(usize::from(bytes > 0));
    }

    /// Names the boot module, unless one is named already.
    pub fn set_module(&mut self, start: u64, bytes: u64) {
        self.module.get_or_insert((start, bytes));
    }

    /// Names the physical address of the RSDP.
    pub fn set_rsdp(&mut self, address: u64) {
        self.rsdp = Some(address);
    }

    /// The boot information, which holds the only reference to the regions.
    pub(crate) fn into_boot_info(self) -> BootInfo {
        let regions: *mut [MemoryRegion; MAXIMUM_REGIONS] = &raw mut REGIONS;
        // SAFETY: this is called once, by `start`, before any other core runs, and nothing
        // else names REGIONS: the reference is the only one.
        let regions = unsafe { &mut *regions };
        *regions = self.regions;
        let known = regions.get_mut(..self.count).unwrap_or_default();
        let mut info = BootInfo::new(MemoryRegions::from(known));
        info.physical_memory_offset = Optional::Some(0);
        info.rsdp_addr = self.rsdp.into();
        if let Some((start, bytes)) = self.module {
            info.ramdisk_addr = Optional::Some(start);
            info.ramdisk_len = bytes;
        }
        info
    }
}

impl Default for Handoff {
    fn default() -> Self {
        Self::new()
    }
}
