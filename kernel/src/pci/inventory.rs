//! What functions the machine has.

extern crate alloc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use addr::RequesterId;
use pci_config::header::{self, Header, HeaderType};
use pci_config::{bridge, single_root_io};
use plan::MachineFunction;

use super::ecam::{Ecam, EcamFunction};

/// The machine's functions, as they are before any virtual function is enabled.
pub struct Inventory {
    ecam: Option<Ecam>,
    functions: Vec<(RequesterId, Header)>,
}

impl Inventory {
    /// Looks at every function of every bus. No register is written.
    pub fn read(ecam: Option<Ecam>) -> Self {
        let mut functions = Vec::new();
        if let Some(ecam) = &ecam {
            for bus in ecam.buses() {
                // Most devices are absent: they must cost little.
                for device in 0..32 {
                    if ecam.has_device(bus, device) {
                        functions.extend(of_device(ecam, bus, device));
                    }
                }
            }
        }
        Self { ecam, functions }
    }

    /// The configuration space of the function at `address`; `None` without ECAM.
    pub fn config(&self, address: RequesterId) -> Option<EcamFunction> {
        self.ecam.map(|ecam| ecam.function(address))
    }

    /// All functions that are there.
    pub fn functions(&self) -> impl Iterator<Item = RequesterId> + '_ {
        self.functions.iter().map(|(address, _)| *address)
    }

    /// The header of the function at `address`.
    pub fn header(&self, address: RequesterId) -> Option<&Header> {
        self.functions
            .iter()
            .find(|(found, _)| *found == address)
            .map(|(_, header)| header)
    }

    /// What of it may be given to partitions: everything but bridges.
    pub fn assignable(&self) -> Vec<MachineFunction> {
        let endpoints = self
            .functions
            .iter()
            .filter(|(_, header)| header.header_type == HeaderType::ENDPOINT);
        let describe = |(address, _): &(RequesterId, Header)| {
            let config = self.config(*address)?;
            let virtual_functions = single_root_io::read(&config).map_or(0, |cap| cap.total_vfs);
            Some(MachineFunction {
                address: *address,
                virtual_functions,
            })
        };
        endpoints.filter_map(describe).collect()
    }

    /// The buses behind the bridge at `address`; `None` if there is no bridge that leads anywhere.
    pub fn behind(&self, address: RequesterId) -> Option<RangeInclusive<u8>> {
        let mut bridges = self.bridges();
        let (_, config) = bridges.find(|(found, _)| *found == address)?;
        bridge::buses(&config).behind()
    }

    /// The bridge whose secondary bus is `bus`.
    pub fn bridge_above(&self, bus: u8) -> Option<EcamFunction> {
        let mut bridges = self.bridges().map(|(_, config)| config);
        bridges.find(|config| {
            let behind = bridge::buses(config).behind();
            behind.is_some_and(|behind| *behind.start() == bus)
        })
    }

    /// The bridge on the way to `bus` from behind which requests do not come with the requester
    /// IDs of their functions, if there is one.
    pub fn merging_bridge(&self, bus: u8) -> Option<RequesterId> {
        let merges = |config: &EcamFunction| {
            let behind = bridge::buses(config).behind();
            behind.is_some_and(|behind| behind.contains(&bus))
                && !bridge::keeps_requester_ids(config)
        };
        let mut bridges = self.bridges();
        let found = bridges.find(|(_, config)| merges(config));
        found.map(|(address, _)| address)
    }

    fn bridges(&self) -> impl Iterator<Item = (RequesterId, EcamFunction)> + '_ {
        let all = self.functions.iter();
        let bridges = all.filter(|(_, header)| header.header_type == HeaderType::BRIDGE);
        bridges.filter_map(|(address, _)| Some((*address, self.config(*address)?)))
    }
}

/// The functions of one device: function 0, and the others if it says that there are any.
fn of_device(
    ecam: &Ecam,
    bus: u8,
    device: u8,
) -> impl Iterator<Item = (RequesterId, Header)> + use<'_> {
    let read = move |function| {
        let address = RequesterId::new(bus, device, function)?;
        Some((address, header::read(&ecam.function(address))?))
    };
    let first = read(0);
    let others = if first.is_some_and(|(_, header)| header.multi_function) {
        1..8
    } else {
        1..1
    };
    first.into_iter().chain(others.filter_map(read))
}
