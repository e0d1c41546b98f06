//! How guests' cores call the housekeeping core: with one interrupt at most for each time that its
//! loop goes round, whatever guests do.

use addr::ApicId;
use wake_up::Attention;

use super::local_apic;

static ATTENTION: Attention = Attention::new();

/// Makes the housekeeping core, whose ID is `housekeeping`, go round once more.
pub fn call(housekeeping: ApicId) {
    if ATTENTION.call() {
        local_apic::send_wake(housekeeping);
    }
}

/// The housekeeping core begins to go round.
pub fn give() {
    ATTENTION.give();
}

/// Whether somebody has called since. With interrupts off, before HLT.
pub fn is_wanted() -> bool {
    ATTENTION.is_wanted()
}
