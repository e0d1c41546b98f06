//! Compares the configuration spaces that the ports 0xCF8 and 0xCFC show with ECAM's.

#![no_std]
#![no_main]

use test_guests::instruction::{in8, in16};
use test_guests::pci::{self, FUNCTIONS, Function, read_by_ports};
use test_guests::{Failure, Verdict, ensure, guest, say};

guest!(main);

fn main() -> Verdict {
    let mut count: u32 = 0;
    for function in pci::functions() {
        compare(&function)?;
        count = count.wrapping_add(1);
    }
    ensure!(count > 0, "there is no function");
    for number in 0..=u8::MAX {
        if Function::new(number.into()).is_none() {
            let read = read_by_ports(0, number, 0);
            ensure!(
                read == u32::MAX,
                "absent function {number:#x} reads {read:#x}"
            );
        }
    }
    for bus in [1, 2, 0xff] {
        let read = read_by_ports(bus, 0, 0);
        ensure!(read == u32::MAX, "bus {bus} reads {read:#x}");
    }
    say!("{count} of {FUNCTIONS} functions agree");
    Ok(())
}

fn compare(function: &Function) -> Verdict {
    let strange = |_| Failure::new(format_args!("a function beyond 255"));
    let number = u8::try_from(function.number()).map_err(strange)?;
    for offset in (0..=u8::MAX).step_by(4) {
        let by_ecam = function.read::<u32>(offset.into());
        let by_ports = read_by_ports(0, number, offset);
        ensure!(
            by_ecam == by_ports,
            "{number:#x} + {offset:#x}: {by_ecam:#x}, {by_ports:#x}"
        );
        let [_, second, ..] = by_ecam.to_le_bytes();
        ensure!(
            in8(0xcfd) == second,
            "{number:#x} + {offset:#x}: second byte"
        );
        let high = by_ecam >> 16;
        ensure!(
            u32::from(in16(0xcfe)) == high,
            "{number:#x} + {offset:#x}: second word"
        );
    }
    Ok(())
}
