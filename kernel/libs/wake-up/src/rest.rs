//! A core that waits in root mode, or runs a guest.

use core::sync::atomic::{AtomicBool, Ordering};

/// Whether a core is at rest in root mode, where an interrupt wakes it, or runs a guest, which a
/// kick ends. A wake-up that came late would reach the guest.
///
/// The order is what makes it safe. A sender says that a wake-up is under way before it looks
/// whether the core is at rest; a core that leaves its rest says so before it looks for one. So
/// either the sender finds the core gone, and kicks it, or the core waits for the wake-up.
#[derive(Debug)]
pub struct Rest {
    /// Whether it waits in root mode and takes interrupts.
    at_rest: AtomicBool,
    /// Whether somebody is about to wake it, or has sent the interrupt and it has not come.
    wake_under_way: AtomicBool,
}

/// What a sender has to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The interrupt that ends a core's rest.
    Wake,
    /// What makes a core leave its guest. One that comes late the hardware keeps until the guest
    /// is entered.
    Kick,
}

impl Rest {
    /// A core at rest.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            at_rest: AtomicBool::new(true),
            wake_under_way: AtomicBool::new(false),
        }
    }

    /// Whether the core is at rest.
    pub fn is_at_rest(&self) -> bool {
        self.at_rest.load(Ordering::SeqCst)
    }

    /// What makes the core look at something that was posted before; `None` if somebody else
    /// sends, or has sent, what does, and it has not come yet.
    pub fn ask(&self) -> Option<Signal> {
        if self.wake_under_way.swap(true, Ordering::SeqCst) {
            return None;
        }
        if self.is_at_rest() {
            return Some(Signal::Wake);
        }
        self.wake_under_way.store(false, Ordering::SeqCst);
        Some(Signal::Kick)
    }

    /// The interrupt of [`Signal::Wake`] has come.
    pub fn notice_wake(&self) {
        self.wake_under_way.store(false, Ordering::SeqCst);
    }

    /// The core goes to run a guest. `wait` waits, with a bound, until what it is given holds: that
    /// no wake-up is under way.
    ///
    /// One that has not come by then is given up: as long as it counted as under way, nobody would
    /// send anything any more.
    pub fn leave(&self, wait: impl FnOnce(&mut dyn FnMut() -> bool)) {
        self.at_rest.store(false, Ordering::SeqCst);
        wait(&mut || !self.wake_under_way.load(Ordering::SeqCst));
        self.wake_under_way.store(false, Ordering::SeqCst);
    }

    /// The core is at rest again.
    pub fn begin(&self) {
        self.at_rest.store(true, Ordering::SeqCst);
    }
}

impl Default for Rest {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_at_rest_is_woken_once() {
        let rest = Rest::new();
        assert_eq!(rest.ask(), Some(Signal::Wake));
        assert_eq!(rest.ask(), None);
        rest.notice_wake();
        assert_eq!(rest.ask(), Some(Signal::Wake));
    }

    #[test]
    fn a_core_in_a_guest_is_kicked_each_time() {
        let rest = Rest::new();
        rest.leave(|is_clear| assert!(is_clear()));
        assert!(!rest.is_at_rest());
        assert_eq!(rest.ask(), Some(Signal::Kick));
        assert_eq!(rest.ask(), Some(Signal::Kick));
        rest.begin();
        assert_eq!(rest.ask(), Some(Signal::Wake));
    }

    #[test]
    fn a_core_that_leaves_waits_for_a_wake_up() {
        let rest = Rest::new();
        assert_eq!(rest.ask(), Some(Signal::Wake));
        rest.leave(|is_clear| {
            assert!(!is_clear());
            rest.notice_wake();
            assert!(is_clear());
        });
        assert_eq!(rest.ask(), Some(Signal::Kick));
    }

    #[test]
    fn a_wake_up_that_never_comes_keeps_no_later_sender_quiet() {
        let rest = Rest::new();
        assert_eq!(rest.ask(), Some(Signal::Wake));
        rest.leave(|is_clear| assert!(!is_clear()));
        assert_eq!(rest.ask(), Some(Signal::Kick));
    }
}
