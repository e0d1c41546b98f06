//! For tests: which of the checks that VM entry makes of the guest's state fails (SDM, section
//! 27.3.1 "Checks on the Guest State Area"). The CPU says only that one does, and then the
//! partition has stopped; so every state that root mode makes is held against all of them.
//!
//! In the manual's order, for the states that Bulkhead's controls allow: an unrestricted guest
//! with EPT, no event but exceptions and NMIs injected, no SMM, no CET. Not checked: reserved
//! bits of access rights (hardware writes them), page-directory-pointer entries.

mod area;

use guest_image::{DescriptorTable, Entry};
use initial_state::{InitialState, Segment, SegmentAttributes};

use crate::fake::{FakeVmcs, capabilities};
use crate::{BLOCKING_BY_MOV_SS, BLOCKING_BY_STI, Capabilities, guest_state};
use area::GuestState;

/// What the checks depend on besides the guest's state.
#[derive(Debug, Clone, Copy)]
struct EntryLimits {
    /// What VMX operation fixes in CR0 and CR4.
    capabilities: Capabilities,
    /// The width of physical addresses, CPUID.80000008H:EAX[7:0].
    physical_address_bits: u32,
    /// Whether the control "IA-32e mode guest" is on.
    is_long: bool,
}

const CR0_PE: u64 = 1 << 0;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const CR4_PCIDE: u64 = 1 << 17;
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;
/// SCE, LME, LMA and NXE.
const EFER_KNOWN: u64 = 1 << 0 | EFER_LME | EFER_LMA | 1 << 11;
/// LBR, BTF, and the bits up to the freezing of counters in SMM.
const DEBUGCTL_KNOWN: u64 = 0xdfc7;
const RFLAGS_RESERVED_1: u64 = 1 << 1;
/// Bits 3, 5, 15 and 63:22.
const RFLAGS_RESERVED_0: u64 = !0x003f_7fd7;
const RFLAGS_VM: u64 = 1 << 17;
const RFLAGS_IF: u64 = 1 << 9;
const TABLE_INDICATOR: u16 = 1 << 2;
/// The highest activity state, wait-for-SIPI.
const LAST_ACTIVITY: u32 = 3;
/// STI, MOV SS, SMI and NMI blocking, and enclave interruption.
const INTERRUPTIBILITY_KNOWN: u32 = 0x1f;
/// B0 to B3, enabled breakpoint, BS, RTM.
const PENDING_DEBUG_KNOWN: u64 = 0x1_500f;

/// The first check that fails, in the manual's order; `None` if none of these does.
fn failing_check(state: &GuestState, limits: &EntryLimits) -> Option<&'static str> {
    check_all(state, limits).err()
}

/// The descriptor's type, 4 bits.
fn kind(segment: &Segment) -> u8 {
    segment.attributes.0.to_le_bytes()[0] & 0xf
}

/// The descriptor privilege level.
fn privilege_level(segment: &Segment) -> u8 {
    (segment.attributes.0.to_le_bytes()[0] >> 5) & 0b11
}

/// Whether this is code or data, not a system segment: bit S.
fn is_code_or_data(segment: &Segment) -> bool {
    segment.attributes.0 & 1 << 4 != 0
}

/// P.
fn is_present(segment: &Segment) -> bool {
    segment.attributes.0 & 1 << 7 != 0
}

/// G: whether the descriptor's limit counts 4 KiB units.
fn has_granularity(segment: &Segment) -> bool {
    segment.attributes.0 & 1 << 11 != 0
}

/// Holds, or the words for what does not.
type Checked = Result<(), &'static str>;

/// Each check with the words for its failure; the first that fails is the answer.
macro_rules! checks {
    ($($holds:expr => $what:literal;)*) => {{
        $(if !$holds {
            return Err($what);
        })*
        Ok(())
    }};
}

