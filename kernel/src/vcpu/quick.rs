//! The one exit of a busy guest, an interrupt from one of its cores to another, answered before
//! anything else is looked at.
//!
//! Machine state: interrupts and kicks are held, as for every exit, but of the registers only
//! those are root mode's that the exit itself restores. Under SVM, FS, GS, TR, LDTR and what
//! else VMSAVE keeps are still the guest's: nothing here may use them, wait, or be able to fault.
//!
//! A kick that comes meanwhile waits, and ends the guest's next run at once; so the mailbox
//! need not be looked at.

use vdev::ExitReason;
use vdev::icr::{self, OwnCores};

use super::counters::Counters;
use crate::cpu::local_apic;
use crate::partition::Partition;

/// What the answer takes.
pub struct Quick {
    own: OwnCores,
    counters: &'static Counters,
}

impl Quick {
    /// What the virtual CPU `index` of `partition` needs; `None` if it has no such one.
    pub fn new(partition: &'static Partition, index: usize) -> Option<Self> {
        Some(Self {
            own: OwnCores::new(&partition.core_ids),
            counters: partition.counters.get(index)?,
        })
    }

    /// Sends what the guest wrote to ICR, from EDX and EAX, and counts the exit; false, and
    /// nothing done, if it is not simply an interrupt for one of the partition's own cores.
    #[inline(always)]
    pub fn send(&self, edx: u32, eax: u32) -> bool {
        let simple = icr::is_own_unicast(edx, eax, &self.own);
        if simple {
            // Counted first: whoever gets the interrupt finds it in the count.
            self.counters.count(ExitReason::IcrWrite);
            local_apic::send_checked(u64::from(edx) << 32 | u64::from(eax));
        }
        simple
    }
}
