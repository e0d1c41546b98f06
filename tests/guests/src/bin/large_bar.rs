//! Drives a function with a BAR that finds no room below 4 GiB: what it writes there, up to the
//! last byte, reads back, and the registers in the function's first BAR answer as ever.

#![no_std]
#![no_main]

use test_guests::memory::Region;
use test_guests::pci::Function;
use test_guests::{Failure, Verdict, command_line, ensure, guest, say};

guest!(main);

/// The registers, and the controller's memory buffer.
const REGISTERS: u64 = 0;
const LARGE: u64 = 2;
/// One past the addresses of 32 bits.
const LOW_END: u64 = 1 << 32;
const PAGE_BYTES: u64 = 4096;
/// The controller's version, which is none of these (NVM Express 1.3d, section 3.1.2 "VS").
const VERSION: u64 = 8;
const NONE: [u32; 2] = [0, u32::MAX];

fn main() -> Verdict {
    let none = Failure::new(format_args!("there is no function at 00:01.0"));
    let function = Function::first().ok_or(none)?;
    let size = Failure::new(format_args!("bytes=N is missing"));
    let bytes = command_line::numbers("bytes").next().ok_or(size)?;
    function.enable();
    let large = function.bar(LARGE);
    ensure!(large >= LOW_END, "the BAR is at {large:#x}");
    let last = bytes.wrapping_sub(PAGE_BYTES);
    let offsets = [0, PAGE_BYTES, bytes >> 1, last];
    for offset in offsets {
        page(large, offset)?.write(0, pattern(offset));
    }
    for offset in offsets {
        let found = page(large, offset)?.read::<u64>(0);
        ensure!(found == pattern(offset), "{offset:#x} has {found:#x}");
    }
    let version = page(function.bar(REGISTERS), 0)?.read::<u32>(VERSION);
    ensure!(!NONE.contains(&version), "version {version:#x}");
    say!("{bytes:#x} bytes at {large:#x}");
    Ok(())
}

fn page(bar: u64, offset: u64) -> Result<Region, Failure> {
    let at = bar.wrapping_add(offset);
    let unmapped = Failure::new(format_args!("{at:#x} cannot be mapped"));
    Region::new(at, PAGE_BYTES).ok_or(unmapped)
}

fn pattern(offset: u64) -> u64 {
    !offset.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
