#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test may overflow: it fails"
)]

extern crate std;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::virtio::testing::{BUFFERS, Machine, NEXT, NeverEmpty, RINGS, WRITE};

const DRIVEN: u8 = 0xf;
const NEEDS_RESET: u8 = 0x40;

#[test]
fn a_driver_finds_every_structure_by_its_capability() {
    let mut image = [0; config_space::BYTES];
    IDENTITY.build(&mut image);
    let mut found = Vec::new();
    let mut at = image[0x34];
    while at != 0 {
        let capability = &image[usize::from(at)..];
        let dword = |index: usize| image.read32(u16::from(at) + 4 * index as u16);
        found.push((capability[0], capability[3], dword(2), dword(3)));
        at = capability[1];
    }
    let expected = [
        (9, 1, 0, 0x38),
        (9, 2, 0x1000, 8),
        (9, 3, 0x40, 4),
        (9, 4, 0x80, 12),
    ];
    assert_eq!(found[..4], expected);
    assert_eq!(found[4], (0x11, 0, 0xc00, 0));
    assert_eq!(image.read32(u16::from(image[0x35]) + 16), 0);
}

#[test]
fn what_is_transmitted_comes_out_and_is_announced() {
    let mut machine = Machine::driven();
    machine.ram.put(BUFFERS[1], b"hello, world");
    machine.describe(1, 3, (BUFFERS[1], 5), (NEXT, 7));
    machine.describe(1, 7, (BUFFERS[1] + 5, 7), (0, 0));
    machine.offer(1, 0, 3);
    assert_eq!(machine.transmit(100), b"hello, world");
    assert_eq!(machine.used(1, 0), (1, 3, 0));
    assert_eq!(machine.interrupts(), [0x32]);
    assert_eq!(machine.transmit(100), b"");
    assert_eq!(machine.interrupts(), []);
}

#[test]
fn a_long_buffer_is_taken_piece_by_piece_and_given_back_at_its_end() {
    let mut machine = Machine::driven();
    machine.ram.put(BUFFERS[1], b"hello, world");
    machine.describe(1, 0, (BUFFERS[1], 12), (0, 0));
    machine.offer(1, 0, 0);
    // Two steps are the buffer's and its descriptor's.
    assert_eq!(machine.transmit(9), b"hello, ");
    assert_eq!(machine.used(1, 0).0, 0);
    assert_eq!(machine.transmit(5), b"world");
    assert_eq!(machine.used(1, 0), (1, 0, 0));
}

#[test]
fn what_is_received_lands_in_the_buffers_of_a_driver_that_gives_some() {
    let mut machine = Machine::driven();
    machine.describe(0, 1, (BUFFERS[0], 4), (WRITE, 0));
    machine.describe(0, 2, (BUFFERS[0] + 0x100, 4), (WRITE, 0));
    assert_eq!(machine.receive(b"early"), None);
    machine.offer(0, 0, 1);
    machine.offer(0, 1, 2);
    assert_eq!(machine.receive(b"typed"), Some(5));
    assert_eq!(machine.ram.get(BUFFERS[0], 4), b"type");
    assert_eq!(machine.ram.get(BUFFERS[0] + 0x100, 1), b"d");
    assert_eq!(machine.used(0, 0), (2, 1, 4));
    assert_eq!(machine.used(0, 1), (2, 2, 1));
    assert_eq!(machine.interrupts(), [0x32]);
    assert_eq!(machine.receive(b"more"), Some(0));
    assert_eq!(machine.status(), DRIVEN);
}

#[test]
fn a_driver_that_wants_no_interrupt_gets_none() {
    let mut machine = Machine::driven();
    machine.ram.put(RINGS[1] + 0x200, &[1, 0]);
    machine.describe(1, 0, (BUFFERS[1], 1), (0, 0));
    machine.offer(1, 0, 0);
    assert_eq!(machine.transmit(100).len(), 1);
    assert_eq!(machine.interrupts(), []);
}

#[test]
fn rings_wrap_around_and_so_do_their_indices() {
    let mut machine = Machine::driven();
    for number in 0..=u16::MAX {
        let head = number % 16 * 5 % 16;
        machine.describe(1, head.into(), (BUFFERS[1], 1), (0, 0));
        machine.offer(1, number, head);
        assert_eq!(machine.transmit(16).len(), 1);
        let slot = u64::from(number % 16);
        assert_eq!(
            machine.used(1, slot),
            (number.wrapping_add(1), head.into(), 0)
        );
    }
}

