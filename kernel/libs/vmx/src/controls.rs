//! The five words of VMX controls, with the manual's name of every control.

/// A word of controls: its type, its bits, and their names in the manual.
macro_rules! controls {
    (
        $(#[$doc:meta])* $word:ident {
            $($(#[$bit_doc:meta])* $control:ident = $bit:expr, $name:literal;)*
        }
    ) => {
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $word(pub u32);

        impl $word {
            $(#[doc = $name] pub const $control: Self = Self(1 << $bit);)*

            /// Every control that the manual names, with its name when it is missing and when
            /// it cannot be off.
            pub(crate) const NAMES: &[(u32, &'static str, &'static str)] = &[
                $((
                    1 << $bit,
                    concat!("VMX control \"", $name, "\""),
                    concat!("way to leave the VMX control \"", $name, "\" off"),
                ),)*
            ];

            /// Both words' controls.
            #[must_use]
            pub const fn with(self, more: Self) -> Self {
                Self(self.0 | more.0)
            }

            /// Whether all controls of `wanted` are on.
            #[must_use]
            pub const fn has(self, wanted: Self) -> bool {
                self.0 & wanted.0 == wanted.0
            }
        }
    };
}

controls! {
    /// Pin-based VM-execution controls (SDM, section 25.6.1, table 25-5).
    PinBased {
        EXTERNAL_INTERRUPT_EXITING = 0, "external-interrupt exiting";
        NMI_EXITING = 3, "NMI exiting";
        VIRTUAL_NMIS = 5, "virtual NMIs";
        ACTIVATE_PREEMPTION_TIMER = 6, "activate VMX-preemption timer";
        PROCESS_POSTED_INTERRUPTS = 7, "process posted interrupts";
    }
}

controls! {
    /// Primary processor-based VM-execution controls (SDM, section 25.6.2, table 25-6).
    ProcessorBased {
        INTERRUPT_WINDOW_EXITING = 2, "interrupt-window exiting";
        USE_TSC_OFFSETTING = 3, "use TSC offsetting";
        HLT_EXITING = 7, "HLT exiting";
        INVLPG_EXITING = 9, "INVLPG exiting";
        MWAIT_EXITING = 10, "MWAIT exiting";
        RDPMC_EXITING = 11, "RDPMC exiting";
        RDTSC_EXITING = 12, "RDTSC exiting";
        CR3_LOAD_EXITING = 15, "CR3-load exiting";
        CR3_STORE_EXITING = 16, "CR3-store exiting";
        ACTIVATE_TERTIARY = 17, "activate tertiary controls";
        CR8_LOAD_EXITING = 19, "CR8-load exiting";
        CR8_STORE_EXITING = 20, "CR8-store exiting";
        USE_TPR_SHADOW = 21, "use TPR shadow";
        NMI_WINDOW_EXITING = 22, "NMI-window exiting";
        MOV_DR_EXITING = 23, "MOV-DR exiting";
        UNCONDITIONAL_IO_EXITING = 24, "unconditional I/O exiting";
        USE_IO_BITMAPS = 25, "use I/O bitmaps";
        MONITOR_TRAP_FLAG = 27, "monitor trap flag";
        USE_MSR_BITMAPS = 28, "use MSR bitmaps";
        MONITOR_EXITING = 29, "MONITOR exiting";
        PAUSE_EXITING = 30, "PAUSE exiting";
        ACTIVATE_SECONDARY = 31, "activate secondary controls";
    }
}

controls! {
    /// Secondary processor-based VM-execution controls (SDM, section 25.6.2, table 25-7).
    Secondary {
        VIRTUALIZE_APIC_ACCESSES = 0, "virtualize APIC accesses";
        ENABLE_EPT = 1, "enable EPT";
        DESCRIPTOR_TABLE_EXITING = 2, "descriptor-table exiting";
        ENABLE_RDTSCP = 3, "enable RDTSCP";
        VIRTUALIZE_X2APIC_MODE = 4, "virtualize x2APIC mode";
        ENABLE_VPID = 5, "enable VPID";
        WBINVD_EXITING = 6, "WBINVD exiting";
        UNRESTRICTED_GUEST = 7, "unrestricted guest";
        APIC_REGISTER_VIRTUALIZATION = 8, "APIC-register virtualization";
        VIRTUAL_INTERRUPT_DELIVERY = 9, "virtual-interrupt delivery";
        PAUSE_LOOP_EXITING = 10, "PAUSE-loop exiting";
        RDRAND_EXITING = 11, "RDRAND exiting";
        ENABLE_INVPCID = 12, "enable INVPCID";
        ENABLE_VM_FUNCTIONS = 13, "enable VM functions";
        VMCS_SHADOWING = 14, "VMCS shadowing";
        ENABLE_ENCLS_EXITING = 15, "enable ENCLS exiting";
        RDSEED_EXITING = 16, "RDSEED exiting";
        ENABLE_PML = 17, "enable PML";
        EPT_VIOLATION_EXCEPTION = 18, "EPT-violation #VE";
        CONCEAL_VMX_FROM_PT = 19, "conceal VMX from PT";
        ENABLE_XSAVES = 20, "enable XSAVES/XRSTORS";
        MODE_BASED_EXECUTE_CONTROL = 22, "mode-based execute control for EPT";
        SUB_PAGE_WRITE_PERMISSIONS = 23, "sub-page write permissions for EPT";
        PT_USES_GUEST_PHYSICAL_ADDRESSES = 24, "Intel PT uses guest physical addresses";
        USE_TSC_SCALING = 25, "use TSC scaling";
        ENABLE_USER_WAIT_AND_PAUSE = 26, "enable user wait and pause";
        ENABLE_PCONFIG = 27, "enable PCONFIG";
        ENABLE_ENCLV_EXITING = 28, "enable ENCLV exiting";
    }
}

controls! {
    /// Primary VM-exit controls (SDM, section 25.7.1, table 25-13).
    ExitControls {
        SAVE_DEBUG_CONTROLS = 2, "save debug controls";
        HOST_ADDRESS_SPACE_SIZE = 9, "host address-space size";
        LOAD_PERF_GLOBAL_CTRL = 12, "load IA32_PERF_GLOBAL_CTRL";
        ACKNOWLEDGE_INTERRUPT_ON_EXIT = 15, "acknowledge interrupt on exit";
        SAVE_PAT = 18, "save IA32_PAT";
        LOAD_PAT = 19, "load IA32_PAT";
        SAVE_EFER = 20, "save IA32_EFER";
        LOAD_EFER = 21, "load IA32_EFER";
        SAVE_PREEMPTION_TIMER = 22, "save VMX-preemption timer value";
        CLEAR_BNDCFGS = 23, "clear IA32_BNDCFGS";
        CONCEAL_VMX_FROM_PT = 24, "conceal VMX from PT (exit)";
        CLEAR_RTIT_CTL = 25, "clear IA32_RTIT_CTL";
        CLEAR_LBR_CTL = 26, "clear IA32_LBR_CTL";
        LOAD_CET_STATE = 28, "load CET state (exit)";
        LOAD_PKRS = 29, "load PKRS (exit)";
        ACTIVATE_SECONDARY = 31, "activate secondary exit controls";
    }
}

controls! {
    /// VM-entry controls (SDM, section 25.8.1, table 25-15).
    EntryControls {
        LOAD_DEBUG_CONTROLS = 2, "load debug controls";
        IA_32E_MODE_GUEST = 9, "IA-32e mode guest";
        ENTRY_TO_SMM = 10, "entry to SMM";
        DEACTIVATE_DUAL_MONITOR = 11, "deactivate dual-monitor treatment";
        LOAD_PERF_GLOBAL_CTRL = 13, "load IA32_PERF_GLOBAL_CTRL (entry)";
        LOAD_PAT = 14, "load IA32_PAT (entry)";
        LOAD_EFER = 15, "load IA32_EFER (entry)";
        LOAD_BNDCFGS = 16, "load IA32_BNDCFGS";
        CONCEAL_VMX_FROM_PT = 17, "conceal VMX from PT (entry)";
        LOAD_RTIT_CTL = 18, "load IA32_RTIT_CTL";
        LOAD_CET_STATE = 20, "load CET state (entry)";
        LOAD_LBR_CTL = 21, "load guest IA32_LBR_CTL";
        LOAD_PKRS = 22, "load PKRS (entry)";
    }
}
