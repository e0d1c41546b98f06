//! The SR-IOV capability of a physical function (PCI Express Base Specification 5.0,
//! section 9.3.3 "SR-IOV Extended Capability").
//!
//! The order that hardware wants: [`SingleRootIo::size_bars`], [`SingleRootIo::
//! set_system_page_size_4_kib`], [`SingleRootIo::set_bar_address`], then
//! [`SingleRootIo::set_number_of_vfs`], then read the capability again (offset and stride
//! may depend on the number and on the ARI bit), then [`SingleRootIo::enable`], and wait
//! 100 ms before touching a VF.

use core::ops::RangeInclusive;

use addr::RequesterId;

use crate::ConfigSpace;
use crate::bar::{self, Bar, Bars};
use crate::capability::{self, ExtendedCapabilityId};

/// SR-IOV Control, 16 bits, from the capability's start.
pub const CONTROL: u16 = 0x08;
/// `TotalVFs`, 16 bits.
pub const TOTAL_VFS: u16 = 0x0e;
/// `NumVFs`, 16 bits.
pub const NUMBER_OF_VFS: u16 = 0x10;
/// First VF Offset, 16 bits.
pub const FIRST_VF_OFFSET: u16 = 0x14;
/// VF Stride, 16 bits.
pub const VF_STRIDE: u16 = 0x16;
/// VF Device ID, 16 bits.
pub const VF_DEVICE_ID: u16 = 0x1a;
/// Supported Page Sizes, 32 bits.
pub const SUPPORTED_PAGE_SIZES: u16 = 0x1c;
/// System Page Size, 32 bits.
pub const SYSTEM_PAGE_SIZE: u16 = 0x20;
/// VF BAR0, 32 bits; five more follow.
pub const VF_BAR_0: u16 = 0x24;

/// Control: the VFs exist.
pub const CONTROL_VF_ENABLE: u16 = 1 << 0;
/// Control: the VFs answer in memory space.
pub const CONTROL_VF_MEMORY_SPACE: u16 = 1 << 3;
/// Control: VFs may have function numbers above 7 (on the device's lowest PF only).
pub const CONTROL_ARI_HIERARCHY: u16 = 1 << 4;
/// Bit n of the page size registers is for pages of 2^(n + 12) bytes.
pub const PAGE_SIZE_4_KIB: u32 = 1 << 0;

/// Where the capability is, and its read-only content at the time of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SingleRootIo {
    /// Where the capability starts.
    pub capability: u16,
    /// How many VFs the PF can have.
    pub total_vfs: u16,
    /// The distance of the first VF's requester ID from the PF's.
    pub first_vf_offset: u16,
    /// The distance from one VF's requester ID to the next one's.
    pub vf_stride: u16,
    /// The device ID of the VFs; their vendor ID is the PF's.
    pub vf_device_id: u16,
    /// The page sizes that VF BARs may be aligned to.
    pub supported_page_sizes: u32,
}

/// Why the VFs cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SingleRootIoError {
    /// More VFs were asked for than the PF has.
    TooManyVfs,
    /// The PF does not support pages of 4 KiB.
    PageSize,
    /// `NumVFs` or System Page Size may not change while VF Enable is set.
    AlreadyEnabled,
}

/// Reads the capability; `None` if the function is no PF.
#[must_use]
pub fn read(config: &impl ConfigSpace) -> Option<SingleRootIo> {
    let start = capability::find_extended(config, ExtendedCapabilityId::SINGLE_ROOT_IO)?;
    let word = |offset: u16| config.read16(start.wrapping_add(offset));
    Some(SingleRootIo {
        capability: start,
        total_vfs: word(TOTAL_VFS),
        first_vf_offset: word(FIRST_VF_OFFSET),
        vf_stride: word(VF_STRIDE),
        vf_device_id: word(VF_DEVICE_ID),
        supported_page_sizes: config.read32(start.wrapping_add(SUPPORTED_PAGE_SIZES)),
    })
}

