//! What the counting plugin (`tests/harness/instruction-count`) saw of a run from outside.
//!
//! Key type: [`Count`], which the plugin writes as JSON when QEMU ends, and the bench reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The CPUID leaf that a guest marks a moment with, in subleaf 0: it reads its exits there.
pub const MARK_LEAF: u32 = 0x4000_0101;

/// A run, from the kernel's entry to QEMU's end.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Count {
    /// Bulkhead's instructions, on all processors, up to the first VMRUN; `None` without one.
    pub first_entry: Option<u64>,
    /// The exits.
    pub exits: Vec<Exits>,
    /// The moments that guests have marked, in order.
    pub marks: Vec<Mark>,
    /// Bulkhead's instructions up to the first VMRUN by the 16 bytes that they begin in, if
    /// that was asked for.
    pub profile: BTreeMap<u64, u64>,
}

/// All exits of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kind {
    /// The address space identifier of the guest: the partition's place in the plan, from 1;
    /// 0 if the hypervisor is not Bulkhead.
    pub space: u32,
    /// How many moments the guest had marked before.
    pub marks: u32,
    /// EXITCODE.
    pub code: u64,
    /// RDMSR, WRMSR: the register's number; else 0.
    pub register: u32,
    /// RDMSR, WRMSR: 1 for a write; else 0.
    pub write: u64,
}

/// The exits of one kind and what they cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exits {
    /// Which.
    #[serde(flatten)]
    pub kind: Kind,
    /// How many exits there were.
    pub count: u64,
    /// Those of them that led back into the guest without a rest, by their length: the
    /// instructions from behind VMRUN up to and with the next VMRUN.
    pub lengths: BTreeMap<u64, u64>,
}

/// A moment that a guest has marked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The guest's address space identifier; 0 without a hypervisor.
    pub space: u32,
    /// The processor that marked it.
    pub processor: u32,
    /// The guest's instructions on that processor so far.
    pub guest: u64,
    /// The hypervisor's instructions on all processors so far.
    pub root: u64,
}