fn check_all(state: &GuestState, limits: &EntryLimits) -> Checked {
    control_registers(state, limits)?;
    model_specific_registers(state, limits.is_long)?;
    segment_bases(state)?;
    if state.rflags & RFLAGS_VM != 0 {
        virtual_8086_segments(state)?;
    } else {
        segment_rights(state, limits.is_long)?;
    }
    position(state, limits.is_long)?;
    non_register_state(state)
}

/// Section 27.3.1.1 "Checks on Guest Control Registers, Debug Registers, and MSRs".
fn control_registers(state: &GuestState, limits: &EntryLimits) -> Checked {
    let (fixed, is_long) = (&limits.capabilities, limits.is_long);
    // An unrestricted guest may have these two clear.
    let cr0_must = fixed.cr0_must & !(CR0_PE | CR0_PG);
    let paging = state.cr0 & CR0_PG != 0;
    let cr3_bits = 1_u64.checked_shl(limits.physical_address_bits);
    checks! {
        state.cr0 & cr0_must == cr0_must => "CR0: a bit that must be 1";
        state.cr0 & !fixed.cr0_may == 0 => "CR0: a bit that must be 0";
        !paging || state.cr0 & CR0_PE != 0 => "CR0.PG without CR0.PE";
        state.cr4 & fixed.cr4_must == fixed.cr4_must => "CR4: a bit that must be 1";
        state.cr4 & !fixed.cr4_may == 0 => "CR4: a bit that must be 0";
        !is_long || (paging && state.cr4 & CR4_PAE != 0)
            => "IA-32e mode without CR0.PG and CR4.PAE";
        is_long || state.cr4 & CR4_PCIDE == 0 => "CR4.PCIDE outside IA-32e mode";
        cr3_bits.is_none_or(|bits| state.cr3 < bits) => "CR3: beyond the physical-address width";
        state.dr7 >> 32 == 0 => "DR7: upper half";
    }
}

/// The rest of section 27.3.1.1.
fn model_specific_registers(state: &GuestState, is_long: bool) -> Checked {
    let paging = state.cr0 & CR0_PG != 0;
    let active = state.efer & EFER_LMA != 0;
    let kinds = state.pat.to_le_bytes();
    checks! {
        state.debugctl & !DEBUGCTL_KNOWN == 0 => "IA32_DEBUGCTL: a reserved bit";
        is_canonical(state.sysenter_esp) => "IA32_SYSENTER_ESP: not canonical";
        is_canonical(state.sysenter_eip) => "IA32_SYSENTER_EIP: not canonical";
        kinds.iter().all(|kind| matches!(kind, 0 | 1 | 4..=7))
            => "IA32_PAT: a reserved memory type";
        state.efer & !EFER_KNOWN == 0 => "IA32_EFER: a reserved bit";
        active == is_long => "IA32_EFER.LMA is not \"IA-32e mode guest\"";
        !paging || active == (state.efer & EFER_LME != 0)
            => "IA32_EFER.LMA is not LME while paging is on";
    }
}

/// Section 27.3.1.2 "Checks on Guest Segment Registers", selectors and bases, and section
/// 27.3.1.3 "Checks on Guest Descriptor-Table Registers".
fn segment_bases(state: &GuestState) -> Checked {
    let has_local = is_present(&state.ldtr);
    let small = |segment: &Segment| !is_present(segment) || segment.base >> 32 == 0;
    let both = |one: &Segment, other: &Segment| is_canonical(one.base) && is_canonical(other.base);
    checks! {
        state.tr.selector & TABLE_INDICATOR == 0 => "TR: its selector's TI";
        !has_local || state.ldtr.selector & TABLE_INDICATOR == 0 => "LDTR: its selector's TI";
        is_canonical(state.tr.base) => "TR: base not canonical";
        both(&state.fs, &state.gs) => "FS or GS: base not canonical";
        !has_local || is_canonical(state.ldtr.base) => "LDTR: base not canonical";
        state.cs.base >> 32 == 0 => "CS: base above 4 GiB";
        [state.ss, state.ds, state.es].iter().all(small) => "SS, DS or ES: base above 4 GiB";
        both(&state.gdtr, &state.idtr) => "GDTR or IDTR: base not canonical";
        (state.gdtr.limit | state.idtr.limit) >> 16 == 0 => "GDTR or IDTR: limit above 64 KiB";
    }
}

