//! MSI-X of a function that exists in no hardware: what it has to say is kept until it may be
//! sent, and then an interrupt for an own core of the guest's.

use addr::ApicId;

use super::{ENTRY_BYTES, Entry, Table};
use crate::config_space::Image;
use crate::message::{self, Interrupt, Refusal};

/// The table and the pending bits of a function with `N` vectors, at most 16.
///
/// The guest reads both in a page; what it writes there comes to [`Synthetic::write`].
#[derive(Debug)]
pub struct Synthetic<const N: usize> {
    /// Where the table begins in the page.
    table: u16,
    /// Where the pending bits are.
    pending_at: u16,
    entries: [Entry; N],
    /// What each unmasked entry means.
    interrupts: [Option<Interrupt>; N],
    pending: u16,
    enabled: bool,
    all_masked: bool,
}

impl<const N: usize> Synthetic<N> {
    /// The bytes of the table.
    pub const TABLE_BYTES: u16 = N as u16 * ENTRY_BYTES as u16;

    /// A table at `table` and pending bits at `pending_at`, both in the guest's page and
    /// multiples of 8, in the state after reset: [`Synthetic::reset`] makes the page show it.
    #[must_use]
    pub const fn new(table: u16, pending_at: u16) -> Self {
        Self {
            table,
            pending_at,
            entries: [Entry::RESET; N],
            interrupts: [None; N],
            pending: 0,
            enabled: false,
            all_masked: false,
        }
    }

    /// The MSI-X capability of a function that has all of this in BAR `bar`.
    #[must_use]
    pub const fn capability(&self, bar: u8) -> [u8; 12] {
        let [size, _] = (N as u16).wrapping_sub(1).to_le_bytes();
        let [table, table_high] = (self.table | bar as u16).to_le_bytes();
        let [pending, pending_high] = (self.pending_at | bar as u16).to_le_bytes();
        let id = pci_config::CapabilityId::MSIX.0;
        [
            id,
            0,
            size,
            0,
            table,
            table_high,
            0,
            0,
            pending,
            pending_high,
            0,
            0,
        ]
    }

    /// Puts everything into the state after reset.
    pub fn reset(&mut self, page: &mut impl Image) {
        *self = Self::new(self.table, self.pending_at);
        self.show(page);
    }

    /// The guest's write at `offset` of the page, `None` if that is not in the table.
    ///
    /// # Errors
    /// The message is not the guest's to send. The entry then raises nothing.
    pub fn write(
        &mut self,
        page: &mut impl Image,
        (offset, bytes, value): (u16, u8, u64),
        own: &[ApicId],
    ) -> Option<Result<(), Refusal>> {
        let inside = offset.checked_sub(self.table)?;
        if inside >= Self::TABLE_BYTES {
            return None;
        }
        let Some(change) = Table::new(&mut self.entries).write(inside.into(), bytes, value) else {
            return Some(Ok(()));
        };
        let Entry {
            address,
            data,
            masked,
        } = change.entry;
        let checked = if masked {
            Ok(None)
        } else {
            message::check(address, data, own).map(Some)
        };
        if let Some(slot) = self.interrupts.get_mut(usize::from(change.vector)) {
            *slot = checked.unwrap_or(None);
        }
        self.show_entry(page, change.vector, change.entry);
        self.show_pending(page);
        Some(checked.map(|_| ()))
    }

    /// The guest has written Message Control.
    pub const fn control(&mut self, enable: bool, mask_all: bool) {
        self.enabled = enable;
        self.all_masked = mask_all;
    }

    /// The function wants to send message `vector`; one that the table lacks is nobody's.
    pub fn raise(&mut self, vector: u16) {
        if usize::from(vector) < N && self.enabled {
            self.pending |= 1_u16.wrapping_shl(vector.into());
        }
    }

    /// Takes the messages that may be sent now out of those that are wanted.
    pub fn take_due(&mut self, page: &mut impl Image, mut send: impl FnMut(Interrupt)) {
        if self.pending == 0 || !self.enabled || self.all_masked {
            return;
        }
        for (vector, interrupt) in (0_u32..).zip(self.interrupts) {
            let bit = 1_u16.wrapping_shl(vector);
            if let Some(interrupt) = interrupt.filter(|_| self.pending & bit != 0) {
                self.pending &= !bit;
                send(interrupt);
            }
        }
        self.show_pending(page);
    }

    fn show(&self, page: &mut impl Image) {
        for (vector, entry) in (0..).zip(self.entries) {
            self.show_entry(page, vector, entry);
        }
        self.show_pending(page);
    }

    fn show_pending(&self, page: &mut impl Image) {
        page.write32(self.pending_at, self.pending.into());
    }

