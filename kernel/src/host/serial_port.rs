//! A 16550 at an I/O port, by which bytes go out and come in without waiting.

use uart_16550::backend::PioBackend;
use uart_16550::spec::registers::LSR;
use uart_16550::{BaudRate, Config, Uart16550};

/// 115,200 baud, 8 bits, no parity, one stop bit, queues on.
const CONFIG: Config = Config {
    baud_rate: BaudRate::Baud115200,
    ..Config::DEFAULT
};

/// One serial port.
pub struct SerialPort(Uart16550<PioBackend>);

impl SerialPort {
    /// Opens the 16550 at I/O port `port`: 115,200 baud, 8 bits, no parity, one stop bit.
    /// `None` if there is none.
    ///
    /// # Safety
    /// A 16550 or nothing answers at the eight ports from `port` on, and no other code uses
    /// them.
    pub unsafe fn open(port: u16) -> Option<Self> {
        // SAFETY: the caller vouches for the ports.
        let mut uart = unsafe { Uart16550::new_port(port) }.ok()?;
        uart.init(CONFIG).ok()?;
        Some(Self(uart))
    }

    /// Sends as many of `bytes` as the transmitter takes now; how many.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        self.0.send_bytes(bytes)
    }

    /// The next byte that has come.
    pub fn receive(&mut self) -> Option<u8> {
        self.0.try_receive_byte().ok()
    }

    /// Whether bytes were lost since the last question, because nobody took them in time.
    pub fn has_overrun(&mut self) -> bool {
        self.0.lsr().contains(LSR::OVERRUN_ERROR)
    }
}
