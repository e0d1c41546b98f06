//! Port input and output.

use x86_64::instructions::port::Port;

/// Reads a byte from I/O port `port`.
///
/// # Safety
/// Reading that port has no effect that breaks what other code relies on.
pub unsafe fn read_u8(port: u16) -> u8 {
    // SAFETY: the caller vouches for the port.
    unsafe { Port::new(port).read() }
}

/// Writes a byte to I/O port `port`.
///
/// # Safety
/// Writing that port has no effect that breaks what other code relies on.
pub unsafe fn write_u8(port: u16, value: u8) {
    // SAFETY: the caller vouches for the port.
    unsafe { Port::new(port).write(value) };
}
