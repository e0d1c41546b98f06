//! From what the CPU allows to the control words that Bulkhead runs its guests with (SDM,
//! appendix A.3 "VM-Execution Controls", A.4 "VM-Exit Controls", A.5 "VM-Entry Controls").
//!
//! Every control is on, on if it is there, or off: one that is required and missing is reported
//! by its name. Bits that the manual reserves at 1 are 1; a CPU that wants others on is refused.

use crate::{Capabilities, EntryControls, ExitControls, PinBased, ProcessorBased, Secondary};

/// The control words of a virtual CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each word is named as its type")]
pub struct Controls {
    pub pin_based: PinBased,
    pub processor_based: ProcessorBased,
    pub secondary: Secondary,
    pub exit: ExitControls,
    /// Without "IA-32e mode guest", which depends on the state in which the guest begins.
    pub entry: EntryControls,
}

/// What the CPU lacks, or the control that it cannot set as is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmet(pub &'static str);

/// Not on, on purpose: external-interrupt and NMI exiting, so that both are the guest's own.
const PIN_BASED: PinBased = PinBased(0);

/// Not on, on purpose: HLT, INVLPG, RDTSC, PAUSE, MOV-DR, CR3 and CR8 exiting.
const PROCESSOR_BASED: ProcessorBased = ProcessorBased::USE_IO_BITMAPS
    .with(ProcessorBased::USE_MSR_BITMAPS)
    .with(ProcessorBased::ACTIVATE_SECONDARY)
    .with(ProcessorBased::MWAIT_EXITING)
    .with(ProcessorBased::MONITOR_EXITING)
    .with(ProcessorBased::RDPMC_EXITING);

/// Not on, on purpose: WBINVD exiting.
const SECONDARY: Secondary = Secondary::ENABLE_EPT
    .with(Secondary::ENABLE_VPID)
    .with(Secondary::UNRESTRICTED_GUEST);

const EXIT: ExitControls = ExitControls::HOST_ADDRESS_SPACE_SIZE
    .with(ExitControls::SAVE_DEBUG_CONTROLS)
    .with(ExitControls::SAVE_PAT)
    .with(ExitControls::LOAD_PAT)
    .with(ExitControls::SAVE_EFER)
    .with(ExitControls::LOAD_EFER);

const ENTRY: EntryControls = EntryControls::LOAD_DEBUG_CONTROLS
    .with(EntryControls::LOAD_PAT)
    .with(EntryControls::LOAD_EFER);

impl Controls {
    /// The words for a CPU with `capabilities`, whose guests shall have `optional`, too: the
    /// controls of instructions that the CPU has, and for which a guest would get `#UD`.
    ///
    /// # Errors
    /// Names the first thing that the CPU lacks, or the first control that it cannot set as is
    /// needed.
    pub fn resolve(capabilities: &Capabilities, optional: Secondary) -> Result<Self, Unmet> {
        unmet(capabilities.missing_basics())?;
        // Guests of both kinds must be possible.
        let long = ENTRY.with(EntryControls::IA_32E_MODE_GUEST);
        long.resolve(capabilities.entry)?;
        let controls = Self {
            pin_based: PIN_BASED.resolve(capabilities.pin_based)?,
            processor_based: PROCESSOR_BASED.resolve(capabilities.processor_based)?,
            secondary: SECONDARY.with(optional).resolve(capabilities.secondary)?,
            exit: EXIT.resolve(capabilities.exit)?,
            entry: ENTRY.resolve(capabilities.entry)?,
        };
        unmet(capabilities.missing_translation())?;
        Ok(controls)
    }
}

