//! Walks a guest's page tables, to find the bytes of an instruction that it executes
//! (Intel SDM 325384-080, volume 3A, chapter 5 "Paging").
//!
//! Only where things are, not whether the access is allowed: the guest is executing the
//! instruction, so the processor has checked. Accessed bits stay as they are.

use addr::GuestPhysical;

/// CR0.PG.
const CR0_PAGING: u64 = 1 << 31;
/// CR4.PSE, CR4.PAE and CR4.LA57.
const CR4_PAGE_SIZE_EXTENSIONS: u64 = 1 << 4;
const CR4_PHYSICAL_ADDRESS_EXTENSION: u64 = 1 << 5;
const CR4_FIVE_LEVELS: u64 = 1 << 12;
/// EFER.LMA.
const EFER_LONG_MODE_ACTIVE: u64 = 1 << 10;

const PRESENT: u64 = 1 << 0;
const LARGE: u64 = 1 << 7;
/// The lowest bit that selects an entry of level 1, and of level 3, the highest with leaves.
const LOWEST: u32 = 12;
const HIGHEST_LEAF: u32 = 30;
/// Bits 51:12.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The format of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No paging: virtual addresses are guest-physical.
    None,
    /// Two levels of 32-bit entries.
    Bits32 {
        /// Pages of 4 MiB exist.
        page_size_extensions: bool,
    },
    /// Three levels of 64-bit entries.
    PhysicalAddressExtension,
    /// Four levels, in long mode.
    FourLevels,
    /// Five levels, in long mode.
    FiveLevels,
}

/// A guest's paging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// CR3.
    pub cr3: u64,
    /// The format of the tables.
    pub mode: Mode,
}

/// The registers that say how a guest pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlRegisters {
    /// CR0.
    pub cr0: u64,
    /// CR3.
    pub cr3: u64,
    /// CR4.
    pub cr4: u64,
    /// EFER.
    pub efer: u64,
}

impl Paging {
    /// How a guest with these registers pages.
    #[must_use]
    pub const fn from_registers(registers: &ControlRegisters) -> Self {
        let ControlRegisters {
            cr0,
            cr3,
            cr4,
            efer,
        } = *registers;
        let mode = if cr0 & CR0_PAGING == 0 {
            Mode::None
        } else if efer & EFER_LONG_MODE_ACTIVE != 0 {
            if cr4 & CR4_FIVE_LEVELS != 0 {
                Mode::FiveLevels
            } else {
                Mode::FourLevels
            }
        } else if cr4 & CR4_PHYSICAL_ADDRESS_EXTENSION != 0 {
            Mode::PhysicalAddressExtension
        } else {
            Mode::Bits32 {
                page_size_extensions: cr4 & CR4_PAGE_SIZE_EXTENSIONS != 0,
            }
        };
        Self { cr3, mode }
    }
}

/// Where `virtual_address` lies. `read` gives the 8 bytes at a guest-physical multiple of 8,
/// or `None` where the guest has no memory. `None` if no page is there.
pub fn translate(
    virtual_address: u64,
    paging: Paging,
    read: impl Fn(GuestPhysical) -> Option<u64>,
) -> Option<GuestPhysical> {
    let root = paging.cr3 & ADDRESS;
    let (address, table, count) = match paging.mode {
        Mode::None => return Some(GuestPhysical::new(virtual_address)),
        Mode::Bits32 {
            page_size_extensions,
        } => {
            let address = u32::try_from(virtual_address).ok()?;
            return two_levels(address, paging.cr3, page_size_extensions, &read);
        }
        Mode::PhysicalAddressExtension => {
            let address = u64::from(u32::try_from(virtual_address).ok()?);
            // The four entries of the highest level, at a multiple of 32.
            let pointers = paging.cr3 & 0xffff_ffe0;
            let entry = read(GuestPhysical::new(pointers | (address >> 30) << 3))?;
            let table = (entry & PRESENT != 0).then_some(entry & ADDRESS)?;
            (address, table, 2)
        }
        Mode::FourLevels => (canonical(virtual_address, 48)?, root, 4),
        Mode::FiveLevels => (canonical(virtual_address, 57)?, root, 5),
    };
    levels(address, table, count, &read)
}

