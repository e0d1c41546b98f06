//! The states in which a virtual CPU begins.
//!
//! All have EFER.SVME set, without which VMRUN refuses the VMCB (APM volume 2, section 15.5.1
//! "VMRUN Instruction", "Canonicalization and Consistency Checks"); a guest never sees it,
//! for root mode answers its RDMSR. Interrupts are off. General registers other than RAX and
//! RSP are not in the VMCB.

use addr::GuestPhysical;

use crate::{EFER_SVME, SaveArea, Segment, SegmentAttributes};

/// CR0: protection enable.
const CR0_PE: u64 = 1 << 0;
/// CR0: extension type, always 1.
const CR0_ET: u64 = 1 << 4;
/// CR0: numeric error, `#MF` instead of an external interrupt.
const CR0_NE: u64 = 1 << 5;
/// CR0: paging.
const CR0_PG: u64 = 1 << 31;
/// CR4: physical-address extensions.
const CR4_PAE: u64 = 1 << 5;
/// EFER: long mode enable.
const EFER_LME: u64 = 1 << 8;
/// EFER: long mode active.
const EFER_LMA: u64 = 1 << 10;
/// RFLAGS: bit 1 always reads 1.
const RFLAGS_RESERVED: u64 = 1 << 1;

/// DR6 after INIT.
const DR6_INITIAL: u64 = 0xffff_0ff0;
/// DR7 after INIT.
const DR7_INITIAL: u64 = 0x400;
/// The PAT after reset: write back, write through, uncached minus, uncached, twice
/// (APM volume 2, section 7.8.2 "PAT Indexing").
const PAT_INITIAL: u64 = 0x0007_0406_0007_0406;

/// Linux' `__BOOT_CS`, which its 64-bit boot protocol wants.
const BOOT_CS: u16 = 0x10;
/// Linux' `__BOOT_DS`.
const BOOT_DS: u16 = 0x18;
/// A task state segment's least limit, and the one that PVH asks for.
const TASK_LIMIT: u32 = 0x67;
/// The selector in CS after INIT.
const RESET_SELECTOR: u16 = 0xf000;
/// The base of CS after INIT, which the selector does not imply.
const RESET_BASE: u64 = 0xffff_0000;
/// The reset vector.
const RESET_RIP: u64 = 0xfff0;

impl SaveArea {
    /// After INIT, at the reset vector (APM volume 2, section 14.1.3 "Processor Initialization
    /// State", table 14-1 "Initial Processor State").
    ///
    /// Segments are marked accessed, which table 14-2 leaves open to the first load. CR0 is
    /// 10h, not 6000_0010h: INIT leaves CD and NW as they were, and a partition's
    /// memory is cached from its first instruction on. EDX, the family and model, is the
    /// caller's.
    #[must_use]
    pub const fn after_init() -> Self {
        let data = Segment::real_mode(0, SegmentAttributes::DATA_16);
        Self {
            cs: Segment {
                base: RESET_BASE,
                ..Segment::real_mode(RESET_SELECTOR, SegmentAttributes::CODE_16)
            },
            ds: data,
            es: data,
            fs: data,
            gs: data,
            ss: data,
            gdtr: Segment::descriptor_table(0, 0xffff),
            idtr: Segment::descriptor_table(0, 0xffff),
            ldtr: Segment::real_mode(0, SegmentAttributes::LOCAL_DESCRIPTOR_TABLE),
            tr: Segment::real_mode(0, SegmentAttributes::BUSY_TASK_16),
            cr0: CR0_ET,
            efer: EFER_SVME,
            rip: RESET_RIP,
            rflags: RFLAGS_RESERVED,
            dr6: DR6_INITIAL,
            dr7: DR7_INITIAL,
            g_pat: PAT_INITIAL,
            ..Self::ZERO
        }
    }

    /// What a core that waited for a SIPI is in when one with `vector` arrives: real mode at
    /// 4 KiB times `vector` (APM volume 2, section 14.1.3; section 16.5 "Interprocessor
    /// Interrupts (IPI)", "Startup").
    #[must_use]
    pub const fn wait_for_sipi(vector: u8) -> Self {
        let selector = (vector as u16) << 8;
        Self {
            cs: Segment::real_mode(selector, SegmentAttributes::CODE_16),
            rip: 0,
            ..Self::after_init()
        }
    }

