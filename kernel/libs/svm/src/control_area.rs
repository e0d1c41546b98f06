//! The control area of the VMCB: what root mode asks for and what it is told (APM volume 2,
//! appendix B, table B-1 "VMCB Layout, Control Area").

use core::mem::offset_of;

use bitflags::bitflags;

use crate::{
    ControlRegisterIntercepts, DebugRegisterIntercepts, ExceptionIntercepts, Intercepts1,
    Intercepts2, Intercepts3,
};

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
    /// Flush this guest's entries; only with [`crate::Features::FLUSH_BY_ASID`].
    pub const FLUSH_GUEST: u8 = 3;
    /// Flush this guest's entries that are not global; only with
    /// [`crate::Features::FLUSH_BY_ASID`].
    pub const FLUSH_GUEST_NON_GLOBAL: u8 = 7;
}

bitflags! {
    /// The low bits of the control area's field `virtual_interrupt` (offset 060h).
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct VirtualInterrupt: u64 {
        /// V_IRQ: a virtual interrupt is pending.
        const PENDING = 1 << 8;
        /// VGIF: the virtual global interrupt flag.
        const VIRTUAL_GIF = 1 << 9;
        /// V_NMI: a virtual NMI is pending.
        const NMI_PENDING = 1 << 11;
        /// V_NMI_MASK: virtual NMIs are masked.
        const NMI_MASK = 1 << 12;
        /// V_IGN_TPR: the virtual interrupt ignores the TPR.
        const IGNORE_TPR = 1 << 20;
        /// V_INTR_MASKING: the guest's RFLAGS.IF and TPR mask virtual interrupts only. Clear,
        /// so that a physical interrupt goes straight to the guest.
        const MASKING = 1 << 24;
        /// The virtual GIF is in use.
        const VIRTUAL_GIF_ENABLE = 1 << 25;
        /// V_NMI_ENABLE: virtual NMIs are in use.
        const NMI_ENABLE = 1 << 26;
        // V_TPR, priority, vector, AVIC.
        const _ = !0;
    }
}

bitflags! {
    /// What root mode has not changed since the last exit (APM volume 2, section 15.15.3
    /// "VMCB Clean Field"). All clear is always right.
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct CleanBits: u32 {
        /// Intercepts, TSC offset, pause filter.
        const INTERCEPTS = 1 << 0;
        /// The addresses of the I/O and MSR permission maps.
        const PERMISSION_MAPS = 1 << 1;
        /// The address space identifier.
        const ADDRESS_SPACE = 1 << 2;
        /// The virtual interrupt.
        const VIRTUAL_INTERRUPT = 1 << 3;
        /// Nested paging: its enable bit, nested CR3, the guest's PAT.
        const NESTED_PAGING = 1 << 4;
        /// CR0, CR3, CR4 and EFER.
        const CONTROL_REGISTERS = 1 << 5;
        /// DR6 and DR7.
        const DEBUG_REGISTERS = 1 << 6;
        /// GDTR and IDTR.
        const DESCRIPTOR_TABLES = 1 << 7;
        /// CS, DS, SS, ES and CPL.
        const SEGMENTS = 1 << 8;
        /// CR2.
        const CR2 = 1 << 9;
        /// Last-branch registers.
        const LAST_BRANCH = 1 << 10;
        /// AVIC.
        const AVIC = 1 << 11;
        /// Control-flow enforcement.
        const CONTROL_FLOW = 1 << 12;
    }
}

/// What root mode asks for and what it is told (APM volume 2, table B-1).
#[repr(C)]
#[derive(Clone)]
pub struct ControlArea {
    /// 000h.
    pub control_register_intercepts: ControlRegisterIntercepts,
    /// 004h.
    pub debug_register_intercepts: DebugRegisterIntercepts,
    /// 008h.
    pub exception_intercepts: ExceptionIntercepts,
    /// 00Ch.
    pub intercepts_1: Intercepts1,
    /// 010h.
    pub intercepts_2: Intercepts2,
    /// 014h.
    pub intercepts_3: Intercepts3,
    reserved_018: [u8; 0x3c - 0x18],
    /// 03Ch.
    pub pause_filter_threshold: u16,
    /// 03Eh.
    pub pause_filter_count: u16,
    /// 040h, IOPM_BASE_PA: the host-physical address of an [`crate::IoPermissionMap`].
    pub io_permission_map: u64,
    /// 048h, MSRPM_BASE_PA: the host-physical address of a [`crate::MsrPermissionMap`].
    pub msr_permission_map: u64,
    /// 050h, TSC_OFFSET: added to the time stamp counter.
    pub tsc_offset: u64,
    /// 058h, ASID: never 0, which is the host's.
    pub address_space_id: u32,
    /// 05Ch, TLB_CONTROL: one of [`TlbControl`].
    pub tlb_control: u8,
    reserved_05d: [u8; 3],
    /// 060h.
    pub virtual_interrupt: VirtualInterrupt,
    /// 068h: interrupt shadow in bit 0, the guest's interrupt mask in bit 1.
    pub interrupt_shadow: u64,
    /// 070h, EXITCODE.
    pub exit_code: u64,
    /// 078h, EXITINFO1.
    pub exit_info_1: u64,
    /// 080h, EXITINFO2.
    pub exit_info_2: u64,
    /// 088h, EXITINTINFO: what was being delivered, see [`crate::EventInjection::decode`].
    pub exit_interrupt_info: u64,
    /// 090h: [`NESTED_PAGING_ENABLE`] and the SEV bits.
    pub nested_paging: u64,
    /// 098h.
    pub avic_apic_bar: u64,
    /// 0A0h.
    pub ghcb: u64,
    /// 0A8h, EVENTINJ: see [`crate::EventInjection::encode`].
    pub event_injection: u64,
    /// 0B0h, N_CR3: the host-physical address of the nested page table's root.
    pub nested_cr3: u64,
    /// 0B8h: last-branch virtualisation in bit 0, VMLOAD and VMSAVE virtualisation in bit 1.
    pub virtualization_extensions: u64,
    /// 0C0h.
    pub clean: CleanBits,
    reserved_0c4: u32,
    /// 0C8h, nRIP: the next instruction's; 0 on a CPU without [`crate::Features::NRIP_SAVE`].
    pub next_rip: u64,
    /// 0D0h: how many of `instruction_bytes` are valid; 0 without decode assists.
    pub instruction_byte_count: u8,
    /// 0D1h: the bytes at the guest's RIP.
    pub instruction_bytes: [u8; 15],
    /// 0E0h.
    pub avic_backing_page: u64,
    reserved_0e8: u64,
    /// 0F0h.
    pub avic_logical_table: u64,
    /// 0F8h.
    pub avic_physical_table: u64,
    reserved_100: u64,
    /// 108h.
    pub vmsa: u64,
    reserved_110: [u8; 0x400 - 0x110],
}