#[test]
fn buffers_that_hold_nothing_are_given_back() {
    let mut machine = Machine::driven();
    machine.describe(1, 0, (BUFFERS[1], 0), (NEXT, 1));
    machine.describe(1, 1, (BUFFERS[1], 9), (WRITE, 0));
    machine.describe(0, 0, (BUFFERS[0], 9), (0, 0));
    for queue in [0, 1] {
        (0..16).for_each(|number| machine.offer(queue, number, 0));
    }
    assert_eq!(machine.transmit(100), b"");
    assert_eq!(machine.used(1, 15), (16, 0, 0));
    assert_eq!(machine.receive(b"x"), Some(0));
    assert_eq!(machine.used(0, 15), (16, 0, 0));
    assert_eq!(machine.status(), DRIVEN);
}

#[test]
fn a_ring_that_is_never_empty_costs_no_more_than_its_steps() {
    const STEPS: usize = 1000;
    let mut machine = Machine::driven();
    for index in 0..15_u16 {
        machine.describe(1, index.into(), (BUFFERS[1], 0), (NEXT, index + 1));
    }
    machine.describe(1, 15, (BUFFERS[1], 1), (0, 0));
    let memory = NeverEmpty::new(&machine.ram);
    let (console, page) = (&mut machine.console, &mut machine.page);
    let count = console.transmit(page, &memory, STEPS, |_| {});
    assert!((1..STEPS).contains(&count), "{count} bytes");
    let reads = memory.reads.get();
    assert!(reads <= 2 * STEPS + 1, "{reads} reads for {STEPS} steps");
}

#[test]
fn features_are_the_offered_ones_or_none_at_all() {
    let offered = Machine::driven().page.read32(0);
    assert_eq!(offered, 1);
    for (low, high, good) in [(0, 1, true), (0, 0, false), (1, 1, false), (0, 3, false)] {
        let mut machine = Machine::new();
        machine.write(0x14, 1, 3);
        for (select, half) in [(0, low), (1, high)] {
            machine.write(0x08, 4, select);
            machine.write(0x0c, 4, half);
        }
        machine.write(0x14, 1, 0xb);
        assert_eq!(machine.status(), if good { 0xb } else { 3 }, "{low} {high}");
        machine.write(0x14, 1, 0xf);
        assert_eq!(machine.status(), if good { 0xf } else { 3 }, "{low} {high}");
    }
}

#[test]
fn a_reset_takes_everything_back() {
    let mut machine = Machine::driven();
    machine.describe(1, 0, (BUFFERS[1], 1), (0, 0));
    machine.offer(1, 0, 0);
    machine.write(0x14, 1, 0);
    let fresh = Machine::new();
    assert_eq!(machine.page[..0x38], fresh.page[..0x38]);
    assert_eq!(machine.transmit(100), b"");
    machine.set_up();
    assert_eq!(machine.transmit(100).len(), 1);
    machine.console.reset(&mut machine.page);
    assert_eq!(machine.page, fresh.page);
}

#[test]
fn without_bus_mastering_nothing_moves() {
    let mut machine = Machine::driven();
    machine.describe(1, 0, (BUFFERS[1], 1), (0, 0));
    machine.offer(1, 0, 0);
    machine.console.configure(Effect::Command {
        memory: true,
        bus_master: false,
    });
    assert_eq!(machine.transmit(100), b"");
    assert_eq!(machine.used(1, 0).0, 0);
}

#[test]
fn a_queue_that_cannot_be_asks_for_a_reset() {
    for (offset, bytes, value) in [
        (0x18, 2, 3),
        (0x18, 2, 0),
        (0x18, 2, 32),
        (0x20, 4, 0x1008),
        (0x28, 4, 0x1201),
        (0x30, 4, 0x1402),
    ] {
        let mut machine = Machine::new();
        machine.negotiate();
        machine.write(0x16, 2, 1);
        machine.write(offset, bytes, value);
        machine.write(0x1c, 2, 1);
        assert_eq!(
            machine.status(),
            0xb | NEEDS_RESET,
            "{offset:#x} {value:#x}"
        );
        assert_eq!(machine.page[0x1c], 0);
    }
}

/// Breaks the transmit queue in one way; the device asks for a reset, says so by the
/// configuration's message, and does nothing further.
fn ensure_broken(break_it: impl Fn(&mut Machine)) {
    let mut machine = Machine::driven();
    machine.describe(1, 0, (BUFFERS[1], 1), (0, 0));
    machine.offer(1, 0, 0);
    break_it(&mut machine);
    machine.transmit(100);
    assert_eq!(machine.status(), DRIVEN | NEEDS_RESET);
    assert_eq!(machine.interrupts(), [0x31]);
    let before = machine.ram.all();
    assert_eq!(machine.transmit(100), b"");
    assert_eq!(machine.receive(b"x"), None);
    assert_eq!(machine.ram.all(), before);
    machine.write(0x14, 1, 0);
    assert_eq!(machine.status(), 0);
}

