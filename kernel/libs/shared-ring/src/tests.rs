extern crate alloc;

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use proptest::prelude::*;

use super::*;

/// Both pages; what is not a number's or a byte's place is refused.
#[derive(Clone)]
struct Memory([Rc<RefCell<[u8; 4096]>>; 2]);

/// The memory as side 0 or 1 has it.
struct Side {
    memory: Memory,
    own: usize,
}

impl Memory {
    fn new() -> Self {
        let page = || Rc::new(RefCell::new([0; 4096]));
        Self([page(), page()])
    }

    fn side(&self, own: usize) -> Side {
        Side {
            memory: self.clone(),
            own,
        }
    }

    fn ends(&self) -> [End<Side>; 2] {
        [End::new(self.side(0)), End::new(self.side(1))]
    }

    fn number(&self, page: usize, offset: u64) -> u64 {
        assert!(offset == SENT || offset == TAKEN, "{offset}");
        let at = usize::try_from(offset).unwrap();
        let bytes = self.0[page].borrow()[at..at + 8].try_into();
        u64::from_le_bytes(bytes.unwrap())
    }

    fn set_number(&self, page: usize, offset: u64, number: u64) {
        assert!(offset == SENT || offset == TAKEN, "{offset}");
        let at = usize::try_from(offset).unwrap();
        self.0[page].borrow_mut()[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
}

impl Pages for Side {
    fn read_number(&self, offset: u64) -> u64 {
        self.memory.number(1 - self.own, offset)
    }

    fn read_byte(&self, offset: u64) -> u8 {
        assert!((2048..4096).contains(&offset), "{offset}");
        self.memory.0[1 - self.own].borrow()[usize::try_from(offset).unwrap()]
    }

    fn write_number(&self, offset: u64, number: u64) {
        self.memory.set_number(self.own, offset, number);
    }

    fn write_byte(&self, offset: u64, byte: u8) {
        assert!((2048..4096).contains(&offset), "{offset}");
        self.memory.0[self.own].borrow_mut()[usize::try_from(offset).unwrap()] = byte;
    }
}

fn receive_all(end: &mut End<Side>) -> Vec<u8> {
    core::iter::from_fn(|| end.receive()).collect()
}

#[test]
fn bytes_arrive_in_order_in_both_directions() {
    let [mut one, mut other] = Memory::new().ends();
    assert_eq!(one.send(b"a question"), 10);
    assert_eq!(other.send(b"something"), 9);
    assert_eq!(receive_all(&mut other), b"a question");
    assert_eq!(receive_all(&mut one), b"something");
    assert_eq!(receive_all(&mut one), b"");
    assert!(!one.has_overrun());
    assert!(!other.has_overrun());
}

#[test]
fn there_is_room_for_so_much_that_nobody_has_taken() {
    let [mut one, mut other] = Memory::new().ends();
    let bytes = [7; 3000];
    assert_eq!(one.send(&bytes), 2048);
    assert_eq!(one.send(&bytes), 0);
    assert_eq!(other.receive(), Some(7));
    assert_eq!(one.send(&[8, 9]), 1);
    let rest = receive_all(&mut other);
    assert_eq!((rest.len(), rest.last()), (2048, Some(&8)));
}

#[test]
fn an_impossible_number_of_bytes_sent_begins_the_stream_anew() {
    for sent in [2049, u64::MAX, 1 << 63] {
        let memory = Memory::new();
        let [_, mut other] = memory.ends();
        memory.set_number(0, SENT, sent);
        assert_eq!(other.receive(), None);
        assert!(other.has_overrun());
        assert!(!other.has_overrun(), "told once");
        assert_eq!(memory.number(1, TAKEN), sent);
        // Backwards is impossible, too.
        memory.set_number(0, SENT, sent.wrapping_sub(1));
        assert_eq!(other.receive(), None);
        assert!(other.has_overrun());
        assert_eq!(End::resume(memory.side(0)).send(b"yz"), 2);
        assert_eq!(receive_all(&mut other), b"yz");
        assert!(!other.has_overrun());
    }
}

#[test]
fn an_impossible_number_of_bytes_taken_is_no_room() {
    for taken in [1, u64::MAX - 2047, 1 << 63] {
        let memory = Memory::new();
        let [mut one, _] = memory.ends();
        memory.set_number(1, TAKEN, taken);
        assert_eq!(one.send(b"x"), 0);
        memory.set_number(1, TAKEN, 0);
        assert_eq!(one.send(b"x"), 1);
    }
}

#[test]
fn a_side_resumes_behind_what_was_under_way() {
    let memory = Memory::new();
    let [mut first, mut other] = memory.ends();
    first.send(b"half a que");
    assert_eq!(other.receive(), Some(b'h'));
    other.send(b"to nobody");
    let mut second = End::resume(memory.side(0));
    assert_eq!(second.receive(), None);
    second.send(b"a question");
    assert_eq!(receive_all(&mut other), b"a question");
    assert!(!other.has_overrun());
    other.send(b"to you");
    assert_eq!(receive_all(&mut second), b"to you");
}

/// Memory whose other side changes it at every look.
struct Hostile {
    says: RefCell<Vec<u64>>,
    looks: Cell<usize>,
}

impl Pages for Hostile {
    fn read_number(&self, offset: u64) -> u64 {
        assert!(offset == SENT || offset == TAKEN, "{offset}");
        self.looks.set(self.looks.get() + 1);
        let says = self.says.borrow();
        says[self.looks.get() % says.len()]
    }

    fn read_byte(&self, offset: u64) -> u8 {
        assert!((2048..4096).contains(&offset), "{offset}");
        offset.to_le_bytes()[0]
    }

    fn write_number(&self, offset: u64, _: u64) {
        assert!(offset == SENT || offset == TAKEN, "{offset}");
    }

    fn write_byte(&self, offset: u64, _: u8) {
        assert!((2048..4096).contains(&offset), "{offset}");
    }
}

/// Numbers near to one another and near to both ends.
fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..5000,
        any::<u64>(),
        (0_u64..5000).prop_map(|less| u64::MAX - less)
    ]
}

