//! An NVMe virtual function, made by the stock driver of the physical one and handed to VFIO.
//!
//! Commands and structures are those of the NVM Express Base Specification 2.0c.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::system::{self, AdminCommand};

const DEVICES: &str = "/sys/bus/pci/devices";
/// How long the driver may take to bring the physical function up.
const PROBE_LIMIT: Duration = Duration::from_secs(20);
/// How long to wait before looking again.
const PROBE_PAUSE: Duration = Duration::from_millis(20);

/// The opcodes (section 5, Figure 138).
const IDENTIFY: u8 = 0x06;
const NAMESPACE_ATTACHMENT: u8 = 0x15;
const VIRTUALIZATION_MANAGEMENT: u8 = 0x1c;
/// Identify: the Secondary Controller List (Figure 273).
const CNS_SECONDARY_LIST: u32 = 0x15;
/// Virtualization Management's actions and resource types (Figure 363).
const ACTION_ASSIGN: u32 = 0x8;
const ACTION_ONLINE: u32 = 0x9;
/// Queue pairs and interrupt vectors, each with how many a virtual function gets: as many as
/// Bulkhead gives, one pair for each core and the admin queue's.
const RESOURCES: [(u32, u32); 2] = [(0, 3), (1, 3)];
/// What Identify and Namespace Attachment carry.
const DATA_BYTES: usize = 4096;
/// The Secondary Controller List (Figure 289): its entries' size, and in them the controller's
/// identifier and the virtual function's number.
const ENTRY_BYTES: usize = 32;
const ENTRY_CONTROLLER: usize = 0;
const ENTRY_FUNCTION: usize = 8;

/// Enables virtual function `number`, counted from 1, attaches `namespace` to it, and hands it
/// to VFIO.
pub fn provide(number: u16, namespace: u32) -> io::Result<()> {
    let physical = find_physical()?;
    let controller = open_controller(&physical)?;
    let secondary = find_secondary(&controller, number)?;
    for (kind, count) in RESOURCES {
        let action = ACTION_ASSIGN | (kind << 8) | (u32::from(secondary) << 16);
        manage(&controller, action, count)?;
    }
    // The host's own driver is not to touch it.
    fs::write(physical.join("sriov_drivers_autoprobe"), "0")?;
    fs::write(physical.join("sriov_numvfs"), number.to_string())?;
    let action = ACTION_ONLINE | (u32::from(secondary) << 16);
    manage(&controller, action, 0)?;
    attach(&controller, namespace, secondary)?;
    let index = number.saturating_sub(1);
    hand_over(&physical.join(format!("virtfn{index}")))
}

/// The machine's only function that has virtual ones.
fn find_physical() -> io::Result<PathBuf> {
    for entry in fs::read_dir(DEVICES)? {
        let path = entry?.path();
        if path.join("sriov_numvfs").exists() {
            return Ok(path);
        }
    }
    Err(io::Error::other("no function has virtual ones"))
}

/// The controller's character device, once its driver has brought it up.
fn open_controller(physical: &Path) -> io::Result<File> {
    let end = Instant::now().checked_add(PROBE_LIMIT);
    loop {
        let found = fs::read_dir(physical.join("nvme")).ok();
        let name = found.and_then(|mut entries| entries.next()?.ok());
        if let Some(name) = name
            && fs::read_to_string(name.path().join("state"))?.trim() == "live"
        {
            return File::open(Path::new("/dev").join(name.file_name()));
        }
        if end.is_none_or(|end| Instant::now() >= end) {
            return Err(io::Error::other("the NVMe controller does not come up"));
        }
        thread::sleep(PROBE_PAUSE);
    }
}

/// The controller's identifier of the virtual function `number`.
fn find_secondary(controller: &File, number: u16) -> io::Result<u16> {
    let mut data = [0; DATA_BYTES];
    let command = AdminCommand {
        opcode: IDENTIFY,
        dword_10: CNS_SECONDARY_LIST,
        ..AdminCommand::default()
    };
    system::submit(controller, command, &mut data)?;
    // The first entry's place has the number of entries; unused ones are zero.
    let entries = data.chunks_exact(ENTRY_BYTES).skip(1);
    let field = |entry: &[u8], offset: usize| {
        let bytes = entry.iter().skip(offset).take(2);
        bytes.rev().fold(0, |sum, byte| sum << 8 | u16::from(*byte))
    };
    entries
        .filter(|entry| field(entry, ENTRY_FUNCTION) == number)
        .map(|entry| field(entry, ENTRY_CONTROLLER))
        .next()
        .ok_or_else(|| io::Error::other("no secondary controller for the virtual function"))
}

fn manage(controller: &File, dword_10: u32, dword_11: u32) -> io::Result<()> {
    let command = AdminCommand {
        opcode: VIRTUALIZATION_MANAGEMENT,
        dword_10,
        dword_11,
        ..AdminCommand::default()
    };
    system::submit(controller, command, &mut [])
}

/// Attaches `namespace`; the data is a list of one controller (Figure 137).
fn attach(controller: &File, namespace: u32, secondary: u16) -> io::Result<()> {
    let mut data = [0; DATA_BYTES];
    let list = [1, secondary];
    for (place, word) in data.chunks_exact_mut(2).zip(list) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let command = AdminCommand {
        opcode: NAMESPACE_ATTACHMENT,
        namespace,
        ..AdminCommand::default()
    };
    system::submit(controller, command, &mut data)
}

/// Binds the function to VFIO's driver (Linux 6.1, Documentation/driver-api/vfio.rst).
fn hand_over(function: &Path) -> io::Result<()> {
    let function = fs::canonicalize(function)?;
    let address = function.file_name().unwrap_or_default().to_string_lossy();
    fs::write(function.join("driver_override"), "vfio-pci")?;
    fs::write("/sys/bus/pci/drivers_probe", address.as_bytes())?;
    if function.join("driver").exists() {
        return Ok(());
    }
    Err(io::Error::other(format!("VFIO did not take {address}")))
}