    fn show_entry(&self, page: &mut impl Image, vector: u16, entry: Entry) {
        let start = vector.wrapping_mul(ENTRY_BYTES as u16);
        let start = self.table.wrapping_add(start);
        for (offset, word) in (0_u16..).step_by(4).zip(entry.words()) {
            page.write32(start.wrapping_add(offset), word);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::config_space::BYTES;

    const OWN: &[ApicId] = &[ApicId(2), ApicId(3)];
    const TABLE: u16 = 0x800;
    const PENDING: u16 = 0xc00;

    fn fresh() -> (Synthetic<2>, [u8; BYTES]) {
        let mut page = [0; BYTES];
        let mut messages = Synthetic::new(TABLE, PENDING);
        messages.reset(&mut page);
        (messages, page)
    }

    /// Programs vector 1 for core 3 and leaves it unmasked.
    fn program(messages: &mut Synthetic<2>, page: &mut [u8; BYTES]) {
        for (offset, value) in [(0x10, 0xfee0_3000), (0x14, 0), (0x18, 0x31), (0x1c, 0)] {
            let written = messages.write(page, (TABLE.wrapping_add(offset), 4, value), OWN);
            assert!(written.is_some());
        }
    }

    fn due(messages: &mut Synthetic<2>, page: &mut [u8; BYTES]) -> Vec<(u32, u8)> {
        let mut sent = Vec::new();
        messages.take_due(page, |one| sent.push((one.destination.0, one.vector)));
        sent
    }

    #[test]
    fn the_capability_names_table_and_pending_bits() {
        let (messages, _) = fresh();
        let expected = [0x11, 0, 1, 0, 2, 8, 0, 0, 2, 12, 0, 0];
        assert_eq!(messages.capability(2), expected);
    }

    #[test]
    fn the_page_shows_what_is_written() {
        let (mut messages, mut page) = fresh();
        assert_eq!(page.read32(TABLE.wrapping_add(0x0c)), 1);
        program(&mut messages, &mut page);
        assert_eq!(page.read32(TABLE.wrapping_add(0x10)), 0xfee0_3000);
        assert_eq!(page.read32(TABLE.wrapping_add(0x1c)), 0);
        messages.reset(&mut page);
        assert_eq!(page.read32(TABLE.wrapping_add(0x10)), 0);
        assert_eq!(page.read32(TABLE.wrapping_add(0x1c)), 1);
    }

    #[test]
    fn a_message_is_sent_once() {
        let (mut messages, mut page) = fresh();
        messages.control(true, false);
        program(&mut messages, &mut page);
        messages.raise(1);
        assert_eq!(due(&mut messages, &mut page), [(3, 0x31)]);
        assert_eq!(due(&mut messages, &mut page), []);
    }

    #[test]
    fn what_is_masked_stays_pending() {
        let (mut messages, mut page) = fresh();
        messages.control(true, true);
        messages.raise(1);
        program(&mut messages, &mut page);
        assert_eq!(page.read32(PENDING), 0b10);
        assert_eq!(due(&mut messages, &mut page), []);
        messages.control(true, false);
        assert_eq!(due(&mut messages, &mut page), [(3, 0x31)]);
        assert_eq!(page.read32(PENDING), 0);
    }

    #[test]
    fn without_msix_nothing_is_kept() {
        let (mut messages, mut page) = fresh();
        program(&mut messages, &mut page);
        messages.raise(1);
        messages.control(true, false);
        messages.raise(2);
        messages.raise(u16::MAX);
        assert_eq!(due(&mut messages, &mut page), []);
    }

    #[test]
    fn a_foreign_core_is_refused_and_gets_nothing() {
        let (mut messages, mut page) = fresh();
        messages.control(true, false);
        program(&mut messages, &mut page);
        let foreign = messages.write(&mut page, (TABLE.wrapping_add(0x10), 4, 0xfee0_1000), OWN);
        assert_eq!(foreign, Some(Err(Refusal::ForeignCore)));
        messages.raise(1);
        assert_eq!(due(&mut messages, &mut page), []);
    }

    proptest! {
        #[test]
        fn whatever_is_written_only_own_cores_get_something(
            writes in prop::collection::vec((0x7f0_u16..0x830, 0_u8..10, any::<u64>()), 0..64),
        ) {
            let (mut messages, mut page) = fresh();
            messages.control(true, false);
            for (offset, bytes, value) in writes {
                // Most random addresses are none of messages.
                let value = if value & 3 == 0 { 0xfee0_2000 | value & 0xf_f000 } else { value };
                let inside = (TABLE..TABLE.wrapping_add(0x20)).contains(&offset);
                let written = messages.write(&mut page, (offset, bytes, value), OWN);
                prop_assert_eq!(written.is_some(), inside);
                messages.raise(offset & 1);
                messages.take_due(&mut page, |one| assert!(OWN.contains(&one.destination)));
            }
        }
    }
}
