//! The local APIC in x2APIC mode (AMD APM 24593-3.42, volume 2, section 16.9 "x2APIC").

use crate::instruction::{read_msr, write_msr};
use crate::{Exception, Failure, Verdict};

/// `APIC_BASE` and its bits: x2APIC mode, APIC on.
const APIC_BASE: u32 = 0x1b;
const X2APIC_MODE: u64 = 1 << 10;
const APIC_ON: u64 = 1 << 11;

/// x2APIC registers.
const ID: u32 = 0x802;
const END_OF_INTERRUPT: u32 = 0x80b;
const SPURIOUS: u32 = 0x80f;
/// The interrupt command register.
pub const INTERRUPT_COMMAND: u32 = 0x830;
const TIMER_ENTRY: u32 = 0x832;
const TIMER_INITIAL_COUNT: u32 = 0x838;
const TIMER_DIVIDE: u32 = 0x83e;

/// The vector of an interrupt that was withdrawn.
pub const SPURIOUS_VECTOR: u8 = 0xff;
/// The spurious-interrupt vector register's software enable.
const SOFTWARE_ENABLE: u64 = 1 << 8;
/// The timer's entry: masked; periodic.
const MASKED: u64 = 1 << 16;
const PERIODIC: u64 = 1 << 17;
/// The timer's divide configuration for 1.
const DIVIDE_BY_1: u64 = 0b1011;

/// Delivery modes of the interrupt command register, in their place.
pub mod delivery {
    /// The vector as it is.
    pub const FIXED: u64 = 0;
    /// System management interrupt.
    pub const SMI: u64 = 2 << 8;
    /// Non-maskable interrupt.
    pub const NMI: u64 = 4 << 8;
    /// INIT, asserted.
    pub const INIT: u64 = 5 << 8 | 1 << 14;
    /// Start-up interrupt.
    pub const START_UP: u64 = 6 << 8;
}

/// Destination shorthands of the interrupt command register, in their place.
pub mod shorthand {
    /// The sender.
    pub const SELF: u64 = 1 << 18;
    /// Every core.
    pub const ALL: u64 = 2 << 18;
    /// Every core but the sender.
    pub const OTHERS: u64 = 3 << 18;
}

/// Puts this core's local APIC into x2APIC mode, where a partition's is from the start.
///
/// # Errors
/// If a register of it faults.
pub fn enable() -> Verdict {
    let faulted = |exception: Exception| Failure::new(format_args!("local APIC: {exception}"));
    let base = read_msr(APIC_BASE).map_err(faulted)?;
    let wanted = base | X2APIC_MODE | APIC_ON;
    if base != wanted {
        write_msr(APIC_BASE, wanted).map_err(faulted)?;
    }
    let spurious = SOFTWARE_ENABLE | u64::from(SPURIOUS_VECTOR);
    write_msr(SPURIOUS, spurious).map_err(faulted)
}

/// This core's APIC ID.
#[must_use]
pub fn id() -> u32 {
    read_msr(ID).map_or(u32::MAX, |id| u32::try_from(id).unwrap_or(u32::MAX))
}

/// Acknowledges the interrupt in service.
pub fn end_of_interrupt() {
    crate::instruction::write_register(END_OF_INTERRUPT, 0);
}

/// Writes the interrupt command register.
///
/// # Errors
/// The [`Exception`] that this raised.
pub fn send(command: u64) -> Result<(), Exception> {
    write_msr(INTERRUPT_COMMAND, command)
}

/// The interrupt command for one core, by its APIC ID.
#[must_use]
pub const fn to_core(apic_id: u32, command: u64) -> u64 {
    (apic_id as u64) << 32 | command
}

/// Starts the timer, every `count` ticks of its clock, on `vector`.
///
/// # Errors
/// The [`Exception`] that a register raised.
pub fn start_timer(vector: u8, count: u32) -> Result<(), Exception> {
    write_msr(TIMER_DIVIDE, DIVIDE_BY_1)?;
    write_msr(TIMER_ENTRY, PERIODIC | u64::from(vector))?;
    write_msr(TIMER_INITIAL_COUNT, count.into())
}

/// Prepares the timer for [`start_once`].
///
/// # Errors
/// The [`Exception`] that a register raised.
pub fn prepare_timer(vector: u8) -> Result<(), Exception> {
    write_msr(TIMER_DIVIDE, DIVIDE_BY_1)?;
    write_msr(TIMER_ENTRY, vector.into())
}

/// Lets the timer, which was prepared, raise one interrupt in `count` ticks of its clock.
pub fn start_once(count: u32) {
    crate::instruction::write_register(TIMER_INITIAL_COUNT, count.into());
}

/// Stops the timer.
///
/// # Errors
/// The [`Exception`] that a register raised.
pub fn stop_timer() -> Result<(), Exception> {
    write_msr(TIMER_INITIAL_COUNT, 0)?;
    write_msr(TIMER_ENTRY, MASKED)
}
