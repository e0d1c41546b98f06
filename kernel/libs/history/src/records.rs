//! The last records of a numbered sequence.

/// The last `SIZE` records of a sequence.
#[derive(Debug)]
pub struct Records<T, const SIZE: usize> {
    records: [Option<T>; SIZE],
    end: u64,
}

impl<T, const SIZE: usize> Default for Records<T, SIZE> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const SIZE: usize> Records<T, SIZE> {
    /// A sequence without records.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            records: [const { None }; SIZE],
            end: 0,
        }
    }

    /// Adds a record.
    pub fn push(&mut self, record: T) {
        let index = index_of::<SIZE>(self.end);
        if let Some(slot) = index.and_then(|index| self.records.get_mut(index)) {
            *slot = Some(record);
        }
        self.end = self.end.saturating_add(1);
    }

    /// The number that the next record will have.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// The number of the first record that a reader gets who wants number `from`: that, or the
    /// oldest that there still is, or the end.
    #[must_use]
    pub fn first_from(&self, from: u64) -> u64 {
        from.clamp(self.end.saturating_sub(SIZE as u64), self.end)
    }

    /// The records from [`first_from`](Self::first_from) on.
    pub fn from(&self, from: u64) -> impl Iterator<Item = &T> {
        (self.first_from(from)..self.end).filter_map(|number| {
            let index = index_of::<SIZE>(number)?;
            self.records.get(index)?.as_ref()
        })
    }
}

fn index_of<const SIZE: usize>(number: u64) -> Option<usize> {
    usize::try_from(number.checked_rem(SIZE as u64)?).ok()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    fn of(count: u64) -> Records<u64, 8> {
        let mut records = Records::new();
        (0..count).for_each(|number| records.push(number * 10));
        records
    }

    #[test]
    fn records_keep_their_numbers() {
        for count in [0, 1, 7, 8, 9, 100] {
            let records = of(count);
            assert_eq!(records.end(), count);
            for from in [0, 3, count, u64::MAX] {
                let first = records.first_from(from);
                assert!(first >= count.saturating_sub(8) && first <= count);
                let found: Vec<u64> = records.from(from).copied().collect();
                let expected: Vec<u64> = (first..count).map(|number| number * 10).collect();
                assert_eq!(found, expected, "{count} {from}");
            }
        }
    }

    #[test]
    fn the_oldest_that_there_is_follows_a_gap() {
        assert_eq!(of(20).first_from(3), 12);
        assert_eq!(of(20).first_from(15), 15);
    }
}
