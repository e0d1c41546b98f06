//! Queued invalidation (VT-d, section 6.5 "Invalidation of Translation Caches", subsection
//! 6.5.2 "Queued Invalidation Interface").
//!
//! The order after a change of tables: context cache first, then IOTLB, then a wait; the
//! caller waits, with a bound, until the wait's status has been written.

use addr::HostPhysical;

use crate::{Capability, DomainId};

/// A descriptor of 128 bits, the low word first in memory.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor(pub [u64; 2]);

/// What the granularity field of the first two types says, in bits 5:4.
const GLOBAL: u64 = 1 << 4;
const DOMAIN_SELECTIVE: u64 = 2 << 4;

const CONTEXT_CACHE: u64 = 1;
const IOTLB: u64 = 2;
const INTERRUPT_ENTRY_CACHE: u64 = 4;
const WAIT: u64 = 5;

/// DW and DR: writes and reads that are under way are drained first. Units that cannot do so
/// ignore the bits.
const DRAIN: u64 = 1 << 6 | 1 << 7;

/// DID, in bits 31:16 of the first two types.
const fn domain_field(domain: DomainId) -> u64 {
    (domain.0 as u64) << 16
}

impl Descriptor {
    /// The bytes of a descriptor.
    pub const BYTES: u64 = 16;

    /// Forgets every context entry, and every translation.
    pub const FORGET_ALL: [Self; 2] = [
        Self([CONTEXT_CACHE | GLOBAL, 0]),
        Self([IOTLB | GLOBAL | DRAIN, 0]),
    ];

    /// What a unit is told when functions have come to reach `domain`, or have ceased to. In
    /// caching mode it may have cached that they reach nothing, and tags that with domain 0
    /// (section 6.1 "Caching Mode").
    #[must_use]
    pub const fn forget(domain: DomainId, capability: Capability) -> [Self; 2] {
        if capability.contains(Capability::CACHING_MODE) {
            return Self::FORGET_ALL;
        }
        [
            Self([CONTEXT_CACHE | DOMAIN_SELECTIVE | domain_field(domain), 0]),
            Self([IOTLB | DOMAIN_SELECTIVE | DRAIN | domain_field(domain), 0]),
        ]
    }

    /// Forgets every interrupt-remapping entry.
    #[must_use]
    pub const fn interrupt_entry_cache_global() -> Self {
        Self([INTERRUPT_ENTRY_CACHE, 0])
    }

    /// Forgets one interrupt-remapping entry.
    #[must_use]
    pub const fn interrupt_entry_cache_index(index: u16) -> Self {
        const INDEX_SELECTIVE: u64 = 1 << 4;
        Self([
            INTERRUPT_ENTRY_CACHE | INDEX_SELECTIVE | (index as u64) << 32,
            0,
        ])
    }

    /// Writes `data` to the 32-bit word at `status` when everything before has been done.
    /// `status` is a multiple of 4.
    #[must_use]
    pub const fn wait(status: HostPhysical, data: u32) -> Self {
        const STATUS_WRITE: u64 = 1 << 5;
        Self([
            WAIT | STATUS_WRITE | (data as u64) << 32,
            status.as_u64() & !0b11,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: DomainId = DomainId(0x12);

    #[test]
    fn what_a_unit_has_cached_of_one_domain_is_forgotten() {
        let [context, iotlb] = Descriptor::forget(DOMAIN, Capability::WRITE_BUFFER_FLUSH);
        assert_eq!(context.0, [0x12_0021, 0]);
        // Drained.
        assert_eq!(iotlb.0, [0x12_00e2, 0]);
    }

    #[test]
    fn in_caching_mode_everything_is_forgotten() {
        let forgotten = Descriptor::forget(DOMAIN, Capability::CACHING_MODE);
        assert_eq!(forgotten, [Descriptor([0x11, 0]), Descriptor([0xd2, 0])]);
        assert_eq!(forgotten, Descriptor::FORGET_ALL);
    }

    #[test]
    fn interrupt_entry_cache_descriptors() {
        assert_eq!(Descriptor::interrupt_entry_cache_global().0, [0x04, 0]);
        assert_eq!(
            Descriptor::interrupt_entry_cache_index(0x105).0,
            [0x0105_0000_0014, 0]
        );
    }

    #[test]
    fn a_wait_writes_its_status() {
        let wait = Descriptor::wait(HostPhysical::new(0x1_2345_6780), 0xabcd);
        assert_eq!(wait.0, [0xabcd_0000_0025, 0x1_2345_6780]);
    }
}
