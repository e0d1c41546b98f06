//! What the physical processor has, as far as the policy tables depend on it.

use crate::cpuid::Answer;

/// A condition under which a rule of the MSR table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Always,
    /// An Intel processor.
    Intel,
    /// An AMD processor, or a Hygon one.
    Amd,
    /// `IA32_SPEC_CTRL` exists.
    SpeculationControl,
    /// `IA32_PRED_CMD` exists.
    PredictionCommand,
    /// `IA32_FLUSH_CMD` exists.
    FlushCommand,
    /// `IA32_TSC_AUX` exists.
    TscAux,
    /// The local APIC's timer has a TSC-deadline mode.
    TscDeadline,
    /// `IA32_XSS` exists.
    Xsaves,
}

/// What this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processor {
    /// A bit for each condition that it meets.
    conditions: u16,
    /// The highest basic leaf of CPUID.
    pub highest_leaf: u32,
    /// The highest extended leaf of CPUID.
    pub highest_extended_leaf: u32,
}

impl Processor {
    /// Asks the processor, by `native`, which executes CPUID with the given EAX and ECX.
    pub fn detect(native: impl Fn(u32, u32) -> Answer) -> Self {
        let (vendor, highest_extended_leaf) = (native(0, 0), native(0x8000_0000, 0).eax);
        let basic = |leaf: u32, subleaf: u32| below(vendor.eax, leaf, subleaf, &native);
        let extended = |leaf: u32| below(highest_extended_leaf, 0x8000_0000 | leaf, 0, &native);
        let (seven, eight) = (basic(7, 0), extended(8));
        let has = |value: u32, bits: u32| value & bits != 0;
        let none = Self {
            conditions: 0,
            highest_leaf: vendor.eax,
            highest_extended_leaf,
        };
        none.with(Condition::Always, true)
            .with(Condition::Intel, vendor.ebx == u32::from_le_bytes(*b"Genu"))
            .with(Condition::Amd, is_amd(vendor.ebx))
            .with(
                Condition::SpeculationControl,
                has(seven.edx, 1 << 26 | 1 << 27 | 1 << 31)
                    || has(eight.ebx, 1 << 14 | 1 << 15 | 1 << 24),
            )
            .with(
                Condition::PredictionCommand,
                has(seven.edx, 1 << 26) || has(eight.ebx, 1 << 12),
            )
            .with(Condition::FlushCommand, has(seven.edx, 1 << 28))
            .with(
                Condition::TscAux,
                has(extended(1).edx, 1 << 27) || has(seven.ecx, 1 << 22),
            )
            .with(Condition::TscDeadline, has(basic(1, 0).ecx, 1 << 24))
            .with(Condition::Xsaves, has(basic(0xd, 1).eax, 1 << 3))
    }

    /// Whether the processor meets `condition`.
    #[must_use]
    pub const fn meets(self, condition: Condition) -> bool {
        self.conditions & bit(condition) != 0
    }

    const fn with(self, condition: Condition, met: bool) -> Self {
        if met {
            let conditions = self.conditions | bit(condition);
            Self { conditions, ..self }
        } else {
            self
        }
    }
}

const fn bit(condition: Condition) -> u16 {
    1_u16.wrapping_shl(condition as u32)
}

fn is_amd(ebx: u32) -> bool {
    ebx == u32::from_le_bytes(*b"Auth") || ebx == u32::from_le_bytes(*b"Hygo")
}

/// The leaf's answer; zero above the highest leaf, where Intel processors repeat another one.
fn below(highest: u32, leaf: u32, subleaf: u32, native: &impl Fn(u32, u32) -> Answer) -> Answer {
    if leaf > highest {
        Answer::ZERO
    } else {
        native(leaf, subleaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amd(leaf: u32, _subleaf: u32) -> Answer {
        match leaf {
            0 => Answer {
                eax: 1,
                ebx: u32::from_le_bytes(*b"Auth"),
                ..Answer::ZERO
            },
            0x8000_0000 => Answer {
                eax: 0x8000_0008,
                ..Answer::ZERO
            },
            0x8000_0001 => Answer {
                edx: 1 << 27,
                ..Answer::ZERO
            },
            0x8000_0008 => Answer {
                ebx: 1 << 12,
                ..Answer::ZERO
            },
            // Above the highest leaf: must not be believed.
            _ => Answer {
                eax: u32::MAX,
                ebx: u32::MAX,
                ecx: u32::MAX,
                edx: u32::MAX,
            },
        }
    }

    #[test]
    fn conditions_come_from_leaves_that_exist() {
        let processor = Processor::detect(amd);
        for met in [
            Condition::Always,
            Condition::Amd,
            Condition::PredictionCommand,
            Condition::TscAux,
        ] {
            assert!(processor.meets(met), "{met:?}");
        }
        for unmet in [
            Condition::Intel,
            Condition::SpeculationControl,
            Condition::FlushCommand,
            Condition::Xsaves,
        ] {
            assert!(!processor.meets(unmet), "{unmet:?}");
        }
    }
}
