//! PCI Express: configuration access, enumeration, SR-IOV.

pub mod ecam;
pub mod inventory;
pub mod single_root_io;
