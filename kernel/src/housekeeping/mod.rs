//! The housekeeping core's loop: it shows the partitions' consoles, starts them and takes
//! them apart, reports what happened, and answers the management channels. No guest ever runs
//! here, and nothing here waits for one partition, or for a serial line, while another has
//! something to be done.

mod report;
mod screen;

extern crate alloc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use image_room::Announcement;
use lifecycle::State;
use plan::ImagePart;

use crate::cpu::{attention, interrupts, local_apic, time};
use crate::host::given_up::{self, Table};
use crate::host::{console, heap, paging};
use crate::iommu::Iommu;
use crate::log;
use crate::mgmt::Channel;
use crate::partition::custody::Custody;
use crate::partition::devices::console::Activity;
pub use report::{refuse, report};
use screen::{Feed, Screen};

/// How often the loop looks at things that nobody wakes it for.
const TICK_MILLISECONDS: u64 = 20;
/// How often where serial lines are fed and read: a 16550 holds 16 bytes, at 115,200 baud what
/// comes or goes in 1.4 ms.
const FEED_MILLISECONDS: u64 = 1;
/// How long the loop does not rest after a guest has printed on the console without exits: it
/// waits for each of its buffers.
const PRINTING_MILLISECONDS: u64 = 2;
/// How long a report waits for what the guest has printed before it: far longer than the
/// machine's console takes for it, if it takes anything.
const LAST_WORDS_MILLISECONDS: u64 = 5_000;

/// What the housekeeping core works on.
pub struct House {
    custodies: Vec<Custody>,
    feeds: Vec<Feed>,
    reports: Vec<Report>,
    screen: Screen,
    channels: Vec<&'static mut Channel>,
    iommu: &'static Iommu,
    /// What nobody needs once the boot is over.
    past: &'static Table,
    /// Faults of functions that no partition owns.
    foreign_faults: AtomicU64,
    /// Whether it was told that the machine is sealed.
    is_sealing_told: bool,
    tick_milliseconds: u64,
    /// Until when the loop does not rest.
    awake_until: u64,
}

/// What was told of a partition.
struct Report {
    /// The state that was recorded last.
    recorded: State,
    /// The state that was told on the console last.
    state: State,
    /// The images in place of the bundle's that were recorded last, in the order of
    /// [`ImagePart::ALL`].
    images: [Option<Announcement>; ImagePart::ALL.len()],
    /// Until when the next report waits for the guest's last words.
    until: u64,
}

impl Report {
    fn record(&mut self, custody: &Custody, channels: &mut [&mut Channel], now: u64) {
        let state = custody.lifecycle().state();
        if state != self.recorded {
            // Of a guest that was asked to end it is recorded already that it stops.
            if (self.recorded, state) != (State::Asked, State::Stopping) {
                for channel in channels.iter_mut() {
                    channel.note_state(custody, now);
                }
            }
            self.recorded = state;
        }
        for (recorded, part) in self.images.iter_mut().zip(ImagePart::ALL) {
            let replaced = custody.pristine.replaced(part);
            if *recorded != replaced {
                *recorded = replaced;
                for channel in channels.iter_mut() {
                    channel.note_image(custody, part, now);
                }
            }
        }
    }
}

/// When the loop has to go round again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Tick,
    Soon,
    Now,
}

impl House {
    /// Sets everything up that the loop needs, before the heap is sealed.
    pub fn new(
        custodies: Vec<Custody>,
        iommu: &'static Iommu,
        channels: Vec<&'static mut Channel>,
        past: &'static Table,
    ) -> Self {
        let report = |_| Report {
            recorded: State::Starting,
            state: State::Starting,
            images: Default::default(),
            until: u64::MAX,
        };
        let feed = |custody: &Custody| Feed::new(custody.partition);
        Self {
            feeds: custodies.iter().map(feed).collect(),
            reports: custodies.iter().map(report).collect(),
            custodies,
            screen: Screen::new(console::queue()),
            channels,
            iommu,
            past,
            foreign_faults: AtomicU64::new(0),
            is_sealing_told: false,
            tick_milliseconds: 0,
            awake_until: 0,
        }
    }

    /// Starts all partitions and keeps house until the machine is switched off.
    #[inline(never)]
    pub extern "C" fn run(&'static mut self) -> ! {
        self.look_after_all();
        // The guests start; what brought them so far is not needed again.
        end_boot(self.past);
        report::report_size();
        if self.custodies.is_empty() {
            report::report_halt();
        }
        loop {
            let begin = time::read_tsc();
            attention::give();
            let mut need = self.look_after_all();
            need = need.max(self.serve_consoles(time::milliseconds()));
            self.take_faults();
            if self.screen.show(&mut self.feeds) {
                need = need.max(Need::Soon);
            }
            for channel in &mut self.channels {
                let now = time::milliseconds();
                channel.serve(&mut self.custodies, now);
                need = need.max(if channel.is_busy(now) {
                    Need::Now
                } else {
                    Need::Soon
                });
            }
            self.tell_sealing();
            self.set_tick(need);
            let ticks = time::read_tsc().saturating_sub(begin);
            for channel in &mut self.channels {
                channel.note_turn(ticks);
            }
            interrupts::wait_unless(|| need == Need::Now || attention::is_wanted());
        }
    }

