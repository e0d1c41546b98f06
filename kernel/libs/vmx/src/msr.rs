//! The MSRs of VMX (SDM, appendix A "VMX Capability Reporting Facility", and volume 4).

/// IA32_FEATURE_CONTROL (SDM, section 24.7 "Enabling and Entering VMX Operation").
pub const FEATURE_CONTROL: u32 = 0x3a;
/// IA32_FEATURE_CONTROL: it cannot be written until the next reset.
pub const FEATURE_CONTROL_LOCK: u64 = 1 << 0;
/// IA32_FEATURE_CONTROL: VMXON works outside SMX operation.
pub const FEATURE_CONTROL_VMX: u64 = 1 << 2;

/// IA32_ARCH_CAPABILITIES, where CPUID.7.0:EDX bit 29 says so.
pub const ARCH_CAPABILITIES: u32 = 0x10a;
/// IF_PSCHANGE_MC_NO: a change of a page's size while it is fetched from raises no machine
/// check (CVE-2018-12207).
pub const ARCH_CAPABILITIES_PAGE_SIZE_CHANGE_SAFE: u64 = 1 << 6;

/// IA32_VMX_BASIC.
pub const BASIC: u32 = 0x480;
/// IA32_VMX_MISC.
pub const MISC: u32 = 0x485;
/// IA32_VMX_CR0_FIXED0: the bits of CR0 that must be 1.
pub const CR0_FIXED_0: u32 = 0x486;
/// IA32_VMX_CR0_FIXED1: the bits of CR0 that may be 1.
pub const CR0_FIXED_1: u32 = 0x487;
/// IA32_VMX_CR4_FIXED0: the bits of CR4 that must be 1.
pub const CR4_FIXED_0: u32 = 0x488;
/// IA32_VMX_CR4_FIXED1: the bits of CR4 that may be 1.
pub const CR4_FIXED_1: u32 = 0x489;
/// IA32_VMX_PROCBASED_CTLS2, where the primary controls can activate the secondary ones.
pub const SECONDARY_CONTROLS: u32 = 0x48b;
/// IA32_VMX_EPT_VPID_CAP, where the secondary controls can enable EPT or VPIDs.
pub const EPT_VPID: u32 = 0x48c;
/// IA32_VMX_TRUE_PINBASED_CTLS, as the three below where IA32_VMX_BASIC bit 55 is set.
pub const TRUE_PIN_BASED_CONTROLS: u32 = 0x48d;
/// IA32_VMX_TRUE_PROCBASED_CTLS.
pub const TRUE_PROCESSOR_BASED_CONTROLS: u32 = 0x48e;
/// IA32_VMX_TRUE_EXIT_CTLS.
pub const TRUE_EXIT_CONTROLS: u32 = 0x48f;
/// IA32_VMX_TRUE_ENTRY_CTLS.
pub const TRUE_ENTRY_CONTROLS: u32 = 0x490;
