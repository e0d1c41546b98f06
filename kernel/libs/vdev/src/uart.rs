//! A 16550A, for early messages, simple guests and what is typed at them.
//!
//! Its transmitter is always empty, its receiver deeper than that of any 16550A; it has no
//! interrupt line. It answers the questions by which Linux and others tell a 16550A from
//! older and newer parts. Not handled: baud rate, modem lines beyond loopback, errors on the
//! line.

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 0;
const INTERRUPT_ENABLE: u16 = 1;
const FIFO_CONTROL: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;
const MODEM_STATUS: u16 = 6;
const SCRATCH: u16 = 7;

const INTERRUPT_ENABLE_BITS: u8 = 0x0f;
const INTERRUPT_ENABLE_RECEIVER: u8 = 1 << 0;
const INTERRUPT_ENABLE_TRANSMITTER: u8 = 1 << 1;
const INTERRUPT_NONE: u8 = 0x01;
const INTERRUPT_TRANSMITTER: u8 = 0x02;
const INTERRUPT_RECEIVER: u8 = 0x04;
const FIFO_ENABLE: u8 = 1 << 0;
const FIFO_CLEAR_RECEIVER: u8 = 1 << 1;
const FIFO_WORKING: u8 = 0xc0;
const DIVISOR_LATCH: u8 = 1 << 7;
const MODEM_CONTROL_BITS: u8 = 0x1f;
const LOOPBACK: u8 = 1 << 4;
/// A byte has been received.
const DATA_READY: u8 = 0x01;
/// Transmitter holding register and shift register empty.
const TRANSMITTER_EMPTY: u8 = 0x60;
/// Carrier detected, data set ready, clear to send.
const MODEM_READY: u8 = 0xb0;

/// The first of the eight I/O ports that guests have it at.
pub const PORT: u16 = 0x3f8;
/// The number of I/O ports.
pub const PORTS: u16 = 8;

/// Bytes that have been received and not read, at most: what is typed ahead, or pasted.
pub const RECEIVED_BYTES: usize = 256;

/// The registers of one UART.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uart {
    interrupt_enable: u8,
    fifo_control: u8,
    line_control: u8,
    modem_control: u8,
    scratch: u8,
    divisor: [u8; 2],
    received: [u8; RECEIVED_BYTES],
    /// The place of the oldest of them.
    oldest: usize,
    /// How many there are.
    waiting: usize,
}

impl Default for Uart {
    fn default() -> Self {
        Self::new()
    }
}