/// Section 27.3.1.2 for a guest in virtual-8086 mode.
fn virtual_8086_segments(state: &GuestState) -> Checked {
    let all = [state.cs, state.ss, state.ds, state.es, state.fs, state.gs];
    let all = |check: fn(&Segment) -> bool| all.iter().all(check);
    checks! {
        all(|one| one.base == u64::from(one.selector) << 4)
            => "virtual-8086 mode: a base that is not 16 times its selector";
        all(|one| one.limit == 0xffff) => "virtual-8086 mode: a limit that is not FFFFH";
        all(|one| one.attributes.0 == 0xf3) => "virtual-8086 mode: access rights that are not F3H";
    }
}

/// Section 27.3.1.2, access rights, outside virtual-8086 mode.
fn segment_rights(state: &GuestState, is_long: bool) -> Checked {
    let (code, stack) = (&state.cs, &state.ss);
    let (level, stack_level) = (privilege_level(code), privilege_level(stack));
    let fits_stack = match kind(code) {
        3 => level == 0,
        9 | 11 => level == stack_level,
        _ => level <= stack_level,
    };
    let (task, local) = (&state.tr, &state.ldtr);
    let is_busy = kind(task) == 11 || (kind(task) == 3 && !is_long);
    let data = [state.ds, state.es, state.fs, state.gs];
    let data = || data.iter().filter(|one| is_present(one)).map(kind);
    let all = [
        state.cs, state.ss, state.ds, state.es, state.fs, state.gs, state.tr,
    ];
    checks! {
        matches!(kind(code), 3 | 9 | 11 | 13 | 15)
            => "CS: its type is no accessed code, or read-write data";
        is_present(code) && is_code_or_data(code) => "CS: not present, or a system segment";
        fits_stack => "CS: its DPL does not fit that of SS";
        !is_present(stack) || matches!(kind(stack), 3 | 7)
            => "SS: its type is no accessed read-write data";
        !(is_long && code.is_long() && code.is_default_32()) => "CS: D and L are both set";
        data().all(|kind| kind & 1 != 0) => "DS, ES, FS or GS: not accessed";
        data().all(|kind| kind & 0b1010 != 0b1000) => "DS, ES, FS or GS: code that cannot be read";
        all.iter().all(fits_granularity) => "a segment's limit and G contradict one another";
        is_present(task) && is_busy => "TR: no busy task state segment";
        !is_present(local) || kind(local) == 2 => "LDTR: no local descriptor table";
    }
}

/// With G clear the limit's upper 12 bits are 0; with G set its lower 12 bits are 1.
fn fits_granularity(segment: &Segment) -> bool {
    let (low, high) = (segment.limit & 0xfff, segment.limit >> 20);
    let fits = if has_granularity(segment) {
        low == 0xfff
    } else {
        high == 0
    };
    !is_present(segment) || fits
}

/// Section 27.3.1.4 "Checks on Guest RIP, RFLAGS, and SSP".
fn position(state: &GuestState, is_long: bool) -> Checked {
    let wide = is_long && state.cs.is_long();
    let protected = state.cr0 & CR0_PE != 0;
    let flags = state.rflags;
    checks! {
        is_canonical(state.rip) && (wide || state.rip >> 32 == 0) => "RIP: too wide";
        flags & RFLAGS_RESERVED_0 == 0 => "RFLAGS: a reserved bit that must be 0";
        flags & RFLAGS_RESERVED_1 != 0 => "RFLAGS: bit 1 must be 1";
        flags & RFLAGS_VM == 0 || (!is_long && protected)
            => "RFLAGS.VM in IA-32e mode or real mode";
    }
}

