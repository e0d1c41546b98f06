//! AMD's Secure Virtual Machine as data: what root mode writes into a VMCB and reads out.
//!
//! Key types: [`Vmcb`] with its [`ControlArea`] and [`SaveArea`], the intercepts
//! ([`Intercepts1`] and its neighbours), [`MsrPermissionMap`] and [`IoPermissionMap`], which
//! begin at deny-all, [`ExitCode`] with the decoders of its information
//! ([`IoExit`], [`NestedPageFault`], [`MsrAccess`]), [`EventInjection`], and [`Capabilities`].
//!
//! Source: AMD64 Architecture Programmer's Manual, volume 2 "System Programming", publication
//! 24593, revision 3.42 ("APM volume 2" below). Names are the manual's, in whole words.
//!
//! Nothing here executes an instruction: the kernel loads the VMCB, runs VMRUN and reads the
//! MSRs. Not handled: SEV, AVIC, the x2AVIC and last-branch extensions (their fields exist, as
//! the layout needs them, and stay 0).

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
    Capabilities, EFER_SVME, Features, MSR_EFER, MSR_VM_CR, MSR_VM_HSAVE_PA, VM_CR_LOCK,
    VM_CR_SVMDIS,
};
pub use control_area::{
    CleanBits, ControlArea, NESTED_PAGING_ENABLE, TlbControl, VirtualInterrupt,
};
pub use event::{EventInjection, EventKind};
pub use exit_code::ExitCode;
pub use exit_information::{IoDirection, IoExit, MsrAccess, NestedPageFault};
pub use intercepts::{
    ControlRegisterIntercepts, DebugRegisterIntercepts, ExceptionIntercepts, Intercepts1,
    Intercepts2, Intercepts3,
};
pub use permissions::{IoPermissionMap, MsrPermissionMap};
pub use save_area::SaveArea;
pub use vmcb::Vmcb;
