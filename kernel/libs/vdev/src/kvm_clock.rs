//! KVM's paravirtual clock: what a guest reads once and for all to turn its TSC into time
//! (Linux, Documentation/virt/kvm/x86/msr.rst, `MSR_KVM_WALL_CLOCK_NEW` and
//! `MSR_KVM_SYSTEM_TIME_NEW`).
//!
//! The TSC runs at a constant rate on cores that no one else uses, so the page is written
//! when the guest registers it and never again. Versions are even: no update is in progress.

/// The bytes of the clock page's structure.
pub const TIME_INFO_BYTES: usize = 32;
/// The bytes of the wall clock's structure.
pub const WALL_CLOCK_BYTES: usize = 12;

const NANOSECONDS: u128 = 1_000_000_000;
/// The same time on all cores: a reader need not keep it monotonic itself.
const FLAG_TSC_STABLE: u64 = 1 << 0;
/// Any even version is a consistent one.
const VERSION: u32 = 2;

/// The factor and shift with which a TSC of `tsc_hz` becomes nanoseconds: `(tsc shifted left
/// by shift, or right if it is negative) * factor / 2^32`. The factor's top bit is
/// set at every frequency that a processor has; both are 0 for a frequency of 0.
#[must_use]
pub fn scale(tsc_hz: u64) -> (u32, i8) {
    // For the smallest shift there is, -32; a larger one makes a smaller factor. The smallest
    // whose factor fits has the most significant bits.
    let widest = NANOSECONDS.wrapping_shl(64).checked_div(tsc_hz.into());
    let Some(widest) = widest else { return (0, 0) };
    let width = u128::BITS.wrapping_sub(widest.leading_zeros());
    let excess = width.saturating_sub(u32::BITS);
    let factor = widest.wrapping_shr(excess) as u32;
    // At most 62 bits too many: 10^9 * 2^64 has 94.
    (factor, (excess as i8).wrapping_sub(32))
}

/// The structure `pvclock_vcpu_time_info`: no nanosecond had passed when the TSC, which runs at
/// `tsc_hz`, was at `tsc_timestamp`.
#[must_use]
pub fn time_info(tsc_timestamp: u64, tsc_hz: u64) -> [u8; TIME_INFO_BYTES] {
    let (factor, shift) = scale(tsc_hz);
    let shift = u64::from(shift.cast_unsigned()) << 32;
    let scale = u64::from(factor) | shift | FLAG_TSC_STABLE << 40;
    let system_time = 0;
    let words = [VERSION.into(), tsc_timestamp, system_time, scale];
    let mut bytes = [0; TIME_INFO_BYTES];
    for (slot, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *slot = word.to_le_bytes();
    }
    bytes
}

/// The structure `pvclock_wall_clock`: the time of day, in seconds, when the system time was 0.
#[must_use]
pub const fn wall_clock(seconds: u32) -> [u8; WALL_CLOCK_BYTES] {
    let [v0, v1, v2, v3] = VERSION.to_le_bytes();
    let [s0, s1, s2, s3] = seconds.to_le_bytes();
    [v0, v1, v2, v3, s0, s1, s2, s3, 0, 0, 0, 0]
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test may overflow: it fails"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a guest computes.
    fn nanoseconds(ticks: u64, factor: u32, shift: i8) -> u128 {
        let ticks = u128::from(ticks);
        let shifted = if shift < 0 {
            ticks >> -shift
        } else {
            ticks << shift
        };
        (shifted * u128::from(factor)) >> 32
    }

    #[test]
    fn a_second_is_a_second() {
        for hz in [
            1_000_000_000,
            2_419_200_000,
            999_999_999,
            1_000_000_001,
            24_000_000,
        ] {
            let (factor, shift) = scale(hz);
            let second = nanoseconds(hz, factor, shift);
            assert!(
                (999_999_990..=1_000_000_000).contains(&second),
                "{hz}: {second}"
            );
        }
    }

    #[test]
    fn the_factor_keeps_its_bits_at_absurd_frequencies() {
        assert_eq!(scale(u64::MAX), (1_000_000_000, -32));
        assert_eq!(scale(1), (4_000_000_000, 30));
    }

    #[test]
    fn no_frequency_is_no_clock() {
        assert_eq!(scale(0), (0, 0));
    }

    #[test]
    fn the_page_is_laid_out_as_linux_reads_it() {
        let timestamp = 0x1122_3344_5566_7788;
        let bytes = time_info(timestamp, 2_000_000_000);
        assert_eq!(bytes[0..8], [2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[8..16], timestamp.to_le_bytes());
        assert_eq!(bytes[16..24], [0; 8]);
        let (factor, shift) = scale(2_000_000_000);
        assert_eq!((factor, shift), (0x8000_0000, 0));
        assert_eq!(bytes[24..28], factor.to_le_bytes());
        assert_eq!(bytes[28..32], [0, 1, 0, 0]);
        let (_, slow) = scale(24_000_000);
        let [shift, ..] = slow.to_le_bytes();
        assert_eq!(time_info(0, 24_000_000)[28..32], [shift, 1, 0, 0]);
        assert_eq!(wall_clock(5), [2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn any_frequency_is_exact_to_a_millionth(
            hz in 1_000_000_u64..20_000_000_000, seconds in 1_u64..100_000,
        ) {
            let (factor, shift) = scale(hz);
            prop_assert!(factor >= 1 << 31);
            let ticks = hz * seconds;
            let exact = u128::from(seconds) * NANOSECONDS;
            let found = nanoseconds(ticks, factor, shift);
            prop_assert!(found <= exact);
            prop_assert!(exact - found <= exact / 1_000_000 + 64);
        }

        #[test]
        fn the_frequency_can_be_had_back(khz in 1_000_u64..20_000_000) {
            // As Linux computes tsc_khz from the page.
            let (factor, shift) = scale(khz * 1000);
            let scaled = (1_000_000_u64 << 32) / u64::from(factor);
            let found = if shift < 0 { scaled << -shift } else { scaled >> shift };
            prop_assert!(found.abs_diff(khz) <= 32 + khz / 100_000);
        }

        #[test]
        fn no_frequency_panics_or_runs_fast(hz: u64) {
            let (factor, shift) = scale(hz);
            prop_assert!(nanoseconds(hz, factor, shift) <= NANOSECONDS);
        }
    }
}
