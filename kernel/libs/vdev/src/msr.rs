//! Which model-specific registers a guest may use, and the answers of those that it may not
//! use directly.
//!
//! [`TABLE`] is the whole policy: what it does not name is denied, in both directions. Both
//! back ends build their permission bitmaps from it, opening only what is
//! [`Access::Native`]; trapped accesses come to [`read`] and [`write`].
//!
//! Register names are those of the Intel SDM (325384-080, volume 4, chapter 2 "Model-Specific
//! Registers") and of the AMD APM (24593, revision 3.42, volume 2, appendix A "MSR
//! Cross-Reference"). What sets package-wide state (power, voltage, microcode,
//! machine-check banks) is denied by omission.
//!
//! Left to the caller: IA32_EFER beyond reserved bits, and delivering what [`WriteOutcome`]
//! asks for.

mod table;

use addr::GuestPhysical;

use crate::local_vector_table;
use crate::processor::{Condition, Processor};
use table::*;

pub use table::{TABLE, X2APIC_ICR};

/// How an access is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The guest uses the register itself, without an exit.
    Native,
    /// Trapped, and answered by [`read`] or [`write`].
    Emulated,
    /// Trapped, and answered with `#GP(0)`.
    Denied,
}

use Access::{Denied, Emulated, Native};

/// The policy for registers `first..=last`.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The first register.
    pub first: u32,
    /// The last register.
    pub last: u32,
    /// RDMSR.
    pub read: Access,
    /// WRMSR.
    pub write: Access,
    /// Where the rule does not hold, the registers are denied.
    pub condition: Condition,
}

impl Rule {
    /// Whether the rule is for `msr`.
    #[must_use]
    pub const fn covers(&self, msr: u32) -> bool {
        self.first <= msr && msr <= self.last
    }
}

/// What is true of the core that executes RDMSR or WRMSR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// What the processor has.
    pub processor: Processor,
    /// Whether this is the partition's first core.
    pub bootstrap_processor: bool,
}

/// What a trapped RDMSR gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// This value.
    Value(u64),
    /// The guest's EFER, without the bits that Bulkhead keeps set.
    Efer,
    /// `#GP(0)`; counted as denied.
    Fault,
}

/// What a trapped WRMSR does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Nothing, and the guest goes on.
    Ignore,
    /// Sets the guest's EFER; reserved bits are clear. The caller checks LME against paging.
    SetEfer(u64),
    /// Writes a local vector table register of the own APIC. The value is safe.
    LocalVectorTable {
        /// The register.
        msr: u32,
        /// The value, already sanitised.
        value: u64,
    },
    /// Writes the KVM wall clock's bytes to this address.
    WallClock(GuestPhysical),
    /// Writes the KVM clock page's bytes to this address.
    SystemTime(GuestPhysical),
    /// `#GP(0)`; counted as denied.
    Fault,
}

/// The rule for `msr`, whether or not its condition is met; `None` means denied.
#[must_use]
pub fn find(msr: u32) -> Option<&'static Rule> {
    let index = TABLE.partition_point(|rule| rule.last < msr);
    TABLE.get(index).filter(|rule| rule.covers(msr))
}

/// The treatment of RDMSR and of WRMSR of `msr` on `processor`.
#[must_use]
pub fn access(msr: u32, processor: Processor) -> (Access, Access) {
    match find(msr) {
        Some(rule) if processor.meets(rule.condition) => (rule.read, rule.write),
        _ => (Denied, Denied),
    }
}

/// The registers that a guest on `processor` reads or writes without an exit, as rules of
/// which at least one direction is [`Access::Native`].
pub fn native(processor: Processor) -> impl Iterator<Item = &'static Rule> {
    TABLE
        .iter()
        .filter(move |rule| processor.meets(rule.condition))
        .filter(|rule| rule.read == Native || rule.write == Native)
}

