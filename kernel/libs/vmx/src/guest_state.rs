//! The guest-state area of the VMCS (SDM, section 25.4 "Guest-State Area"), all of it that
//! Bulkhead uses, as it is when a virtual CPU begins.

use initial_state::InitialState;

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

/// Writes all of the area: a virtual CPU begins in `state`.
pub fn begin(vmcs: &mut impl Vmcs, state: &InitialState, capabilities: &Capabilities) {
    for (fields, segment) in [
        (field::GUEST_ES, &state.es),
        (field::GUEST_CS, &state.cs),
        (field::GUEST_SS, &state.ss),
        (field::GUEST_DS, &state.ds),
        (field::GUEST_FS, &state.fs),
        (field::GUEST_GS, &state.gs),
        (field::GUEST_LDTR, &state.ldtr),
        (field::GUEST_TR, &state.tr),
    ] {
        fields.store(vmcs, segment);
    }
    for (field, value) in [
        (
            field::GUEST_CR0,
            state.cr0 | capabilities.cr0_must & CR0_HOST_OWNED,
        ),
        (field::GUEST_CR3, state.cr3),
        (
            field::GUEST_CR4,
            state.cr4 | capabilities.cr4_must & CR4_HOST_OWNED,
        ),
        (field::GUEST_GDTR_BASE, state.gdtr.base),
        (field::GUEST_IDTR_BASE, state.idtr.base),
        (field::GUEST_DR7, state.dr7),
        (field::GUEST_RSP, state.rsp),
        (field::GUEST_RIP, state.rip),
        (field::GUEST_RFLAGS, state.rflags),
        (field::GUEST_PENDING_DEBUG, 0),
        (field::GUEST_SYSENTER_ESP, 0),
        (field::GUEST_SYSENTER_EIP, 0),
    ] {
        vmcs.write(field, value);
    }
    for (field, value) in [
        (field::VMCS_LINK_POINTER, NO_LINK),
        (field::GUEST_DEBUGCTL, 0),
        (field::GUEST_PAT, state.pat),
        (field::GUEST_EFER, state.efer),
    ] {
        vmcs.write(field, value);
    }
    for (field, value) in [
        (field::GUEST_GDTR_LIMIT, state.gdtr.limit),
        (field::GUEST_IDTR_LIMIT, state.idtr.limit),
        (field::GUEST_INTERRUPTIBILITY, 0),
        (field::GUEST_ACTIVITY, ACTIVE),
        (field::GUEST_SYSENTER_CS, 0),
    ] {
        vmcs.write(field, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeVmcs, capabilities};

    #[test]
    fn a_beginning_has_what_vmx_fixes() {
        let mut vmcs = FakeVmcs::default();
        begin(&mut vmcs, &InitialState::start_up(0x9a), &capabilities());
        assert_eq!(vmcs.read(field::GUEST_CR0) & NUMERIC_ERROR, NUMERIC_ERROR);
        assert_eq!(vmcs.read(field::GUEST_CR4), 1 << 13);
        assert_eq!(vmcs.read(field::GUEST_RFLAGS), 2);
        assert_eq!(vmcs.read(field::GUEST_CS.selector), 0x9a00);
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
