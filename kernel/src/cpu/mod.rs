//! Physical CPUs: identity, descriptor tables, interrupts, local APIC, bring-up.

pub mod attention;
pub mod bring_up;
pub mod core;
pub mod descriptors;
pub mod hold;
pub mod interrupts;
pub mod local_apic;
pub mod port;
pub mod reset;
pub mod time;
pub mod topology;