/// `IA32_APIC_BASE`: usual address, enabled, x2APIC mode (Intel SDM 325384-080, volume 3A,
/// section 11.12.1 "Detecting and Enabling x2APIC Mode").
const APIC_BASE_VALUE: u64 = 0xfee0_0000 | 1 << 11 | 1 << 10;
const APIC_BASE_BOOTSTRAP: u64 = 1 << 8;
const FEATURE_CONTROL_LOCKED: u64 = 1;
/// Fast strings on; branch trace and precise event records unavailable.
const MISC_ENABLE_VALUE: u64 = 1 << 0 | 1 << 11 | 1 << 12;
/// Write combining exists; no fixed and no variable ranges.
const MTRRCAP_VALUE: u64 = 1 << 10;
/// Enabled, default write-back. Linux up to 6.1 turns PAT off unless MTRRs are enabled.
const MTRR_DEF_TYPE_VALUE: u64 = 1 << 11 | 6;
const MTRR_DEF_TYPE_BITS: u64 = 0xcff;
/// `TscFreqSel`: the TSC counts at the P0 frequency.
const HWCR_VALUE: u64 = 1 << 24;
/// `EnableCf8ExtCfg`: Linux sets it, with a warning where it cannot, unless it is set.
const NB_CFG_VALUE: u64 = 1 << 46;
/// SVMDIS and LOCK.
const VM_CR_VALUE: u64 = 1 << 4 | 1 << 3;
/// SCE, LME, LMA (read-only, ignored) and NXE.
const EFER_BITS: u64 = 1 << 0 | 1 << 8 | 1 << 10 | 1 << 11;

/// Answers a trapped RDMSR.
#[must_use]
pub fn read(msr: u32, context: &Context) -> ReadOutcome {
    if access(msr, context.processor).0 != Emulated {
        return ReadOutcome::Fault;
    }
    if msr == EFER {
        return ReadOutcome::Efer;
    }
    emulated_value(msr, context).map_or(ReadOutcome::Fault, ReadOutcome::Value)
}

/// What an emulated register always reads.
fn emulated_value(msr: u32, context: &Context) -> Option<u64> {
    Some(match msr {
        APIC_BASE if context.bootstrap_processor => APIC_BASE_VALUE | APIC_BASE_BOOTSTRAP,
        APIC_BASE => APIC_BASE_VALUE,
        FEATURE_CONTROL => FEATURE_CONTROL_LOCKED,
        MTRRCAP => MTRRCAP_VALUE,
        MTRR_DEF_TYPE => MTRR_DEF_TYPE_VALUE,
        MISC_ENABLE => MISC_ENABLE_VALUE,
        HWCR => HWCR_VALUE,
        VM_CR => VM_CR_VALUE,
        local_vector_table::CMCI | local_vector_table::THERMAL => local_vector_table::MASKED,
        PLATFORM_ID | MCG_CAP | MCG_STATUS | DEBUGCTL | XSS | SYSCFG => 0,
        NB_CFG => NB_CFG_VALUE,
        _ => return None,
    })
}

/// Decides what a trapped WRMSR does. One of [`X2APIC_ICR`] is for [`icr::check`](crate::icr).
#[must_use]
pub fn write(msr: u32, value: u64, context: &Context) -> WriteOutcome {
    if access(msr, context.processor).1 != Emulated {
        return WriteOutcome::Fault;
    }
    match msr {
        EFER if value & !EFER_BITS == 0 => WriteOutcome::SetEfer(value),
        TSC | local_vector_table::CMCI | local_vector_table::THERMAL => WriteOutcome::Ignore,
        local_vector_table::PERFORMANCE..=local_vector_table::ERROR => {
            let value = local_vector_table::sanitize(msr, value);
            WriteOutcome::LocalVectorTable { msr, value }
        }
        // Linux loads 0 before it asks for the revision, and turns MTRRs off and on around
        // the set-up of PAT; neither means anything here.
        BIOS_SIGN_ID if value == 0 => WriteOutcome::Ignore,
        MTRR_DEF_TYPE if value & !MTRR_DEF_TYPE_BITS == 0 => WriteOutcome::Ignore,
        KVM_WALL_CLOCK => {
            clock_address(value, 0).map_or(WriteOutcome::Fault, WriteOutcome::WallClock)
        }
        KVM_SYSTEM_TIME => system_time(value),
        EFER | BIOS_SIGN_ID | MTRR_DEF_TYPE => WriteOutcome::Fault,
        // A fixed register accepts the value that it has.
        _ if emulated_value(msr, context) == Some(value) => WriteOutcome::Ignore,
        _ => WriteOutcome::Fault,
    }
}

/// Bit 0 switches the clock page on; switching it off leaves a page that nobody updates.
fn system_time(value: u64) -> WriteOutcome {
    if value & 1 == 0 {
        return WriteOutcome::Ignore;
    }
    clock_address(value, 1).map_or(WriteOutcome::Fault, WriteOutcome::SystemTime)
}

/// Both structures are at multiples of 4; `flags` are the low bits that are no address.
fn clock_address(value: u64, flags: u64) -> Option<GuestPhysical> {
    let address = value & !flags;
    (address & 0b11 == 0).then_some(GuestPhysical::new(address))
}

#[cfg(test)]
mod tests;
