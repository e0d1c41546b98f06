//! Segment and interrupt descriptor tables.
//!
//! Every core has a GDT and a TSS of its own (a TSS is busy on one core only); all share one
//! IDT, whose gates lead to the stubs in `interrupts.s`.

use addr::HostPhysical;
use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::idt::InterruptDescriptorTable;
use x86_64::structures::tss::TaskStateSegment;

/// Which stack of the TSS's interrupt stack table non-maskable interrupts use, counted from 0.
const NMI_STACK: u16 = 0;
/// The one for double faults and machine checks, neither of which returns.
const FAULT_STACK: u16 = 1;

const NMI_VECTOR: u64 = 2;
const DOUBLE_FAULT_VECTOR: u64 = 8;
const MACHINE_CHECK_VECTOR: u64 = 18;

static IDT: Once<InterruptDescriptorTable> = Once::new();

unsafe extern "C" {
    /// The first of 256 stubs, 16 bytes apart, in `interrupts.s`.
    static interrupt_stubs: u8;
}

/// A core's GDT and TSS.
pub struct Descriptors {
    gdt: GlobalDescriptorTable,
    tss: TaskStateSegment,
    code: SegmentSelector,
    data: SegmentSelector,
    task: SegmentSelector,
}

impl Descriptors {
    /// The tables of a core whose exception stacks end at the given addresses.
    pub fn new(nmi_stack: HostPhysical, fault_stack: HostPhysical) -> Self {
        let mut tss = TaskStateSegment::new();
        let stacks = [nmi_stack, fault_stack];
        let mut table = tss.interrupt_stack_table;
        for (entry, top) in table.iter_mut().zip(stacks) {
            *entry = VirtAddr::new_truncate(top.as_u64());
        }
        tss.interrupt_stack_table = table;
        let mut gdt = GlobalDescriptorTable::new();
        let code = gdt.append(Descriptor::kernel_code_segment());
        let data = gdt.append(Descriptor::kernel_data_segment());
        Self {
            gdt,
            tss,
            code,
            data,
            task: SegmentSelector::NULL,
        }
    }

    /// Enters the TSS into the GDT, once both are where they will stay.
    ///
    /// # Safety
    /// This value is never moved or freed from here on.
    pub unsafe fn link(&mut self) {
        let tss = &raw const self.tss;
        // SAFETY: the caller vouches that the TSS stays where it is for ever.
        let descriptor = unsafe { Descriptor::tss_segment_unchecked(tss) };
        self.task = self.gdt.append(descriptor);
    }

    /// The selector of the TSS, and the address of the TSS itself.
    pub fn task(&self) -> (SegmentSelector, HostPhysical) {
        let tss = HostPhysical::new((&raw const self.tss) as u64);
        (self.task, tss)
    }

    /// Loads the tables and segment registers of the core that runs.
    pub fn load(&'static self) {
        self.gdt.load();
        // SAFETY: the selector names a 64-bit code segment of the GDT just loaded.
        unsafe { CS::set_reg(self.code) };
        // SAFETY: the selector names a data segment of that GDT.
        unsafe { SS::set_reg(self.data) };
        // SAFETY: as above.
        unsafe { DS::set_reg(self.data) };
        // SAFETY: as above.
        unsafe { ES::set_reg(self.data) };
        // SAFETY: the selector names this core's own TSS, which no other core loads.
        unsafe { load_tss(self.task) };
        load_interrupt_table();
    }
}

/// Loads the IDT. Before a core's TSS is loaded too, only the exceptions that need no stack of
/// their own can be taken: enough for the record of an early crash. The code segment has the
/// same selector in the boot stub's GDT and in a core's own.
pub fn load_interrupt_table() {
    IDT.call_once(interrupt_table).load();
}

fn interrupt_table() -> InterruptDescriptorTable {
    let mut table = InterruptDescriptorTable::new();
    let stub = |vector: u64| {
        let first = (&raw const interrupt_stubs) as u64;
        VirtAddr::new_truncate(first.wrapping_add(vector.wrapping_mul(16)))
    };
    macro_rules! gates {
        ($($field:ident = $vector:expr),* $(,)?) => {
            $(
                // SAFETY: the stub of this vector ends in IRETQ and keeps all registers.
                unsafe { table.$field.set_handler_addr(stub($vector)) };
            )*
        };
    }
    gates! {
        divide_error = 0, debug = 1, breakpoint = 3, overflow = 4, bound_range_exceeded = 5,
        invalid_opcode = 6, device_not_available = 7, invalid_tss = 10,
        segment_not_present = 11, stack_segment_fault = 12, general_protection_fault = 13,
        page_fault = 14, x87_floating_point = 16, alignment_check = 17,
        simd_floating_point = 19, virtualization = 20, cp_protection_exception = 21,
        hv_injection_exception = 28, vmm_communication_exception = 29,
        security_exception = 30,
    }
    // These three must not trust the stack that they interrupt.
    // SAFETY: as above; the stack is one of the TSS's own.
    let gate = unsafe {
        table
            .non_maskable_interrupt
            .set_handler_addr(stub(NMI_VECTOR))
    };
    // SAFETY: `Descriptors::new` has put a stack there.
    unsafe { gate.set_stack_index(NMI_STACK) };
    // SAFETY: as above.
    let gate = unsafe {
        table
            .double_fault
            .set_handler_addr(stub(DOUBLE_FAULT_VECTOR))
    };
    // SAFETY: as above.
    unsafe { gate.set_stack_index(FAULT_STACK) };
    // SAFETY: as above.
    let gate = unsafe {
        table
            .machine_check
            .set_handler_addr(stub(MACHINE_CHECK_VECTOR))
    };
    // SAFETY: as above.
    unsafe { gate.set_stack_index(FAULT_STACK) };
    for vector in 32..=255_u8 {
        let gate = &mut table[vector];
        // SAFETY: as for the exceptions.
        unsafe { gate.set_handler_addr(stub(vector.into())) };
    }
    table
}
