//! Intel VT-d as data: what root mode writes for an IOMMU and reads from it.
//!
//! The modules are the specification's chapters: [`registers`], [`tables`] (DMA remapping),
//! [`remapping`] (interrupts), [`invalidation`], [`faults`], and [`dmar`] for the firmware's
//! description of the units. Second-stage tables themselves are `page_table::SecondStage`.
//!
//! Source: Intel Virtualization Technology for Directed I/O, Architecture Specification,
//! D51397-018, revision 5.10 ("VT-d" below).
//!
//! Nothing here touches a register or memory. Used is the legacy mode of translation with
//! second-stage tables only; not handled: scalable mode, PASIDs, device TLBs (ATS stays off),
//! posted interrupts, pass-through.

#![no_std]
#![forbid(unsafe_code)]

pub mod dmar;
pub mod faults;
pub mod invalidation;
pub mod registers;
pub mod remapping;
pub mod tables;

pub use dmar::{Dmar, DmarError};
pub use faults::FaultRecord;
pub use invalidation::Descriptor;
pub use registers::{Capability, Change, ExtendedCapability, FaultStatus, Global};
pub use remapping::InterruptRemappingEntry;
pub use tables::{AddressWidth, ContextEntry, DomainId, RootEntry};
