//! The control area of the VMCB: what root mode asks for and what it is told (APM volume 2,
//! appendix B, table B-1 "VMCB Layout, Control Area"). Fields that are always zero have no
//! name.

use core::mem::offset_of;

use crate::{EventInjection, Intercepts};

/// NP_ENABLE, in the control area's field `nested_paging` (offset 090h, bit 0).
pub const NESTED_PAGING_ENABLE: u64 = 1 << 0;

/// What VMRUN does to the TLB, in the control area's field `tlb_control` (APM volume 2,
/// section 15.16.1 "TLB Flush").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlbControl;

impl TlbControl {
    /// Nothing.
    pub const NONE: u8 = 0;
    /// Flush the entries of every address space, the host's too.
    pub const FLUSH_ALL: u8 = 1;
}

/// What root mode asks for and what it is told (APM volume 2, table B-1).
#[repr(C)]
#[derive(Clone)]
pub struct ControlArea {
    /// 000h.
    pub intercepts: Intercepts,
    unused_018: [u8; 0x40 - 0x18],
    /// 040h, IOPM_BASE_PA: the host-physical address of an [`crate::IoPermissionMap`].
    pub io_permission_map: u64,
    /// 048h, MSRPM_BASE_PA: the host-physical address of a [`crate::MsrPermissionMap`].
    pub msr_permission_map: u64,
    unused_050: u64,
    /// 058h, ASID: never 0, which is the host's.
    pub address_space_id: u32,
    /// 05Ch, TLB_CONTROL: one of [`TlbControl`].
    pub tlb_control: u8,
    /// V_INTR_MASKING is clear, so that a physical interrupt goes straight to the guest.
    unused_05d: [u8; 0x68 - 0x5d],
    /// 068h: interrupt shadow in bit 0, the guest's interrupt mask in bit 1.
    pub interrupt_shadow: u64,
    /// 070h, EXITCODE.
    pub exit_code: u64,
    /// 078h, EXITINFO1.
    pub exit_info_1: u64,
    /// 080h, EXITINFO2.
    pub exit_info_2: u64,
    /// 088h, EXITINTINFO: what was being delivered.
    pub exit_interrupt_info: EventInjection,
    /// 090h: [`NESTED_PAGING_ENABLE`] and the SEV bits.
    pub nested_paging: u64,
    unused_098: [u64; 2],
    /// 0A8h, EVENTINJ.
    pub event_injection: EventInjection,
    /// 0B0h, N_CR3: the host-physical address of the nested page table's root.
    pub nested_cr3: u64,
    /// No VMCB clean bits, which is always right.
    unused_0b8: [u64; 2],
    /// 0C8h, nRIP: the next instruction's; 0 on a CPU that does not tell.
    pub next_rip: u64,
    unused_0d0: [u8; 0x400 - 0xd0],
}

const _: () = {
    assert!(size_of::<ControlArea>() == 0x400);
    assert!(offset_of!(ControlArea, io_permission_map) == 0x040);
    assert!(offset_of!(ControlArea, msr_permission_map) == 0x048);
    assert!(offset_of!(ControlArea, address_space_id) == 0x058);
    assert!(offset_of!(ControlArea, tlb_control) == 0x05c);
    assert!(offset_of!(ControlArea, interrupt_shadow) == 0x068);
    assert!(offset_of!(ControlArea, exit_code) == 0x070);
    assert!(offset_of!(ControlArea, exit_interrupt_info) == 0x088);
    assert!(offset_of!(ControlArea, nested_paging) == 0x090);
    assert!(offset_of!(ControlArea, event_injection) == 0x0a8);
    assert!(offset_of!(ControlArea, nested_cr3) == 0x0b0);
    assert!(offset_of!(ControlArea, next_rip) == 0x0c8);
};

impl ControlArea {
    /// All bits clear. VMRUN refuses it: it needs an address space identifier and the VMRUN
    /// intercept at least.
    pub const ZERO: Self = Self {
        intercepts: Intercepts::of(&[]),
        unused_018: [0; 0x40 - 0x18],
        io_permission_map: 0,
        msr_permission_map: 0,
        unused_050: 0,
        address_space_id: 0,
        tlb_control: TlbControl::NONE,
        unused_05d: [0; 0x68 - 0x5d],
        interrupt_shadow: 0,
        exit_code: 0,
        exit_info_1: 0,
        exit_info_2: 0,
        exit_interrupt_info: EventInjection::NONE,
        nested_paging: 0,
        unused_098: [0; 2],
        event_injection: EventInjection::NONE,
        nested_cr3: 0,
        unused_0b8: [0; 2],
        next_rip: 0,
        unused_0d0: [0; 0x400 - 0xd0],
    };
}
