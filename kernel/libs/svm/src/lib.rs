//! AMD's Secure Virtual Machine as data: what root mode writes into a VMCB and reads out.
//!
//! Key types: [`Vmcb`] with its [`ControlArea`] and [`SaveArea`], [`Intercepts`],
//! [`MsrPermissionMap`] and [`IoPermissionMap`], which begin at deny-all, [`ExitCode`] with the
//! decoders of its information ([`IoExit`], [`NestedPageFault`]), [`EventInjection`], and
//! [`Capabilities`].
//!
//! Source: AMD64 Architecture Programmer's Manual, volume 2 "System Programming", publication
//! 24593, revision 3.42 ("APM volume 2" below). Names are the manual's, in whole words.
//!
//! Nothing here executes an instruction: the kernel loads the VMCB, runs VMRUN and reads the
//! MSRs. Not handled: SEV, AVIC, the x2AVIC and last-branch extensions, whose fields stay 0.

#![no_std]
#![forbid(unsafe_code)]

mod capabilities;
mod control_area;
mod event;
mod exit_code;
mod exit_information;
mod intercepts;
mod permissions;
mod save_area;
mod vmcb;

pub use capabilities::{
    Capabilities, EFER_SVME, MSR_EFER, MSR_VM_CR, MSR_VM_HSAVE_PA, VM_CR_SVMDIS,
};
pub use control_area::{ControlArea, NESTED_PAGING_ENABLE, TlbControl};
pub use event::EventInjection;
pub use exit_code::ExitCode;
pub use exit_information::{memory_fault, port_access};
pub use intercepts::Intercepts;
pub use permissions::{IoPermissionMap, MsrPermissionMap, PermissionLayout};
pub use save_area::SaveArea;
pub use vmcb::Vmcb;
