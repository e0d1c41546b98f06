//! What a guest sees that is not hardware: policy tables and small device models.
//!
//! Pure logic, without allocation and without state other than what the caller keeps:
//!
//! - policy, deny first: [`msr`], [`cpuid`], [`icr`], [`local_vector_table`], [`message`];
//! - devices: [`uart`], [`power`], [`io_apic`], [`kvm_clock`], [`virtio`], [`config_space`],
//!   [`msix`];
//! - the frequency that clocks are told by: [`tsc`];
//! - what a trapped memory access means: [`mov`], [`walk`];
//! - exceptions that a guest gets: [`exception`];
//! - the words of the counters: [`exit_reason`].
//!
//! Whatever comes from a guest is answered by a value; nothing here can panic.

#![no_std]
#![forbid(unsafe_code)]

pub mod config_space;
pub mod cpuid;
pub mod exception;
pub mod exit_reason;
pub mod icr;
pub mod io_apic;
pub mod kvm_clock;
pub mod local_vector_table;
pub mod message;
pub mod mov;
pub mod msix;
pub mod msr;
pub mod power;
pub mod processor;
pub mod tsc;
pub mod uart;
pub mod virtio;
pub mod walk;

pub use exit_reason::ExitReason;
