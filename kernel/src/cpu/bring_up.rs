//! Bringing up the application processors, one after another (Intel SDM 325384-080, volume
//! 3A, section 9.4.4 "MP Initialization Example").

use core::arch::global_asm;
use core::sync::atomic::{AtomicBool, Ordering};

use addr::{HostPhysical, Range};
use thiserror::Error;

use super::core::Core;
use super::{local_apic, time};
use crate::host::physical::{self, OutOfRange, Ram};

global_asm!(include_str!("trampoline.s"), options(att_syntax));

/// Where `trampoline.s` is linked to run: conventional memory that firmware leaves alone.
pub const TRAMPOLINE: HostPhysical = HostPhysical::new(0x8000);
const TRAMPOLINE_PAGE: u8 = (TRAMPOLINE.as_u64() >> 12) as u8;
/// A core that has not come up after two start-ups and this long each is not coming.
const START_UP_MILLISECONDS: u64 = 500;

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_words: u8;
    static trampoline_end: u8;
}

/// Where a core goes on once it is in 64-bit mode.
pub type Entry<T> = extern "C" fn(&'static Start<T>) -> !;

/// What a starting core is given.
pub struct Start<T: 'static> {
    /// Its own value.
    pub core: &'static Core,
    /// What it is for.
    pub purpose: T,
    /// The first address above its main stack.
    stack_top: HostPhysical,
    arrived: AtomicBool,
}

impl<T> Start<T> {
    /// What `core` is given at its start, with a main stack below `stack_top`.
    pub const fn new(core: &'static Core, stack_top: HostPhysical, purpose: T) -> Self {
        Self {
            core,
            purpose,
            stack_top,
            arrived: AtomicBool::new(false),
        }
    }

    /// Tells the core that waits in [`start`] that this one has come up.
    pub fn arrive(&self) {
        self.arrived.store(true, Ordering::Release);
    }
}

/// Why a core is not there.
#[derive(Debug, Error)]
pub enum StartError {
    /// The trampoline does not fit its page.
    #[error("the trampoline does not fit its page")]
    Trampoline,
    /// The core did not answer.
    #[error("it did not answer two start-up interrupts")]
    Silent,
}

/// Starts the core of `start` at `entry` and waits until it has arrived.
///
/// # Errors
/// The core does not come.
///
/// # Safety
/// `level4` maps the kernel and the trampoline's page; the memory at the trampoline's page is
/// RAM that nobody uses; no two cores are started at once.
pub unsafe fn start<T>(
    start: &'static Start<T>,
    entry: Entry<T>,
    level4: HostPhysical,
) -> Result<(), StartError> {
    let words = [
        level4.as_u64(),
        start.stack_top.as_u64(),
        entry as usize as u64,
        (&raw const *start) as u64,
    ];
    // SAFETY: the caller vouches for the trampoline's page.
    unsafe { place_trampoline(words) }.map_err(|_| StartError::Trampoline)?;
    local_apic::send_init(start.core.id);
    for _ in 0..2 {
        local_apic::send_start_up(start.core.id, TRAMPOLINE_PAGE);
        let arrived = || start.arrived.load(Ordering::Acquire);
        if time::sleep_until(START_UP_MILLISECONDS, arrived) {
            return Ok(());
        }
    }
    // Whatever it does now, it must not run on in a page that is written again.
    local_apic::send_init(start.core.id);
    Err(StartError::Silent)
}

/// Copies the trampoline to its page and fills in its words.
///
/// # Safety
/// The page is RAM that nobody uses.
unsafe fn place_trampoline(words: [u64; 4]) -> Result<(), OutOfRange> {
    let first = (&raw const trampoline_start) as u64;
    let words_offset = ((&raw const trampoline_words) as u64).wrapping_sub(first);
    let bytes = ((&raw const trampoline_end) as u64).wrapping_sub(first);
    let source = Range::new(HostPhysical::new(first), bytes).ok_or(OutOfRange)?;
    let page = Range::new(TRAMPOLINE, 4096).ok_or(OutOfRange)?;
    // SAFETY: the caller vouches for the page.
    let page = unsafe { Ram::new(page) };
    // SAFETY: the trampoline is a constant of the kernel's image.
    page.write(0, unsafe { physical::bytes(source) })?;
    for (index, word) in (0_u64..).zip(words) {
        let offset = index
            .checked_mul(8)
            .and_then(|bytes| words_offset.checked_add(bytes));
        page.write_u64(offset.ok_or(OutOfRange)?, word)?;
    }
    Ok(())
}
