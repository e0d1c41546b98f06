//! Touches addresses that are not the partition's memory: reads are all ones, writes are
//! dropped, and the guest goes on.
//!
//! `outside=A,B,…` adds addresses, above 4 GiB too.

#![no_std]
#![no_main]

use test_guests::memory::Region;
use test_guests::pci::ecam;
use test_guests::{Failure, Verdict, command_line, ensure, guest, say};

guest!(main);

/// The hole behind low RAM, the page behind the I/O APIC, HPET, TPM, VT-d registers, local APIC and
/// firmware of a PC.
const ADDRESSES: [u64; 8] = [
    0x9000_0000,
    0xfec0_1000,
    0xfed0_0000,
    0xfed4_0000,
    0xfed9_0000,
    0xfee0_0000,
    0xfeff_f000,
    0xffff_f000,
];
/// From the start of configuration space on: behind the BARs, which follow it, and behind the
/// 2 MiB that share a table with both.
const BESIDE: [u64; 2] = [0x1f_f000, 0x20_0000];

fn main() -> Verdict {
    let none = Failure::new(format_args!("there is no configuration space"));
    let ecam = ecam().ok_or(none)?;
    let beside = BESIDE.map(|offset| ecam.wrapping_add(offset));
    let given = command_line::numbers("outside");
    let mut count: u32 = 0;
    for address in ADDRESSES.into_iter().chain(beside).chain(given) {
        touch(address)?;
        count = count.wrapping_add(1);
    }
    say!("{count} addresses denied");
    Ok(())
}

fn touch(address: u64) -> Verdict {
    let unmapped = Failure::new(format_args!("{address:#x} is in the guest's own image"));
    let region = Region::new(address, 0x1000).ok_or(unmapped)?;
    for offset in [0, 8, 0x100, 0xff8] {
        read(&region, address, offset)?;
        region.write(offset, 0_u64);
        region.write(offset, 0x5a5a_5a5a_u32);
        region.write(offset, 0xa5a5_u16);
        region.write(offset, 0x5a_u8);
        read(&region, address, offset)?;
    }
    Ok(())
}

fn read(region: &Region, address: u64, offset: u64) -> Verdict {
    let (byte, word) = (region.read::<u8>(offset), region.read::<u16>(offset));
    let (double, quad) = (region.read::<u32>(offset), region.read::<u64>(offset));
    let is_denied = byte == u8::MAX && word == u16::MAX && double == u32::MAX && quad == u64::MAX;
    ensure!(
        is_denied,
        "{address:#x} + {offset:#x} reads {byte:#x}, {word:#x}, {double:#x}, {quad:#x}"
    );
    Ok(())
}
