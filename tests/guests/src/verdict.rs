//! How a guest ends: its one line, and the machine off.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use crate::{apic, command_line, interrupts, power, ram, wait};

/// What a guest's `main` returns.
pub type Verdict = Result<(), Failure>;

/// The longest reason that is kept.
const REASON_BYTES: usize = 112;

/// The time-stamp counter at 1 GHz.
const TICKS_A_MILLISECOND: u64 = 1_000_000;

/// Why a guest failed.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    reason: [u8; REASON_BYTES],
    bytes: usize,
}

impl Failure {
    /// A failure with a reason, cut if it is very long.
    #[must_use]
    pub fn new(reason: fmt::Arguments<'_>) -> Self {
        let mut failure = Self {
            reason: [0; REASON_BYTES],
            bytes: 0,
        };
        // A reason that is cut is still one.
        let _ = failure.write_fmt(reason);
        failure
    }
}

impl fmt::Write for Failure {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            *self.reason.get_mut(self.bytes).ok_or(fmt::Error)? = byte;
            self.bytes = self.bytes.saturating_add(1);
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.get(..self.bytes).unwrap_or_default();
        for chunk in reason.utf8_chunks() {
            formatter.write_str(chunk.valid())?;
        }
        Ok(())
    }
}

/// A guest: its name and what it does.
pub struct Guest {
    /// The name in its closing line.
    pub name: &'static str,
    /// What it does.
    pub main: fn() -> Verdict,
}

unsafe extern "Rust" {
    /// The image's guest, which [`guest!`](crate::guest) defines exactly once.
    safe fn test_guest() -> Guest;
}

/// Makes a function the image's guest, under the name of its binary.
#[macro_export]
macro_rules! guest {
    ($main:path) => {
        #[unsafe(no_mangle)]
        fn test_guest() -> $crate::Guest {
            $crate::Guest {
                name: env!("CARGO_BIN_NAME"),
                main: $main,
            }
        }
    };
}

/// Leaves the function with a failure.
#[macro_export]
macro_rules! fail {
    ($($reason:tt)*) => {
        return ::core::result::Result::Err($crate::Failure::new(format_args!($($reason)*)))
    };
}

/// Leaves the function with a failure unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($reason:tt)*) => {
        if !$condition {
            $crate::fail!($($reason)*);
        }
    };
}

/// The first Rust code: makes the machine what `main` expects, runs it, and ends.
#[unsafe(no_mangle)]
extern "C" fn guest_start(start_info: u32) -> ! {
    interrupts::load();
    command_line::keep(start_info);
    ram::keep(start_info);
    power::leave_firmware_behind();
    if let Err(failure) = apic::enable() {
        finish(Err(failure));
    }
    wait_for_turn();
    finish((test_guest().main)())
}

/// Gives the neighbours `delay=N` milliseconds to get ready before the guest does its deed.
fn wait_for_turn() {
    if let Some(milliseconds) = command_line::numbers("delay").next() {
        wait::pass(milliseconds.saturating_mul(TICKS_A_MILLISECOND));
        crate::say!("begins");
    }
}

/// Says that the guest passed, for one that is not going to return.
pub fn announce_pass() {
    crate::say!("PASS {}", test_guest().name);
}

/// Says how it went and powers off.
pub fn finish(verdict: Verdict) -> ! {
    match verdict {
        Ok(()) => announce_pass(),
        Err(failure) => crate::say!("FAIL {}: {failure}", test_guest().name),
    }
    power::off()
}

#[panic_handler]
fn panicked(information: &PanicInfo<'_>) -> ! {
    finish(Err(Failure::new(format_args!("{information}"))))
}