/// Section 27.3.1.5 "Checks on Guest Non-Register State".
fn non_register_state(state: &GuestState) -> Checked {
    let blocking = state.interruptibility;
    let both = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS;
    let by_sti = blocking & BLOCKING_BY_STI != 0;
    checks! {
        state.activity <= LAST_ACTIVITY => "an activity state that does not exist";
        blocking & !INTERRUPTIBILITY_KNOWN == 0 => "interruptibility state: a reserved bit";
        blocking & both != both => "interruptibility state: blocking by STI and by MOV SS";
        !by_sti || state.rflags & RFLAGS_IF != 0
            => "interruptibility state: blocking by STI without RFLAGS.IF";
        state.pending_debug & !PENDING_DEBUG_KNOWN == 0
            => "pending debug exceptions: a reserved bit";
        state.link_pointer == u64::MAX => "VMCS link pointer";
    }
}

/// Whether bits 63:47 are all alike. With 57-bit addresses more is canonical: such a state is
/// then named wrongly here, which harms nobody.
const fn is_canonical(address: u64) -> bool {
    matches!(address >> 47, 0 | 0x1_ffff)
}

fn limits(is_long: bool) -> EntryLimits {
    EntryLimits {
        capabilities: capabilities(),
        physical_address_bits: 46,
        is_long,
    }
}

/// The guest-state area of a virtual CPU that begins in `state`.
fn begin(state: &InitialState) -> GuestState {
    let mut vmcs = FakeVmcs::default();
    guest_state::begin(&mut vmcs, state, &capabilities());
    GuestState::load(&vmcs)
}

fn long() -> GuestState {
    let place = addr::GuestPhysical::new;
    let state = InitialState::of_image(Entry::Long {
        rip: place(0x10_0200),
        rsi: place(0x7000),
        rsp: place(0x8000),
        cr3: place(0x9000),
        gdt: DescriptorTable {
            base: place(0x6000),
            limit: 0x1f,
        },
    });
    begin(&state)
}

fn other() -> [GuestState; 3] {
    let protected = Entry::Protected { eip: 1, ebx: 2 };
    [
        InitialState::after_init(),
        InitialState::start_up(0x9a),
        InitialState::of_image(protected),
    ]
    .map(|state| begin(&state))
}

#[test]
fn every_state_in_which_a_guest_begins_passes() {
    assert_eq!(failing_check(&long(), &limits(true)), None);
    for state in other() {
        assert_eq!(failing_check(&state, &limits(false)), None);
    }
}

