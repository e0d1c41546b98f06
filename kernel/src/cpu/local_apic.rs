//! The local APIC in x2APIC mode (Intel SDM 325384-080, volume 3A, section 11.12 "Extended
//! XAPIC (x2APIC)").

use addr::ApicId;
use x86_64::registers::model_specific::Msr;

const IA32_APIC_BASE: u32 = 0x1b;
const APIC_BASE_ENABLE: u64 = 1 << 11;
const APIC_BASE_X2APIC: u64 = 1 << 10;
const X2APIC_ID: u32 = 0x802;
const TASK_PRIORITY: u32 = 0x808;
const END_OF_INTERRUPT: u32 = 0x80b;
const SPURIOUS_VECTOR: u32 = 0x80f;
const SPURIOUS_ENABLE: u64 = 1 << 8;
const IN_SERVICE: u32 = 0x810;
const IN_SERVICE_REGISTERS: u32 = 8;
/// The first of the registers with the interrupts that have come and not been taken.
const REQUESTED: u32 = 0x820;
const INTERRUPT_COMMAND: u32 = 0x830;
const TIMER_INITIAL_COUNT: u32 = 0x838;
const TIMER_DIVIDE: u32 = 0x83e;
const TIMER_DIVIDE_BY_1: u64 = 0b1011;
const TIMER_PERIODIC: u64 = 1 << 17;
const LOCAL_VECTOR_MASKED: u64 = 1 << 16;
/// CMCI, timer, thermal, performance counter, LINT0, LINT1, error.
const LOCAL_VECTOR_TABLE: [u32; 7] = [0x82f, 0x832, 0x833, 0x834, 0x835, 0x836, 0x837];
const LOCAL_VECTOR_TIMER: u32 = 0x832;
const LOCAL_VECTOR_CMCI: u32 = 0x82f;

const DELIVERY_FIXED: u64 = 0;
const DELIVERY_NMI: u64 = 0b100 << 8;
const DELIVERY_INIT: u64 = 0b101 << 8;
const DELIVERY_START_UP: u64 = 0b110 << 8;
const LEVEL_ASSERT: u64 = 1 << 14;

/// A task priority of class 1 holds vectors 16 to 31 back (Intel SDM 325384-080, volume 3A,
/// section 11.8.3.1 "Task and Processor Priorities").
const EXCEPTION_VECTORS_HELD: u64 = 0x1f;

/// The vector of interrupts that mean nothing but "wake up".
pub const WAKE_VECTOR: u8 = 0xf0;
/// The vector of the housekeeping core's timer.
pub const TICK_VECTOR: u8 = 0xf1;
/// The vector of the IOMMUs' fault events.
pub const FAULT_VECTOR: u8 = 0xf2;
const SPURIOUS_INTERRUPT_VECTOR: u64 = 0xff;

fn read(register: u32) -> u64 {
    // SAFETY: all constants of this file name x2APIC registers or IA32_APIC_BASE, which can
    // be read without effect once `enable` has succeeded.
    unsafe { Msr::new(register).read() }
}

fn write(register: u32, value: u64) {
    // SAFETY: this core's own interrupt controller; what is sent to other cores is a wake-up,
    // an NMI or a start-up into the trampoline, all of which Bulkhead handles everywhere.
    unsafe { Msr::new(register).write(value) };
}

/// Whether the CPU has x2APIC mode (CPUID.1:ECX bit 21).
pub fn is_supported() -> bool {
    core::arch::x86_64::__cpuid(1).ecx & (1 << 21) != 0
}

/// Enters x2APIC mode and brings the local APIC to a known state. [`is_supported`] must hold.
pub fn enable() {
    write(
        IA32_APIC_BASE,
        read(IA32_APIC_BASE) | APIC_BASE_ENABLE | APIC_BASE_X2APIC,
    );
    reset();
}

/// This core's x2APIC ID.
pub fn id() -> ApicId {
    ApicId(read(X2APIC_ID) as u32)
}

