//! The five words of VMX controls: those that Bulkhead switches on, with the manual's names.

use crate::{Allowed, Unmet};

/// A word of controls: its type, what is reserved at 1 in it, what all its controls are called,
/// and those that are used, by their bit and the manual's name.
macro_rules! controls {
    (
        $(#[$doc:meta])* $word:ident, $reserved:literal, $all:literal {
            $($control:ident = $bit:expr, $name:literal;)*
        }
    ) => {
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $word(pub u32);

        impl $word {
            $(#[doc = $name] pub const $control: Self = Self(1 << $bit);)*

            const NAMES: &[(u32, &'static str)] = &[
                $((1 << $bit, concat!("VMX control \"", $name, "\"")),)*
            ];

            /// Both words' controls.
            #[must_use]
            pub const fn with(self, more: Self) -> Self {
                Self(self.0 | more.0)
            }

            /// The word with these controls on and no other.
            ///
            /// # Errors
            /// Names the control that the CPU lacks, or says that it cannot leave others off.
            pub(crate) fn resolve(self, allowed: Allowed) -> Result<Self, Unmet> {
                let missing = self.0 & !allowed.may;
                if let Some((_, name)) = Self::NAMES.iter().find(|(bit, _)| missing & bit != 0) {
                    return Err(Unmet(name));
                }
                if allowed.must & !(self.0 | $reserved) != 0 {
                    return Err(Unmet(concat!("way to leave all other ", $all, " off")));
                }
                Ok(Self(self.0 | allowed.must))
            }
        }
    };
}

controls! {
    /// Pin-based VM-execution controls (SDM, section 25.6.1, table 25-5, and appendix A.3.1):
    /// none is on.
    PinBased, 0x16, "pin-based controls (IA32_VMX_TRUE_PINBASED_CTLS)" {
    }
}

controls! {
    /// Primary processor-based VM-execution controls (SDM, section 25.6.2, table 25-6, and
    /// appendix A.3.2).
    ProcessorBased, 0x0400_6172, "processor-based controls (IA32_VMX_TRUE_PROCBASED_CTLS)" {
        MWAIT_EXITING = 10, "MWAIT exiting";
        RDPMC_EXITING = 11, "RDPMC exiting";
        USE_IO_BITMAPS = 25, "use I/O bitmaps";
        USE_MSR_BITMAPS = 28, "use MSR bitmaps";
        MONITOR_EXITING = 29, "MONITOR exiting";
        ACTIVATE_SECONDARY = 31, "activate secondary controls";
    }
}

controls! {
    /// Secondary processor-based VM-execution controls (SDM, section 25.6.2, table 25-7, and
    /// appendix A.3.3).
    Secondary, 0, "secondary processor-based controls (IA32_VMX_PROCBASED_CTLS2)" {
        ENABLE_EPT = 1, "enable EPT";
        ENABLE_RDTSCP = 3, "enable RDTSCP";
        ENABLE_VPID = 5, "enable VPID";
        UNRESTRICTED_GUEST = 7, "unrestricted guest";
        ENABLE_INVPCID = 12, "enable INVPCID";
        ENABLE_XSAVES = 20, "enable XSAVES/XRSTORS";
    }
}

controls! {
    /// Primary VM-exit controls (SDM, section 25.7.1, table 25-13, and appendix A.4.1).
    ExitControls, 0x0003_6dfb, "VM-exit controls (IA32_VMX_TRUE_EXIT_CTLS)" {
        SAVE_DEBUG_CONTROLS = 2, "save debug controls";
        HOST_ADDRESS_SPACE_SIZE = 9, "host address-space size";
        SAVE_PAT = 18, "save IA32_PAT";
        LOAD_PAT = 19, "load IA32_PAT";
        SAVE_EFER = 20, "save IA32_EFER";
        LOAD_EFER = 21, "load IA32_EFER";
    }
}

controls! {
    /// VM-entry controls (SDM, section 25.8.1, table 25-15, and appendix A.5).
    EntryControls, 0x0000_11fb, "VM-entry controls (IA32_VMX_TRUE_ENTRY_CTLS)" {
        LOAD_DEBUG_CONTROLS = 2, "load debug controls";
        IA_32E_MODE_GUEST = 9, "IA-32e mode guest";
        LOAD_PAT = 14, "load IA32_PAT (entry)";
        LOAD_EFER = 15, "load IA32_EFER (entry)";
    }
}

impl EntryControls {
    /// Whether all controls of `wanted` are on.
    #[must_use]
    pub const fn has(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}
