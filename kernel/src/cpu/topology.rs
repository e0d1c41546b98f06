//! Which logical processors are threads of one core.

use core::arch::x86_64::__cpuid_count;

use addr::ApicId;

/// Intel SDM 325383-080, volume 2A, CPUID leaf 0Bh "Extended Topology Enumeration".
const TOPOLOGY: u32 = 0x0b;
const LEVEL_THREADS: u32 = 1;
/// AMD APM 24594-3.36, volume 3, appendix E.4.15 "Function 8000_001Eh Extended Identifiers".
const EXTENDED_IDENTIFIERS: u32 = 0x8000_001e;

/// How many low bits of an x2APIC ID tell the threads of one core apart.
fn thread_bits() -> u32 {
    if __cpuid_count(0, 0).eax >= TOPOLOGY {
        let leaf = __cpuid_count(TOPOLOGY, 0);
        if (leaf.ecx >> 8) & 0xff == LEVEL_THREADS {
            // A level of one logical processor has no threads to tell apart, whatever the
            // shift is (Bochs says 1); on a hybrid CPU other cores may have two.
            let is_alone = leaf.ebx & 0xffff == 1 && !is_hybrid();
            return if is_alone { 0 } else { leaf.eax & 0x1f };
        }
    }
    if __cpuid_count(0x8000_0000, 0).eax >= EXTENDED_IDENTIFIERS {
        let [_, threads_less_one, ..] = __cpuid_count(EXTENDED_IDENTIFIERS, 0).ebx.to_le_bytes();
        let threads = u32::from(threads_less_one).saturating_add(1);
        return threads.next_power_of_two().trailing_zeros();
    }
    0
}

/// Whether the cores are of several kinds (CPUID.7.0:EDX bit 15).
fn is_hybrid() -> bool {
    const HYBRID: u32 = 1 << 15;
    __cpuid_count(7, 0).edx & HYBRID != 0
}

/// Whether two logical processors are threads of one core, or the same.
pub fn share_a_core(one: ApicId, other: ApicId) -> bool {
    let core = |id: ApicId| id.0.checked_shr(thread_bits()).unwrap_or(0);
    core(one) == core(other)
}