/// A change that spoils a good 64-bit state, and a word of the check's name.
type Spoiler = (fn(&mut GuestState), &'static str);

const SPOILERS: [Spoiler; 40] = [
    (|state| state.cr0 &= !(1 << 5), "CR0: a bit that must be 1"),
    (|state| state.cr0 |= 1 << 40, "CR0: a bit that must be 0"),
    (|state| state.cr0 &= !CR0_PE, "CR0.PG without"),
    (|state| state.cr4 &= !(1 << 13), "CR4: a bit that must be 1"),
    (|state| state.cr4 |= 1 << 31, "CR4: a bit that must be 0"),
    (|state| state.cr4 &= !CR4_PAE, "CR4.PAE"),
    (|state| state.cr3 = 1 << 46, "CR3"),
    (|state| state.dr7 |= 1 << 32, "DR7"),
    (|state| state.debugctl = 1 << 5, "DEBUGCTL"),
    (|state| state.sysenter_esp = 1 << 47, "SYSENTER_ESP"),
    (|state| state.sysenter_eip = 1 << 47, "SYSENTER_EIP"),
    (|state| state.pat = 2, "PAT"),
    (|state| state.efer |= 1 << 12, "EFER: a reserved"),
    (|state| state.efer &= !EFER_LMA, "EFER.LMA is not \""),
    (|state| state.efer &= !EFER_LME, "EFER.LMA is not LME"),
    (|state| state.tr.selector = 4, "TR: its selector"),
    (|state| state.ldtr.selector = 4, "LDTR: its selector"),
    (|state| state.tr.base = 1 << 47, "TR: base"),
    (|state| state.gs.base = 1 << 47, "FS or GS: base"),
    (|state| state.ldtr.base = 1 << 47, "LDTR: base"),
    (|state| state.cs.base = 1 << 32, "CS: base"),
    (|state| state.ds.base = 1 << 32, "SS, DS or ES: base"),
    (|state| state.idtr.base = 1 << 47, "GDTR or IDTR: base"),
    (|state| state.gdtr.limit = 0x1_0000, "GDTR or IDTR: limit"),
    (|state| state.cs.attributes.0 &= !1, "CS: its type"),
    (|state| state.cs.attributes.0 &= !0x80, "CS: not present"),
    (|state| state.cs.attributes.0 |= 0x60, "CS: its DPL"),
    (|state| state.ss.attributes.0 |= 8, "SS: its type"),
    (|state| state.cs.attributes.0 |= 0x400, "CS: D and L"),
    (|state| state.ds.attributes.0 &= !1, "not accessed"),
    (|state| state.es.attributes.0 = 0x99, "cannot be read"),
    (|state| state.fs.limit = 0x10_0000, "limit and G"),
    (|state| state.tr.attributes.0 &= !0xf, "TR: no busy"),
    (|state| state.ldtr.attributes.0 |= 1, "LDTR: no local"),
    (|state| state.rip = 1 << 47, "RIP"),
    (|state| state.rflags |= 1 << 3, "must be 0"),
    (|state| state.rflags = 0, "bit 1 must be 1"),
    (|state| state.activity = 4, "activity"),
    (
        |state| state.interruptibility = 1,
        "blocking by STI without",
    ),
    (|state| state.link_pointer = 0, "link"),
];

#[test]
fn a_spoilt_state_is_told_by_its_check() {
    for (spoil, word) in SPOILERS {
        let mut state = long();
        spoil(&mut state);
        let found = failing_check(&state, &limits(true));
        assert!(
            found.is_some_and(|found| found.contains(word)),
            "{word}: {found:?}"
        );
    }
}

#[test]
fn outside_long_mode_other_rules_hold() {
    let [init, ..] = other();
    let spoilt = |spoil: fn(&mut GuestState)| {
        let mut state = init;
        spoil(&mut state);
        failing_check(&state, &limits(false))
    };
    assert!(spoilt(|state| state.cr4 |= CR4_PCIDE).is_some_and(|found| found.contains("PCIDE")));
    assert_eq!(spoilt(|state| state.rip = 1 << 32), Some("RIP: too wide"));
    assert_eq!(
        spoilt(|state| state.interruptibility = 3),
        Some("interruptibility state: blocking by STI and by MOV SS")
    );
    assert!(spoilt(|state| state.rflags |= RFLAGS_VM).is_some());
}

#[test]
fn virtual_8086_mode_has_rules_of_its_own() {
    let [.., protected] = other();
    let segment = Segment::real_mode(0x1000, SegmentAttributes(0xf3));
    let mut state = GuestState {
        es: segment,
        cs: segment,
        ss: segment,
        ds: segment,
        fs: segment,
        gs: segment,
        rflags: RFLAGS_VM | 2,
        ..protected
    };
    assert_eq!(failing_check(&state, &limits(false)), None);
    state.gs.base = 0;
    let found = failing_check(&state, &limits(false));
    assert!(found.is_some_and(|found| found.contains("16 times")));
    state.gs = segment;
    state.ds.limit = 0;
    let found = failing_check(&state, &limits(false));
    assert!(found.is_some_and(|found| found.contains("FFFFH")));
    state.ds = segment;
    state.ss.attributes.0 = 0x93;
    let found = failing_check(&state, &limits(false));
    assert!(found.is_some_and(|found| found.contains("F3H")));
}