/// `address`, if the bits from `width - 1` upwards are all equal.
fn canonical(address: u64, width: u32) -> Option<u64> {
    let unused = u64::BITS.saturating_sub(width);
    let extended = address
        .wrapping_shl(unused)
        .cast_signed()
        .wrapping_shr(unused);
    (extended.cast_unsigned() == address).then_some(address)
}

/// Walks `count` levels of 512 entries from `table` down.
fn levels(
    address: u64,
    table: u64,
    count: u32,
    read: &impl Fn(GuestPhysical) -> Option<u64>,
) -> Option<GuestPhysical> {
    let mut table = table;
    // Level 1 selects by bits 20:12, level 2 by 29:21, and so on.
    let mut shift = count.wrapping_mul(9).wrapping_add(3);
    loop {
        let index = address.wrapping_shr(shift) & 0x1ff;
        let entry = read(GuestPhysical::new(table | index << 3))?;
        if entry & PRESENT == 0 {
            return None;
        }
        // Bit 7 of a lowest-level entry selects a memory type; above level 3 it is reserved.
        if shift <= LOWEST || (shift <= HIGHEST_LEAF && entry & LARGE != 0) {
            let offset = 1_u64.wrapping_shl(shift).wrapping_sub(1);
            return Some(GuestPhysical::new(
                entry & ADDRESS & !offset | address & offset,
            ));
        }
        table = entry & ADDRESS;
        shift = shift.wrapping_sub(9);
    }
}

/// Walks two levels of 1,024 entries of 32 bits.
fn two_levels(
    address: u32,
    cr3: u64,
    page_size_extensions: bool,
    read: &impl Fn(GuestPhysical) -> Option<u64>,
) -> Option<GuestPhysical> {
    let address = u64::from(address);
    let directory = cr3 & 0xffff_f000;
    let entry = read_half(directory | (address >> 22) << 2, read)?;
    if entry & PRESENT == 0 {
        return None;
    }
    if page_size_extensions && entry & LARGE != 0 {
        // Bits 20:13 are address bits 39:32 (PSE-36).
        let page = entry & 0xffc0_0000 | (entry & 0x001f_e000) << 19;
        return Some(GuestPhysical::new(page | address & 0x003f_ffff));
    }
    let entry = read_half(entry & 0xffff_f000 | (address >> 12 & 0x3ff) << 2, read)?;
    let page = (entry & PRESENT != 0).then_some(entry & 0xffff_f000)?;
    Some(GuestPhysical::new(page | address & 0xfff))
}

