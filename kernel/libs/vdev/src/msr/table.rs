//! The policy, register by register.

use super::Access::{Denied, Emulated, Native};
use super::{Access, Rule};
use crate::local_vector_table;
use crate::processor::Condition;

const fn rule(msr: u32, read: Access, write: Access) -> Rule {
    Rule {
        first: msr,
        last: msr,
        read,
        write,
        condition: Condition::Always,
    }
}

const fn range(msrs: (u32, u32), read: Access, write: Access) -> Rule {
    Rule {
        last: msrs.1,
        ..rule(msrs.0, read, write)
    }
}

const fn only(condition: Condition, rule: Rule) -> Rule {
    Rule { condition, ..rule }
}

pub(super) const TSC: u32 = 0x10;
pub(super) const PLATFORM_ID: u32 = 0x17;
pub(super) const APIC_BASE: u32 = 0x1b;
pub(super) const FEATURE_CONTROL: u32 = 0x3a;
pub(super) const BIOS_SIGN_ID: u32 = 0x8b;
pub(super) const MTRRCAP: u32 = 0xfe;
pub(super) const MCG_CAP: u32 = 0x179;
pub(super) const MCG_STATUS: u32 = 0x17a;
pub(super) const MISC_ENABLE: u32 = 0x1a0;
pub(super) const DEBUGCTL: u32 = 0x1d9;
pub(super) const MTRR_DEF_TYPE: u32 = 0x2ff;
pub(super) const XSS: u32 = 0xda0;
pub(super) const EFER: u32 = 0xc000_0080;
pub(super) const SYSCFG: u32 = 0xc001_0010;
pub(super) const HWCR: u32 = 0xc001_0015;
pub(super) const NB_CFG: u32 = 0xc001_001f;
pub(super) const VM_CR: u32 = 0xc001_0114;
pub(super) const VM_HSAVE_PA: u32 = 0xc001_0117;
pub(super) const KVM_WALL_CLOCK: u32 = 0x4b56_4d00;
pub(super) const KVM_SYSTEM_TIME: u32 = 0x4b56_4d01;

/// The x2APIC's Interrupt Command Register.
pub const X2APIC_ICR: u32 = 0x830;

/// The policy, sorted by register. Everything else is denied.
pub const TABLE: &[Rule] = &[
    // Time-stamp counter: kept in step on all cores, so writes are dropped.
    rule(TSC, Native, Emulated),
    // Read by Linux for microcode: 0.
    only(Condition::Intel, rule(PLATFORM_ID, Emulated, Denied)),
    // x2APIC mode at the usual place, for good.
    rule(APIC_BASE, Emulated, Emulated),
    // Locked, nothing enabled.
    only(Condition::Intel, rule(FEATURE_CONTROL, Emulated, Denied)),
    // IA32_SPEC_CTRL, of the core.
    only(Condition::SpeculationControl, rule(0x48, Native, Native)),
    // IA32_PRED_CMD, a command.
    only(Condition::PredictionCommand, rule(0x49, Denied, Native)),
    // Microcode revision; Linux writes 0 before it reads.
    rule(BIOS_SIGN_ID, Native, Emulated),
    // No variable and no fixed ranges.
    rule(MTRRCAP, Emulated, Denied),
    // IA32_FLUSH_CMD, a command.
    only(Condition::FlushCommand, rule(0x10b, Denied, Native)),
    // IA32_SYSENTER_CS, ESP, EIP: of the guest's state.
    range((0x174, 0x176), Native, Native),
    // No machine-check banks: they are the machine's.
    rule(MCG_CAP, Emulated, Denied),
    // No machine check in progress.
    rule(MCG_STATUS, Emulated, Emulated),
    // Fixed: shared by the package.
    only(Condition::Intel, rule(MISC_ENABLE, Emulated, Emulated)),
    // Off: branch records are not saved with the guest.
    rule(DEBUGCTL, Emulated, Emulated),
    // IA32_PAT: of the guest's state.
    rule(0x277, Native, Native),
    // All memory write-back; PAT does the rest.
    rule(MTRR_DEF_TYPE, Emulated, Emulated),
    // IA32_TSC_DEADLINE: the own timer.
    only(Condition::TscDeadline, rule(0x6e0, Native, Native)),
    // APIC ID and version.
    range((0x802, 0x803), Native, Denied),
    // TPR.
    rule(0x808, Native, Native),
    // PPR.
    rule(0x80a, Native, Denied),
    // EOI.
    rule(0x80b, Denied, Native),
    // LDR.
    rule(0x80d, Native, Denied),
    // SVR: of the own APIC only.
    rule(0x80f, Native, Native),
    // ISR, TMR, IRR.
    range((0x810, 0x827), Native, Denied),
    // ESR.
    rule(0x828, Native, Native),
    // Corrected machine checks are the machine's.
    rule(local_vector_table::CMCI, Emulated, Emulated),
    // ICR: could reach every core of the machine.
    rule(X2APIC_ICR, Native, Emulated),
    // LVT timer: has no delivery mode.
    rule(0x832, Native, Native),
    // Thermal events are the machine's.
    rule(local_vector_table::THERMAL, Emulated, Emulated),
    // LVT performance, LINT0, LINT1, error: delivery mode.
    range((0x834, 0x837), Native, Emulated),
    // Initial count.
    rule(0x838, Native, Native),
    // Current count.
    rule(0x839, Native, Denied),
    // Divide configuration.
    rule(0x83e, Native, Native),
    // Self IPI.
    rule(0x83f, Denied, Native),
    // No supervisor state is offered.
    only(Condition::Xsaves, rule(XSS, Emulated, Emulated)),
    // Address of the KVM wall clock.
    rule(KVM_WALL_CLOCK, Denied, Emulated),
    // Address of the KVM clock page.
    rule(KVM_SYSTEM_TIME, Denied, Emulated),
    // SVME must stay set and hidden.
    rule(EFER, Emulated, Emulated),
    // STAR, LSTAR, CSTAR, SFMASK: guest's state.
    range((0xc000_0081, 0xc000_0084), Native, Native),
    // FS, GS and kernel GS base: guest's state.
    range((0xc000_0100, 0xc000_0102), Native, Native),
    // TSC_AUX: of the core.
    only(Condition::TscAux, rule(0xc000_0103, Native, Native)),
    // Nothing of the machine's memory map.
    only(Condition::Amd, rule(SYSCFG, Emulated, Denied)),
    // TSC counts at a fixed rate; else off.
    only(Condition::Amd, rule(HWCR, Emulated, Emulated)),
    // The northbridge is the machine's; a fixed value.
    only(Condition::Amd, rule(NB_CFG, Emulated, Denied)),
    // SVM is disabled, and that is locked.
    only(Condition::Amd, rule(VM_CR, Emulated, Denied)),
    // The host's save area.
    only(Condition::Amd, rule(VM_HSAVE_PA, Denied, Denied)),
    // DE_CFG: is LFENCE serialising?.
    only(Condition::Amd, rule(0xc001_1029, Native, Denied)),
];
