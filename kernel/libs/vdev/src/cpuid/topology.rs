//! The flat topology that a guest is told of: one package, one thread a core, real APIC IDs.

use addr::ApicId;

use super::{Answer, GuestIdentity};

/// Leaves 0xB and 0x1F: a level of one thread, and a level of all cores.
pub(super) fn levels(subleaf: u32, guest: &GuestIdentity<'_>) -> Answer {
    const SMT: u32 = 1 << 8;
    const CORE: u32 = 2 << 8;
    let (eax, ebx, level) = match subleaf {
        0 => (0, 1, SMT),
        1 => (identifier_bits(guest.own), core_count(guest), CORE),
        _ => (0, 0, 0),
    };
    Answer {
        eax,
        ebx,
        ecx: level | (subleaf & 0xff),
        edx: guest.apic_id.0,
    }
}

/// Leaf 4: a cache, and in bits 31:26 of EAX the last identifier of a core in the package.
pub(super) fn deterministic_cache(allowed: Answer, guest: &GuestIdentity<'_>) -> Answer {
    const CACHE_TYPE: u32 = 0x1f;
    const CORES: u32 = 0x3f;
    const CORES_SHIFT: u32 = 26;
    if allowed.eax & CACHE_TYPE == 0 {
        return Answer::ZERO;
    }
    let cores = last_identifier(guest).min(CORES) << CORES_SHIFT;
    let shared = cache(allowed, guest);
    Answer {
        eax: shared.eax & !(CORES << CORES_SHIFT) | cores,
        ..shared
    }
}

/// Leaf 0x8000001D, and all of leaf 4 but the cores: a cache, and in bits 25:14 of EAX the
/// last identifier of those that share it. That is the processor's own, but no more than the
/// package has: the rest of the machine does not concern the guest.
pub(super) fn cache(allowed: Answer, guest: &GuestIdentity<'_>) -> Answer {
    const SHARING: u32 = 0xfff;
    const SHARING_SHIFT: u32 = 14;
    let native = allowed.eax >> SHARING_SHIFT & SHARING;
    let sharing = native.min(last_identifier(guest)) << SHARING_SHIFT;
    Answer {
        eax: allowed.eax & !(SHARING << SHARING_SHIFT) | sharing,
        ..allowed
    }
}

/// Leaf 0x80000008, ECX: `ApicIdSize` in bits 15:12, the number of cores minus one in 7:0.
pub(super) fn core_identifiers(guest: &GuestIdentity<'_>) -> u32 {
    let last = core_count(guest).saturating_sub(1).min(0xff);
    identifier_bits(guest.own).min(0xf) << 12 | last
}

/// Leaf 0x8000001E: who this core is.
pub(super) fn extended_identifiers(guest: &GuestIdentity<'_>) -> Answer {
    let [core, ..] = guest.apic_id.0.to_le_bytes();
    Answer {
        eax: guest.apic_id.0,
        ebx: u32::from(core),
        ..Answer::ZERO
    }
}

fn core_count(guest: &GuestIdentity<'_>) -> u32 {
    u32::try_from(guest.own.len()).unwrap_or(u32::MAX)
}

/// The number of low bits in which the APIC IDs of a package's cores differ: all bits that
/// any of the partition's IDs uses, so that they are one package.
fn identifier_bits(own: &[ApicId]) -> u32 {
    let largest = own.iter().map(|core| core.0).max().unwrap_or(0);
    u32::BITS.saturating_sub(largest.leading_zeros())
}

/// The largest number that fits into [`identifier_bits`].
fn last_identifier(guest: &GuestIdentity<'_>) -> u32 {
    let bits = identifier_bits(guest.own);
    u32::MAX
        .checked_shr(u32::BITS.saturating_sub(bits))
        .unwrap_or(0)
}
