//! The policy, register by register.

use super::Access::{Denied, Emulated, Native};
use super::{Access, Rule};
use crate::local_vector_table;
use crate::processor::Condition;

const fn rule(msr: u32, read: Access, write: Access, reason: &'static str) -> Rule {
    Rule {
        first: msr,
        last: msr,
        read,
        write,
        condition: Condition::Always,
        reason,
    }
}

const fn range(msrs: (u32, u32), read: Access, write: Access, reason: &'static str) -> Rule {
    Rule {
        last: msrs.1,
        ..rule(msrs.0, read, write, reason)
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
    rule(
        TSC,
        Native,
        Emulated,
        "time-stamp counter: kept in step on all cores, so writes are dropped",
    ),
    only(
        Condition::Intel,
        rule(
            PLATFORM_ID,
            Emulated,
            Denied,
            "read by Linux for microcode: 0",
        ),
    ),
    rule(
        APIC_BASE,
        Emulated,
        Emulated,
        "x2APIC mode at the usual place, for good",
    ),
    only(
        Condition::Intel,
        rule(FEATURE_CONTROL, Emulated, Denied, "locked, nothing enabled"),
    ),
    only(
        Condition::SpeculationControl,
        rule(0x48, Native, Native, "IA32_SPEC_CTRL, of the core"),
    ),
    only(
        Condition::PredictionCommand,
        rule(0x49, Denied, Native, "IA32_PRED_CMD, a command"),
    ),
    rule(
        BIOS_SIGN_ID,
        Native,
        Emulated,
        "microcode revision; Linux writes 0 before it reads",
    ),
    rule(MTRRCAP, Emulated, Denied, "no variable and no fixed ranges"),
    only(
        Condition::FlushCommand,
        rule(0x10b, Denied, Native, "IA32_FLUSH_CMD, a command"),
    ),
    range(
        (0x174, 0x176),
        Native,
        Native,
        "IA32_SYSENTER_CS, ESP, EIP: of the guest's state",
    ),
    rule(
        MCG_CAP,
        Emulated,
        Denied,
        "no machine-check banks: they are the machine's",
    ),
    rule(
        MCG_STATUS,
        Emulated,
        Emulated,
        "no machine check in progress",
    ),
    only(
        Condition::Intel,
        rule(
            MISC_ENABLE,
            Emulated,
            Emulated,
            "fixed: shared by the package",
        ),
    ),
    rule(
        DEBUGCTL,
        Emulated,
        Emulated,
        "off: branch records are not saved with the guest",
    ),
    rule(0x277, Native, Native, "IA32_PAT: of the guest's state"),
    rule(
        MTRR_DEF_TYPE,
        Emulated,
        Emulated,
        "all memory write-back; PAT does the rest",
    ),
    only(
        Condition::TscDeadline,
        rule(0x6e0, Native, Native, "IA32_TSC_DEADLINE: the own timer"),
    ),
    range((0x802, 0x803), Native, Denied, "APIC ID and version"),
    rule(0x808, Native, Native, "TPR"),
    rule(0x80a, Native, Denied, "PPR"),
    rule(0x80b, Denied, Native, "EOI"),
    rule(0x80d, Native, Denied, "LDR"),
    rule(0x80f, Native, Native, "SVR: of the own APIC only"),
    range((0x810, 0x827), Native, Denied, "ISR, TMR, IRR"),
    rule(0x828, Native, Native, "ESR"),
    rule(
        local_vector_table::CMCI,
        Emulated,
        Emulated,
        "corrected machine checks are the machine's",
    ),
    rule(
        X2APIC_ICR,
        Native,
        Emulated,
        "ICR: could reach every core of the machine",
    ),
    rule(0x832, Native, Native, "LVT timer: has no delivery mode"),
    rule(
        local_vector_table::THERMAL,
        Emulated,
        Emulated,
        "thermal events are the machine's",
    ),
    range(
        (0x834, 0x837),
        Native,
        Emulated,
        "LVT performance, LINT0, LINT1, error: delivery mode",
    ),
    rule(0x838, Native, Native, "initial count"),
    rule(0x839, Native, Denied, "current count"),
    rule(0x83e, Native, Native, "divide configuration"),
    rule(0x83f, Denied, Native, "self IPI"),
    only(
        Condition::Xsaves,
        rule(XSS, Emulated, Emulated, "no supervisor state is offered"),
    ),
    rule(
        KVM_WALL_CLOCK,
        Denied,
        Emulated,
        "address of the KVM wall clock",
    ),
    rule(
        KVM_SYSTEM_TIME,
        Denied,
        Emulated,
        "address of the KVM clock page",
    ),
    rule(EFER, Emulated, Emulated, "SVME must stay set and hidden"),
    range(
        (0xc000_0081, 0xc000_0084),
        Native,
        Native,
        "STAR, LSTAR, CSTAR, SFMASK: guest's state",
    ),
    range(
        (0xc000_0100, 0xc000_0102),
        Native,
        Native,
        "FS, GS and kernel GS base: guest's state",
    ),
    only(
        Condition::TscAux,
        rule(0xc000_0103, Native, Native, "TSC_AUX: of the core"),
    ),
    only(
        Condition::Amd,
        rule(
            SYSCFG,
            Emulated,
            Denied,
            "nothing of the machine's memory map",
        ),
    ),
    only(
        Condition::Amd,
        rule(
            HWCR,
            Emulated,
            Emulated,
            "TSC counts at a fixed rate; else off",
        ),
    ),
    only(
        Condition::Amd,
        rule(
            NB_CFG,
            Emulated,
            Denied,
            "the northbridge is the machine's; a fixed value",
        ),
    ),
    only(
        Condition::Amd,
        rule(
            VM_CR,
            Emulated,
            Denied,
            "SVM is disabled, and that is locked",
        ),
    ),
    only(
        Condition::Amd,
        rule(VM_HSAVE_PA, Denied, Denied, "the host's save area"),
    ),
    only(
        Condition::Amd,
        rule(
            0xc001_1029,
            Native,
            Denied,
            "DE_CFG: is LFENCE serialising?",
        ),
    ),
];