/// The 32-bit entry at `address`, a multiple of 4.
fn read_half(address: u64, read: &impl Fn(GuestPhysical) -> Option<u64>) -> Option<u64> {
    let both = read(GuestPhysical::new(address & !0b111))?;
    Some(if address & 0b100 == 0 {
        both & 0xffff_ffff
    } else {
        both >> 32
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn walk(address: u64, mode: Mode, memory: &[(u64, u64)]) -> Option<u64> {
        let memory: BTreeMap<u64, u64> = memory.iter().copied().collect();
        let paging = Paging { cr3: 0x1000, mode };
        translate(address, paging, |at| memory.get(&at.as_u64()).copied())
            .map(GuestPhysical::as_u64)
    }

    const FOUR: &[(u64, u64)] = &[
        (0x1ff8, 0x2003),
        (0x2ff0, 0x3003),
        (0x3008, 0x4003),
        (0x3010, 0x8000_0000_4020_00e3),
        (0x4018, 0x8000_0000_0555_5063),
        (0x2000, 0x4000_0083),
        (0x1000, 0x2003),
    ];

    #[test]
    fn four_levels_lead_to_pages_of_all_sizes() {
        let base = 0xffff_ffff_8000_0000;
        assert_eq!(
            walk(base | 0x20_3abc, Mode::FourLevels, FOUR),
            Some(0x0555_5abc)
        );
        assert_eq!(
            walk(base | 0x41_2345, Mode::FourLevels, FOUR),
            Some(0x4021_2345)
        );
        assert_eq!(walk(0x2345_6789, Mode::FourLevels, FOUR), Some(0x6345_6789));
    }

    #[test]
    fn what_is_not_mapped_or_not_canonical_is_nowhere() {
        let base = 0xffff_ffff_8000_0000;
        assert_eq!(walk(base, Mode::FourLevels, FOUR), None);
        assert_eq!(walk(0x0000_ffff_8020_3abc, Mode::FourLevels, FOUR), None);
        assert_eq!(
            walk(
                0x20_3000,
                Mode::FourLevels,
                &[(0x1000, 0x2003), (0x2000, 0x3002)]
            ),
            None
        );
    }

    #[test]
    fn five_levels_have_one_more() {
        let memory = [(0x1008, 0x2003), (0x2000, 0x3003), (0x3000, 0x83)];
        assert_eq!(
            walk(1 << 48 | 0x1234, Mode::FiveLevels, &memory),
            Some(0x1234)
        );
        assert_eq!(walk(1 << 48 | 0x1234, Mode::FourLevels, &memory), None);
    }

    #[test]
    fn three_levels_start_with_four_entries() {
        let memory = [(0x1018, 0x2001), (0x2008, 0x3003), (0x3010, 0x1_2345_6003)];
        let found = walk(0xc020_2fff, Mode::PhysicalAddressExtension, &memory);
        assert_eq!(found, Some(0x1_2345_6fff));
        assert_eq!(
            walk(0x1_0000_0000, Mode::PhysicalAddressExtension, &memory),
            None
        );
    }

    #[test]
    fn two_levels_have_entries_of_half_the_size() {
        let mode = Mode::Bits32 {
            page_size_extensions: true,
        };
        let memory = [
            (0x1c00, 0x0040_2083_0000_2003),
            (0x2000, 0x0000_5003_0000_0000),
        ];
        assert_eq!(walk(0xc000_1234, mode, &memory), Some(0x5234));
        assert_eq!(walk(0xc040_1234, mode, &memory), Some(0x1_0040_1234));
    }

    #[test]
    fn the_registers_say_the_mode() {
        let registers = |cr0, cr4, efer| ControlRegisters {
            cr0,
            cr3: 0x1000,
            cr4,
            efer,
        };
        let mode = |cr0, cr4, efer| Paging::from_registers(&registers(cr0, cr4, efer)).mode;
        assert_eq!(mode(1, 0x20, 0), Mode::None);
        assert_eq!(
            mode(0x8000_0001, 0, 0),
            Mode::Bits32 {
                page_size_extensions: false
            }
        );
        assert_eq!(mode(0x8000_0001, 0x20, 0), Mode::PhysicalAddressExtension);
        assert_eq!(mode(0x8000_0001, 0x20, 0x500), Mode::FourLevels);
        assert_eq!(mode(0x8000_0001, 0x1020, 0x500), Mode::FiveLevels);
    }

    proptest! {
        #[test]
        fn no_tables_panic_or_loop(address: u64, cr3: u64, entry: u64) {
            let modes = [
                Mode::None,
                Mode::Bits32 { page_size_extensions: true },
                Mode::PhysicalAddressExtension,
                Mode::FourLevels,
                Mode::FiveLevels,
            ];
            for mode in modes {
                for address in [address, address & 0xffff_ffff, address & 0x7fff_ffff_ffff] {
                    translate(address, Paging { cr3, mode }, |at| {
                        assert_eq!(at.as_u64() & 7, 0);
                        Some(entry | 1)
                    });
                }
            }
        }
    }
}
