//! The emulator tests: one file for each property, listed in [`ALL`].
//!
//! A case gets a [`harness::Bench`], starts a machine and waits for what shows its property.
//! It says what it attacks or removes, and what Bulkhead must do then.
//!
//! What the cases share: `plans` (sources of plans), `transcript` (what a run said) and
//! `outside` (what QEMU's monitor sees).

#![forbid(unsafe_code)]

mod address_space;
mod config_ports;
mod crash_record;
mod denied_access;
mod dma;
mod exitless;
mod firmware;
mod foreign_interrupt;
mod hello;
mod linux_stops;
mod outside;
mod plan_misfit;
mod plans;
mod restarts;
mod stops;
mod transcript;
mod unfit_machine;
mod unusable_module;
mod whole_function;

use anyhow::Result;
use harness::{Bench, Case};

/// Every case; those that take longest come first, so that none is left alone at the end.
pub const ALL: &[Case] = &[
    case("linux_stops_alone", linux_stops::each_alone),
    case("dma", dma::reaches_own_memory_only),
    case(
        "foreign_interrupt_by_command",
        foreign_interrupt::by_command,
    ),
    case(
        "foreign_interrupt_by_message",
        foreign_interrupt::by_message,
    ),
    case("whole_function", whole_function::is_driven_and_confined),
    case("denied_msr", denied_access::model_specific_registers),
    case("denied_ports", denied_access::ports),
    case(
        "denied_instructions",
        denied_access::hypervisor_instructions,
    ),
    case("denied_memory", denied_access::memory),
    case("exitless_timer", exitless::timer),
    case("exits_of_smp", exitless::inter_processor_interrupts),
    case("start_up_again", exitless::start_up_of_a_running_core),
    case("restarts_by_reset", restarts::by_reset),
    case("restarts_by_triple_fault", restarts::by_triple_fault),
    case("restarts_limited", restarts::as_often_as_the_plan_allows),
    case("stops_by_poweroff", stops::by_poweroff),
    case("stops_by_reset", stops::by_reset),
    case("stops_by_triple_fault", stops::by_triple_fault),
    case("stops_with_a_core_spinning", stops::with_a_core_spinning),
    case("stops_never_by_spinning", stops::never_by_spinning),
    case(
        "address_space",
        address_space::is_never_writable_and_executable,
    ),
    case("crash_record", crash_record::names_the_place),
    case("config_ports", config_ports::agree_with_ecam),
    case("plan_misfit", plan_misfit::costs_the_misfits_only),
    case("firmware_multiboot2", firmware::grub_starts_it),
    case("hello", hello::both_partitions_pass),
    case("module_absent", unusable_module::absent),
    case("module_not_a_bundle", unusable_module::not_a_bundle),
    case("module_damaged_table", unusable_module::damaged_table),
    case("module_damaged_plan", unusable_module::damaged_plan),
    case("module_cut_off", unusable_module::cut_off),
    case(
        "plan_other_housekeeping",
        unusable_module::other_housekeeping_core,
    ),
    case(
        "machine_without_virtualisation",
        unfit_machine::without_virtualisation,
    ),
    case("machine_without_x2apic", unfit_machine::without_x2apic),
    case("machine_without_iommu", unfit_machine::without_iommu),
    case(
        "machine_without_interrupt_remapping",
        unfit_machine::without_interrupt_remapping,
    ),
];

const fn case(name: &'static str, run: fn(&Bench) -> Result<()>) -> Case {
    Case { name, run }
}
