//! Drives the console without exits as no driver may: wild indices, chains in a circle,
//! addresses outside its memory, queues that cannot be, messages for foreign cores. Each time
//! the device asks for a reset, touches nothing, and works again after it.

#![no_std]
#![no_main]

use test_guests::memory::Region;
use test_guests::msix::{Message, Table};
use test_guests::pci::Function;
use test_guests::virtio::{Console, Descriptor, NEEDS_RESET, NUMBER};
use test_guests::{Failure, Verdict, ensure, guest, say, wait};

guest!(main);

/// Flags of a descriptor.
const NEXT: u16 = 1;
const INDIRECT: u16 = 4;
/// Memory that the device has no business with.
const BYSTANDER: u64 = 0x100_0000;
const BYSTANDER_BYTES: u64 = 0x1_0000;
/// Where the guest's memory ends.
const RAM_END: u64 = 64 << 20;
/// Configuration space, the console's own registers, nothing, the neighbour's memory in the machine,
/// the local APIC, the highest address.
const OUTSIDE: [u64; 6] = [
    RAM_END,
    RAM_END + 0x10_0000,
    0x2000_0000,
    0x3000_0000,
    0xfee0_0000,
    !0xf,
];

fn main() -> Verdict {
    let none = Failure::new(format_args!("the memory is not mapped"));
    let bystander = Region::new(BYSTANDER, BYSTANDER_BYTES).ok_or(none)?;
    for offset in (0..BYSTANDER_BYTES).step_by(8) {
        bystander.write(offset, pattern(offset));
    }
    let mut console = Console::start()?;
    attack_rings(&mut console)?;
    attack_addresses(&mut console)?;
    attack_places(&mut console)?;
    attack_messages()?;
    console.set_up()?;
    ensure!(console.print(b"works\r\n", 16), "it does not work any more");
    for offset in (0..BYSTANDER_BYTES).step_by(8) {
        let found = bystander.read::<u64>(offset);
        ensure!(found == pattern(offset), "{offset:#x} has {found:#x}");
    }
    Ok(())
}

fn pattern(offset: u64) -> u64 {
    offset.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Sets the console up, lets `attack` go, and waits until the device asks for a reset.
fn expect_refusal(console: &mut Console, what: &str, attack: impl FnOnce(&mut Console)) -> Verdict {
    console.set_up()?;
    attack(console);
    let refused = wait::busy(|| console.status() & NEEDS_RESET != 0);
    ensure!(refused, "{what}: status {:#x}", console.status());
    Ok(())
}

fn attack_rings(console: &mut Console) -> Verdict {
    let chain = |flags, next| {
        move |console: &mut Console| {
            let descriptor = Descriptor {
                address: console.transmit.buffer(),
                bytes: 0,
                flags,
                next,
            };
            console.transmit.describe(0, descriptor);
            console.transmit.give(0);
        }
    };
    expect_refusal(console, "circle", chain(NEXT, 0))?;
    expect_refusal(console, "chain out of the table", chain(NEXT, 16))?;
    expect_refusal(console, "far out of the table", chain(NEXT, u16::MAX))?;
    expect_refusal(console, "indirect", chain(INDIRECT, 0))?;
    for head in [16, 0x8000, u16::MAX] {
        expect_refusal(console, "head", |console| console.transmit.give(head))?;
    }
    for count in [17, 0x8000, u16::MAX] {
        expect_refusal(console, "index", |console| console.transmit.advance(count))?;
    }
    Ok(())
}

/// Buffers where the guest has no memory, or that lead out of it.
fn attack_addresses(console: &mut Console) -> Verdict {
    let outside = OUTSIDE.map(|address| (address, 16));
    let leaving = [(RAM_END - 4, 8), (RAM_END - 1, u32::MAX)];
    for (address, bytes) in outside.into_iter().chain(leaving) {
        expect_refusal(console, "address", |console| {
            let descriptor = Descriptor {
                address,
                bytes,
                flags: 0,
                next: 0,
            };
            console.transmit.describe(0, descriptor);
            console.transmit.give(0);
        })?;
    }
    Ok(())
}

/// Rings where the guest has no memory, and queues of impossible sizes.
fn attack_places(console: &mut Console) -> Verdict {
    for outside in OUTSIDE {
        for part in 0..3 {
            console.negotiate()?;
            let mut parts = console.transmit.parts();
            if let Some(part) = parts.get_mut(part) {
                *part = outside;
            }
            console.transmit.clear();
            console.place_queue(1, parts);
            console.begin();
            let descriptor = Descriptor {
                address: console.transmit.buffer(),
                bytes: 0,
                flags: 0,
                next: 0,
            };
            console.transmit.describe(0, descriptor);
            console.transmit.give(0);
            let refused = wait::busy(|| console.status() & NEEDS_RESET != 0);
            ensure!(refused, "part {part} at {outside:#x} is not refused");
        }
    }
    for size in [0, 3, 17, 32, 0x8000, u16::MAX] {
        console.negotiate()?;
        console.resize_queue(1, size);
        console.place_queue(1, console.transmit.parts());
        let refused = console.status() & NEEDS_RESET != 0;
        ensure!(refused, "a queue of {size} is not refused");
    }
    Ok(())
}

/// Messages for the housekeeping core, a neighbour's core, and all.
fn attack_messages() -> Verdict {
    let none = Failure::new(format_args!("there is no virtio console"));
    let function = Function::new(NUMBER).ok_or(none)?;
    let table = Table::enable(&function)?;
    for core in [0, 2, 0xff] {
        table.write(1, Message::fixed(core, 0x40));
    }
    table.mask(1);
    say!("three messages");
    Ok(())
}
