//! The x2APIC's local vector table: which entries a guest may set up as it likes (Intel SDM
//! 325384-080, volume 3A, section 11.5.1 "Local Vector Table"; AMD APM 24593, revision
//! 3.42, volume 2, section 16.4 "Local Interrupts").
//!
//! The timer's entry has no delivery mode and is native. CMCI and thermal sensor belong to
//! the machine and stay masked; LINT0 and LINT1 are wired to the machine's own sources and
//! stay masked too. What remains may interrupt its own core only with a vector, or with an
//! NMI from a performance counter.

/// Corrected machine-check interrupt.
pub const CMCI: u32 = 0x82f;
/// Thermal sensor.
pub const THERMAL: u32 = 0x833;
/// Performance monitoring counters.
pub const PERFORMANCE: u32 = 0x834;
/// Error.
pub const ERROR: u32 = 0x837;

/// Bit 16: the entry interrupts nobody.
pub const MASKED: u64 = 1 << 16;

const VECTOR: u64 = 0xff;
const DELIVERY_MODE: u64 = 0b111 << 8;
const FIXED: u64 = 0b000 << 8;
const NMI: u64 = 0b100 << 8;

/// The value to write for a guest's `value` in register `msr`: without reserved bits, and
/// masked unless the entry's source and delivery mode are harmless.
#[must_use]
pub const fn sanitize(msr: u32, value: u64) -> u64 {
    let harmless = match (msr, value & DELIVERY_MODE) {
        (PERFORMANCE | ERROR, FIXED) | (PERFORMANCE, NMI) => true,
        // LINT pins, SMI, INIT, ExtINT, and registers that are not in the table.
        _ => false,
    };
    if harmless {
        value & (VECTOR | DELIVERY_MODE | MASKED)
    } else {
        value & VECTOR | MASKED
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_counter_may_raise_a_vector_or_an_nmi() {
        assert_eq!(sanitize(PERFORMANCE, 0x400), 0x400);
        assert_eq!(sanitize(PERFORMANCE, 0x1_0400), 0x1_0400);
        assert_eq!(sanitize(ERROR, 0xfe), 0xfe);
    }

    #[test]
    fn smi_init_and_extint_are_masked() {
        for mode in [0x200, 0x500, 0x700] {
            assert_eq!(sanitize(PERFORMANCE, mode | 0x31), MASKED | 0x31);
            assert_eq!(sanitize(ERROR, mode), MASKED);
        }
        assert_eq!(sanitize(ERROR, 0x400), MASKED);
    }

    #[test]
    fn the_machines_pins_stay_masked() {
        // What Linux writes on its first core: ExtINT on LINT0, NMI on LINT1.
        assert_eq!(sanitize(0x835, 0x700), MASKED);
        assert_eq!(sanitize(0x836, 0x400), MASKED);
        assert_eq!(sanitize(0x836, 0x31), MASKED | 0x31);
    }

    proptest! {
        #[test]
        fn what_is_unmasked_is_fixed_or_nmi(msr in 0x82f_u32..0x838, value: u64) {
            let safe = sanitize(msr, value);
            prop_assert_eq!(safe & !(VECTOR | DELIVERY_MODE | MASKED), 0);
            let mode = safe & DELIVERY_MODE;
            prop_assert!(safe & MASKED != 0 || mode == FIXED || (mode == NMI && msr == PERFORMANCE));
        }
    }
}
