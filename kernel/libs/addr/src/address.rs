//! The three address spaces and the page sizes they share.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The sizes of page that x86-64, nested, extended and VT-d second-stage tables share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageSize {
    /// 4 KiB, a leaf of level 1.
    Size4KiB,
    /// 2 MiB, a leaf of level 2.
    Size2MiB,
    /// 1 GiB, a leaf of level 3.
    Size1GiB,
}

impl PageSize {
    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Size4KiB => 1 << 12,
            Self::Size2MiB => 1 << 21,
            Self::Size1GiB => 1 << 30,
        }
    }
}

/// What the three address types have in common.
pub trait Address: Copy + Ord + fmt::Debug + fmt::Display {
    /// Wraps a raw 64-bit value.
    fn from_u64(value: u64) -> Self;

    /// The raw 64-bit value.
    fn to_u64(self) -> u64;

    /// The address `bytes` further on, unless that overflows 64 bits.
    fn checked_add(self, bytes: u64) -> Option<Self> {
        self.to_u64().checked_add(bytes).map(Self::from_u64)
    }

    /// The bytes from `base` up to this address, unless `base` is above it.
    fn checked_offset_from(self, base: Self) -> Option<u64> {
        self.to_u64().checked_sub(base.to_u64())
    }

    /// Whether this is the first byte of a page of `size`.
    fn is_aligned(self, size: PageSize) -> bool {
        self.page_offset(size) == 0
    }

    /// The first byte of the page of `size` that holds this address.
    #[must_use]
    fn align_down(self, size: PageSize) -> Self {
        Self::from_u64(self.to_u64() & !size.bytes().wrapping_sub(1))
    }

    /// The first page boundary at or above this address, unless that overflows.
    fn align_up(self, size: PageSize) -> Option<Self> {
        self.checked_add(size.bytes().wrapping_sub(1))
            .map(|end| end.align_down(size))
    }

    /// The bytes between the start of the page of `size` and this address.
    fn page_offset(self, size: PageSize) -> u64 {
        self.to_u64() & size.bytes().wrapping_sub(1)
    }
}

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[repr(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Wraps a raw 64-bit value.
            #[must_use]
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The raw 64-bit value.
            #[must_use]
            pub const fn as_u64(self) -> u64 {
                self.0
            }
        }

        impl Address for $name {
            fn from_u64(value: u64) -> Self {
                Self(value)
            }

            fn to_u64(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:#x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }
    };
}

address! {
    /// An address as the memory controller sees it.
    HostPhysical
}
address! {
    /// An address as a partition's guest takes it for physical.
    GuestPhysical
}
address! {
    /// An address as a device behind the IOMMU puts it on the bus.
    IoVirtual
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_keeps_the_page() {
        let address = HostPhysical::new(0x20_1234);
        assert_eq!(
            address.align_down(PageSize::Size4KiB),
            HostPhysical::new(0x20_1000)
        );
        assert_eq!(
            address.align_down(PageSize::Size2MiB),
            HostPhysical::new(0x20_0000)
        );
        assert_eq!(
            address.align_up(PageSize::Size4KiB),
            Some(HostPhysical::new(0x20_2000))
        );
        assert_eq!(address.page_offset(PageSize::Size2MiB), 0x1234);
        assert!(!address.is_aligned(PageSize::Size4KiB));
    }

    #[test]
    fn overflow_is_none_not_a_wrap() {
        assert_eq!(HostPhysical::new(u64::MAX).checked_add(1), None);
        assert_eq!(
            HostPhysical::new(u64::MAX).align_up(PageSize::Size4KiB),
            None
        );
        assert_eq!(
            GuestPhysical::new(1).checked_offset_from(GuestPhysical::new(2)),
            None
        );
    }
}
