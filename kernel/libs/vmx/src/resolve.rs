//! From what the CPU allows to the control words that Bulkhead runs its guests with (SDM,
//! appendix A.3 "VM-Execution Controls", A.4 "VM-Exit Controls", A.5 "VM-Entry Controls").
//!
//! Every control that the manual names is on, on if it is there, or off: one that is required
//! and missing, or that must be off and cannot be, is reported by its name. Bits without a
//! name are set as the CPU demands.

use crate::{
    Allowed, Capabilities, EntryControls, ExitControls, PinBased, ProcessorBased, Secondary,
};

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

/// Instructions that the CPU has and that a guest gets `#UD` for unless a control is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// The control of each, or none.
    pub secondary: Secondary,
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
    /// The words for a CPU with `capabilities`, whose guests shall have `options`.
    ///
    /// # Errors
    /// Names the first thing that the CPU lacks, or the first control that it cannot set as is
    /// needed.
    pub fn resolve(capabilities: &Capabilities, options: Options) -> Result<Self, Unmet> {
        unmet(capabilities.missing_basics())?;
        let controls = Self::words(capabilities, options)?;
        unmet(capabilities.missing_translation())?;
        Ok(controls)
    }

    fn words(capabilities: &Capabilities, options: Options) -> Result<Self, Unmet> {
        let secondary = SECONDARY.with(options.secondary);
        let Capabilities {
            pin_based, exit, ..
        } = capabilities;
        Ok(Self {
            pin_based: PinBased(word(*pin_based, PIN_BASED.0, PinBased::NAMES)?),
            processor_based: ProcessorBased(word(
                capabilities.processor_based,
                PROCESSOR_BASED.0,
                ProcessorBased::NAMES,
            )?),
            secondary: Secondary(word(capabilities.secondary, secondary.0, Secondary::NAMES)?),
            exit: ExitControls(word(*exit, EXIT.0, ExitControls::NAMES)?),
            entry: entry(capabilities.entry)?,
        })
    }
}

fn unmet(missing: Option<&'static str>) -> Result<(), Unmet> {
    missing.map_or(Ok(()), |what| Err(Unmet(what)))
}

/// Guests of both kinds must be possible: "IA-32e mode guest" must be free.
fn entry(allowed: Allowed) -> Result<EntryControls, Unmet> {
    let long = ENTRY.with(EntryControls::IA_32E_MODE_GUEST);
    word(allowed, long.0, EntryControls::NAMES)?;
    word(allowed, ENTRY.0, EntryControls::NAMES).map(EntryControls)
}

/// The word with the controls `on` and no other that has a name.
fn word(
    allowed: Allowed,
    on: u32,
    names: &[(u32, &'static str, &'static str)],
) -> Result<u32, Unmet> {
    for (bit, missing, fixed) in names {
        let is_on = on & bit != 0;
        if is_on && allowed.may & bit == 0 {
            return Err(Unmet(missing));
        }
        if !is_on && allowed.must & bit != 0 {
            return Err(Unmet(fixed));
        }
    }
    Ok(on | allowed.must)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;

    use super::*;
    use crate::fake::capabilities;

    const OPTIONS: Options = Options {
        secondary: Secondary::ENABLE_RDTSCP
            .with(Secondary::ENABLE_INVPCID)
            .with(Secondary::ENABLE_XSAVES),
    };

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

    /// What must be off, by number and by the manual's name.
    const OFF: [(Word, u32, &str); 11] = [
        (WORDS[0], 0, "external-interrupt exiting"),
        (WORDS[0], 3, "NMI exiting"),
        (WORDS[1], 7, "HLT exiting"),
        (WORDS[1], 9, "INVLPG exiting"),
        (WORDS[1], 12, "RDTSC exiting"),
        (WORDS[1], 15, "CR3-load exiting"),
        (WORDS[1], 16, "CR3-store exiting"),
        (WORDS[1], 19, "CR8-load exiting"),
        (WORDS[1], 20, "CR8-store exiting"),
        (WORDS[1], 30, "PAUSE exiting"),
        (WORDS[3], 15, "acknowledge interrupt on exit"),
    ];

    #[test]
    fn the_words_of_a_server() {
        let controls = Controls::resolve(&capabilities(), OPTIONS).unwrap();
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
            let unmet = Controls::resolve(&without, OPTIONS).unwrap_err();
            assert_eq!(unmet.0, expected);
        }
    }

    #[test]
    fn what_is_no_control_is_reported_too() {
        let all = capabilities();
        let basic = Capabilities { basic: 0, ..all };
        let unmet = Controls::resolve(&basic, OPTIONS).unwrap_err();
        assert_eq!(Some(unmet.0), basic.missing_basics());
        let translation = Capabilities { ept_vpid: 0, ..all };
        let unmet = Controls::resolve(&translation, OPTIONS).unwrap_err();
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
                let resolved = Controls::resolve(&without, OPTIONS);
                assert_eq!(resolved.is_err(), is_required, "bit {bit} of word {index}");
            }
        }
    }

    #[test]
    fn what_cannot_be_off_is_reported_by_name() {
        for (word, bit, name) in OFF {
            let mut fixed = capabilities();
            word(&mut fixed).must |= 1 << bit;
            word(&mut fixed).may |= 1 << bit;
            let expected = std::format!("way to leave the VMX control \"{name}\" off");
            let unmet = Controls::resolve(&fixed, OPTIONS).unwrap_err();
            assert_eq!(unmet.0, expected);
        }
    }

    #[test]
    fn an_option_is_required_only_where_the_cpu_has_the_instruction() {
        let mut without = capabilities();
        without.secondary.may &= !Secondary::ENABLE_XSAVES.0;
        assert!(Controls::resolve(&without, OPTIONS).is_err());
        let controls = Controls::resolve(&without, Options::default()).unwrap();
        assert!(!controls.secondary.has(Secondary::ENABLE_RDTSCP));
    }

    proptest! {
        #[test]
        fn a_resolved_word_is_always_allowed(must: u32, may: u32) {
            let allowed = Allowed { must, may: may | must };
            let resolved = word(allowed, PROCESSOR_BASED.0, ProcessorBased::NAMES);
            if let Ok(bits) = resolved {
                prop_assert_eq!(bits & must, must);
                prop_assert_eq!(bits & !allowed.may, 0);
                prop_assert_eq!(bits & PROCESSOR_BASED.0, PROCESSOR_BASED.0);
            }
        }
    }
}