impl SingleRootIo {
    /// The requester ID of VF `number`, counted from 1 as the specification does (section
    /// 9.2.1.2 "VF Discovery"); `None` outside `1..=total_vfs` or beyond the segment.
    #[must_use]
    pub fn virtual_function(&self, pf: RequesterId, number: u16) -> Option<RequesterId> {
        if number == 0 || number > self.total_vfs || self.first_vf_offset == 0 {
            return None;
        }
        // Stride 0 is legal for a single VF only: two would share a requester ID.
        if number > 1 && self.vf_stride == 0 {
            return None;
        }
        let steps = self.vf_stride.checked_mul(number.checked_sub(1)?)?;
        pf.checked_add(self.first_vf_offset)?.checked_add(steps)
    }

    /// The first of VFs 1 to `number` whose requester ID is not its own: the bridge above, with
    /// the buses `behind` it, does not lead there, or it `is_taken`. A PF may say anything.
    pub fn misplaced(
        &self,
        pf: RequesterId,
        number: u16,
        behind: &RangeInclusive<u8>,
        is_taken: impl Fn(RequesterId) -> bool,
    ) -> Option<RequesterId> {
        let mut ids = (1..=number).filter_map(|number| self.virtual_function(pf, number));
        ids.find(|id| !behind.contains(&id.bus()) || is_taken(*id))
    }

    /// The BARs of one VF: `size` is for one VF, and the register's address is VF 1's; VF n
    /// follows at n - 1 sizes. VF memory space must be off.
    pub fn size_bars(&self, config: &impl ConfigSpace) -> Bars {
        bar::size_registers(config, self.register(VF_BAR_0), bar::REGISTERS)
    }

    /// Places the BARs `bar` of all VFs from `address` on. VF memory space must be off.
    pub fn set_bar_address(&self, config: &impl ConfigSpace, bar: &Bar, address: u64) {
        let offset = bar::register_offset(self.register(VF_BAR_0), bar.index);
        bar::write_address(config, offset, bar.kind, address);
    }

    /// Chooses how many VFs there will be, and pages of 4 KiB for the alignment of their BARs.
    ///
    /// # Errors
    /// The PF cannot, or the VFs are enabled already.
    pub fn set_up(&self, config: &impl ConfigSpace, number: u16) -> Result<(), SingleRootIoError> {
        if self.read_enabled(config) {
            return Err(SingleRootIoError::AlreadyEnabled);
        }
        if self.supported_page_sizes & PAGE_SIZE_4_KIB == 0 {
            return Err(SingleRootIoError::PageSize);
        }
        if number > self.total_vfs {
            return Err(SingleRootIoError::TooManyVfs);
        }
        config.write32(self.register(SYSTEM_PAGE_SIZE), PAGE_SIZE_4_KIB);
        config.write16(self.register(NUMBER_OF_VFS), number);
        Ok(())
    }

    /// Lets VFs have function numbers above 7. The VFs must be off, and the port above must
    /// forward by ARI.
    pub fn set_ari_hierarchy(&self, config: &impl ConfigSpace) {
        self.update_control(config, CONTROL_ARI_HIERARCHY, 0);
    }

    /// Makes the VFs exist and answer in memory space.
    pub fn enable(&self, config: &impl ConfigSpace) {
        self.update_control(config, CONTROL_VF_ENABLE | CONTROL_VF_MEMORY_SPACE, 0);
    }

    /// Makes the VFs go away, memory space first.
    pub fn disable(&self, config: &impl ConfigSpace) {
        self.update_control(config, 0, CONTROL_VF_MEMORY_SPACE);
        self.update_control(config, 0, CONTROL_VF_ENABLE);
    }

    /// Whether the VFs exist.
    #[must_use]
    pub fn read_enabled(&self, config: &impl ConfigSpace) -> bool {
        config.read16(self.register(CONTROL)) & CONTROL_VF_ENABLE != 0
    }

    fn register(&self, offset: u16) -> u16 {
        self.capability.wrapping_add(offset)
    }