impl Uart {
    /// A UART after reset.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            interrupt_enable: 0,
            fifo_control: 0,
            line_control: 0,
            modem_control: 0,
            scratch: 0,
            divisor: [0; 2],
            received: [0; RECEIVED_BYTES],
            oldest: 0,
            waiting: 0,
        }
    }

    /// Takes a byte from the line; whether there was room for it. In loopback the line leads
    /// nowhere.
    pub fn receive(&mut self, byte: u8) -> bool {
        self.modem_control & LOOPBACK == 0 && self.put(byte)
    }

    fn put(&mut self, byte: u8) -> bool {
        let place = self.oldest.wrapping_add(self.waiting) % RECEIVED_BYTES;
        let room = self.waiting < RECEIVED_BYTES;
        if let Some(slot) = self.received.get_mut(place).filter(|_| room) {
            *slot = byte;
            self.waiting = self.waiting.saturating_add(1);
        }
        room
    }

    /// The oldest byte that was received; 0 if there is none.
    fn take(&mut self) -> u8 {
        if self.waiting == 0 {
            return 0;
        }
        let byte = self.received.get(self.oldest).copied().unwrap_or(0);
        self.oldest = self.oldest.wrapping_add(1) % RECEIVED_BYTES;
        self.waiting = self.waiting.saturating_sub(1);
        byte
    }

    /// Reads the register at `offset` from the first port; all ones beyond the eighth.
    pub fn read(&mut self, offset: u16) -> u8 {
        let [divisor_low, divisor_high] = self.divisor;
        match offset {
            TRANSMIT if self.divisor_latch() => divisor_low,
            INTERRUPT_ENABLE if self.divisor_latch() => divisor_high,
            RECEIVE => self.take(),
            INTERRUPT_ENABLE => self.interrupt_enable,
            FIFO_CONTROL => self.interrupt_identification(),
            LINE_CONTROL => self.line_control,
            MODEM_CONTROL => self.modem_control,
            LINE_STATUS if self.waiting > 0 => TRANSMITTER_EMPTY | DATA_READY,
            LINE_STATUS => TRANSMITTER_EMPTY,
            MODEM_STATUS => self.modem_status(),
            SCRATCH => self.scratch,
            _ => 0xff,
        }
    }

    /// Writes the register at `offset` from the first port; the byte if it transmits one.
    pub fn write(&mut self, offset: u16, value: u8) -> Option<u8> {
        let [divisor_low, divisor_high] = &mut self.divisor;
        let divisor_latch = self.line_control & DIVISOR_LATCH != 0;
        match offset {
            TRANSMIT if divisor_latch => *divisor_low = value,
            INTERRUPT_ENABLE if divisor_latch => *divisor_high = value,
            TRANSMIT if self.modem_control & LOOPBACK == 0 => return Some(value),
            // In loopback the line stays idle, and the byte is received. One that finds no
            // room is lost, as it would be there.
            TRANSMIT => {
                self.put(value);
            }
            INTERRUPT_ENABLE => self.interrupt_enable = value & INTERRUPT_ENABLE_BITS,
            FIFO_CONTROL => {
                self.fifo_control = value;
                if value & FIFO_CLEAR_RECEIVER != 0 {
                    self.waiting = 0;
                }
            }
            LINE_CONTROL => self.line_control = value,
            MODEM_CONTROL => self.modem_control = value & MODEM_CONTROL_BITS,
            SCRATCH => self.scratch = value,
            _ => {}
        }
        None
    }

    const fn divisor_latch(&self) -> bool {
        self.line_control & DIVISOR_LATCH != 0
    }

    /// A polling driver looks here whether it may transmit and has received something, so both
    /// interrupts are pending whenever they are enabled, though they raise no line. The
    /// receiver's comes first.
    const fn interrupt_identification(&self) -> u8 {
        let fifo = if self.fifo_control & FIFO_ENABLE != 0 {
            FIFO_WORKING
        } else {
            0
        };
        let received = self.waiting > 0 && self.interrupt_enable & INTERRUPT_ENABLE_RECEIVER != 0;
        if received {
            fifo | INTERRUPT_RECEIVER
        } else if self.interrupt_enable & INTERRUPT_ENABLE_TRANSMITTER != 0 {
            fifo | INTERRUPT_TRANSMITTER
        } else {
            fifo | INTERRUPT_NONE
        }
    }

    /// In loopback the four modem outputs feed the four inputs: RTS to CTS, DTR to DSR, OUT1
    /// to RI, OUT2 to DCD.
    const fn modem_status(&self) -> u8 {
        if self.modem_control & LOOPBACK == 0 {
            return MODEM_READY;
        }
        let outputs = self.modem_control;
        (outputs & 0b0010) << 3 | (outputs & 0b0001) << 5 | (outputs & 0b1100) << 4
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_come_out_in_order() {
        let mut uart = Uart::new();
        let sent: Vec<u8> = b"hello"
            .iter()
            .filter_map(|byte| uart.write(0, *byte))
            .collect();
        assert_eq!(sent, b"hello");
        assert_eq!(uart.read(5) & 0x21, 0x20);
    }

    #[test]
    fn divisor_and_loopback_transmit_nothing() {
        let mut uart = Uart::new();
        uart.write(3, 0x83);
        assert_eq!(uart.write(0, 1), None);
        assert_eq!(uart.write(1, 2), None);
        assert_eq!((uart.read(0), uart.read(1)), (1, 2));
        uart.write(3, 0x03);
        assert_eq!(uart.read(1), 0);
        uart.write(4, 0x1b);
        assert_eq!(uart.write(0, b'x'), None);
    }

    #[test]
    fn linux_takes_it_for_a_16550a() {
        let mut uart = Uart::new();
        // Is there a UART? Interrupt enable holds four bits.
        uart.write(1, 0);
        assert_eq!(uart.read(1) & 0x0f, 0);
        uart.write(1, 0x0f);
        assert_eq!(uart.read(1) & 0x0f, 0x0f);
        uart.write(1, 0);
        // Does loopback lead RTS and OUT2 to CTS and DCD?
        uart.write(4, 0x1a);
        assert_eq!(uart.read(6) & 0xf0, 0x90);
        uart.write(4, 0);
        // Which FIFO?
        uart.write(3, 0xbf);
        uart.write(2, 0);
        uart.write(3, 0);
        uart.write(2, 1);
        assert_eq!(uart.read(2) >> 6, 3);
        // No extended features: no EFR in either mode, no EXCR, no bit 6 in interrupt enable.
        for line_control in [0x80, 0xbf] {
            uart.write(3, line_control);
            assert_ne!(uart.read(2), 0);
        }
        uart.write(3, 0);
        uart.write(4, 0x10);
        uart.write(3, 0xe0);
        assert_eq!(uart.read(2) & 0x10, 0);
        uart.write(3, 0);
        uart.write(4, 0);
        uart.write(1, 0x40);
        assert_eq!(uart.read(1) & 0x40, 0);
    }

    #[test]
    fn loopback_leads_each_output_to_its_input() {
        let mut uart = Uart::new();
        for (output, input) in [(0x01, 0x20), (0x02, 0x10), (0x04, 0x40), (0x08, 0x80)] {
            uart.write(4, 0x10 | output);
            assert_eq!(uart.read(6), input);
        }
    }

    #[test]
    fn what_is_typed_is_read_in_order_and_once() {
        let mut uart = Uart::new();
        for byte in b"ls" {
            assert!(uart.receive(*byte));
        }
        for byte in b"ls" {
            assert_eq!(uart.read(5) & 0x01, 1);
            assert_eq!(uart.read(0), *byte);
        }
        assert_eq!((uart.read(5) & 0x01, uart.read(0)), (0, 0));
    }

    #[test]
    fn what_finds_no_room_is_refused_and_the_rest_kept() {
        let mut uart = Uart::new();
        for round in 0..3_usize {
            let taken = (0..=255_u8).cycle().take(1000);
            let taken = taken.filter(|byte| uart.receive(*byte)).count();
            assert_eq!(taken, RECEIVED_BYTES, "{round}");
            for byte in 0..=255_u8 {
                assert_eq!(uart.read(0), byte);
            }
            uart.receive(b'x');
            uart.read(0);
        }
    }

    #[test]
    fn a_driver_clears_the_receiver() {
        let mut uart = Uart::new();
        uart.receive(b'x');
        uart.write(2, 0x03);
        assert_eq!(uart.read(5) & 0x01, 0);
    }

    #[test]
    fn in_loopback_the_line_leads_nowhere_and_bytes_come_back() {
        let mut uart = Uart::new();
        uart.write(4, 0x10);
        assert!(!uart.receive(b'x'));
        assert_eq!(uart.write(0, b'y'), None);
        assert_eq!(uart.read(0), b'y');
    }

    #[test]
    fn the_receivers_interrupt_comes_first() {
        let mut uart = Uart::new();
        uart.receive(b'x');
        assert_eq!(uart.read(2) & 0x0f, 0x01, "it is not enabled");
        uart.write(1, 0x03);
        assert_eq!(uart.read(2) & 0x0f, 0x04);
        uart.read(0);
        assert_eq!(uart.read(2) & 0x0f, 0x02);
    }

    #[test]
    fn a_polling_driver_sees_when_it_may_transmit() {
        let mut uart = Uart::new();
        assert_eq!(uart.read(2) & 0x0f, 0x01);
        uart.write(1, 0x02);
        assert_eq!(uart.read(2) & 0x0f, 0x02);
    }

    proptest! {
        #[test]
        fn no_sequence_panics(accesses in prop::collection::vec((0_u16..16, any::<u8>()), 0..64)) {
            let mut uart = Uart::new();
            for (offset, value) in accesses {
                uart.write(offset, value);
                uart.receive(value);
                prop_assert!(offset < 8 || uart.read(offset) == 0xff);
            }
        }
    }
}
