//! Whether a partition's cores may run its guest, how many of them do, and why they no longer
//! may: what the cores and the housekeeping core tell one another.

use core::sync::atomic::{AtomicU32, Ordering};

use lifecycle::StopCause;
use spin::Mutex;

/// The partition may run. The other bits count the cores that do.
const RUNNING: u32 = 1 << 31;

/// Whether a partition runs, how many of its cores are in the guest, and why it stopped.
#[derive(Debug)]
pub struct Life {
    state: AtomicU32,
    cause: Mutex<Option<StopCause>>,
}

impl Life {
    /// A partition that has not been started.
    pub const fn new() -> Self {
        Self {
            state: AtomicU32::new(0),
            cause: Mutex::new(None),
        }
    }

    /// The partition may run from now on.
    pub fn start(&self) {
        self.state.fetch_or(RUNNING, Ordering::AcqRel);
    }

    /// Whether the partition may run.
    pub fn runs(&self) -> bool {
        self.state.load(Ordering::Acquire) & RUNNING != 0
    }

    /// Counts a core in; false, and not counted, if the partition does not run.
    pub fn enter(&self) -> bool {
        let count = |state: u32| (state & RUNNING != 0).then(|| state.wrapping_add(1));
        self.state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, count)
            .is_ok()
    }

    /// Counts a core out; whether it was the last one of a partition that stops.
    pub fn leave(&self) -> bool {
        self.state.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// The partition may not run any more; whether this call is the first to say so.
    pub fn stop(&self, cause: StopCause) -> bool {
        let mut kept = self.cause.lock();
        let was = self.state.fetch_and(!RUNNING, Ordering::AcqRel);
        if was & RUNNING == 0 {
            return false;
        }
        *kept = Some(cause);
        true
    }

    /// Why the guest ends, once, as soon as it does.
    pub fn take_end(&self) -> Option<StopCause> {
        self.cause.lock().take()
    }

    /// Whether no core is in the guest, or may enter it.
    pub fn is_over(&self) -> bool {
        self.state.load(Ordering::Acquire) == 0
    }
}
