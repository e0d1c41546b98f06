//! For tests: the capability MSRs of a server, and a VMCS in memory.

extern crate std;
use std::collections::BTreeMap;

use crate::{Capabilities, Vmcs, msr};

/// The capability MSRs of a recent server. Bits that the manual reserves at 1 are those of its
/// appendices A.3 to A.5.
pub fn register(number: u32) -> u64 {
    match number {
        msr::BASIC => 0x00da_0400_0000_0012,
        msr::MISC => 0x7004_c1e7,
        msr::CR0_FIXED_0 => 0x8000_0021,
        msr::CR0_FIXED_1 => 0xffff_ffff,
        msr::CR4_FIXED_0 => 0x2000,
        msr::CR4_FIXED_1 => 0x0077_2fff,
        msr::EPT_VPID => 0x0f01_0673_4141,
        msr::TRUE_PIN_BASED_CONTROLS => 0x0000_00ff_0000_0016,
        msr::TRUE_PROCESSOR_BASED_CONTROLS => 0xfff9_fffe_0400_6172,
        msr::SECONDARY_CONTROLS => 0x0557_bcff_0000_0000,
        msr::TRUE_EXIT_CONTROLS => 0x03ff_ffff_0003_6dfb,
        msr::TRUE_ENTRY_CONTROLS => 0x0003_ffff_0000_11fb,
        other => panic!("there is no MSR {other:#x}"),
    }
}

/// What these MSRs say.
pub fn capabilities() -> Capabilities {
    Capabilities::read(register)
}

/// A VMCS in memory.
#[derive(Debug, Default)]
pub struct FakeVmcs(pub BTreeMap<u32, u64>);

impl Vmcs for FakeVmcs {
    fn read_raw(&self, encoding: u32) -> u64 {
        self.0.get(&encoding).copied().unwrap_or(0)
    }

    fn write_raw(&mut self, encoding: u32, value: u64) {
        self.0.insert(encoding, value);
    }
}
