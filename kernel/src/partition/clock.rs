//! The guest's clock: the pages that KVM guests ask for once and read for ever.

use vdev::kvm_clock::{self, TIME_INFO_BYTES, WALL_CLOCK_BYTES};

use super::Partition;
use crate::cpu::time;
use crate::host::wall_clock as host;

/// What the guest's clock page holds. All cores of a partition get the same origin, so that
/// their clocks agree.
pub fn system_time(partition: &Partition) -> [u8; TIME_INFO_BYTES] {
    kvm_clock::time_info(partition.tsc_origin, time::tsc_hertz())
}

/// What the guest's wall clock page holds: the time at which its clock showed 0.
pub fn wall_clock() -> [u8; WALL_CLOCK_BYTES] {
    kvm_clock::wall_clock(host::boot_seconds())
}