/// Masks every local source and ends every interrupt in service. What a guest left pending on
/// vectors 16 to 31, which root mode would take for exceptions, is held back; on all others
/// it arrives and is dropped.
pub fn reset() {
    write(SPURIOUS_VECTOR, SPURIOUS_ENABLE | SPURIOUS_INTERRUPT_VECTOR);
    for register in LOCAL_VECTOR_TABLE {
        if register != LOCAL_VECTOR_CMCI || has_cmci() {
            write(register, LOCAL_VECTOR_MASKED);
        }
    }
    write(TIMER_INITIAL_COUNT, 0);
    write(TIMER_DIVIDE, 0);
    hold_exception_vectors();
    // At most one interrupt is in service for each of 256 vectors.
    for _ in 0..256 {
        if !(0..IN_SERVICE_REGISTERS).any(|index| read(IN_SERVICE.wrapping_add(index)) != 0) {
            break;
        }
        end_of_interrupt();
    }
}

/// Holds interrupts on vectors 16 to 31 back.
pub fn hold_exception_vectors() {
    write(TASK_PRIORITY, EXCEPTION_VECTORS_HELD);
}

/// Whether an interrupt on one of these vectors waits.
pub fn has_held_back() -> bool {
    read(REQUESTED) & 0xffff_0000 != 0
}

/// Lets interrupts of every vector arrive, as a guest expects it at its start.
pub fn open_all_priorities() {
    write(TASK_PRIORITY, 0);
}

/// Whether the CMCI entry of the local vector table exists (IA32_MCG_CAP bit 10).
fn has_cmci() -> bool {
    const LOCAL_APIC_VERSION: u32 = 0x803;
    // The version register's bits 23:16 are the index of the last entry: 6 with CMCI.
    (read(LOCAL_APIC_VERSION) >> 16) & 0xff >= 6
}

/// Ends the interrupt in service with the highest priority.
pub fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

/// Starts this core's timer with an interrupt on [`TICK_VECTOR`] every `count` ticks.
pub fn start_timer(count: u32) {
    write(TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
    write(LOCAL_VECTOR_TIMER, TIMER_PERIODIC | u64::from(TICK_VECTOR));
    write(TIMER_INITIAL_COUNT, count.into());
}

/// Stops this core's timer.
pub fn stop_timer() {
    write(LOCAL_VECTOR_TIMER, LOCAL_VECTOR_MASKED);
    write(TIMER_INITIAL_COUNT, 0);
}

/// Counts the timer's ticks while `wait` runs.
pub fn measure_timer(wait: impl FnOnce()) -> u32 {
    const TIMER_CURRENT_COUNT: u32 = 0x839;
    write(TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
    write(LOCAL_VECTOR_TIMER, LOCAL_VECTOR_MASKED);
    write(TIMER_INITIAL_COUNT, u32::MAX.into());
    wait();
    let left = read(TIMER_CURRENT_COUNT) as u32;
    write(TIMER_INITIAL_COUNT, 0);
    u32::MAX.wrapping_sub(left)
}

fn send(target: ApicId, command: u64) {
    write(
        INTERRUPT_COMMAND,
        (u64::from(target.0) << 32) | LEVEL_ASSERT | command,
    );
}

/// Wakes a core that waits in root mode.
pub fn send_wake(target: ApicId) {
    send_vector(target, WAKE_VECTOR);
}

/// Sends an interrupt on `vector`.
pub fn send_vector(target: ApicId, vector: u8) {
    send(target, DELIVERY_FIXED | u64::from(vector));
}

/// Sends a non-maskable interrupt.
pub fn send_nmi(target: ApicId) {
    send(target, DELIVERY_NMI);
}

/// Resets a core into its wait for SIPI; in VMX operation it makes a guest exit instead.
pub fn send_init(target: ApicId) {
    send(target, DELIVERY_INIT);
}

/// Starts a core that waits for SIPI in real mode at `page` × 4 KiB.
pub fn send_start_up(target: ApicId, page: u8) {
    send(target, DELIVERY_START_UP | u64::from(page));
}

/// Sends a command that `vdev::icr` has checked and encoded.
pub fn send_checked(command: u64) {
    write(INTERRUPT_COMMAND, command);
}

/// Writes a local vector table entry that `vdev` has sanitised.
pub fn write_local_vector(register: u32, value: u64) {
    if LOCAL_VECTOR_TABLE.contains(&register) {
        write(register, value);
    }
}
