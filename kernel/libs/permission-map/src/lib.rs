//! Maps in which a set bit denies an access: what SVM's permission maps and VMX's bitmaps
//! are made of.
//!
//! Key types: [`PermissionMap`], which begins with all bits set, and [`MsrPermissions`], what
//! the back ends' maps of MSRs have in common. Which bit stands for which access is the back
//! end's own matter.

#![no_std]
#![forbid(unsafe_code)]

/// A map of `BYTES` bytes in whole pages, as hardware reads it.
#[repr(C, align(4096))]
#[derive(Clone)]
pub struct PermissionMap<const BYTES: usize> {
    bytes: [u8; BYTES],
}

impl<const BYTES: usize> PermissionMap<BYTES> {
    /// Every access is denied.
    #[must_use]
    pub const fn deny_all() -> Self {
        const { assert!(BYTES.is_multiple_of(4096)) };
        Self {
            bytes: [0xff; BYTES],
        }
    }

    /// Allows the access that `bit` stands for. `false`, and nothing changes, if the map has
    /// no such bit.
    pub fn allow(&mut self, bit: usize) -> bool {
        let Some(byte) = self.bytes.get_mut(bit / 8) else {
            return false;
        };
        *byte &= !(1 << (bit % 8));
        true
    }

    /// Whether the access that `bit` stands for is denied; what lies outside is.
    #[must_use]
    pub fn is_denied(&self, bit: usize) -> bool {
        self.bytes
            .get(bit / 8)
            .is_none_or(|byte| byte & (1 << (bit % 8)) != 0)
    }

    /// The bits that allow something, in order.
    pub fn allowed(&self) -> impl Iterator<Item = usize> {
        (0..BYTES.saturating_mul(8)).filter(|bit| !self.is_denied(*bit))
    }
}

/// A map of the MSRs that a guest reads and writes without an exit.
pub trait MsrPermissions {
    /// Lets the guest read `msr` without an exit. `false`, and nothing changes, if the map has
    /// no bit for that MSR: its accesses always exit.
    fn allow_read(&mut self, msr: u32) -> bool;

    /// Lets the guest write `msr` without an exit; as [`MsrPermissions::allow_read`].
    fn allow_write(&mut self, msr: u32) -> bool;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_map_begins_at_deny_all() {
        let map = PermissionMap::<0x1000>::deny_all();
        assert_eq!(map.allowed().count(), 0);
        assert_eq!((align_of_val(&map), size_of_val(&map)), (4096, 4096));
    }

    #[test]
    fn what_lies_outside_stays_denied() {
        let mut map = PermissionMap::<0x1000>::deny_all();
        assert!(!map.allow(0x8000));
        assert!(map.is_denied(0x8000) && map.is_denied(usize::MAX));
    }

    proptest! {
        #[test]
        fn allowing_one_access_allows_no_other(bit in 0_usize..0x8000) {
            let mut map = PermissionMap::<0x1000>::deny_all();
            prop_assert!(map.allow(bit));
            prop_assert!(!map.is_denied(bit));
            prop_assert!(map.allowed().eq([bit]));
        }
    }
}
