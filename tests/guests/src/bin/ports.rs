//! Reads and writes I/O ports that belong to the machine, not to a partition.

#![no_std]
#![no_main]

use test_guests::instruction::{in_string, in8, in16, in32, out_string, out8, out16, out32};
use test_guests::{Verdict, ensure, guest, say};

guest!(main);

/// DMA, interrupt controllers, timer, keyboard, speaker, CMOS, reset and power of the real
/// machine, SMI, disks, the second serial port, VGA, firmware configuration, configuration
/// space, debug exit.
const PORTS: &[u16] = &[
    0x00, 0x20, 0x21, 0x40, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xa0, 0xa1, 0xb2, 0xb3,
    0xf4, 0x170, 0x1f0, 0x2f8, 0x3c0, 0x3d4, 0x3f7, 0x400, 0x402, 0x4d0, 0x510, 0x511, 0x514,
    0x5ff, 0x603, 0x604, 0x608, 0x630, 0xcf8, 0xcf9, 0xcfc, 0xcfe, 0x5658, 0xaffe, 0xc000, 0xfffc,
];

fn main() -> Verdict {
    for port in PORTS.iter().copied() {
        write(port);
        read(port)?;
    }
    // Doublewords that begin in an owned port and leave it, and one that wraps around.
    for port in [0x3ff, 0x3fe, 0x5fe, 0xffff] {
        let _ = in32(port);
    }
    say!("{} ports denied", PORTS.len());
    Ok(())
}

fn read(port: u16) -> Verdict {
    let (byte, word, doubleword) = (in8(port), in16(port), in32(port));
    ensure!(byte == u8::MAX, "byte at {port:#x} is {byte:#x}");
    // A wider access reaches the next ports, one of which may be ours.
    if !(0x3f5..0x400).contains(&port) && !(0x5fd..0x603).contains(&port) {
        ensure!(word == u16::MAX, "word at {port:#x} is {word:#x}");
        ensure!(
            doubleword == u32::MAX,
            "doubleword at {port:#x} is {doubleword:#x}"
        );
    }
    let mut bytes = [0; 5];
    in_string(port, &mut bytes);
    ensure!(bytes == [u8::MAX; 5], "string at {port:#x} is {bytes:x?}");
    Ok(())
}

/// Writes what resets or stops a real machine at one port or the other.
fn write(port: u16) {
    out8(port, 0x06);
    out8(port, 0xfe);
    out_string(port, &[0x0e, 0x01]);
    if !(0x3f5..0x400).contains(&port) && !(0x5fd..0x603).contains(&port) {
        out16(port, 0x2000);
        out32(port, 0x3434_3434);
    }
}