#[test]
fn every_mistake_of_a_driver_asks_for_a_reset() {
    // An index far ahead, a head beyond the table, a chain beyond it and one in a circle.
    ensure_broken(|machine| machine.ram.put(RINGS[1] + 0x202, &[17, 0]));
    ensure_broken(|machine| machine.offer(1, 0, 16));
    ensure_broken(|machine| machine.describe(1, 0, (BUFFERS[1], 1), (NEXT, 16)));
    ensure_broken(|machine| machine.describe(1, 0, (BUFFERS[1], 1), (NEXT, 0)));
    // An indirect table, memory that is not there, a length that leads out of it.
    ensure_broken(|machine| machine.describe(1, 0, (BUFFERS[1], 1), (4, 0)));
    ensure_broken(|machine| machine.describe(1, 0, (0xb000_0000, 1), (0, 0)));
    ensure_broken(|machine| machine.describe(1, 0, (u64::MAX, 2), (0, 0)));
    ensure_broken(|machine| machine.describe(1, 0, (0x8fff, u32::MAX), (0, 0)));
}

#[test]
fn rings_outside_memory_ask_for_a_reset() {
    for (part, at) in [
        (0x20, 0xb000_0000),
        (0x28, 0),
        (0x30, u64::MAX - 3),
        (0x28, u64::MAX - 1),
    ] {
        let mut machine = Machine::new();
        machine.console.configure(Effect::Command {
            memory: true,
            bus_master: true,
        });
        machine.negotiate();
        machine.write(0x16, 2, 1);
        for (other, ring) in [
            (0x20, RINGS[1]),
            (0x28, RINGS[1] + 0x200),
            (0x30, RINGS[1] + 0x400),
        ] {
            machine.write(other, 8, if part == other { at } else { ring });
        }
        machine.write(0x1c, 2, 1);
        machine.write(0x14, 1, 0xf);
        machine.describe(1, 0, (BUFFERS[1], 1), (0, 0));
        machine.offer(1, 0, 0);
        machine.transmit(100);
        machine.transmit(100);
        assert_eq!(machine.status(), DRIVEN | NEEDS_RESET, "{part:#x} {at:#x}");
    }
}

/// What a hostile driver does next.
#[derive(Debug, Clone)]
enum Step {
    Register(u16, u8, u64),
    Memory(u16, Vec<u8>),
    Transmit(usize),
    Receive(usize),
    SetUp,
    Reset,
    Command(bool),
}

fn step() -> impl Strategy<Value = Step> {
    // Addresses at and around the rings and their ends, and anywhere.
    let address = prop_oneof![
        prop::sample::select(vec![0, 0x1000, 0x1400, 0x8ff0, 0x9000, !0xf]),
        any::<u64>(),
    ];
    let value = prop_oneof![0_u64..0x40, address, any::<u64>()];
    let bytes = prop::sample::select(vec![1, 2, 4, 8]);
    prop_oneof![
        3 => (0_u16..0x40, bytes, value).prop_map(|(at, bytes, value)| Step::Register(at, bytes, value)),
        3 => (0_u16..0x2600, prop::collection::vec(prop_oneof![0_u8..20, any::<u8>()], 1..20))
            .prop_map(|(at, bytes)| Step::Memory(at, bytes)),
        3 => (0_usize..2000).prop_map(Step::Transmit),
        2 => (0_usize..200).prop_map(Step::Receive),
        1 => Just(Step::SetUp),
        1 => Just(Step::Reset),
        1 => any::<bool>().prop_map(Step::Command),
    ]
}

proptest! {
    #[test]
    fn whatever_a_driver_does_the_device_goes_on(steps in prop::collection::vec(step(), 0..100)) {
        let mut machine = Machine::driven();
        for step in steps {
            match step {
                Step::Register(offset, bytes, value) => machine.write(offset, bytes, value),
                Step::Memory(at, bytes) => machine.ram.put(RINGS[0] + u64::from(at), &bytes),
                Step::Transmit(most) => prop_assert!(machine.transmit(most).len() <= most),
                Step::Receive(count) => prop_assert!(machine.receive(&vec![0; count]) <= Some(count)),
                Step::SetUp => machine.set_up(),
                Step::Reset => machine.console.reset(&mut machine.page),
                Step::Command(bus_master) => {
                    machine.console.configure(Effect::Command { memory: true, bus_master });
                }
            }
            machine.interrupts();
        }
        machine.console.reset(&mut machine.page);
        prop_assert_eq!(machine.page, Machine::new().page);
        machine.set_up();
        machine.describe(1, 0, (BUFFERS[1], 3), (0, 0));
        machine.ram.put(RINGS[1] + 0x200, &[0; 2]);
        machine.ram.put(BUFFERS[1], b"end");
        machine.offer(1, 0, 0);
        prop_assert_eq!(machine.transmit(100), b"end");
    }
}
