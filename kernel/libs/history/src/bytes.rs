//! The last bytes of a stream that is written and read at the same time.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};

/// The last `SIZE` bytes of a stream.
#[derive(Debug)]
pub struct Bytes<const SIZE: usize> {
    bytes: [AtomicU8; SIZE],
    written: AtomicU64,
}

/// What a reader got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The position of the first byte: the one that was asked for, or that of the oldest that
    /// there still is if that is later, or the end if that is earlier.
    pub first: u64,
    /// How many bytes were copied.
    pub count: usize,
}

impl Window {
    /// The position behind the last byte.
    #[must_use]
    pub const fn next(self) -> u64 {
        self.first.saturating_add(self.count as u64)
    }
}

impl<const SIZE: usize> Default for Bytes<SIZE> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const SIZE: usize> Bytes<SIZE> {
    /// A stream without bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [const { AtomicU8::new(0) }; SIZE],
            written: AtomicU64::new(0),
        }
    }

    /// Adds a byte. There must be one writer at a time.
    pub fn push(&self, byte: u8) {
        let position = self.written.load(Ordering::Relaxed);
        // A reader that sees this byte in place of an older one also sees the count that says
        // that it is being written.
        fence(Ordering::Release);
        if let Some(slot) = self.slot(position) {
            slot.store(byte, Ordering::Relaxed);
        }
        self.written
            .store(position.wrapping_add(1), Ordering::Release);
    }

    /// The position that the next byte will have.
    pub fn end(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Copies bytes from position `from` on into `out`, as many as there are and fit.
    pub fn read(&self, from: u64, out: &mut [u8]) -> Window {
        let end = self.end();
        let first = from.clamp(end.saturating_sub(SIZE as u64), end);
        let mut count = 0_usize;
        for (position, byte) in (first..end).zip(out.iter_mut()) {
            *byte = self
                .slot(position)
                .map_or(0, |slot| slot.load(Ordering::Relaxed));
            count = count.wrapping_add(1);
        }
        // What was written over meanwhile is at the front; one more may be half done.
        fence(Ordering::Acquire);
        let written = self.written.load(Ordering::Relaxed);
        let oldest = written.saturating_add(1).saturating_sub(SIZE as u64);
        let lost = usize::try_from(oldest.saturating_sub(first)).unwrap_or(count);
        let lost = lost.min(count);
        out.copy_within(lost..count, 0);
        Window {
            first: first.saturating_add(lost as u64),
            count: count.saturating_sub(lost),
        }
    }

    fn slot(&self, position: u64) -> Option<&AtomicU8> {
        let index = position.checked_rem(SIZE as u64)?;
        self.bytes.get(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::thread;

    use super::*;

    const SIZE: usize = 64;

    fn byte_at(position: u64) -> u8 {
        u8::try_from(position.wrapping_mul(0x9e37_79b9) >> 7 & 0xff).unwrap()
    }

    fn filled(count: u64) -> Bytes<SIZE> {
        let bytes = Bytes::new();
        (0..count).for_each(|position| bytes.push(byte_at(position)));
        bytes
    }

    fn check(window: Window, out: &[u8]) {
        for (position, byte) in (window.first..).zip(&out[..window.count]) {
            assert_eq!(*byte, byte_at(position), "at {position}");
        }
    }

    #[test]
    fn bytes_come_in_order_and_a_reader_goes_on() {
        let bytes = filled(10);
        let mut out = [0; 4];
        let mut from = 0;
        let mut counts = [0; 4];
        for count in &mut counts {
            let window = bytes.read(from, &mut out);
            assert_eq!(window.first, from);
            check(window, &out);
            *count = window.count;
            from = window.next();
        }
        assert_eq!(counts, [4, 4, 2, 0]);
    }

    #[test]
    fn the_oldest_give_way_and_the_gap_shows() {
        let bytes = filled(1000);
        let mut out = [0; SIZE];
        let window = bytes.read(3, &mut out);
        // The oldest of all might just be written over.
        assert_eq!(window.first, 1000 - SIZE as u64 + 1);
        assert_eq!(window.next(), 1000);
        check(window, &out);
    }

    #[test]
    fn a_position_that_is_not_there_yet_is_the_end() {
        let window = filled(5).read(u64::MAX, &mut [0; 4]);
        assert_eq!(window, Window { first: 5, count: 0 });
    }

    #[test]
    fn a_reader_beside_a_writer_gets_nothing_wrong() {
        let bytes = Bytes::<SIZE>::new();
        const COUNT: u64 = 5_000_000;
        thread::scope(|scope| {
            scope.spawn(|| (0..COUNT).for_each(|position| bytes.push(byte_at(position))));
            let mut from = 0;
            while from < COUNT {
                let mut out = [0; SIZE];
                let window = bytes.read(from, &mut out);
                assert!(window.first >= from);
                check(window, &out);
                from = window.next();
            }
        });
    }
}
