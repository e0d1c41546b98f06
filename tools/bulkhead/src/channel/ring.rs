//! The line of a partition that manages others: a PCI function of its own whose BAR 0 is memory
//! that it shares with Bulkhead, in the form of `shared_ring`. Linux gives it out by sysfs,
//! without a driver.
//!
//! Nothing interrupts: this side looks again after a short pause, as Bulkhead does.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use addr::RequesterId;
use shared_ring::{CAPABILITY, DEVICE_ID, End, PAGE_BYTES, Pages, VENDOR_ID};
use vm_memory::{Bytes, FileOffset, MmapRegion, VolatileMemory};

/// Where Linux has the PCI functions.
const FUNCTIONS: &str = "/sys/bus/pci/devices";
/// The domain of a function whose address does not say one.
const DOMAIN: &str = "0000";
/// Where a function's configuration space has the place of the first capability.
const CAPABILITIES_POINTER: usize = 0x34;
/// Capabilities are in the first 256 bytes, and none is shorter than a doubleword.
const CAPABILITIES: usize = 64;
/// How long nobody looks: about as often as Bulkhead does.
const PAUSE: Duration = Duration::from_millis(1);

/// Both pages, mapped.
#[derive(Debug)]
struct Mapped {
    memory: MmapRegion,
    /// Which of them is this side's.
    own: u64,
}

/// `shared_ring` keeps inside a page, so no access here fails.
impl Pages for Mapped {
    fn read_number(&self, offset: u64) -> u64 {
        self.load(offset).unwrap_or(0)
    }

    fn read_byte(&self, offset: u64) -> u8 {
        self.load(offset).unwrap_or(0)
    }

    fn write_number(&self, offset: u64, number: u64) {
        self.store(offset, number);
    }

    fn write_byte(&self, offset: u64, byte: u8) {
        self.store(offset, byte);
    }
}

impl Mapped {
    /// Maps BAR 0.
    fn new(bar: File, own: u64) -> io::Result<Self> {
        let size = usize::try_from(PAGE_BYTES.saturating_mul(2)).unwrap_or(0);
        let memory = MmapRegion::from_file(FileOffset::new(bar, 0), size);
        let memory = memory.map_err(io::Error::other)?;
        Ok(Self { memory, own })
    }

    /// Where `offset` is in the page of this side, or of the other.
    fn place(offset: u64, page: u64) -> usize {
        let place = offset.saturating_add(PAGE_BYTES.saturating_mul(page));
        usize::try_from(place).unwrap_or(usize::MAX)
    }

    fn load<T: vm_memory::AtomicAccess>(&self, offset: u64) -> Option<T> {
        let place = Self::place(offset, self.own ^ 1);
        let memory = self.memory.as_volatile_slice();
        memory.load(place, Ordering::Acquire).ok()
    }

    fn store<T: vm_memory::AtomicAccess>(&self, offset: u64, value: T) {
        let place = Self::place(offset, self.own);
        let memory = self.memory.as_volatile_slice();
        // See above.
        let _ = memory.store(value, place, Ordering::Release);
    }
}

/// An open line.
#[derive(Debug)]
pub struct Ring {
    end: End<Mapped>,
    /// Locked while the line is open: two programs would take each other's answers.
    _lock: File,
}

impl Ring {
    /// Opens the function at the address `wanted`, such as `00:1f.0`, or the one that there is.
    pub fn open(wanted: Option<&str>) -> io::Result<Self> {
        let functions = Path::new(FUNCTIONS);
        Self::open_function(&find(functions, wanted)?)
    }

    fn open_function(function: &Path) -> io::Result<Self> {
        // No driver has switched it on. More than once is no harm.
        fs::write(function.join("enable"), "1")?;
        let bar = File::options()
            .read(true)
            .write(true)
            .open(function.join("resource0"))?;
        let lock = bar.try_clone()?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Self {
            end: End::resume(Mapped::new(bar, 0)?),
            _lock: lock,
        })
    }

    /// Puts all of `bytes` on the line, as room comes, within `patience`.
    pub fn send(&mut self, bytes: &[u8], patience: Duration) -> io::Result<()> {
        let begin = Instant::now();
        let mut rest = bytes;
        loop {
            let count = self.end.send(rest);
            rest = rest.get(count..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            if begin.elapsed() >= patience {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(PAUSE);
        }
    }

    /// What has come by now, or comes within `wait`; how many bytes of `buffer` it fills.
    pub fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> usize {
        let begin = Instant::now();
        loop {
            let mut count = 0_usize;
            for (slot, byte) in buffer
                .iter_mut()
                .zip(std::iter::from_fn(|| self.end.receive()))
            {
                *slot = byte;
                count = count.saturating_add(1);
            }
            if count > 0 || begin.elapsed() >= wait {
                return count;
            }
            thread::sleep(PAUSE);
        }
    }
}

/// The folder of the function at `wanted`, or of the one that says it is the channel's.
fn find(functions: &Path, wanted: Option<&str>) -> io::Result<PathBuf> {
    if let Some(address) = wanted {
        let function = functions.join(file_name(address)?);
        return if is_channel(&function)? {
            Ok(function)
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        };
    }
    for entry in fs::read_dir(functions)? {
        let function = entry?.path();
        if is_channel(&function)? {
            return Ok(function);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// What Linux calls the function at `address`: the domain may be left out, as elsewhere. A path
/// leads to a function itself.
fn file_name(address: &str) -> io::Result<String> {
    if address.contains('/') {
        return Ok(address.to_owned());
    }
    let (domain, function) = match address.split_once(':') {
        Some((domain, rest)) if rest.contains(':') => (domain, rest),
        _ => (DOMAIN, address),
    };
    let is_domain = domain.len() == DOMAIN.len() && u16::from_str_radix(domain, 16).is_ok();
    match function.parse::<RequesterId>() {
        Ok(function) if is_domain => Ok(format!("{domain}:{function}")),
        _ => Err(io::ErrorKind::InvalidFilename.into()),
    }
}

/// Whether the function is the channel's: by its IDs, which are nobody's, and by the capability
/// that says so.
fn is_channel(function: &Path) -> io::Result<bool> {
    let config = fs::read(function.join("config"))?;
    let [vendor, device] = [VENDOR_ID.to_le_bytes(), DEVICE_ID.to_le_bytes()];
    let has_ids = config.starts_with(&[vendor, device].concat());
    if !has_ids {
        return Ok(false);
    }
    // Without the right to read all of it Linux shows only the header.
    if config.len() <= CAPABILITIES {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let byte = |at: usize| config.get(at).copied().unwrap_or(0);
    let mut at = usize::from(byte(CAPABILITIES_POINTER));
    for _ in 0..CAPABILITIES {
        let found = config.get(at..at.saturating_add(CAPABILITY.len()));
        // The second byte links to the next capability.
        if let Some([id, _, rest @ ..]) = found
            && *id == CAPABILITY[0]
            && CAPABILITY.ends_with(rest)
        {
            return Ok(true);
        }
        at = usize::from(byte(at.saturating_add(1)));
    }
    Ok(false)
}
