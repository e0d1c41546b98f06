//! The emulator tests: one file for each property, listed in [`ALL`].
//!
//! A case gets a [`harness::Bench`], starts a machine and waits for what shows its property.
//! It says what it attacks or removes, and what Bulkhead must do then.

#![forbid(unsafe_code)]

mod hello;
mod plans;
mod unfit_machine;

use harness::Case;

/// Every case.
pub const ALL: &[Case] = &[
    Case {
        name: "hello",
        run: hello::both_partitions_pass,
    },
    Case {
        name: "machine_without_svm",
        run: unfit_machine::without_svm,
    },
    Case {
        name: "machine_without_x2apic",
        run: unfit_machine::without_x2apic,
    },
    Case {
        name: "machine_without_iommu",
        run: unfit_machine::without_iommu,
    },
    Case {
        name: "machine_without_interrupt_remapping",
        run: unfit_machine::without_interrupt_remapping,
    },
];
