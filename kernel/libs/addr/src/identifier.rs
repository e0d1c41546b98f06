//! Names of things that the hardware numbers: cores and PCI functions.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// A core's x2APIC ID (32 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(transparent)]
pub struct ApicId(pub u32);

impl ApicId {
    /// The core's logical x2APIC ID: its cluster in bits 31:16 and one bit of 15:0
    /// (Intel SDM 325384-080, volume 3A, section 11.12.10.2 "Deriving Logical x2APIC ID
    /// from the Local x2APIC ID").
    #[must_use]
    pub const fn logical(self) -> u32 {
        ((self.0 >> 4) << 16) | (1 << (self.0 & 0xf))
    }
}

impl fmt::Display for ApicId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// A PCI function of segment 0 as it names itself on the bus: bus, device and function
/// number, 8, 5 and 3 bits; with ARI device and function are one number of 8 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(transparent)]
pub struct RequesterId(pub u16);

impl RequesterId {
    /// The function at `bus`, `device` (0 to 31) and `function` (0 to 7); `None` outside.
    #[must_use]
    pub const fn new(bus: u8, device: u8, function: u8) -> Option<Self> {
        if device > 31 || function > 7 {
            return None;
        }
        Some(Self(
            ((bus as u16) << 8) | ((device as u16) << 3) | function as u16,
        ))
    }

    /// The bus number.
    #[must_use]
    pub const fn bus(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// The device number, 0 to 31.
    #[must_use]
    pub const fn device(self) -> u8 {
        self.device_function() >> 3
    }

    /// The function number, 0 to 7.
    #[must_use]
    pub const fn function(self) -> u8 {
        self.device_function() & 7
    }

    /// Device and function as one byte, as context tables and ARI number them.
    #[must_use]
    pub const fn device_function(self) -> u8 {
        self.0.to_be_bytes()[1]
    }

    /// The function `distance` requester IDs further on, unless that leaves the segment.
    #[must_use]
    pub const fn checked_add(self, distance: u16) -> Option<Self> {
        match self.0.checked_add(distance) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }
}

impl fmt::Display for RequesterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:02x}:{:02x}.{}",
            self.bus(),
            self.device(),
            self.function()
        )
    }
}

impl fmt::Debug for RequesterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RequesterId({self})")
    }
}

/// The text was not `bus:device.function` or `0000:bus:device.function` in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseRequesterIdError;

impl FromStr for RequesterId {
    type Err = ParseRequesterIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix("0000:").unwrap_or(text);
        let (bus, rest) = text.split_once(':').ok_or(ParseRequesterIdError)?;
        let (device, function) = rest.split_once('.').ok_or(ParseRequesterIdError)?;
        let byte = |digits: &str| u8::from_str_radix(digits, 16).map_err(|_| ParseRequesterIdError);
        Self::new(byte(bus)?, byte(device)?, byte(function)?).ok_or(ParseRequesterIdError)
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn logical_id_is_cluster_and_bit() {
        assert_eq!(ApicId(0).logical(), 0x0000_0001);
        assert_eq!(ApicId(0x25).logical(), 0x0002_0020);
    }

    #[test]
    fn requester_id_reads_back_as_written() {
        for text in ["02:00.1", "ff:1f.7", "00:00.0"] {
            assert_eq!(text.parse::<RequesterId>().unwrap().to_string(), text);
        }
        assert_eq!("0000:02:00.1".parse(), Ok(RequesterId(0x0201)));
    }

    #[test]
    fn what_is_no_requester_id_is_refused() {
        for text in [
            "",
            "02:00",
            "02:20.0",
            "02:00.8",
            "1:02:00.0",
            "zz:00.0",
            "100:00.0",
        ] {
            assert_eq!(
                text.parse::<RequesterId>(),
                Err(ParseRequesterIdError),
                "{text}"
            );
        }
    }
}
