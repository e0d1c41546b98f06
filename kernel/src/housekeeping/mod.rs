//! The housekeeping core's loop: it prints the partitions' consoles, starts them and takes
//! them apart, and reports what happened. No guest ever runs here, and nothing here waits for
//! one partition while another has something to be done.

mod line;
mod report;

extern crate alloc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::cpu::{interrupts, local_apic, time};
use crate::iommu::Iommu;
use crate::partition::custody::{Custody, Happening};
use line::Line;
pub use report::{refuse, report};

/// How often the loop looks at things that nobody wakes it for.
const TICK_MILLISECONDS: u64 = 20;

/// What the housekeeping core works on.
pub struct House {
    wards: Vec<Ward>,
    iommu: &'static Iommu,
    /// Faults of functions that no partition owns.
    foreign_faults: AtomicU64,
}

/// A partition and its console's line.
struct Ward {
    custody: Custody,
    line: Line,
}

impl House {
    /// Sets everything up that the loop needs, before the heap is sealed.
    pub fn new(custodies: Vec<Custody>, iommu: &'static Iommu) -> Self {
        let ward = |custody| Ward {
            custody,
            line: Line::new(),
        };
        Self {
            wards: custodies.into_iter().map(ward).collect(),
            iommu,
            foreign_faults: AtomicU64::new(0),
        }
    }

    /// Starts all partitions and keeps house until the machine is switched off.
    pub fn run(mut self) -> ! {
        // Let the loop look around now and then, whatever else happens.
        local_apic::start_timer(time::timer_ticks(TICK_MILLISECONDS));
        if self.wards.is_empty() {
            report::report_halt();
        }
        loop {
            let mut is_busy = false;
            for index in 0..self.wards.len() {
                is_busy |= self.look_after(index);
            }
            self.take_faults();
            interrupts::wait_unless(|| is_busy);
        }
    }

    /// Does what one partition needs; whether it needs more at once.
    fn look_after(&mut self, index: usize) -> bool {
        let Some(Ward { custody, line }) = self.wards.get_mut(index) else {
            return false;
        };
        line.drain(custody.partition);
        let Some(happening) = custody.advance(time::milliseconds()) else {
            return custody.is_busy();
        };
        if let Happening::Stopped { .. } = happening {
            // What was printed between the look above and the stop.
            line.drain(custody.partition);
            line.flush(&custody.partition.name);
        }
        report::report_happening(custody, happening);
        if self
            .wards
            .iter()
            .all(|ward| ward.custody.lifecycle().is_at_rest())
        {
            report::report_halt();
        }
        true
    }

    fn take_faults(&self) {
        self.iommu.take_faults(|fault| {
            let partitions = self.wards.iter().map(|ward| ward.custody.partition);
            let owner = { partitions }.find(|one| one.owns(fault.requester));
            let count = owner.map_or(&self.foreign_faults, |owner| &owner.faults);
            let before = count.fetch_add(1, Ordering::Relaxed);
            report::report_fault(owner.map(|owner| &*owner.name), fault, before);
        });
    }
}
