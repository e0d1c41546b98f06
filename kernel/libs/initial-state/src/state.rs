//! Registers at the first instruction.

use guest_image::Entry;

use crate::{Segment, SegmentAttributes};

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
/// (APM volume 2, section 7.8.2 "PAT Indexing"; Intel SDM 325384-080, volume 3A, section
/// 12.12.4 "Programming the PAT").
const PAT_INITIAL: u64 = 0x0007_0406_0007_0406;

/// A task state segment's least limit, and the one that PVH asks for.
const TASK_LIMIT: u32 = 0x67;
/// The selector in CS after INIT.
const RESET_SELECTOR: u16 = 0xf000;
/// The base of CS after INIT, which the selector does not imply.
const RESET_BASE: u64 = 0xffff_0000;
/// The reset vector.
const RESET_RIP: u64 = 0xfff0;

/// What the registers hold at the first instruction; those that are not named hold 0.
/// Interrupts are off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each register is named as in the manuals")]
pub struct InitialState {
    pub es: Segment,
    pub cs: Segment,
    pub ss: Segment,
    pub ds: Segment,
    pub fs: Segment,
    pub gs: Segment,
    pub gdtr: Segment,
    pub idtr: Segment,
    pub ldtr: Segment,
    pub tr: Segment,
    pub cr0: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub efer: u64,
    pub rip: u64,
    pub rflags: u64,
    pub rbx: u64,
    pub rsi: u64,
    pub rsp: u64,
    pub dr6: u64,
    pub dr7: u64,
    pub pat: u64,
}

impl InitialState {
    /// After INIT, at the reset vector (APM volume 2, section 14.1.3 "Processor Initialization
    /// State", table 14-1 "Initial Processor State"; Intel SDM 325384-080, volume 3A, section
    /// 10.1.1 "Processor State After Reset").
    ///
    /// Segments are marked accessed, which APM table 14-2 leaves open to the first load. TR is
    /// a 32-bit task state segment, not the 16-bit one of AMD's table: with that one an Intel
    /// CPU refuses to enter long mode (SDM, volume 2B, "MOV—Move to/from Control Registers"),
    /// and no guest can read which it is. CR0 is 10h, not 6000_0010h: INIT leaves CD and NW as
    /// they were, and a partition's memory is cached from its first instruction on. EDX, the
    /// family and model, is left 0.
    #[must_use]
    pub const fn after_init() -> Self {
        let data = Segment::real_mode(0, SegmentAttributes::DATA_16);
        Self {
            es: data,
            cs: Segment {
                base: RESET_BASE,
                ..Segment::real_mode(RESET_SELECTOR, SegmentAttributes::CODE_16)
            },
            ss: data,
            ds: data,
            fs: data,
            gs: data,
            gdtr: Segment::descriptor_table(0, 0xffff),
            idtr: Segment::descriptor_table(0, 0xffff),
            ldtr: Segment::real_mode(0, SegmentAttributes::LOCAL_DESCRIPTOR_TABLE),
            tr: Segment::real_mode(0, SegmentAttributes::BUSY_TASK),
            cr0: CR0_ET,
            cr3: 0,
            cr4: 0,
            efer: 0,
            rip: RESET_RIP,
            rflags: RFLAGS_RESERVED,
            rbx: 0,
            rsi: 0,
            rsp: 0,
            dr6: DR6_INITIAL,
            dr7: DR7_INITIAL,
            pat: PAT_INITIAL,
        }
    }

    /// What a core that waited for a SIPI is in when one with `vector` arrives: real mode at
    /// 4 KiB times `vector` (APM volume 2, section 16.5 "Interprocessor Interrupts (IPI)",
    /// "Startup"; Intel SDM 325384-080, volume 3A, section 9.4.3 "MP Initialization Protocol
    /// Algorithm for MP Systems").
    #[must_use]
    pub const fn start_up(vector: u8) -> Self {
        let selector = (vector as u16) << 8;
        Self {
            cs: Segment::real_mode(selector, SegmentAttributes::CODE_16),
            rip: 0,
            ..Self::after_init()
        }
    }

