//! The machine's serial lines, the console's and the management channel's: where the plan, or
//! the firmware's table SPCR, says.
//!
//! A line that cannot be had is no reason not to run partitions: it is said on the console.

use plan::{Machine, SerialPort as Wanted, serial_ports_overlap};
use thiserror::Error;

use super::console;
use super::firmware::{Firmware, FirmwareError};
use super::serial_port::SerialPort;
use crate::log;

/// Why there is no line for the management channel.
#[derive(Debug, Clone, Copy, Error)]
pub enum NoLine {
    /// The firmware names none.
    #[error("{0}; name its port in the plan")]
    Firmware(FirmwareError),
    /// It would be the console, or have a port in common with it.
    #[error("the ports from {0:#x} on are the console's; give one of them another line")]
    IsConsole(u16),
    /// There is no 16550 at this port.
    #[error("there is no 16550 at {0:#x}")]
    Silent(u16),
}

/// The first I/O port of the 16550 that is wanted.
fn find(wanted: Wanted, firmware: &Firmware) -> Result<u16, FirmwareError> {
    match wanted {
        Wanted::At(port) => Ok(port),
        Wanted::Spcr => firmware.serial_port,
    }
}

/// Opens the console. One that the firmware does not name stays where boot has it.
pub fn open_console(plan: &Machine, firmware: &Firmware) {
    match find(plan.console, firmware) {
        // SAFETY: the plan's author, or the firmware, says that a 16550, and nothing else, is
        // there.
        Ok(port) => unsafe { console::open(port) },
        Err(why) => log!("the console stays at {:#x}: {why}", Wanted::FIRST_PORT),
    }
}

/// Opens the management channel's line, if the plan wants one.
///
/// # Errors
/// There is none, or it is the console's.
pub fn open_management(plan: &Machine, firmware: &Firmware) -> Result<Option<SerialPort>, NoLine> {
    let Some(wanted) = plan.management else {
        return Ok(None);
    };
    let port = find(wanted, firmware).map_err(NoLine::Firmware)?;
    let console = find(plan.console, firmware).unwrap_or(Wanted::FIRST_PORT);
    if serial_ports_overlap(port, console) {
        return Err(NoLine::IsConsole(port));
    }
    // SAFETY: the plan's author, or the firmware, says that a 16550, and nothing else, is there;
    // its ports are not the console's.
    let line = unsafe { SerialPort::open(port) };
    line.map(Some).ok_or(NoLine::Silent(port))
}