    /// 32-bit protected mode at `rip` without paging, all segments flat over 4 GiB: what the
    /// PVH boot protocol promises.
    #[must_use]
    pub const fn protected_mode(rip: u32) -> Self {
        let data = Segment::flat(BOOT_DS, SegmentAttributes::DATA_32);
        Self {
            cs: Segment::flat(BOOT_CS, SegmentAttributes::CODE_32),
            ds: data,
            es: data,
            fs: data,
            gs: data,
            ss: data,
            tr: Segment {
                limit: TASK_LIMIT,
                ..Segment::flat(0, SegmentAttributes::BUSY_TASK)
            },
            cr0: CR0_PE | CR0_ET,
            rip: rip as u64,
            ..Self::after_init()
        }
    }

    /// 64-bit mode at `rip` with the page table at `cr3` and a stack that ends at `rsp`, flat
    /// segments with the selectors of Linux' 64-bit boot protocol. The caller loads the
    /// descriptor table that they point into, by [`Segment::descriptor_table`].
    #[must_use]
    pub const fn long_mode(rip: GuestPhysical, cr3: GuestPhysical, rsp: GuestPhysical) -> Self {
        Self {
            cs: Segment::flat(BOOT_CS, SegmentAttributes::LONG_CODE),
            cr0: CR0_PG | CR0_NE | CR0_ET | CR0_PE,
            cr3: cr3.as_u64(),
            cr4: CR4_PAE,
            efer: EFER_SVME | EFER_LMA | EFER_LME,
            rip: rip.as_u64(),
            rsp: rsp.as_u64(),
            ..Self::protected_mode(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> [SaveArea; 4] {
        let address = GuestPhysical::new(0x10_0000);
        [
            SaveArea::after_init(),
            SaveArea::wait_for_sipi(0x9a),
            SaveArea::protected_mode(0x10_0000),
            SaveArea::long_mode(address, address, address),
        ]
    }

    #[test]
    fn every_state_passes_what_vmrun_checks() {
        for state in states() {
            assert_ne!(state.efer & EFER_SVME, 0);
            assert_eq!(state.cr0 >> 32, 0);
            assert!(
                state.cr0 & (1 << 29) == 0 || state.cr0 & (1 << 30) != 0,
                "NW without CD"
            );
            assert_eq!(state.dr6 >> 32, 0);
            assert_eq!(state.dr7 >> 32, 0);
            let long = state.efer & EFER_LME != 0 && state.cr0 & CR0_PG != 0;
            assert!(!long || state.cr4 & CR4_PAE != 0);
            assert!(!long || state.cr0 & CR0_PE != 0);
            assert!(!(long && state.cs.is_long() && state.cs.is_default_32()));
        }
    }

    #[test]
    fn interrupts_are_off_and_the_pat_is_as_after_reset() {
        for state in states() {
            assert_eq!(state.rflags, 2);
            assert_eq!(state.g_pat, 0x0007_0406_0007_0406);
            assert_eq!(state.cpl, 0);
        }
    }

    #[test]
    fn a_sipi_starts_its_page_in_real_mode() {
        let state = SaveArea::wait_for_sipi(0x9a);
        assert_eq!(
            (state.cs.selector, state.cs.base, state.rip),
            (0x9a00, 0x9a000, 0)
        );
        assert_eq!(state.cs.limit, 0xffff);
        assert_eq!(state.cr0 & (CR0_PE | CR0_PG), 0);
    }

    #[test]
    fn init_is_at_the_reset_vector() {
        let state = SaveArea::after_init();
        assert_eq!(state.cs.base + state.rip, 0xffff_fff0);
    }

    #[test]
    fn protected_mode_is_flat_and_unpaged() {
        let state = SaveArea::protected_mode(0x1234);
        assert_eq!((state.rip, state.cr0, state.cr4), (0x1234, 0x11, 0));
        for segment in [state.cs, state.ds, state.es, state.ss] {
            assert_eq!((segment.base, segment.limit), (0, u32::MAX));
        }
        assert_eq!((state.tr.base, state.tr.limit), (0, 0x67));
        assert!(state.cs.is_default_32() && !state.cs.is_long());
    }

    #[test]
    fn long_mode_has_linux_selectors() {
        let place = GuestPhysical::new;
        let state = SaveArea::long_mode(place(0x10_0200), place(0x9000), place(0x8000));
        assert_eq!(
            (state.rip, state.cr3, state.rsp),
            (0x10_0200, 0x9000, 0x8000)
        );
        assert_eq!((state.cs.selector, state.ds.selector), (0x10, 0x18));
        assert!(state.cs.is_long() && !state.cs.is_default_32());
        assert_eq!(state.efer, EFER_SVME | 0x500);
    }
}
