//! Configuration access through ports CF8 and CFC, where the plan offers them (PCI Local Bus
//! Specification 3.0, section 3.2.2.3.2 "Software Generation of Configuration
//! Transactions"). Only bus 0 exists.

use core::sync::atomic::Ordering;

use super::devices::{Slot, slot};
use super::{Partition, mmio};

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const DATA_LAST: u16 = 0xcff;
const ENABLE: u32 = 1 << 31;

/// Reads a port; `None` if it is not one of these, or not offered.
pub fn read(partition: &Partition, port: u16, bytes: u8) -> Option<u32> {
    let address = partition.config_address.as_ref()?.load(Ordering::Relaxed);
    match (port, bytes) {
        (ADDRESS, 4) => Some(address),
        (DATA..=DATA_LAST, _) => Some(match target(address, port, bytes) {
            Some((place, offset)) => mmio::read_config(partition, place, offset, bytes),
            None => u32::MAX,
        }),
        _ => None,
    }
}

/// Writes a port; `None` if it is not one of these, or not offered.
pub fn write(partition: &Partition, port: u16, bytes: u8, value: u32) -> Option<()> {
    let register = partition.config_address.as_ref()?;
    match (port, bytes) {
        (ADDRESS, 4) => register.store(value, Ordering::Relaxed),
        (DATA..=DATA_LAST, _) => {
            let (place, offset) = target(register.load(Ordering::Relaxed), port, bytes)?;
            mmio::write_config(partition, place, offset, bytes, value.into());
        }
        _ => return None,
    }
    Some(())
}

/// The place on the bus and the register that the address register and the data port name.
fn target(address: u32, port: u16, bytes: u8) -> Option<(Option<Slot>, u16)> {
    let [register, device_function, bus, _] = address.to_le_bytes();
    let offset = u16::from(register & 0xfc).checked_add(port.checked_sub(DATA)?)?;
    let aligned = offset.is_multiple_of(bytes.into());
    let enabled = address & ENABLE != 0 && bus == 0 && aligned;
    enabled.then(|| (slot(device_function), offset))
}