    fn update_control(&self, config: &impl ConfigSpace, set: u16, clear: u16) {
        let control = config.read16(self.register(CONTROL));
        config.write16(self.register(CONTROL), (control & !clear) | set);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bar::BarKind;
    use crate::fake;

    fn capability() -> SingleRootIo {
        read(&fake::physical_function()).unwrap()
    }

    #[test]
    fn the_capability_of_an_nvme_controller_is_read() {
        let found = capability();
        assert_eq!((found.capability, found.total_vfs), (0x120, 4));
        assert_eq!(
            (found.first_vf_offset, found.vf_stride, found.vf_device_id),
            (1, 1, 0x10)
        );
    }

    #[test]
    fn virtual_functions_follow_by_offset_and_stride() {
        let pf = "02:00.0".parse().unwrap();
        assert_eq!(
            capability().virtual_function(pf, 1),
            Some("02:00.1".parse().unwrap())
        );
        assert_eq!(
            capability().virtual_function(pf, 4),
            Some("02:00.4".parse().unwrap())
        );
        assert_eq!(capability().virtual_function(pf, 0), None);
        assert_eq!(capability().virtual_function(pf, 5), None);
        let igb = SingleRootIo {
            first_vf_offset: 128,
            vf_stride: 2,
            total_vfs: 7,
            ..capability()
        };
        let pf = "01:00.0".parse().unwrap();
        assert_eq!(
            igb.virtual_function(pf, 2),
            Some("01:10.2".parse().unwrap())
        );
    }

    #[test]
    fn two_functions_never_share_a_requester_id() {
        let pf = "02:00.0".parse().unwrap();
        let flat = SingleRootIo {
            vf_stride: 0,
            ..capability()
        };
        assert!(flat.virtual_function(pf, 1).is_some());
        assert_eq!(flat.virtual_function(pf, 2), None);
        let same = SingleRootIo {
            first_vf_offset: 0,
            ..capability()
        };
        assert_eq!(same.virtual_function(pf, 1), None);
    }

    #[test]
    fn a_requester_id_that_somebody_has_is_not_a_vfs() {
        let pf = "02:00.0".parse().unwrap();
        let neighbour: RequesterId = "02:00.3".parse().unwrap();
        let misplaced = |number| {
            let is_taken = |id| id == neighbour;
            capability().misplaced(pf, number, &(2..=2), is_taken)
        };
        assert_eq!(misplaced(2), None);
        assert_eq!(misplaced(3), Some(neighbour));
    }

    #[test]
    fn a_vf_is_where_the_bridge_leads() {
        let pf = "02:00.0".parse().unwrap();
        let far = SingleRootIo {
            first_vf_offset: 0xff,
            ..capability()
        };
        let misplaced = |last_bus| far.misplaced(pf, 2, &(2..=last_bus), |_| false);
        assert_eq!(misplaced(2), Some("03:00.0".parse().unwrap()));
        assert_eq!(misplaced(3), None);
    }

    #[test]
    fn vf_bars_are_sized_placed_and_enabled() {
        let config = fake::physical_function();
        let found = capability();
        let bar = found.size_bars(&config)[0].unwrap();
        assert_eq!((bar.size, bar.address), (0x4000, 0));
        assert_eq!(
            bar.kind,
            BarKind::Memory64 {
                prefetchable: false
            }
        );
        found.set_up(&config, 2).unwrap();
        found.set_bar_address(&config, &bar, 0xfe81_0000);
        found.enable(&config);
        assert_eq!(config.read32(0x120 + 0x24), 0xfe81_0004);
        assert_eq!(config.read16(0x120 + 0x10), 2);
        assert_eq!(config.read16(0x120 + 0x08), 0b1001);
        assert!(found.read_enabled(&config));
        found.disable(&config);
        assert_eq!(config.read16(0x120 + 0x08), 0);
    }

    #[test]
    fn what_hardware_forbids_is_refused() {
        let config = fake::physical_function();
        let found = capability();
        assert_eq!(found.set_up(&config, 5), Err(SingleRootIoError::TooManyVfs));
        let large = SingleRootIo {
            supported_page_sizes: 0b10,
            ..found
        };
        assert_eq!(large.set_up(&config, 1), Err(SingleRootIoError::PageSize));
        found.enable(&config);
        assert_eq!(
            found.set_up(&config, 1),
            Err(SingleRootIoError::AlreadyEnabled)
        );
    }

    #[test]
    fn an_ordinary_function_has_no_capability() {
        assert_eq!(read(&fake::root_port()), None);
    }

    proptest! {
        #[test]
        fn routing_never_wraps(
            offset: u16, stride: u16, total: u16, pf: u16, number: u16,
        ) {
            let found = SingleRootIo {
                first_vf_offset: offset, vf_stride: stride, total_vfs: total, ..capability()
            };
            if let Some(id) = found.virtual_function(RequesterId(pf), number) {
                prop_assert!(id.0 > pf);
            }
        }
    }
}
