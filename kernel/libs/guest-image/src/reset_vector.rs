//! The code at the reset vector of real mode, where a PC has its firmware's entry.
//!
//! A stock Linux on hardware-reduced ACPI without EFI services ends a restart by jumping
//! there (Linux 6.1, `arch/x86/kernel/reboot.c`, `BOOT_EFI` falling through to `BOOT_BIOS`).
//! What it finds writes the reset register, so that a restart is a restart.

use addr::GuestPhysical;

use crate::acpi::{RESET_VALUE, port};
use crate::{GuestMemory, OutOfRange};

/// F000:FFF0 (Intel SDM 325384-080, volume 3A, section 10.1.4 "First Instruction Executed").
pub const ADDRESS: GuestPhysical = GuestPhysical::new(0xf_fff0);

/// `mov dx, RESET; mov al, 1; out dx, al`, then `hlt` for ever, for 16-bit code.
const CODE: [u8; 9] = {
    let [low, high] = port::RESET.to_le_bytes();
    [0xba, low, high, 0xb0, RESET_VALUE, 0xee, 0xf4, 0xeb, 0xfd]
};

/// Writes the code.
///
/// # Errors
/// The partition's RAM does not reach up to 1 MiB.
pub fn write(memory: &mut impl GuestMemory) -> Result<(), OutOfRange> {
    memory.write(ADDRESS, &CODE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_memory::FakeMemory;
    use crate::layout::{ACPI_TABLES_END, KERNEL_AREA};

    #[test]
    fn the_code_ends_below_the_kernel_and_above_the_tables() {
        let end = ADDRESS.as_u64() + CODE.len() as u64;
        assert!(end <= KERNEL_AREA.as_u64());
        assert!(ACPI_TABLES_END <= ADDRESS);
    }

    #[test]
    fn the_code_is_where_the_processor_looks() {
        let mut memory = FakeMemory::new(4 << 20);
        write(&mut memory).unwrap();
        let written = memory.writes.first().unwrap();
        assert_eq!(written.start(), ADDRESS);
        assert_eq!(written.bytes(), CODE.len() as u64);
    }
}
