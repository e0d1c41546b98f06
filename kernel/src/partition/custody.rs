//! A partition as the housekeeping core keeps it: what it is doing, and what it takes to
//! start its guest anew.
//!
//! All of it happens on the housekeeping core, a bit at a time: [`Custody::advance`] never
//! waits. A guest that ends says so in its partition's [`Life`](super::life::Life).

use core::sync::atomic::Ordering;

use guest_image::Entry;
use lifecycle::{Afterwards, Answer, Failure, Lifecycle, Refused, State, StopCause, Wish};

use super::Partition;
use super::pristine::Pristine;
use super::teardown::{Site, Teardown};
use crate::iommu::{Domain, Iommu};

/// One partition's keeper.
pub struct Custody {
    /// The partition.
    pub partition: &'static Partition,
    /// What its guest begins with.
    pub pristine: Pristine,
    lifecycle: Lifecycle,
    /// How the next guest begins, if the memory is filled and the functions are attached
    /// already, as they are after boot.
    prepared: Option<Entry>,
    domain: Domain,
    iommu: &'static Iommu,
    teardown: Teardown,
    afterwards: Afterwards,
    denied_limit: Option<u32>,
    /// How often its earlier guests were denied something.
    denied_before: u64,
}

impl Custody {
    /// Takes over a partition that boot has prepared, with what its first guest begins with.
    pub fn new(
        partition: &'static Partition,
        plan: &plan::Partition,
        (pristine, entry): (Pristine, Entry),
        (domain, iommu): (Domain, &'static Iommu),
    ) -> Self {
        Self {
            partition,
            pristine,
            lifecycle: Lifecycle::prepared(plan.restart),
            prepared: Some(entry),
            domain,
            iommu,
            teardown: Teardown::new(),
            afterwards: Afterwards::Stays,
            denied_limit: plan.denied_limit,
            denied_before: 0,
        }
    }

    /// What the partition is doing, and did.
    pub const fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Whether there is something to do at once.
    pub fn is_busy(&self) -> bool {
        self.teardown.is_busy() || self.lifecycle.state() == State::Starting
    }

    /// What follows its last guest's end.
    pub const fn afterwards(&self) -> Afterwards {
        self.afterwards
    }

    /// From now on nothing is started.
    pub const fn seal(&mut self) {
        self.lifecycle.seal();
    }

    /// Asks its guest, if one runs, to switch itself off; false if that one cannot be asked.
    pub fn ask_guest(&self) -> bool {
        !self.lifecycle.runs() || self.partition.press_power_button()
    }

    /// An administrator has a wish, for which the guest was asked to end until the time `until`,
    /// or is forced.
    ///
    /// # Errors
    /// It cannot be started any more.
    pub fn request(&mut self, wish: Wish, until: Option<u64>, now: u64) -> Result<(), Refused> {
        let answer = self.lifecycle.request(wish, until, now)?;
        self.obey(answer);
        Ok(())
    }

    fn obey(&self, answer: Answer) {
        if answer == Answer::Kick {
            self.partition.stop(StopCause::Administrator);
        }
    }

    /// Does what can be done at the time `now`: at most one step from one state to another.
    pub fn advance(&mut self, now: u64) {
        if let Some(cause) = self.partition.take_end() {
            self.afterwards = self.lifecycle.ended(cause, now);
            self.teardown.begin(now);
            return;
        }
        let answer = self.lifecycle.lose_patience(now);
        self.obey(answer);
        self.enforce_denied_limit();
        if self.lifecycle.state() == State::Starting {
            if let Err(failure) = self.start(now) {
                self.lifecycle.failed(failure, now);
            }
            return;
        }
        let site = Site {
            partition: self.partition,
            domain: &self.domain,
            iommu: self.iommu,
        };
        match self.teardown.advance(&site, now) {
            Some(Ok(())) => self.lifecycle.stopped(now),
            Some(Err(failure)) => self.lifecycle.failed(failure, now),
            None => _ = self.lifecycle.is_due(now),
        }
    }

    /// Ends a guest that was denied more than the plan lets pass. It is looked at here, and not
    /// where an access is denied, so that no exit pays for it: a guest gets over its limit by
    /// what it can be denied in one turn of the loop.
    fn enforce_denied_limit(&self) {
        let denied = self.partition.denied.load(Ordering::Relaxed);
        let denied = denied.saturating_sub(self.denied_before);
        if self.lifecycle.runs() && self.denied_limit.is_some_and(|limit| denied > limit.into()) {
            self.partition.stop(StopCause::DeniedPolicy);
        }
    }

    /// Fills the memory and lets the guest begin; a sealed machine has this no more.
    #[inline(never)]
    fn start(&mut self, now: u64) -> Result<(), Failure> {
        let partition = self.partition;
        let entry = match self.prepared.take() {
            Some(entry) => entry,
            None => self.prepare()?,
        };
        self.denied_before = partition.denied.load(Ordering::Relaxed);
        partition.start(entry);
        self.lifecycle.started(now);
        Ok(())
    }

    /// Fills the memory, attaches the functions, and says how the guest begins: another image
    /// than the last one's may have another entry.
    fn prepare(&self) -> Result<Entry, Failure> {
        let partition = self.partition;
        let loaded = self.pristine.load(&partition.memory);
        let entry = loaded.map_err(|_| Failure::ImageRefused)?;
        let attached = self.domain.attach(self.iommu, &partition.requesters);
        attached.map_err(|_| Failure::IommuSilent)?;
        partition.reset_devices();
        Ok(entry)
    }
}
