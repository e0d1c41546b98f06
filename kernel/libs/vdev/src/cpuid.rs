//! What CPUID tells a guest (Intel SDM 325383-080, volume 2A, "CPUID"; AMD APM 24594,
//! revision 3.36, volume 3, appendix E "Obtaining Processor Information Via the CPUID
//! Instruction").
//!
//! Deny first: a leaf that [`masks`] does not name is zero, and of those named only the
//! listed bits come through. What needs a register that [`crate::msr`] denies is hidden.
//! Topology is flat: one package, one thread a core, real APIC IDs.
//!
//! Two hypervisor leaf blocks. At 0x40000000 stands KVM's signature, which makes Linux keep
//! x2APIC on without interrupt remapping of its own, with the clock page and nothing else.
//! At 0x40000100 is Bulkhead's own block, for a program that watches its partition:
//!
//! | leaf | subleaf | EAX | EBX | ECX | EDX |
//! |---|---|---|---|---|---|
//! | 0x40000100 | | 0x40000103 | "Bulk" | "head" | 0 |
//! | 0x40000101 | exit reason's number | exits, low half | 0 | 1 if it exists | exits, high half |
//! | 0x40000102 | i | bytes 16 i.. of the partition's name, zero-padded, in EAX, EBX, ECX, EDX |
//! | 0x40000103 | | starts, low half | 0 | 0 | starts, high half |
//!
//! Exits are counted from the partition's last start: a guest sees nothing of those before it.
//! Which of them it is, the first or a later one, is what the starts tell.

mod masks;
mod topology;

use addr::ApicId;

use crate::processor::{Condition, Processor};
use crate::{ExitReason, tsc};
use masks::{EXTENDED_MAXIMUM, MAXIMUM, XCR0};

/// The four registers that CPUID sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answer {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

impl Answer {
    /// All zero: what a leaf answers that does not exist.
    pub const ZERO: Self = Self {
        eax: 0,
        ebx: 0,
        ecx: 0,
        edx: 0,
    };

    const fn masked(self, mask: Self) -> Self {
        Self {
            eax: self.eax & mask.eax,
            ebx: self.ebx & mask.ebx,
            ecx: self.ecx & mask.ecx,
            edx: self.edx & mask.edx,
        }
    }
}

/// What Bulkhead has counted of a guest.
pub trait Counts: Sync {
    /// Its exits since its start, all cores together.
    fn guest_exits(&self, reason: ExitReason) -> u64;
    /// How often its partition has been started.
    fn starts(&self) -> u64;
}

/// What CPUID depends on, apart from what the core itself answers and the guest's registers.
#[derive(Clone, Copy)]
pub struct GuestIdentity<'a> {
    /// What is known of the processor without asking it again.
    pub processor: Processor,
    /// The core that executes CPUID.
    pub apic_id: ApicId,
    /// The partition's cores.
    pub own: &'a [ApicId],
    /// The frequency of the TSC that the clock page tells too, if it is to be told.
    pub tsc_hz: Option<u64>,
    /// The partition's name.
    pub partition_name: &'a str,
    /// What it is told of itself.
    pub counts: &'a dyn Counts,
}

/// The first leaf of KVM's block.
pub const KVM_BASE: u32 = 0x4000_0000;
/// KVM's features: clock page at the newer registers, and the same clock on all cores.
pub const KVM_FEATURES: u32 = 1 << 3 | 1 << 24;
/// The first leaf of Bulkhead's block: the signature.
pub const BULKHEAD_BASE: u32 = 0x4000_0100;
/// Bulkhead's exits by reason.
pub const BULKHEAD_EXITS: u32 = 0x4000_0101;
/// Bulkhead's partition name.
pub const BULKHEAD_NAME: u32 = 0x4000_0102;
/// How often Bulkhead has started the partition.
pub const BULKHEAD_STARTS: u32 = 0x4000_0103;

const EXTENDED_BASE: u32 = 0x8000_0000;

/// The answer to CPUID with EAX = `leaf` and ECX = `subleaf`. `native` executes CPUID on
/// this core, with the guest's XCR0 still loaded, as leaf 0xD depends on it. Of the guest's
/// `cr4`, OSXSAVE and PKE show.
pub fn answer(
    leaf: u32,
    subleaf: u32,
    native: impl Fn(u32, u32) -> Answer,
    cr4: u64,
    guest: &GuestIdentity<'_>,
) -> Answer {
    match leaf {
        0..=0x3fff_ffff => basic(leaf, subleaf, &native, cr4, guest),
        KVM_BASE..=0x4fff_ffff => hypervisor(leaf, subleaf, guest),
        EXTENDED_BASE..=0x8fff_ffff => extended(leaf, subleaf, &native, guest),
        _ => Answer::ZERO,
    }
}

