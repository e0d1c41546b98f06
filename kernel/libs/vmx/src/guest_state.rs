//! The guest-state area of the VMCS (SDM, section 25.4 "Guest-State Area"), all of it that
//! Bulkhead uses, in one value: written when a virtual CPU begins, read when VM entry refuses
//! it.

use initial_state::{InitialState, Segment};

use crate::{Capabilities, Vmcs, field};

/// Interruptibility state: the instruction before was STI.
pub const BLOCKING_BY_STI: u32 = 1 << 0;
/// Interruptibility state: the instruction before loaded SS.
pub const BLOCKING_BY_MOV_SS: u32 = 1 << 1;
/// Interruptibility state: an NMI is being handled.
pub const BLOCKING_BY_NMI: u32 = 1 << 3;

/// CR0.NE.
const NUMERIC_ERROR: u64 = 1 << 5;

/// The bit of CR0 that VMX operation fixes and that guests have a shadow of: NE. Paging and
/// protection are fixed too, but not for an unrestricted guest.
pub const CR0_HOST_OWNED: u64 = NUMERIC_ERROR;
/// The bits of CR4 that guests have for themselves: VME to LA57, FSGSBASE, PCIDE, OSXSAVE, SMEP,
/// SMAP and PKE. A CPU that lacks one refuses it by itself.
const CR4_GUEST_OWNED: u64 = 0x1fff | 0b111 << 16 | 0b111 << 20;
/// The bits of CR4 that guests see clear and cannot set: VMXE, and those of features that
/// CPUID hides, such as CET, whose MSRs no guest has.
pub const CR4_HOST_OWNED: u64 = !CR4_GUEST_OWNED;

/// No VMCS is linked (SDM, section 25.4.2 "Guest Non-Register State").
const NO_LINK: u64 = u64::MAX;
/// Activity state: the guest executes instructions.
const ACTIVE: u32 = 0;

/// The area, its writing and its reading from one list.
macro_rules! areas {
    (
        segments { $($segment:ident = $segment_fields:ident,)* }
        fields { $($name:ident: $width:ty = $field:ident,)* }
    ) => {
        /// The guest-state area. Descriptor tables have a base and a limit alone.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each field is named as in the manual")]
        pub struct GuestState {
            $(pub $segment: Segment,)*
            pub gdtr: Segment,
            pub idtr: Segment,
            $(pub $name: $width,)*
        }

        impl GuestState {
            /// Writes all fields.
            pub fn store(&self, vmcs: &mut impl Vmcs) {
                $(field::$segment_fields.store(vmcs, &self.$segment);)*
                $(vmcs.write(field::$field, self.$name);)*
                vmcs.write(field::GUEST_GDTR_BASE, self.gdtr.base);
                vmcs.write(field::GUEST_GDTR_LIMIT, self.gdtr.limit);
                vmcs.write(field::GUEST_IDTR_BASE, self.idtr.base);
                vmcs.write(field::GUEST_IDTR_LIMIT, self.idtr.limit);
            }

            /// Reads all fields.
            pub fn load(vmcs: &impl Vmcs) -> Self {
                let table = |base, limit| Segment { base, limit, ..Segment::ZERO };
                Self {
                    $($segment: field::$segment_fields.load(vmcs),)*
                    $($name: vmcs.read(field::$field),)*
                    gdtr: table(
                        vmcs.read(field::GUEST_GDTR_BASE),
                        vmcs.read(field::GUEST_GDTR_LIMIT),
                    ),
                    idtr: table(
                        vmcs.read(field::GUEST_IDTR_BASE),
                        vmcs.read(field::GUEST_IDTR_LIMIT),
                    ),
                }
            }
        }
    };
}

areas! {
    segments {
        es = GUEST_ES, cs = GUEST_CS, ss = GUEST_SS, ds = GUEST_DS,
        fs = GUEST_FS, gs = GUEST_GS, ldtr = GUEST_LDTR, tr = GUEST_TR,
    }
    fields {
        cr0: u64 = GUEST_CR0, cr3: u64 = GUEST_CR3, cr4: u64 = GUEST_CR4, dr7: u64 = GUEST_DR7,
        rsp: u64 = GUEST_RSP, rip: u64 = GUEST_RIP, rflags: u64 = GUEST_RFLAGS,
        sysenter_cs: u32 = GUEST_SYSENTER_CS, sysenter_esp: u64 = GUEST_SYSENTER_ESP,
        sysenter_eip: u64 = GUEST_SYSENTER_EIP, debugctl: u64 = GUEST_DEBUGCTL,
        pat: u64 = GUEST_PAT, efer: u64 = GUEST_EFER, activity: u32 = GUEST_ACTIVITY,
        interruptibility: u32 = GUEST_INTERRUPTIBILITY,
        pending_debug: u64 = GUEST_PENDING_DEBUG, link_pointer: u64 = VMCS_LINK_POINTER,
    }
}

impl GuestState {
    /// The area of a guest that begins in `state`, with the bits of CR0 and CR4 that VMX
    /// operation fixes at 1. RBX, RSI and DR6 are not in the VMCS.
    #[must_use]
    pub const fn beginning(state: &InitialState, capabilities: &Capabilities) -> Self {
        Self {
            es: state.es,
            cs: state.cs,
            ss: state.ss,
            ds: state.ds,
            fs: state.fs,
            gs: state.gs,
            ldtr: state.ldtr,
            tr: state.tr,
            gdtr: state.gdtr,
            idtr: state.idtr,
            cr0: state.cr0 | (capabilities.cr0_must & CR0_HOST_OWNED),
            cr3: state.cr3,
            cr4: state.cr4 | (capabilities.cr4_must & CR4_HOST_OWNED),
            dr7: state.dr7,
            rsp: state.rsp,
            rip: state.rip,
            rflags: state.rflags,
            sysenter_cs: 0,
            sysenter_esp: 0,
            sysenter_eip: 0,
            debugctl: 0,
            pat: state.pat,
            efer: state.efer,
            activity: ACTIVE,
            interruptibility: 0,
            pending_debug: 0,
            link_pointer: NO_LINK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeVmcs, capabilities};

    #[test]
    fn what_was_stored_is_loaded() {
        let state = GuestState::beginning(&InitialState::start_up(0x9a), &capabilities());
        let mut vmcs = FakeVmcs::default();
        state.store(&mut vmcs);
        assert_eq!(GuestState::load(&vmcs), state);
        assert_eq!(vmcs.read(field::GUEST_RFLAGS), 2);
        assert_eq!(vmcs.read(field::GUEST_CS.selector), 0x9a00);
    }

    #[test]
    fn a_beginning_has_what_vmx_fixes() {
        let state = GuestState::beginning(&InitialState::start_up(1), &capabilities());
        assert_eq!(state.cr0 & NUMERIC_ERROR, NUMERIC_ERROR);
        assert_eq!(state.cr4, 1 << 13);
    }

    #[test]
    fn bits_of_hidden_features_are_not_the_guests() {
        // VMXE, SMXE, KL, CET, PKS, UINTR, LASS, LAM_SUP, FRED.
        for hidden in [13, 14, 19, 23, 24, 25, 27, 28, 32] {
            assert_ne!(CR4_HOST_OWNED & (1 << hidden), 0, "{hidden}");
        }
        // What Linux sets: PSE, PAE, MCE, PGE, UMIP, FSGSBASE, PCIDE, OSXSAVE, SMEP, SMAP, PKE.
        for own in [4, 5, 6, 7, 11, 16, 17, 18, 20, 21, 22] {
            assert_eq!(CR4_HOST_OWNED & (1 << own), 0, "{own}");
        }
    }
}
