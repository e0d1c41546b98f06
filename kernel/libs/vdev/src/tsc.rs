//! The time-stamp counter's frequency: what CPUID says of it, and whether to believe that.
//!
//! CPUID is exact where it is right, but firmware and emulators are known to copy it from
//! another machine. A measurement is never exact, but it is of this machine.

use crate::cpuid::Answer;

/// "Time Stamp Counter and Nominal Core Crystal Clock Information".
pub const LEAF: u32 = 0x15;

/// The TSC's ticks a second as `leaf` 15h says (Intel SDM 325383-080, volume 2A, "CPUID"):
/// crystal × EBX / EAX. `None` where it does not say: processors may leave the crystal out.
#[must_use]
pub fn told(leaf: Answer) -> Option<u64> {
    let scaled = u64::from(leaf.ecx).checked_mul(leaf.ebx.into())?;
    scaled
        .checked_div(leaf.eax.into())
        .filter(|hertz| *hertz > 0)
}

/// A hundredth of the measurement is how far CPUID may be from it and still be believed. A
/// PIT's crystal and the port reads around it are good for a thousandth; the crystals that a
/// leaf could be mistaken in (19.2, 24, 25 and 38.4 MHz) differ by four hundredths or more.
const TOLERANCE: u64 = 100;

/// The TSC's frequency, with the word of CPUID that was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frequency {
    /// Ticks a second.
    pub hertz: u64,
    /// What CPUID says, if the measurement contradicts it.
    pub contradicted: Option<u64>,
}

/// Takes what CPUID has `told`, unless what was `measured` contradicts it; `None` if there is
/// neither.
#[must_use]
pub fn choose(told: Option<u64>, measured: Option<u64>) -> Option<Frequency> {
    let believed = |hertz| Frequency {
        hertz,
        contradicted: None,
    };
    match (told, measured) {
        (Some(told), Some(measured)) if told.abs_diff(measured) > measured / TOLERANCE => {
            Some(Frequency {
                hertz: measured,
                contradicted: Some(told),
            })
        }
        _ => told.or(measured).map(believed),
    }
}

/// The middle one of three measurements: an interruption by firmware spoils one of them, in
/// either direction.
#[must_use]
pub fn median([first, second, third]: [u64; 3]) -> u64 {
    first.min(second).max(first.max(second).min(third))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 38.4 MHz × 126 / 2: Tiger Lake's TSC, which Bochs' model of it claims as well.
    const TIGER_LAKE: Answer = Answer {
        eax: 2,
        ebx: 126,
        ecx: 38_400_000,
        edx: 0,
    };

    #[test]
    fn the_leaf_is_crystal_times_ratio() {
        assert_eq!(told(TIGER_LAKE), Some(2_419_200_000));
    }

    #[test]
    fn a_leaf_that_leaves_something_out_says_nothing() {
        for incomplete in [
            Answer {
                eax: 0,
                ..TIGER_LAKE
            },
            Answer {
                ebx: 0,
                ..TIGER_LAKE
            },
            Answer {
                ecx: 0,
                ..TIGER_LAKE
            },
            Answer::ZERO,
        ] {
            assert_eq!(told(incomplete), None, "{incomplete:?}");
        }
    }

    #[test]
    fn cpuid_is_believed_where_the_measurement_agrees() {
        for measured in [2_396_000_000, 2_419_200_000, 2_443_000_000] {
            let taken = choose(Some(2_419_200_000), Some(measured));
            let expected = Frequency {
                hertz: 2_419_200_000,
                contradicted: None,
            };
            assert_eq!(taken, Some(expected), "{measured}");
        }
    }

    #[test]
    fn the_measurement_is_believed_where_cpuid_contradicts_it() {
        // An emulator's clock, and the crystals of 24 and 25 MHz.
        for (told, measured) in [
            (2_419_200_000, 50_000_000),
            (50_000_000, 2_419_200_000),
            (2_400_000_000, 2_500_000_000),
            (2_500_000_000, 2_400_000_000),
        ] {
            let expected = Frequency {
                hertz: measured,
                contradicted: Some(told),
            };
            assert_eq!(choose(Some(told), Some(measured)), Some(expected));
        }
    }

    #[test]
    fn one_source_is_enough_and_none_is_not() {
        let only = Frequency {
            hertz: 3,
            contradicted: None,
        };
        assert_eq!(choose(Some(3), None), Some(only));
        assert_eq!(choose(None, Some(3)), Some(only));
        assert_eq!(choose(None, None), None);
    }

    proptest! {
        #[test]
        fn one_spoilt_measurement_of_three_does_not_matter(good: u64, spoilt: u64) {
            for samples in [[spoilt, good, good], [good, spoilt, good], [good, good, spoilt]] {
                prop_assert_eq!(median(samples), good);
            }
        }

        #[test]
        fn the_median_has_one_on_either_side(samples: [u64; 3]) {
            let mut sorted = samples;
            sorted.sort_unstable();
            prop_assert_eq!(median(samples), sorted[1]);
        }

        #[test]
        fn no_leaf_and_no_measurement_panics(eax: u32, ebx: u32, ecx: u32, measured: u64) {
            let leaf = Answer { eax, ebx, ecx, edx: 0 };
            let taken = choose(told(leaf), Some(measured)).unwrap();
            prop_assert!(taken.hertz == measured || Some(taken.hertz) == told(leaf));
        }
    }
}
