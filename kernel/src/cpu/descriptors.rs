//! Segment and interrupt descriptor tables.
//!
//! Every core has a GDT and a TSS of its own (a TSS is busy on one core only); all share one
//! IDT, whose gates lead to the stubs in `interrupts.s`, but for the moments of
//! [`load_draining_table`].

use addr::HostPhysical;
use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::{lidt, load_tss};
use x86_64::structures::DescriptorTablePointer;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;

/// Which stack of the TSS's interrupt stack table double faults and machine checks use, neither of
/// which returns; counted from 1.
const FAULT_STACK: u8 = 1;

const DOUBLE_FAULT_VECTOR: u8 = 8;
const MACHINE_CHECK_VECTOR: u8 = 18;
/// One that means nothing: its stub ends the interrupt.
const SPURIOUS_VECTOR: u8 = 0xff;

static IDT: Once<Table> = Once::new();
static DRAINING_IDT: Once<Table> = Once::new();

unsafe extern "C" {
    /// The first of 256 stubs, in `interrupts.s`.
    static interrupt_stubs: u8;
}
/// The distance from one stub to the next.
const STUB_BYTES: u64 = 16;

/// A core's GDT and TSS.
pub struct Descriptors {
    gdt: GlobalDescriptorTable,
    tss: TaskStateSegment,
    code: SegmentSelector,
    data: SegmentSelector,
    task: SegmentSelector,
}

impl Descriptors {
    /// The tables of a core whose stack for faults ends at `fault_stack`.
    pub fn new(fault_stack: HostPhysical) -> Self {
        let mut tss = TaskStateSegment::new();
        let mut stacks = tss.interrupt_stack_table;
        // `FAULT_STACK`, the first.
        stacks[0] = VirtAddr::new_truncate(fault_stack.as_u64());
        tss.interrupt_stack_table = stacks;
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

/// Makes the tables that all cores share, at boot: a core's own stack has no room for it.
pub fn make_interrupt_tables() {
    IDT.call_once(|| Table::new(|vector| vector));
    DRAINING_IDT.call_once(|| {
        Table::new(|vector| match vector {
            16..=31 => SPURIOUS_VECTOR,
            other => other,
        })
    });
}

/// Loads the IDT. Before a core's TSS is loaded too, only the exceptions that need no stack of
/// their own can be taken: enough for the record of an early crash. The code segment has the
/// same selector in the boot stub's GDT and in a core's own.
pub fn load_interrupt_table() {
    load(&IDT);
}

/// Loads an IDT in which vectors 16 to 31 are interrupts like all above them. None of these
/// exceptions can be caused by what runs while it is loaded, machine checks apart.
pub fn load_draining_table() {
    load(&DRAINING_IDT);
}

fn load(table: &'static Once<Table>) {
    if let Some(table) = table.get() {
        table.load();
    }
}

/// An interrupt gate (Intel SDM 325384-080, volume 3A, section 7.14.1 "64-Bit Mode IDT").
#[repr(transparent)]
struct Gate(u128);

impl Gate {
    /// Present, for privilege level 0, of type "64-bit interrupt gate".
    const PRESENT_INTERRUPT: u128 = 0x8e << 40;

    /// Leads to the stub of `vector`, on stack `stack` of the TSS, or on the current one for 0.
    fn to_stub(vector: u8, stack: u8) -> Self {
        let first = (&raw const interrupt_stubs) as u64;
        let handler = first.wrapping_add(u64::from(vector).wrapping_mul(STUB_BYTES));
        let selector = u128::from(CS::get_reg().0);
        let (low, rest) = (u128::from(handler & 0xffff), u128::from(handler >> 16));
        let stack = u128::from(stack) << 32;
        Self(low | selector << 16 | stack | Self::PRESENT_INTERRUPT | rest << 48)
    }
}

/// An IDT.
struct Table([Gate; 256]);

impl Table {
    /// A table whose gates lead to the stubs that `stub` names.
    fn new(stub: impl Fn(u8) -> u8) -> Self {
        let stack = |vector| match vector {
            // These two must not trust the stack that they interrupt. All others, NMIs among them,
            // find a good one: root mode's RSP never leaves its stack, which has room to spare.
            DOUBLE_FAULT_VECTOR | MACHINE_CHECK_VECTOR => FAULT_STACK,
            _ => 0,
        };
        Self(core::array::from_fn(|index| {
            let vector = stub(index as u8);
            Gate::to_stub(vector, stack(vector))
        }))
    }

    fn load(&'static self) {
        let pointer = DescriptorTablePointer {
            limit: const { (size_of::<Self>() - 1) as u16 },
            base: VirtAddr::new_truncate((&raw const self.0) as u64),
        };
        // SAFETY: each of the 256 gates leads to a stub that ends in IRETQ and keeps all
        // registers, on a stack that `Descriptors::new` has put into the TSS; the table lives
        // for ever.
        unsafe { lidt(&pointer) };
    }
}