proptest! {
    #[test]
    fn a_stream_is_what_was_sent(
        pieces in prop::collection::vec((0_usize..3000, 0_usize..3000), 1..40),
        start in any_number(),
    ) {
        // As if so much had gone before.
        let memory = Memory::new();
        let [mut one, mut other] = memory.ends();
        for number in [&mut one.sent, &mut other.taken] {
            *number = start;
        }
        memory.set_number(0, SENT, start);
        memory.set_number(1, TAKEN, start);
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        for (number, (send, take)) in pieces.into_iter().enumerate() {
            let bytes: Vec<u8> = (0..send).map(|at| (at * 31 + number).to_le_bytes()[0]).collect();
            let count = one.send(&bytes);
            sent.extend_from_slice(&bytes[..count]);
            let under_way = sent.len() - received.len();
            prop_assert!(under_way <= 2048);
            prop_assert!(count == send || under_way == 2048);
            received.extend(core::iter::from_fn(|| other.receive()).take(take));
        }
        received.extend(receive_all(&mut other));
        prop_assert!(!other.has_overrun());
        prop_assert_eq!(sent, received);
    }

    #[test]
    fn whatever_the_other_side_says_nothing_panics(
        says in prop::collection::vec(any_number(), 1..20),
        steps in prop::collection::vec(0_usize..3000, 1..60),
    ) {
        let mut end = End::new(Hostile { says: RefCell::new(says), looks: Cell::new(0) });
        for step in steps {
            let sent = end.send(&[1; 3000][..step]);
            prop_assert!(sent <= 2048 && sent <= step);
            // Each look at what it says yields a byte at most.
            let before = end.pages.looks.get();
            let bytes = core::iter::repeat_with(|| end.receive()).take(step).flatten().count();
            prop_assert!(bytes <= end.pages.looks.get() - before);
            end.has_overrun();
        }
    }

    #[test]
    fn behind_any_lies_an_honest_side_is_heard(lies in prop::collection::vec((any_number(), any_number()), 0..20)) {
        let memory = Memory::new();
        let [_, mut other] = memory.ends();
        for (sent, taken) in lies {
            memory.set_number(0, SENT, sent);
            memory.set_number(0, TAKEN, taken);
            other.send(b"an answer");
            other.receive();
        }
        let mut honest = End::resume(memory.side(0));
        prop_assert_eq!(honest.send(b"hello"), 5);
        prop_assert_eq!(receive_all(&mut other), b"hello");
        prop_assert_eq!(other.send(b"welcome"), 7);
        prop_assert_eq!(receive_all(&mut honest), b"welcome");
    }
}