fn unmet(missing: Option<&'static str>) -> Result<(), Unmet> {
    missing.map_or(Ok(()), |what| Err(Unmet(what)))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;

    use super::*;
    use crate::Allowed;
    use crate::fake::capabilities;

    const OPTIONAL: Secondary = Secondary::ENABLE_RDTSCP
        .with(Secondary::ENABLE_INVPCID)
        .with(Secondary::ENABLE_XSAVES);

    /// One word of the capabilities.
    type Word = fn(&mut Capabilities) -> &mut Allowed;

    const WORDS: [Word; 5] = [
        |all| &mut all.pin_based,
        |all| &mut all.processor_based,
        |all| &mut all.secondary,
        |all| &mut all.exit,
        |all| &mut all.entry,
    ];

    /// What is required, by number and by the manual's name.
    const REQUIRED: [(Word, u32, &str); 22] = [
        (WORDS[1], 10, "MWAIT exiting"),
        (WORDS[1], 11, "RDPMC exiting"),
        (WORDS[1], 25, "use I/O bitmaps"),
        (WORDS[1], 28, "use MSR bitmaps"),
        (WORDS[1], 29, "MONITOR exiting"),
        (WORDS[1], 31, "activate secondary controls"),
        (WORDS[2], 1, "enable EPT"),
        (WORDS[2], 3, "enable RDTSCP"),
        (WORDS[2], 5, "enable VPID"),
        (WORDS[2], 7, "unrestricted guest"),
        (WORDS[2], 12, "enable INVPCID"),
        (WORDS[2], 20, "enable XSAVES/XRSTORS"),
        (WORDS[3], 2, "save debug controls"),
        (WORDS[3], 9, "host address-space size"),
        (WORDS[3], 18, "save IA32_PAT"),
        (WORDS[3], 19, "load IA32_PAT"),
        (WORDS[3], 20, "save IA32_EFER"),
        (WORDS[3], 21, "load IA32_EFER"),
        (WORDS[4], 2, "load debug controls"),
        (WORDS[4], 9, "IA-32e mode guest"),
        (WORDS[4], 14, "load IA32_PAT (entry)"),
        (WORDS[4], 15, "load IA32_EFER (entry)"),
    ];

    /// What the words are called.
    const KINDS: [&str; 5] = [
        "PINBASED_CTLS",
        "TRUE_PROCBASED_CTLS",
        "PROCBASED_CTLS2",
        "EXIT_CTLS",
        "ENTRY_CTLS",
    ];

    #[test]
    fn the_words_of_a_server() {
        let controls = Controls::resolve(&capabilities(), OPTIONAL).unwrap();
        // What is reserved at 1, and what is required.
        assert_eq!(controls.pin_based.0, 0x16);
        assert_eq!(controls.processor_based.0, 0xb200_0c00 | 0x0400_6172);
        assert_eq!(controls.secondary.0, 0x0010_10aa);
        assert_eq!(controls.exit.0, 0x003c_0204 | 0x0003_6dfb);
        assert_eq!(controls.entry.0, 0x0000_c004 | 0x0000_11fb);
    }

    #[test]
    fn what_is_required_and_absent_is_reported_by_name() {
        for (word, bit, name) in REQUIRED {
            let mut without = capabilities();
            word(&mut without).may &= !(1 << bit);
            word(&mut without).must &= !(1 << bit);
            let expected = std::format!("VMX control \"{name}\"");
            let unmet = Controls::resolve(&without, OPTIONAL).unwrap_err();
            assert_eq!(unmet.0, expected);
        }
    }

    #[test]
    fn what_is_no_control_is_reported_too() {
        let all = capabilities();
        let basic = Capabilities { basic: 0, ..all };
        let unmet = Controls::resolve(&basic, OPTIONAL).unwrap_err();
        assert_eq!(Some(unmet.0), basic.missing_basics());
        let translation = Capabilities { ept_vpid: 0, ..all };
        let unmet = Controls::resolve(&translation, OPTIONAL).unwrap_err();
        assert_eq!(Some(unmet.0), translation.missing_translation());
    }

    #[test]
    fn nothing_else_is_required() {
        for (index, word) in WORDS.into_iter().enumerate() {
            for bit in 0..32 {
                let is_required = REQUIRED.iter().any(|(other, number, _)| {
                    *number == bit && core::ptr::fn_addr_eq(*other, WORDS[index])
                });
                let mut without = capabilities();
                word(&mut without).may &= !(1 << bit);
                let resolved = Controls::resolve(&without, OPTIONAL);
                assert_eq!(resolved.is_err(), is_required, "bit {bit} of word {index}");
            }
        }
    }

    #[test]
    fn what_cannot_be_off_is_reported_by_its_word() {
        let resolved = Controls::resolve(&capabilities(), OPTIONAL).unwrap();
        let on = [
            resolved.pin_based.0,
            resolved.processor_based.0,
            resolved.secondary.0,
            resolved.exit.0,
            resolved.entry.0,
        ];
        for ((word, kind), on) in WORDS.into_iter().zip(KINDS).zip(on) {
            for bit in (0..32).filter(|bit| on >> bit & 1 == 0) {
                let mut fixed = capabilities();
                word(&mut fixed).must |= 1 << bit;
                word(&mut fixed).may |= 1 << bit;
                let resolved = Controls::resolve(&fixed, OPTIONAL);
                assert!(
                    resolved.is_err_and(|unmet| unmet.0.contains(kind)),
                    "bit {bit} of {kind}"
                );
            }
        }
    }

    #[test]
    fn an_option_is_required_only_where_the_cpu_has_the_instruction() {
        let mut without = capabilities();
        without.secondary.may &= !Secondary::ENABLE_XSAVES.0;
        assert!(Controls::resolve(&without, OPTIONAL).is_err());
        let controls = Controls::resolve(&without, Secondary::default()).unwrap();
        assert_eq!(controls.secondary.0 & OPTIONAL.0, 0);
    }

    proptest! {
        #[test]
        fn a_resolved_word_is_always_allowed(must: u32, may: u32) {
            let allowed = Allowed { must, may: may | must };
            if let Ok(ProcessorBased(bits)) = PROCESSOR_BASED.resolve(allowed) {
                prop_assert_eq!(bits & must, must);
                prop_assert_eq!(bits & !allowed.may, 0);
                prop_assert_eq!(bits & PROCESSOR_BASED.0, PROCESSOR_BASED.0);
            }
        }
    }
}
