//! The machine's serial console: Bulkhead's own messages, and the guests' that the
//! housekeeping core shows for them.
//!
//! Only boot, the housekeeping core and a crash write here, so that no exit path ever waits
//! for a serial line. Boot prints at once. From [`queue`] on a message is only kept, and the
//! housekeeping core sends what the line takes, so that it never waits for it either.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use history::Bytes;
use spin::Mutex;

use super::serial_port::SerialPort;

/// How often a full transmitter is asked before a byte is dropped: at 115,200 baud a byte
/// leaves in about 87 µs, far below this many port reads.
const SEND_ATTEMPTS: u32 = 1_000_000;
/// What is kept of Bulkhead's own messages.
pub const LOG_BYTES: usize = 8 * 1024;

static CONSOLE: Mutex<Option<Serial>> = Mutex::new(None);
static LOG: Bytes<LOG_BYTES> = Bytes::new();
/// Whoever holds it writes to the log.
static WRITER: Mutex<()> = Mutex::new(());
static IS_QUEUED: AtomicBool = AtomicBool::new(false);

/// A serial port, written with a bound on every wait.
struct Serial(SerialPort);

impl Serial {
    fn send(&mut self, byte: u8) {
        for _ in 0..SEND_ATTEMPTS {
            if self.0.send(&[byte]) > 0 {
                return;
            }
        }
    }
}

impl Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.send(b'\r');
            }
            self.send(byte);
        }
        Ok(())
    }
}

/// Keeps a message.
struct Keeper;

impl Write for Keeper {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| LOG.push(byte));
        Ok(())
    }
}

/// Opens the 16550 at I/O port `port`; without one the console stays silent.
///
/// # Safety
/// A 16550 or nothing answers at the eight ports from `port` on, and no other code uses them.
pub unsafe fn open(port: u16) {
    // SAFETY: the caller vouches for the ports.
    if let Some(serial) = unsafe { SerialPort::open(port) } {
        *CONSOLE.lock() = Some(Serial(serial));
    }
}

/// From now on messages wait for the housekeeping core to send them. What was printed so far
/// is not sent again: the answer is where the rest begins.
pub fn queue() -> u64 {
    IS_QUEUED.store(true, Ordering::Release);
    LOG.end()
}

/// Bulkhead's own messages.
pub fn log() -> &'static Bytes<LOG_BYTES> {
    &LOG
}

/// Sends as many of `bytes` as the line takes now; how many. Without a line it takes all, and none
/// while a core that crashes writes its record.
pub fn send(bytes: &[u8]) -> usize {
    match CONSOLE.try_lock().as_deref_mut() {
        Some(Some(serial)) => serial.0.send(bytes),
        Some(None) => bytes.len(),
        None => 0,
    }
}

/// Writes one formatted piece of a message; used by [`log!`](crate::log).
pub fn print(text: fmt::Arguments<'_>) {
    let writer = WRITER.lock();
    // Neither writer fails: what cannot be sent is dropped.
    let _ = Keeper.write_fmt(text);
    if !IS_QUEUED.load(Ordering::Acquire)
        && let Some(serial) = CONSOLE.lock().as_mut()
    {
        let _ = serial.write_fmt(text);
    }
    drop(writer);
}

/// Writes although somebody may hold the console, even this core: for the record of a crash only.
pub fn print_after_crash(text: fmt::Arguments<'_>) {
    // Far longer than anybody takes who lives.
    const LOCK_ATTEMPTS: u32 = 1_000_000;
    let mut attempts = 0..LOCK_ATTEMPTS;
    while CONSOLE.is_locked() && attempts.next().is_some() {
        core::hint::spin_loop();
    }
    let mut console = CONSOLE.try_lock().unwrap_or_else(|| {
        // SAFETY: who holds it has crashed, and does not go on.
        unsafe { CONSOLE.force_unlock() };
        CONSOLE.lock()
    });
    if let Some(serial) = console.as_mut() {
        let _ = serial.write_fmt(text);
    }
}

/// Prints one line of Bulkhead's own.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => {
        $crate::host::console::print(format_args!("[bulkhead] {}\n", format_args!($($argument)*)))
    };
}
