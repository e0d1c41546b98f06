//! The line to a machine: a serial device, a TCP connection, a UNIX socket, or the memory that a
//! partition shares with it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serial2::SerialPort;

use super::Address;
use super::ring::Ring;
use crate::problem::Problem;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one write may take: at 115200 baud a frame needs 88 ms.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// An open line.
#[derive(Debug)]
pub enum Line {
    /// The device, and the lock on it, which goes with the last copy of the descriptor.
    Serial(SerialPort),
    Tcp(TcpStream),
    Unix(UnixStream),
    Ring(Ring),
}

impl Line {
    /// Opens the line to `address`; `baud` is for serial devices.
    pub fn open(address: &Address, baud: u32) -> Result<Self, Problem> {
        let opened = match address {
            Address::Serial(path) => open_serial(path, baud).map(Self::Serial),
            Address::Tcp(host) => open_tcp(host).map(Self::Tcp),
            Address::Unix(path) => open_unix(path).map(Self::Unix),
            Address::Pci(function) => Ring::open(function.as_deref()).map(Self::Ring),
        };
        let address = address.clone();
        opened.map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => Problem::Busy { address },
            _ => Problem::Open { address, error },
        })
    }

    /// Puts all of `bytes` on the line.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Serial(port) => port.write_all(bytes),
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
            Self::Ring(ring) => ring.send(bytes, WRITE_TIMEOUT),
        }
    }

    /// What has come by now, or comes within `wait`; nothing if nothing does.
    pub fn receive<'b>(&mut self, buffer: &'b mut [u8], wait: Duration) -> io::Result<&'b [u8]> {
        // A time of zero would mean for ever.
        let wait = wait.max(Duration::from_millis(1));
        let received = match self {
            Self::Serial(port) => {
                port.set_read_timeout(wait)?;
                port.read(buffer)
            }
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(wait))?;
                stream.read(buffer)
            }
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(wait))?;
                stream.read(buffer)
            }
            // Its end is nobody's going away.
            Self::Ring(ring) => {
                let count = ring.receive(buffer, wait);
                return Ok(buffer.get(..count).unwrap_or_default());
            }
        };
        match received {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => Ok(buffer.get(..length).unwrap_or_default()),
            Err(error) if is_patience(&error) => Ok(&[]),
            Err(error) => Err(error),
        }
    }
}

/// Whether a read ended because nothing came, not because something broke.
fn is_patience(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

fn open_serial(path: &Path, baud: u32) -> io::Result<SerialPort> {
    // Eight bits, no parity, one stop bit, no flow control: what Bulkhead sets its 16550 to.
    let mut port = SerialPort::open(path, baud)?;
    lock(&port)?;
    port.set_write_timeout(WRITE_TIMEOUT)?;
    Ok(port)
}

/// Two programs on one serial line would take each other's answers.
fn lock(port: &SerialPort) -> io::Result<()> {
    let descriptor = port.as_fd().try_clone_to_owned()?;
    match File::from(descriptor).try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open_tcp(host: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                // A request is one small write; waiting for more would only delay it.
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn open_unix(path: &Path) -> io::Result<UnixStream> {
    // Connecting to something else is refused as if nobody listened.
    if fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let stream = UnixStream::connect(path)?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    Ok(stream)
}
