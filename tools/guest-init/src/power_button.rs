//! Does what `systemd-logind` does on an installed system: switches the machine off when its
//! power button is pressed.
//!
//! The kernel tells of it as of a key, on an input device of its own (Linux 6.1,
//! Documentation/input/input.rst, section "Event interface"; drivers/acpi/button.c).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::thread;

use crate::console;
use crate::modules;
use crate::system;

/// Where the kernel lists the input devices, and where they can be opened.
const LIST: &str = "/sys/class/input";
const DEVICES: &str = "/dev/input";
/// The name of the button's, as the kernel gives it.
const NAME: &str = "Power Button";
/// `struct input_event`: the time in two 64-bit numbers, the type and the code in 16 bits
/// each, the value in 32.
const EVENT_BYTES: usize = 24;
const KEY_EVENT: u16 = 1;
const POWER_KEY: u16 = 116;
const PRESSED: i32 = 1;

/// Listens to the power button from now on, if the machine has one, on a thread of its own,
/// which sleeps until it is pressed.
pub fn obey() -> io::Result<()> {
    modules::load("button")?;
    modules::load("evdev")?;
    let Some(mut button) = find()? else {
        return Ok(());
    };
    let listen = move || {
        if wait_for_press(&mut button).is_ok() {
            console::print("guest-init: power button");
            system::power_off();
        }
    };
    thread::Builder::new().spawn(listen).map(drop)
}

/// The button's device; its directory in the list has the name of the device.
fn find() -> io::Result<Option<File>> {
    if !Path::new(LIST).exists() {
        return Ok(None);
    }
    for entry in fs::read_dir(LIST)? {
        let entry = entry?;
        let name = fs::read_to_string(entry.path().join("device/name"));
        let is_event = entry.file_name().to_string_lossy().starts_with("event");
        if is_event && name.is_ok_and(|name| name.trim() == NAME) {
            return File::open(Path::new(DEVICES).join(entry.file_name())).map(Some);
        }
    }
    Ok(None)
}

fn wait_for_press(button: &mut impl Read) -> io::Result<()> {
    let mut event = [0; EVENT_BYTES];
    loop {
        button.read_exact(&mut event)?;
        if is_press(&event) {
            return Ok(());
        }
    }
}

fn is_press(event: &[u8; EVENT_BYTES]) -> bool {
    let [.., t0, t1, c0, c1, v0, v1, v2, v3] = *event;
    u16::from_le_bytes([t0, t1]) == KEY_EVENT
        && u16::from_le_bytes([c0, c1]) == POWER_KEY
        && i32::from_le_bytes([v0, v1, v2, v3]) == PRESSED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        let mut bytes = vec![0x5a; 16];
        bytes.extend(kind.to_le_bytes());
        bytes.extend(code.to_le_bytes());
        bytes.extend(value.to_le_bytes());
        bytes
    }

    #[test]
    fn only_the_power_key_going_down_is_a_press() {
        let others = [(0, 0, 0), (1, 116, 0), (1, 30, 1), (4, 116, 1)];
        let others = others.map(|(kind, code, value)| event(kind, code, value));
        let mut stream = others.concat();
        assert!(wait_for_press(&mut &*stream).is_err());
        stream.extend(event(1, 116, 1));
        stream.extend(event(0, 0, 0));
        let mut rest = &*stream;
        assert!(wait_for_press(&mut rest).is_ok());
        assert_eq!(rest.len(), EVENT_BYTES);
    }
}
