//! Where a machine's management channel is.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a machine's management channel is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A serial device.
    Serial(PathBuf),
    /// Host and port of a terminal server, of serial-over-LAN or of an emulator.
    Tcp(String),
    /// A socket of an emulator on this machine.
    Unix(PathBuf),
    /// The PCI function by which this partition manages others: its address, or the one that
    /// there is.
    Pci(Option<String>),
}

impl FromStr for Address {
    type Err = Infallible;

    /// What has no known prefix is a device; opening it says if it is none.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once(':') {
            Some(("tcp", host)) => Self::Tcp(host.to_owned()),
            Some(("unix", path)) => Self::Unix(path.into()),
            Some(("pci", function)) => Self::Pci(Some(function.to_owned())),
            None if text == "pci" => Self::Pci(None),
            _ => Self::Serial(text.into()),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(path) => write!(formatter, "{}", path.display()),
            Self::Tcp(host) => write!(formatter, "tcp:{host}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Pci(Some(function)) => write!(formatter, "pci:{function}"),
            Self::Pci(None) => formatter.write_str("pci"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_printed_as_it_was_typed() {
        let parse = |text: &str| text.parse::<Address>().unwrap();
        for text in [
            "/dev/ttyUSB0",
            "tcp:[::1]:4000",
            "unix:/run/a:b",
            "pci:0000:00:1f.0",
            "pci",
        ] {
            assert_eq!(parse(text).to_string(), text);
        }
        assert_eq!(parse("tcp:host:1"), Address::Tcp("host:1".to_owned()));
        assert_eq!(parse("unix:a"), Address::Unix("a".into()));
        assert_eq!(parse("pci:a:b"), Address::Pci(Some("a:b".to_owned())));
        assert_eq!(parse("pci"), Address::Pci(None));
        assert_eq!(parse("COM1"), Address::Serial("COM1".into()));
    }
}
