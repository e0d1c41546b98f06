//! The EPT pointer (SDM, section 25.6.11 "Extended-Page-Table Pointer (EPTP)").

use addr::HostPhysical;

/// Where the CPU finds a guest's extended page tables.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EptPointer(pub u64);

impl EptPointer {
    /// The paging structures are in write-back memory.
    const WRITE_BACK: u64 = 6;
    /// The length of the page walk less 1.
    const WALK_OF_4: u64 = 3 << 3;
    const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

    /// The pointer to four levels of tables whose root is at `root`; accessed and dirty flags
    /// are not used.
    #[must_use]
    pub const fn new(root: HostPhysical) -> Self {
        Self((root.as_u64() & Self::ADDRESS) | Self::WALK_OF_4 | Self::WRITE_BACK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_says_how_to_walk() {
        let pointer = EptPointer::new(HostPhysical::new(0x1234_5000));
        assert_eq!(pointer.0, 0x1234_501e);
    }
}
