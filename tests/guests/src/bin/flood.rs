//! Prints without end: at its serial port, or with `virtio=1` on the console without exits. With
//! `lines=1` it prints nothing but the ends of lines at its serial port, on all its cores, two at
//! most.

#![no_std]
#![no_main]

use test_guests::virtio::{Console, Descriptor, ENTRIES};
use test_guests::{
    Verdict, apic, command_line, ensure, guest, instruction, processors, say, smp, wait,
};

guest!(main);

const LINE: &[u8; 64] = b"flood: the quick brown fox jumps over the lazy dog, once again\r\n";
/// The 16550's transmitter.
const TRANSMITTER: u16 = 0x3f8;
/// A buffer of 4 KiB is full of it.
const BUFFER_BYTES: u32 = 4096;

fn main() -> Verdict {
    if command_line::number("virtio") == Some(1) {
        return flood_without_exits();
    }
    if command_line::number("lines") == Some(1) {
        return flood_lines();
    }
    for number in 0_u64.. {
        say!("flood {number}: the quick brown fox jumps over the lazy dog");
    }
    Ok(())
}

fn flood_lines() -> Verdict {
    let own = apic::id();
    if let Some(other) = processors::apic_ids().find(|id| *id != own) {
        smp::start(other, print_line_ends)?;
    }
    print_line_ends();
    Ok(())
}

fn print_line_ends() {
    loop {
        instruction::out8(TRANSMITTER, b'\n');
    }
}

/// As much as the queue holds, and each buffer again as soon as it is taken: whoever takes
/// them one after another never comes to an end.
fn flood_without_exits() -> Verdict {
    let mut console = Console::start()?;
    let queue = &mut console.transmit;
    for (offset, byte) in (0..BUFFER_BYTES).zip(LINE.iter().cycle()) {
        queue.put(offset.into(), *byte);
    }
    let descriptor = Descriptor {
        address: queue.buffer(),
        bytes: BUFFER_BYTES,
        flags: 0,
        next: 0,
    };
    for head in 0..ENTRIES {
        queue.describe(head.into(), descriptor);
    }
    for head in (0..ENTRIES).cycle() {
        let room = wait::busy(|| queue.under_way() < ENTRIES);
        ensure!(room, "nobody takes it");
        queue.give(head);
    }
    Ok(())
}