const _: () = {
    assert!(size_of::<ControlArea>() == 0x400);
    assert!(offset_of!(ControlArea, intercepts_3) == 0x014);
    assert!(offset_of!(ControlArea, pause_filter_threshold) == 0x03c);
    assert!(offset_of!(ControlArea, io_permission_map) == 0x040);
    assert!(offset_of!(ControlArea, msr_permission_map) == 0x048);
    assert!(offset_of!(ControlArea, tsc_offset) == 0x050);
    assert!(offset_of!(ControlArea, address_space_id) == 0x058);
    assert!(offset_of!(ControlArea, tlb_control) == 0x05c);
    assert!(offset_of!(ControlArea, virtual_interrupt) == 0x060);
    assert!(offset_of!(ControlArea, interrupt_shadow) == 0x068);
    assert!(offset_of!(ControlArea, exit_code) == 0x070);
    assert!(offset_of!(ControlArea, exit_info_1) == 0x078);
    assert!(offset_of!(ControlArea, exit_info_2) == 0x080);
    assert!(offset_of!(ControlArea, exit_interrupt_info) == 0x088);
    assert!(offset_of!(ControlArea, nested_paging) == 0x090);
    assert!(offset_of!(ControlArea, event_injection) == 0x0a8);
    assert!(offset_of!(ControlArea, nested_cr3) == 0x0b0);
    assert!(offset_of!(ControlArea, virtualization_extensions) == 0x0b8);
    assert!(offset_of!(ControlArea, clean) == 0x0c0);
    assert!(offset_of!(ControlArea, next_rip) == 0x0c8);
    assert!(offset_of!(ControlArea, instruction_byte_count) == 0x0d0);
    assert!(offset_of!(ControlArea, avic_backing_page) == 0x0e0);
    assert!(offset_of!(ControlArea, avic_logical_table) == 0x0f0);
    assert!(offset_of!(ControlArea, vmsa) == 0x108);
};

impl ControlArea {
    /// All bits clear. VMRUN refuses it: it needs an address space identifier and the VMRUN
    /// intercept at least.
    pub const ZERO: Self = Self {
        control_register_intercepts: ControlRegisterIntercepts::empty(),
        debug_register_intercepts: DebugRegisterIntercepts::empty(),
        exception_intercepts: ExceptionIntercepts::empty(),
        intercepts_1: Intercepts1::empty(),
        intercepts_2: Intercepts2::empty(),
        intercepts_3: Intercepts3::empty(),
        reserved_018: [0; 0x3c - 0x18],
        pause_filter_threshold: 0,
        pause_filter_count: 0,
        io_permission_map: 0,
        msr_permission_map: 0,
        tsc_offset: 0,
        address_space_id: 0,
        tlb_control: TlbControl::NONE,
        reserved_05d: [0; 3],
        virtual_interrupt: VirtualInterrupt::empty(),
        interrupt_shadow: 0,
        exit_code: 0,
        exit_info_1: 0,
        exit_info_2: 0,
        exit_interrupt_info: 0,
        nested_paging: 0,
        avic_apic_bar: 0,
        ghcb: 0,
        event_injection: 0,
        nested_cr3: 0,
        virtualization_extensions: 0,
        clean: CleanBits::empty(),
        reserved_0c4: 0,
        next_rip: 0,
        instruction_byte_count: 0,
        instruction_bytes: [0; 15],
        avic_backing_page: 0,
        reserved_0e8: 0,
        avic_logical_table: 0,
        avic_physical_table: 0,
        reserved_100: 0,
        vmsa: 0,
        reserved_110: [0; 0x400 - 0x110],
    };
}