    /// What the boot protocol of a guest's image promises.
    #[must_use]
    pub const fn of_image(entry: Entry) -> Self {
        match entry {
            Entry::Protected { eip, ebx } => Self {
                rip: eip as u64,
                rbx: ebx as u64,
                ..Self::protected_mode()
            },
            Entry::Long {
                rip,
                rsi,
                rsp,
                cr3,
                gdt,
            } => Self {
                cs: Segment::flat(Entry::CODE_SELECTOR, SegmentAttributes::LONG_CODE),
                gdtr: Segment::descriptor_table(gdt.base.as_u64(), gdt.limit),
                cr0: CR0_PG | CR0_NE | CR0_ET | CR0_PE,
                cr3: cr3.as_u64(),
                cr4: CR4_PAE,
                efer: EFER_LMA | EFER_LME,
                rip: rip.as_u64(),
                rsi: rsi.as_u64(),
                rsp: rsp.as_u64(),
                ..Self::protected_mode()
            },
        }
    }

    /// 32-bit protected mode without paging, all segments flat over 4 GiB.
    const fn protected_mode() -> Self {
        let data = Segment::flat(Entry::DATA_SELECTOR, SegmentAttributes::DATA_32);
        Self {
            es: data,
            cs: Segment::flat(Entry::CODE_SELECTOR, SegmentAttributes::CODE_32),
            ss: data,
            ds: data,
            fs: data,
            gs: data,
            tr: Segment {
                limit: TASK_LIMIT,
                ..Segment::flat(0, SegmentAttributes::BUSY_TASK)
            },
            cr0: CR0_PE | CR0_ET,
            ..Self::after_init()
        }
    }
}

#[cfg(test)]
mod tests {
    use addr::GuestPhysical;
    use guest_image::DescriptorTable;

    use super::*;

    fn protected() -> InitialState {
        InitialState::of_image(Entry::Protected {
            eip: 0x1234,
            ebx: 0x5678,
        })
    }

    fn long() -> InitialState {
        let place = GuestPhysical::new;
        InitialState::of_image(Entry::Long {
            rip: place(0x10_0200),
            rsi: place(0x7000),
            rsp: place(0x8000),
            cr3: place(0x9000),
            gdt: DescriptorTable {
                base: place(0x6000),
                limit: 0x1f,
            },
        })
    }

    fn states() -> [InitialState; 4] {
        let page = InitialState::start_up(0x9a);
        [InitialState::after_init(), page, protected(), long()]
    }

    #[test]
    fn every_state_is_one_that_a_processor_can_be_in() {
        for state in states() {
            assert_eq!(state.cr0 >> 32, 0);
            assert_eq!((state.dr6 >> 32, state.dr7 >> 32), (0, 0));
            let long = state.efer & EFER_LME != 0 && state.cr0 & CR0_PG != 0;
            assert_eq!(long, state.efer & EFER_LMA != 0);
            assert!(!long || state.cr4 & CR4_PAE != 0);
            assert!(!long || state.cr0 & CR0_PE != 0);
            assert!(!(state.cs.is_long() && (!long || state.cs.is_default_32())));
        }
    }

    #[test]
    fn interrupts_are_off_and_the_pat_is_as_after_reset() {
        for state in states() {
            assert_eq!((state.rflags, state.pat), (2, 0x0007_0406_0007_0406));
        }
    }

    #[test]
    fn a_sipi_starts_its_page_in_real_mode() {
        let state = InitialState::start_up(0x9a);
        assert_eq!(
            (state.cs.selector, state.cs.base, state.rip),
            (0x9a00, 0x9a000, 0)
        );
        assert_eq!(state.cs.limit, 0xffff);
        assert_eq!(state.cr0 & (CR0_PE | CR0_PG), 0);
    }

    #[test]
    fn init_is_at_the_reset_vector() {
        let state = InitialState::after_init();
        assert_eq!(state.cs.base + state.rip, 0xffff_fff0);
    }

    #[test]
    fn protected_mode_is_flat_and_unpaged() {
        let state = protected();
        assert_eq!((state.rip, state.rbx), (0x1234, 0x5678));
        assert_eq!((state.cr0, state.cr4), (0x11, 0));
        for segment in [state.cs, state.ds, state.es, state.ss] {
            assert_eq!((segment.base, segment.limit), (0, u32::MAX));
        }
        assert_eq!((state.tr.base, state.tr.limit), (0, 0x67));
        assert!(state.cs.is_default_32() && !state.cs.is_long());
    }

    #[test]
    fn long_mode_has_linux_selectors() {
        let state = long();
        assert_eq!(
            (state.rip, state.cr3, state.rsp, state.rsi),
            (0x10_0200, 0x9000, 0x8000, 0x7000)
        );
        assert_eq!((state.cs.selector, state.ds.selector), (0x10, 0x18));
        assert!(state.cs.is_long() && !state.cs.is_default_32());
        assert_eq!(state.efer, 0x500);
        assert_eq!((state.gdtr.base, state.gdtr.limit), (0x6000, 0x1f));
    }
}