    /// Takes what the guests print on the consoles without exits, of each a bounded amount.
    fn serve_consoles(&mut self, now: u64) -> Need {
        let mut need = Need::Tick;
        for custody in &self.custodies {
            match custody.partition.serve_console() {
                Activity::Unused => {}
                Activity::Quiet => need = need.max(Need::Soon),
                Activity::Printing => self.awake_until = now.saturating_add(PRINTING_MILLISECONDS),
            }
        }
        if now < self.awake_until {
            need = Need::Now;
        }
        need
    }

    /// Lets the loop look around now and then, whatever else happens.
    fn set_tick(&mut self, need: Need) {
        let milliseconds = match need {
            Need::Tick => TICK_MILLISECONDS,
            Need::Soon | Need::Now => FEED_MILLISECONDS,
        };
        if self.tick_milliseconds != milliseconds {
            self.tick_milliseconds = milliseconds;
            local_apic::start_timer(time::timer_ticks(milliseconds));
        }
    }

    /// Does what each partition needs.
    fn look_after_all(&mut self) -> Need {
        let mut need = Need::Tick;
        for index in 0..self.custodies.len() {
            need = need.max(self.look_after(index, time::milliseconds()));
        }
        need
    }

    /// Does what one partition needs, and reports what has become of it.
    fn look_after(&mut self, index: usize, now: u64) -> Need {
        let partition = (
            self.custodies.get_mut(index),
            self.feeds.get_mut(index),
            self.reports.get_mut(index),
        );
        let (Some(custody), Some(feed), Some(report)) = partition else {
            return Need::Tick;
        };
        // What the administrator has asked for meanwhile.
        report.record(custody, &mut self.channels, now);
        if report.recorded == report.state {
            custody.advance(now);
            report.record(custody, &mut self.channels, now);
        }
        let state = report.recorded;
        if state == report.state {
            return if custody.is_busy() {
                Need::Now
            } else {
                Need::Tick
            };
        }
        // What a guest has printed stands before the report of its end.
        if report.state == State::Stopping && !feed.end() {
            report.until = report
                .until
                .min(now.saturating_add(LAST_WORDS_MILLISECONDS));
            if now < report.until {
                return Need::Soon;
            }
        }
        report::report_change(custody, report.state);
        report.state = state;
        report.until = u64::MAX;
        if self.has_halted() {
            report::report_halt();
        }
        Need::Now
    }

    /// Records, once, that the channel has sealed the machine.
    fn tell_sealing(&mut self) {
        if let Some(sealed) = given_up::sealed()
            && !self.is_sealing_told
        {
            self.is_sealing_told = true;
            for channel in &mut self.channels {
                channel.note_sealed(sealed, time::milliseconds());
            }
            report::report_sealing(sealed);
        }
    }

    /// Whether no partition runs or will by itself, and all of them have been reported so.
    fn has_halted(&self) -> bool {
        let mut both = self.custodies.iter().zip(&self.reports);
        both.all(|(custody, report)| {
            let lifecycle = custody.lifecycle();
            lifecycle.is_at_rest() && lifecycle.state() == report.state
        })
    }

    fn take_faults(&mut self) {
        let now = time::milliseconds();
        self.iommu.take_faults(|fault| {
            let partitions = self.custodies.iter().map(|custody| custody.partition);
            let owner = { partitions }.find(|one| one.owns(fault.requester));
            for channel in &mut self.channels {
                channel.note_fault(owner, fault, now);
            }
            let count = owner.map_or(&self.foreign_faults, |owner| &owner.faults);
            let before = count.fetch_add(1, Ordering::Relaxed);
            report::report_fault(owner.map(|owner| &*owner.name), fault, before);
        });
    }
}

/// Takes what only the boot needed out of the address space: its text, its tables and its stack,
/// and what it left of the heap.
fn end_boot(past: &'static Table) {
    // SAFETY: this core will not leave `House::run`. The others have arrived, or were sent INIT:
    // they are in their loop, which stays.
    if let Err(why) = unsafe { given_up::end_boot(past) } {
        log!("the boot's text stays mapped: {why}");
    }
    if let Err(why) = paging::unmap_boot() {
        log!("the boot's tables or its stack stay mapped: {why}");
    }
    while let Some(spare) = heap::take_spare_page() {
        if let Err(why) = paging::unmap(spare) {
            log!("a spare page of the heap stays mapped: {why}");
        }
    }
}
