//! All cores of all partitions stand still in root mode while one core changes what they execute.
//!
//! Each is asked by its mailbox, comes to the beginning of its loop, where it is in the middle of
//! nothing, and waits there. Before it goes on it serialises: what it has fetched or decoded
//! earlier is forgotten (Intel SDM 325384-080, volume 3A, section 9.1.3 "Handling Self- and
//! Cross-Modifying Code").

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::core::{Core, Request};
use super::time;

/// How long cores may take to come: one that runs its guest comes at once.
const COME_MILLISECONDS: u64 = 200;
/// How long a core stands at most. What it stands for takes far less.
const STAND_MILLISECONDS: u64 = 1_000;

/// Whether cores are to stand.
static WANTED: AtomicBool = AtomicBool::new(false);
/// How many do.
static STANDING: AtomicUsize = AtomicUsize::new(0);

/// A core did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotStanding;

/// Does `action` while all of `cores` stand.
///
/// # Errors
/// A core does not come, for it waits in root mode or is stopped there; nothing was done.
pub fn while_standing<T>(
    cores: impl Iterator<Item = &'static Core>,
    action: impl FnOnce() -> T,
) -> Result<T, NotStanding> {
    WANTED.store(true, Ordering::SeqCst);
    let mut count = 0_usize;
    for core in cores {
        core.ask(Request::STAND);
        count = count.saturating_add(1);
    }
    let all_stand = time::wait_for(COME_MILLISECONDS, || {
        STANDING.load(Ordering::SeqCst) == count
    });
    let done = all_stand.then(action);
    WANTED.store(false, Ordering::SeqCst);
    time::wait_for(COME_MILLISECONDS, || STANDING.load(Ordering::SeqCst) == 0);
    done.ok_or(NotStanding)
}

/// Stands as long as is wanted; on a core that was asked, at the beginning of its loop.
pub fn stand() {
    STANDING.fetch_add(1, Ordering::SeqCst);
    time::wait_for(STAND_MILLISECONDS, || !WANTED.load(Ordering::SeqCst));
    STANDING.fetch_sub(1, Ordering::SeqCst);
    // CPUID serialises.
    core::arch::x86_64::__cpuid(0);
}
