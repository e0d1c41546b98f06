//! Queued invalidation (VT-d, section 6.5 "Invalidation of Translation Caches", subsection
//! 6.5.2 "Queued Invalidation Interface").
//!
//! The order after a change of tables: context cache first, then IOTLB, then a wait; the
//! caller waits, with a bound, until the wait's status has been written.

use addr::{HostPhysical, IoVirtual, RequesterId};

use crate::DomainId;

/// A descriptor of 128 bits, the low word first in memory.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor(pub [u64; 2]);

/// What the granularity field of the first two types says, in bits 5:4.
const GLOBAL: u64 = 1 << 4;
const DOMAIN_SELECTIVE: u64 = 2 << 4;
/// Device-selective for the context cache, page-selective for the IOTLB.
const NARROWEST: u64 = 3 << 4;

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

    /// Forgets every context entry.
    #[must_use]
    pub const fn context_cache_global() -> Self {
        Self([CONTEXT_CACHE | GLOBAL, 0])
    }

    /// Forgets the context entries of a domain.
    #[must_use]
    pub const fn context_cache_domain(domain: DomainId) -> Self {
        Self([CONTEXT_CACHE | DOMAIN_SELECTIVE | domain_field(domain), 0])
    }

    /// Forgets the context entry of one function, which was in `domain`.
    #[must_use]
    pub const fn context_cache_device(domain: DomainId, requester: RequesterId) -> Self {
        let source = (requester.0 as u64) << 32;
        Self([CONTEXT_CACHE | NARROWEST | domain_field(domain) | source, 0])
    }

    /// Forgets every translation.
    #[must_use]
    pub const fn iotlb_global() -> Self {
        Self([IOTLB | GLOBAL | DRAIN, 0])
    }

    /// Forgets the translations of a domain.
    #[must_use]
    pub const fn iotlb_domain(domain: DomainId) -> Self {
        Self([IOTLB | DOMAIN_SELECTIVE | DRAIN | domain_field(domain), 0])
    }

    /// Forgets the translations of the 2^`address_mask` pages around `address`, and of the
    /// tables on the way. The mask is at most
    /// [`crate::Capability::maximum_address_mask`].
    #[must_use]
    pub const fn iotlb_pages(domain: DomainId, address: IoVirtual, address_mask: u8) -> Self {
        let low = IOTLB | NARROWEST | DRAIN | domain_field(domain);
        Self([
            low,
            address.as_u64() & !0xfff | (address_mask & 0x3f) as u64,
        ])
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

/// A queue of descriptors: a ring of 2^order pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    base: HostPhysical,
    order: u8,
}

impl Queue {
    /// Where the index is in IQH_REG and IQT_REG, for descriptors of 128 bits.
    const INDEX_SHIFT: u32 = 4;
    const MAXIMUM_ORDER: u8 = 7;

    /// A queue of 2^`order` pages at `base`; `None` if that begins no page, or for more than
    /// 128 pages.
    #[must_use]
    pub const fn new(base: HostPhysical, order: u8) -> Option<Self> {
        if order > Self::MAXIMUM_ORDER || base.as_u64() & 0xfff != 0 {
            return None;
        }
        Some(Self { base, order })
    }

    /// The number of descriptors; one less may wait at a time.
    #[must_use]
    pub const fn entries(self) -> u16 {
        256 << self.order
    }

    /// IQA_REG: descriptors of 128 bits.
    #[must_use]
    pub const fn address_register(self) -> u64 {
        self.base.as_u64() | self.order as u64
    }

    /// The index behind `index`.
    #[must_use]
    pub const fn next(self, index: u16) -> u16 {
        index.wrapping_add(1) & self.entries().wrapping_sub(1)
    }

    /// IQT_REG: `index` is the first one that holds no descriptor.
    #[must_use]
    pub const fn tail_register(self, index: u16) -> u64 {
        ((index & self.entries().wrapping_sub(1)) as u64) << Self::INDEX_SHIFT
    }

    /// The index that IQH_REG names: the next one that the unit reads.
    #[must_use]
    pub const fn head_index(self, register: u64) -> u16 {
        (register >> Self::INDEX_SHIFT) as u16 & self.entries().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DOMAIN: DomainId = DomainId(0x12);

    #[test]
    fn context_cache_descriptors() {
        let requester = RequesterId::new(2, 0, 1).unwrap();
        assert_eq!(Descriptor::context_cache_global().0, [0x11, 0]);
        assert_eq!(Descriptor::context_cache_domain(DOMAIN).0, [0x12_0021, 0]);
        let device = Descriptor::context_cache_device(DOMAIN, requester);
        assert_eq!(device.0, [0x0201_0012_0031, 0]);
    }

    #[test]
    fn iotlb_descriptors_drain() {
        assert_eq!(Descriptor::iotlb_global().0, [0xd2, 0]);
        assert_eq!(Descriptor::iotlb_domain(DOMAIN).0, [0x12_00e2, 0]);
        let pages = Descriptor::iotlb_pages(DOMAIN, IoVirtual::new(0x4000_0fff), 9);
        assert_eq!(pages.0, [0x12_00f2, 0x4000_0009]);
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

    #[test]
    fn a_queue_of_one_page_has_256_descriptors() {
        let queue = Queue::new(HostPhysical::new(0x5000), 0).unwrap();
        assert_eq!((queue.entries(), queue.address_register()), (256, 0x5000));
        assert_eq!(queue.tail_register(255), 0xff0);
        assert_eq!(queue.next(255), 0);
        assert_eq!(queue.head_index(0x20), 2);
    }

    #[test]
    fn impossible_queues_do_not_exist() {
        assert_eq!(Queue::new(HostPhysical::new(0x5000), 8), None);
        assert_eq!(Queue::new(HostPhysical::new(0x5010), 0), None);
    }

    proptest! {
        #[test]
        fn indices_stay_in_the_queue(order in 0_u8..8, index: u16, register: u64) {
            let queue = Queue::new(HostPhysical::new(0), order).unwrap();
            prop_assert!(queue.next(index) < queue.entries());
            prop_assert!(queue.head_index(register) < queue.entries());
            let tail = queue.tail_register(index);
            prop_assert!(tail < u64::from(queue.entries()) * Descriptor::BYTES);
            prop_assert_eq!(queue.head_index(tail), index.checked_rem(queue.entries()).unwrap());
        }
    }
}
