//! The guest's clock: the pages that KVM guests ask for once and read for ever.

use vdev::kvm_clock::{TIME_INFO_BYTES, TimeInfo, WALL_CLOCK_BYTES, wall_clock_bytes};

use super::Partition;
use crate::cpu::time;
use crate::host::wall_clock as host;

/// What the guest's clock page holds. All cores of a partition get the same origin, so that
/// their clocks agree.
pub fn system_time(partition: &Partition) -> [u8; TIME_INFO_BYTES] {
    let tsc_timestamp = partition.tsc_origin;
    TimeInfo {
        tsc_timestamp,
        system_time: 0,
        tsc_hz: time::tsc_hertz(),
    }
    .bytes()
}

/// What the guest's wall clock page holds: the time at which its clock showed 0.
pub fn wall_clock() -> [u8; WALL_CLOCK_BYTES] {
    wall_clock_bytes(host::boot_seconds(), 0)
}
