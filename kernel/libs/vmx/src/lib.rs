//! Intel's VMX as data: what root mode writes into a VMCS and reads out.
//!
//! Key types: [`Field`], a VMCS field whose width and access are in its type, and [`Vmcs`],
//! through which fields are read and written; [`Capabilities`], what the CPU can do, and
//! [`Controls`], the control words resolved from it; [`MsrBitmap`] and [`IoBitmaps`], which
//! begin at deny-all; [`ExitReason`] with the decoders of its
//! qualification ([`exit_qualification`]); [`EventInjection`]; [`guest_state`], which tests
//! hold against the checks that VM entry makes of it; [`EptPointer`].
//!
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3, order
//! number 325384, revision 080 ("SDM" below). Names are the manual's, in whole words.
//!
//! Nothing here executes an instruction: the kernel has VMREAD, VMWRITE and the MSRs. Not
//! handled: nested VMX, posted interrupts, APIC virtualisation, PML, MSR-load areas, SMM
//! transfer.

#![no_std]
#![forbid(unsafe_code)]

mod bitmaps;
mod capabilities;
mod controls;
#[cfg(test)]
mod entry_check;
mod ept_pointer;
mod event;
pub mod exit_qualification;
mod exit_reason;
pub mod field;
pub mod guest_state;
mod instruction_error;
pub mod msr;
mod resolve;
mod segment;

#[cfg(test)]
mod fake;

pub use bitmaps::{BitmapLayout, IO_BITMAP_B_OFFSET, IoBitmaps, MsrBitmap};
pub use capabilities::{Allowed, Capabilities};
pub use controls::{EntryControls, ExitControls, PinBased, ProcessorBased, Secondary};
pub use ept_pointer::EptPointer;
pub use event::EventInjection;
pub use exit_reason::ExitReason;
pub use field::{Field, Vmcs};
pub use guest_state::{
    BLOCKING_BY_MOV_SS, BLOCKING_BY_NMI, BLOCKING_BY_STI, CR0_HOST_OWNED, CR4_HOST_OWNED,
};
pub use instruction_error::InstructionError;
pub use resolve::{Controls, Unmet};
