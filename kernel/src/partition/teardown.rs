//! Taking a partition apart when its guest has ended, step by step: its cores leave the guest,
//! its functions lose their bus mastering, finish what is under way, are reset and checked, the
//! IOMMU forgets what they reached, and the memory is cleared.
//!
//! No step waits: each looks whether it can be taken yet, so that the housekeeping core looks
//! after everybody else in between. A function that does not come back in its time is
//! remembered as the partition's [`Failure`], and the other steps are taken all the same.

use lifecycle::Failure;

use super::Partition;
use super::devices::reset::{ANSWER_MILLISECONDS, PENDING_MILLISECONDS, RESET_MILLISECONDS};
use crate::cpu::core::Request;
use crate::iommu::{Domain, Iommu};

/// A core leaves its guest within microseconds, unless it stands in root mode for good or
/// waits for a function that its guest resets.
const LEAVE_MILLISECONDS: u64 = 2_000;
/// What is cleared in one step: well below a millisecond.
const CLEAR_BYTES: u64 = 2 << 20;

/// Where it stands; times are those of `time::milliseconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Idle,
    /// The cores leave the guest.
    Leaving {
        until: u64,
    },
    /// They read what was asked of them last.
    Settling {
        until: u64,
    },
    /// The functions' requests are answered.
    Draining {
        until: u64,
    },
    /// The functions may not be touched.
    Resetting {
        until: u64,
    },
    /// They answer again.
    Answering {
        until: u64,
    },
    /// The memory is cleared.
    Clearing {
        done: u64,
    },
}

/// What is taken apart, and who guards its functions' DMA.
pub struct Site<'a> {
    pub partition: &'a Partition,
    pub domain: &'a Domain,
    pub iommu: &'a Iommu,
}

/// One partition's way from its guest's end to where it can be started again.
#[derive(Debug)]
pub struct Teardown {
    step: Step,
    failure: Option<Failure>,
}

impl Teardown {
    /// Nothing is to be taken apart.
    pub const fn new() -> Self {
        Self {
            step: Step::Idle,
            failure: None,
        }
    }

    /// The guest has ended: begin.
    pub const fn begin(&mut self, now: u64) {
        let until = now.saturating_add(LEAVE_MILLISECONDS);
        self.step = Step::Leaving { until };
    }

    /// Whether there is something to do at once.
    pub const fn is_busy(&self) -> bool {
        matches!(self.step, Step::Clearing { .. })
    }

    /// Takes the next step if it can be taken; the outcome, once, after the last one.
    pub fn advance(&mut self, site: &Site<'_>, now: u64) -> Option<Result<(), Failure>> {
        let before = self.step;
        let after = self.next(site, now);
        self.step = after.unwrap_or(Step::Idle);
        match after {
            Err(failure) => Some(Err(failure)),
            Ok(Step::Idle) if before != Step::Idle => Some(self.failure.take().map_or(Ok(()), Err)),
            Ok(_) => None,
        }
    }

    fn next(&mut self, site: &Site<'_>, now: u64) -> Result<Step, Failure> {
        let after = |milliseconds| now.saturating_add(milliseconds);
        let functions = &site.partition.functions;
        Ok(match self.step {
            Step::Leaving { .. } if site.partition.is_over() => {
                site.partition.ask_all(Request::STOP);
                let until = after(LEAVE_MILLISECONDS);
                Step::Settling { until }
            }
            Step::Settling { .. } if site.partition.has_settled() => {
                functions.iter().for_each(|one| one.lock().stop_requests());
                let until = after(PENDING_MILLISECONDS);
                Step::Draining { until }
            }
            // What such a core holds locked is not to be waited for: nothing else is touched.
            Step::Leaving { until } | Step::Settling { until } if now >= until => {
                return Err(Failure::CoreStays);
            }
            Step::Draining { until }
                if now >= until || functions.iter().all(|one| one.lock().is_drained()) =>
            {
                let started = functions.iter().filter(|one| one.lock().start_reset());
                let pause = if started.count() > 0 {
                    RESET_MILLISECONDS
                } else {
                    0
                };
                let until = after(pause);
                Step::Resetting { until }
            }
            Step::Resetting { until } if now >= until => {
                let until = after(ANSWER_MILLISECONDS);
                Step::Answering { until }
            }
            Step::Answering { until }
                if now >= until || functions.iter().all(|one| one.lock().answers()) =>
            {
                self.take_back(site);
                Step::Clearing { done: 0 }
            }
            Step::Clearing { done } => match site.partition.memory.clear_more(done, CLEAR_BYTES) {
                Some(done) => Step::Clearing { done },
                None => Step::Idle,
            },
            waiting => waiting,
        })
    }

    /// Checks the functions, makes them as new and takes the memory away from them. The first
    /// failure is the one that is told.
    fn take_back(&mut self, site: &Site<'_>) {
        for function in &site.partition.functions {
            let mut function = function.lock();
            let renewed = if function.answers() {
                function.renew()
            } else {
                Err(Failure::FunctionLost(function.address))
            };
            if let Err(failure) = renewed {
                self.failure.get_or_insert(failure);
            }
        }
        for function in &site.partition.synthetic {
            function.lock().reset();
        }
        let detached = site.domain.detach(site.iommu, &site.partition.requesters);
        if detached.is_err() {
            self.failure.get_or_insert(Failure::IommuSilent);
        }
    }
}
