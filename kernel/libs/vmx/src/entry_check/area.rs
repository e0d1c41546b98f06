//! The guest-state area in one value, read from a VMCS.

use initial_state::Segment;

use crate::{Vmcs, field};

/// The area and its reading from one list.
macro_rules! area {
    (
        segments { $($segment:ident = $segment_fields:ident,)* }
        fields { $($name:ident: $width:ty = $field:ident,)* }
    ) => {
        /// The guest-state area. Descriptor tables have a base and a limit alone.
        #[derive(Debug, Clone, Copy)]
        pub struct GuestState {
            $(pub $segment: Segment,)*
            pub gdtr: Segment,
            pub idtr: Segment,
            $(pub $name: $width,)*
        }

        impl GuestState {
            /// Reads all fields.
            pub fn load(vmcs: &impl Vmcs) -> Self {
                let table = |base, limit| Segment { base, limit, ..Segment::default() };
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

area! {
    segments {
        es = GUEST_ES, cs = GUEST_CS, ss = GUEST_SS, ds = GUEST_DS,
        fs = GUEST_FS, gs = GUEST_GS, ldtr = GUEST_LDTR, tr = GUEST_TR,
    }
    fields {
        cr0: u64 = GUEST_CR0, cr3: u64 = GUEST_CR3, cr4: u64 = GUEST_CR4, dr7: u64 = GUEST_DR7,
        rip: u64 = GUEST_RIP, rflags: u64 = GUEST_RFLAGS,
        sysenter_esp: u64 = GUEST_SYSENTER_ESP,
        sysenter_eip: u64 = GUEST_SYSENTER_EIP, debugctl: u64 = GUEST_DEBUGCTL,
        pat: u64 = GUEST_PAT, efer: u64 = GUEST_EFER, activity: u32 = GUEST_ACTIVITY,
        interruptibility: u32 = GUEST_INTERRUPTIBILITY,
        pending_debug: u64 = GUEST_PENDING_DEBUG, link_pointer: u64 = VMCS_LINK_POINTER,
    }
}
