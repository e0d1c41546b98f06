//! Sleep control and reset registers of a hardware-reduced ACPI platform (ACPI
//! Specification 6.5, sections 4.8.3.6 "Reset Register" and 4.8.3.7 "Sleep Control and
//! Status Registers"). The constants are for the FADT and `_S5`.

/// I/O port of the sleep control register, 8 bits.
pub const SLEEP_CONTROL_PORT: u16 = 0x600;
/// I/O port of the sleep status register, 8 bits; reads 0, as nothing ever wakes up.
pub const SLEEP_STATUS_PORT: u16 = 0x601;
/// I/O port of the reset register, 8 bits.
pub const RESET_PORT: u16 = 0x602;
/// What to write to the reset register.
pub const RESET_VALUE: u8 = 1;
/// The sleep type of S5, soft off; the only state that is offered.
pub const SLEEP_TYPE_S5: u8 = 5;

const SLEEP_ENABLE: u8 = 1 << 5;

/// What a partition asks for its own machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerRequest {
    /// To stop.
    Off,
    /// To start again.
    Reset,
}

/// What a byte written to `port` asks for.
#[must_use]
pub const fn write(port: u16, value: u8) -> Option<PowerRequest> {
    match port {
        SLEEP_CONTROL_PORT
            if value & SLEEP_ENABLE != 0 && (value >> 2) & 0b111 == SLEEP_TYPE_S5 =>
        {
            Some(PowerRequest::Off)
        }
        RESET_PORT if value == RESET_VALUE => Some(PowerRequest::Reset),
        _ => None,
    }
}

/// What `port` reads; `None` if it is none of the three.
#[must_use]
pub const fn read(port: u16) -> Option<u8> {
    match port {
        SLEEP_CONTROL_PORT | SLEEP_STATUS_PORT | RESET_PORT => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_off_needs_type_and_enable() {
        assert_eq!(write(0x600, 5 << 2 | 0x20), Some(PowerRequest::Off));
        assert_eq!(write(0x600, 5 << 2), None);
        assert_eq!(write(0x600, 0x20), None);
        assert_eq!(write(0x601, 0xff), None);
    }

    #[test]
    fn reset_needs_its_value() {
        assert_eq!(write(0x602, 1), Some(PowerRequest::Reset));
        assert_eq!(write(0x602, 0), None);
        assert_eq!(write(0x602, 6), None);
    }

    #[test]
    fn only_the_three_ports_answer() {
        assert_eq!(read(0x601), Some(0));
        assert_eq!(read(0x603), None);
    }
}