/// The bits of XCR0 that a guest may set on this processor.
pub fn xcr0_mask(native: impl Fn(u32, u32) -> Answer) -> u64 {
    if native(0, 0).eax < 0xd {
        1
    } else {
        u64::from(native(0xd, 0).eax & XCR0)
    }
}

/// Whether XSETBV may load `value` into XCR0, given [`xcr0_mask`] (Intel SDM 325462-080,
/// volume 1, section 13.3 "Enabling the XSAVE Feature Set and XSAVE-Enabled Features").
#[must_use]
pub const fn is_valid_xcr0(value: u64, mask: u64) -> bool {
    const SSE: u64 = 1 << 1;
    const AVX: u64 = 1 << 2;
    const AVX512: u64 = 0b111 << 5;
    let avx = value & AVX == 0 || value & SSE != 0;
    let avx512 = value & AVX512 == 0 || value & (AVX512 | AVX) == AVX512 | AVX;
    value & 1 != 0 && value & !mask == 0 && avx && avx512
}

fn basic(
    leaf: u32,
    subleaf: u32,
    native: &impl Fn(u32, u32) -> Answer,
    cr4: u64,
    guest: &GuestIdentity<'_>,
) -> Answer {
    // Leaves 0 and 1 always exist.
    if leaf > 1 && leaf > guest.processor.highest_leaf {
        return Answer::ZERO;
    }
    let allowed = masks::apply(leaf, subleaf, native);
    match leaf {
        0 => Answer {
            eax: allowed.eax.min(MAXIMUM),
            ..allowed
        },
        1 => features(allowed, cr4, guest),
        4 => topology::deterministic_cache(allowed, guest),
        7 => structured_features(allowed, subleaf, cr4),
        0xb | 0x1f => topology::levels(subleaf, guest),
        0xd => extended_state(allowed, subleaf, native),
        tsc::LEAF => crystal(allowed, guest),
        0x16 if !is_amd(guest) => frequencies(guest),
        _ => allowed,
    }
}

/// Leaf 1: features, and who this core is.
fn features(allowed: Answer, cr4: u64, guest: &GuestIdentity<'_>) -> Answer {
    const X2APIC: u32 = 1 << 21;
    const XSAVE: u32 = 1 << 26;
    const OSXSAVE: u32 = 1 << 27;
    const HYPERVISOR: u32 = 1 << 31;
    const HTT: u32 = 1 << 28;
    let os_xsave = cr4 & (1 << 18) != 0 && allowed.ecx & XSAVE != 0;
    let [_, cache_line, ..] = allowed.ebx.to_le_bytes();
    let [apic_id, ..] = guest.apic_id.0.to_le_bytes();
    let logical = u8::try_from(guest.own.len()).unwrap_or(u8::MAX);
    Answer {
        eax: allowed.eax,
        ebx: u32::from_le_bytes([0, cache_line, logical, apic_id]),
        ecx: allowed.ecx | X2APIC | HYPERVISOR | flag(os_xsave, OSXSAVE),
        edx: allowed.edx | flag(guest.own.len() > 1, HTT),
    }
}

/// Leaf 7: bit OSPKE mirrors CR4; subleaves above 1 hold only what is hidden.
fn structured_features(allowed: Answer, subleaf: u32, cr4: u64) -> Answer {
    const PKU: u32 = 1 << 3;
    const OSPKE: u32 = 1 << 4;
    if subleaf != 0 {
        return allowed;
    }
    let os_pke = cr4 & (1 << 22) != 0 && allowed.ecx & PKU != 0;
    Answer {
        eax: allowed.eax.min(1),
        ecx: allowed.ecx | flag(os_pke, OSPKE),
        ..allowed
    }
}

/// Leaf 0xD: state components; the sizes are this core's, and the largest size is that of
/// the components which are offered.
fn extended_state(allowed: Answer, subleaf: u32, native: &impl Fn(u32, u32) -> Answer) -> Answer {
    const LEGACY_AND_HEADER: u32 = 576;
    match subleaf {
        0 => {
            let offered = (2_u32..32).filter(|component| has_bit(allowed.eax, *component));
            let ends = offered.map(|component| {
                let state = native(0xd, component);
                state.eax.saturating_add(state.ebx)
            });
            Answer {
                ecx: ends.fold(LEGACY_AND_HEADER, u32::max),
                ..allowed
            }
        }
        1 => allowed,
        component if component < 32 && has_bit(native(0xd, 0).eax & XCR0, component) => allowed,
        _ => Answer::ZERO,
    }
}

