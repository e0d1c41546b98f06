//! Prints without end: at its serial port, or with `virtio=1` on the console without exits.

#![no_std]
#![no_main]

use test_guests::virtio::{Console, Descriptor, ENTRIES};
use test_guests::{Verdict, command_line, ensure, guest, say, wait};

guest!(main);

const LINE: &[u8; 64] = b"flood: the quick brown fox jumps over the lazy dog, once again\r\n";
/// A buffer of 4 KiB is full of it.
const BUFFER_BYTES: u32 = 4096;

fn main() -> Verdict {
    if command_line::number("virtio") == Some(1) {
        return flood_without_exits();
    }
    for number in 0_u64.. {
        say!("flood {number}: the quick brown fox jumps over the lazy dog");
    }
    Ok(())
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
