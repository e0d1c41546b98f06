//! A core that goes round in a loop, and sleeps between.

use core::sync::atomic::{AtomicBool, Ordering};

/// What callers want of a core that looks at everything whenever it goes round: that it does.
///
/// It costs that core one interrupt at most each time round, however often it is called: a guest
/// whose calls interrupted it one by one would keep it from ever getting further.
#[derive(Debug)]
pub struct Attention(AtomicBool);

impl Attention {
    /// Nobody wants it.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Wants the core to look at what was done before this call; whether the caller has to send the
    /// interrupt, for nobody has since the core looked last.
    pub fn call(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }

    /// Whether somebody has called since [`Attention::give`]: the core must not sleep. To be asked
    /// with interrupts off, which a sleep lets in: then no call slips in between.
    pub fn is_wanted(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The core is about to look. A call that comes too late for that leads to another look. An
    /// exchange and not a store: what was done before a call that it ends is seen by the look.
    pub fn give(&self) {
        self.0.swap(false, Ordering::SeqCst);
    }
}

impl Default for Attention {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn however_often_it_is_called_one_interrupt_is_sent_each_time_round() {
        let attention = Attention::new();
        for _ in 0..3 {
            let sent = (0..1_000).filter(|_| attention.call()).count();
            assert_eq!(sent, 1);
            assert!(attention.is_wanted());
            attention.give();
            assert!(!attention.is_wanted());
        }
    }

    #[test]
    fn what_was_done_before_a_call_is_seen_or_the_core_looks_again() {
        const CALLS: u32 = 100_000;
        let (attention, done, sent) = (Attention::new(), AtomicU32::new(0), AtomicU32::new(0));
        let (rounds, seen) = thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..CALLS {
                        done.fetch_add(1, Ordering::Relaxed);
                        sent.fetch_add(attention.call().into(), Ordering::Relaxed);
                    }
                });
            }
            let (mut rounds, mut seen) = (0_u32, 0);
            while seen < 2 * CALLS {
                while !attention.is_wanted() {
                    thread::yield_now();
                }
                attention.give();
                rounds += 1;
                seen = done.load(Ordering::Relaxed);
            }
            (rounds, seen)
        });
        let late = u32::from(attention.is_wanted());
        assert_eq!(seen, 2 * CALLS);
        assert_eq!(sent.load(Ordering::Relaxed), rounds + late);
    }
}