/// Leaf 0x15: the crystal and the TSC, where the clock page tells the same frequency. A guest
/// may take the local APIC timer's frequency from it too, so it is the processor's or nothing.
fn crystal(allowed: Answer, guest: &GuestIdentity<'_>) -> Answer {
    match tsc::told(allowed) {
        Some(told) if guest.tsc_hz == Some(told) => allowed,
        _ => Answer::ZERO,
    }
}

/// Leaf 0x16: base and maximum frequency in MHz, both the TSC's, which is what Linux without
/// a clock page takes the first for.
fn frequencies(guest: &GuestIdentity<'_>) -> Answer {
    let rounded = |hz: u64| hz.saturating_add(500_000) / 1_000_000;
    let mhz = guest.tsc_hz.and_then(|hz| u16::try_from(rounded(hz)).ok());
    let mhz = mhz.map_or(0, u32::from);
    Answer {
        eax: mhz,
        ebx: mhz,
        ..Answer::ZERO
    }
}

fn hypervisor(leaf: u32, subleaf: u32, guest: &GuestIdentity<'_>) -> Answer {
    match leaf {
        KVM_BASE => Answer {
            eax: KVM_BASE | 1,
            ebx: u32::from_le_bytes(*b"KVMK"),
            ecx: u32::from_le_bytes(*b"VMKV"),
            edx: u32::from_le_bytes(*b"M\0\0\0"),
        },
        0x4000_0001 => Answer {
            eax: KVM_FEATURES,
            ..Answer::ZERO
        },
        BULKHEAD_BASE => Answer {
            eax: BULKHEAD_STARTS,
            ebx: u32::from_le_bytes(*b"Bulk"),
            ecx: u32::from_le_bytes(*b"head"),
            edx: 0,
        },
        BULKHEAD_EXITS => exits(subleaf, guest),
        BULKHEAD_NAME => name(subleaf, guest.partition_name),
        BULKHEAD_STARTS => wide(guest.counts.starts()),
        _ => Answer::ZERO,
    }
}

fn exits(subleaf: u32, guest: &GuestIdentity<'_>) -> Answer {
    let reason = usize::try_from(subleaf)
        .ok()
        .and_then(ExitReason::from_index);
    reason.map_or(Answer::ZERO, |reason| Answer {
        ecx: 1,
        ..wide(guest.counts.guest_exits(reason))
    })
}

/// A number of 64 bits: the low half in EAX, the high half in EDX.
fn wide(number: u64) -> Answer {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = number.to_le_bytes();
    Answer {
        eax: u32::from_le_bytes([b0, b1, b2, b3]),
        edx: u32::from_le_bytes([b4, b5, b6, b7]),
        ..Answer::ZERO
    }
}

fn name(subleaf: u32, name: &str) -> Answer {
    let start = usize::try_from(subleaf)
        .ok()
        .and_then(|index| index.checked_mul(16));
    let rest = start
        .and_then(|start| name.as_bytes().get(start..))
        .unwrap_or_default();
    let mut words = [0_u32; 4];
    for (word, bytes) in words.iter_mut().zip(rest.chunks(4)) {
        let mut padded = [0; 4];
        padded
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = *from);
        *word = u32::from_le_bytes(padded);
    }
    let [eax, ebx, ecx, edx] = words;
    Answer { eax, ebx, ecx, edx }
}

fn extended(
    leaf: u32,
    subleaf: u32,
    native: &impl Fn(u32, u32) -> Answer,
    guest: &GuestIdentity<'_>,
) -> Answer {
    if leaf > EXTENDED_BASE && leaf > guest.processor.highest_extended_leaf {
        return Answer::ZERO;
    }
    let allowed = masks::apply(leaf, subleaf, native);
    match leaf {
        EXTENDED_BASE => Answer {
            eax: allowed.eax.min(EXTENDED_MAXIMUM),
            ..allowed
        },
        0x8000_0001 => {
            // CmpLegacy: HTT stands for cores, not for threads.
            let several = guest.own.len() > 1 && is_amd(guest);
            Answer {
                ecx: allowed.ecx | flag(several, 1 << 1),
                ..allowed
            }
        }
        0x8000_0008 if is_amd(guest) => Answer {
            ecx: topology::core_identifiers(guest),
            ..allowed
        },
        0x8000_001d => topology::cache(allowed, guest),
        0x8000_001e if is_amd(guest) => topology::extended_identifiers(guest),
        _ => allowed,
    }
}

const fn is_amd(guest: &GuestIdentity<'_>) -> bool {
    guest.processor.meets(Condition::Amd)
}

const fn flag(condition: bool, bits: u32) -> u32 {
    if condition { bits } else { 0 }
}

const fn has_bit(value: u32, bit: u32) -> bool {
    value & 1_u32.wrapping_shl(bit) != 0
}

#[cfg(test)]
mod tests;
