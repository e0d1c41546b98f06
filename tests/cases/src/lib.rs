//! The emulator tests: one file for each property, listed in [`ALL`].
//!
//! A case gets a [`harness::Bench`], starts a machine and waits for what shows its property.
//! It says what it attacks or removes, and what Bulkhead must do then.
//!
//! It runs on every platform that has what it needs.
//!
//! What the cases share: `plans` (sources of plans), `transcript` (what a run said), `outside`
//! (what QEMU's monitor sees), `qtest` (what QEMU does to it) and `guest_file` (test guests' files,
//! changed).

#![forbid(unsafe_code)]

mod address_space;
mod config_ports;
mod crash_record;
mod delegated;
mod denied_access;
mod dma;
mod dormant;
mod exitless;
mod firmware;
mod foreign_interrupt;
mod function_reset;
mod guest_file;
mod hello;
mod life;
mod linux_delegated;
mod linux_managed;
mod linux_replaced;
mod linux_restarts;
mod linux_stops;
mod lost_function;
mod managed;
mod managed_line;
mod non_maskable;
mod outside;
mod plan_misfit;
pub mod plans;
mod power_button;
mod processor_state;
mod qtest;
mod replaced;
mod restarts;
mod second_stage;
mod serial_lines;
mod shared_requester;
pub mod soak;
mod spcr;
mod stops;
mod transcript;
mod unfit_machine;
mod unusable_module;
mod virtio;
mod watch;
mod whole_function;

use harness::{Case, Need};

/// A controller and an IOMMU that can be given away and confined.
const NVME: &[Need] = &[Need::Nvme];
/// Devices that are confined.
const IOMMU: &[Need] = &[Need::Iommu];
/// A look from outside.
const MONITOR: &[Need] = &[Need::Monitor];

/// Every case; those that take longest come first, so that none is left alone at the end.
pub const ALL: &[Case] = &[
    Case::new("linux_managed", linux_managed::by_the_tool).needing(NVME),
    Case::new("linux_delegated", linux_delegated::by_the_tool),
    Case::new("linux_restarts", linux_restarts::by_every_cause).using(&[Need::Nvme, Need::Monitor]),
    Case::new(
        "linux_replaced",
        linux_replaced::ramdisk_beside_a_busy_neighbour,
    )
    .needing(NVME),
    Case::new("linux_stops_alone", linux_stops::each_alone),
    Case::new("dma", dma::reaches_own_memory_only).needing(&[Need::Nvme, Need::Monitor]),
    Case::new(
        "foreign_interrupt_by_command",
        foreign_interrupt::by_command,
    ),
    Case::new(
        "foreign_interrupt_by_message",
        foreign_interrupt::by_message,
    )
    .needing(NVME),
    Case::new("whole_function", whole_function::is_driven_and_confined).needing(NVME),
    Case::new("whole_function_large", whole_function::may_have_a_large_bar).needing(NVME),
    Case::new("denied_msr", denied_access::model_specific_registers),
    Case::new("denied_ports", denied_access::ports),
    Case::new(
        "denied_instructions",
        denied_access::hypervisor_instructions,
    ),
    Case::new("denied_memory", denied_access::memory).using(MONITOR),
    Case::new("state_xcr0", processor_state::extended_state),
    Case::new("state_cr0_cr4", processor_state::control_registers),
    Case::new("state_modes", processor_state::modes),
    Case::new("state_registers", processor_state::awkward_registers),
    Case::new("state_instructions", processor_state::awkward_instructions),
    Case::new("state_exceptions", processor_state::exceptions),
    Case::new("state_task_switch", processor_state::task_switch),
    Case::new("nmi", non_maskable::interrupts_arrive_once),
    Case::new("exitless_timer", exitless::timer),
    Case::new("exits_of_smp", exitless::inter_processor_interrupts),
    Case::new("start_up_again", exitless::start_up_of_a_running_core),
    Case::new("restarts_after_reset", restarts::by_reset).using(MONITOR),
    Case::new("restarts_after_poweroff", restarts::by_poweroff).using(MONITOR),
    Case::new("restarts_after_fault", restarts::by_triple_fault).using(MONITOR),
    Case::new("restarts_by_force", restarts::by_force).using(MONITOR),
    Case::new(
        "restarts_itself_after_reset",
        restarts::by_itself_after_reset,
    )
    .using(MONITOR),
    Case::new(
        "restarts_itself_after_fault",
        restarts::by_itself_after_fault,
    )
    .using(MONITOR),
    Case::new("restarts_by_denials", restarts::by_denied_accesses),
    Case::new("restarts_limited", restarts::as_often_as_the_plan_allows),
    Case::new(
        "function_with_requests",
        lost_function::has_requests_under_way,
    )
    .needing(&[Need::Nvme, Need::Monitor]),
    Case::new("function_shares_requester", shared_requester::is_refused).needing(IOMMU),
    Case::new("function_lost", lost_function::keeps_its_partition_failed).needing(NVME),
    Case::new(
        "function_reset_queue",
        function_reset::in_a_queue_delays_no_restart,
    )
    .needing(NVME),
    Case::new(
        "function_without_reset",
        function_reset::is_made_up_for_where_there_is_none,
    )
    .needing(&[Need::Iommu, Need::Monitor]),
    Case::new("managed_partition", managed::partition_without_the_others),
    Case::new("managed_start", managed::guest_that_is_off_starts_again),
    Case::new("button_stops", power_button::guest_stops_when_asked),
    Case::new("button_ignored", power_button::deaf_guest_is_forced),
    Case::new("button_forged", power_button::no_entry_leads_elsewhere),
    Case::new("managed_console", managed::console_in_both_directions),
    Case::new("managed_noise", managed_line::noise_is_passed_over),
    Case::new("managed_flood", managed_line::flood_slows_nobody),
    Case::new(
        "managed_flood_without_exits",
        managed_line::flood_without_exits_slows_nobody,
    ),
    Case::new(
        "managed_flood_of_lines",
        managed_line::flood_of_lines_slows_nobody,
    ),
    Case::new("managed_unread", managed_line::nobody_reads),
    Case::new("managed_absent", managed_line::nobody_is_there),
    Case::new("managed_reset", managed_line::machine_is_reset).needing(MONITOR),
    Case::new("soak", soak::counts_nothing_wrong),
    Case::new("delegated", delegated::manages_whom_it_may),
    Case::new("delegated_scribbles", delegated::scribbles_in_vain),
    Case::new("spcr_absent", spcr::absent),
    Case::new("spcr_channel", spcr::names_the_channel).needing(MONITOR),
    Case::new("spcr_console", spcr::names_the_console).needing(MONITOR),
    Case::new("spcr_unusable", spcr::unusable).needing(MONITOR),
    Case::new("virtio_console", virtio::both_directions_without_exits),
    Case::new("virtio_hostile", virtio::hostile_driver),
    Case::new("replaced_kernel", replaced::kernel_of_a_running_partition),
    Case::new("replaced_not", replaced::by_nothing_that_cannot_be_started),
    Case::new("serial_lines", serial_lines::have_their_speed).needing(MONITOR),
    Case::new("dormant_goes_on", dormant::guests_go_on),
    Case::new("dormant_notices", dormant::exit_is_noticed),
    Case::new("dormant_refuses", dormant::starts_are_refused),
    Case::new("stops_by_poweroff", stops::by_poweroff).using(MONITOR),
    Case::new("stops_by_reset", stops::by_reset).using(MONITOR),
    Case::new("stops_by_triple_fault", stops::by_triple_fault).using(MONITOR),
    Case::new("stops_with_a_core_spinning", stops::with_a_core_spinning).using(MONITOR),
    Case::new("stops_never_by_spinning", stops::never_by_spinning).using(MONITOR),
    Case::new(
        "address_space",
        address_space::is_never_writable_and_executable,
    )
    .needing(MONITOR),
    Case::new("second_stage", second_stage::tables_are_as_told)
        .needing(&[Need::Nvme, Need::Monitor]),
    Case::new("crash_record", crash_record::names_the_place).needing(MONITOR),
    Case::new("config_ports", config_ports::agree_with_ecam).needing(NVME),
    Case::new("plan_misfit", plan_misfit::costs_the_misfits_only).needing(NVME),
    Case::new("firmware_multiboot2", firmware::grub_starts_it),
    Case::new("hello", hello::both_partitions_pass),
    Case::new("many_processors", hello::both_partitions_pass_among_many)
        .needing(&[Need::Processors]),
    Case::new("module_absent", unusable_module::absent),
    Case::new("module_not_a_bundle", unusable_module::not_a_bundle),
    Case::new("module_damaged_table", unusable_module::damaged_table),
    Case::new("module_damaged_plan", unusable_module::damaged_plan),
    Case::new("module_cut_off", unusable_module::cut_off),
    Case::new(
        "plan_other_housekeeping",
        unusable_module::other_housekeeping_core,
    ),
    Case::new("plan_too_large", unusable_module::too_many_cores),
    Case::new(
        "machine_without_virtualisation",
        unfit_machine::without_virtualisation,
    ),
    Case::new("machine_without_x2apic", unfit_machine::without_x2apic),
    Case::new("machine_without_iommu", unfit_machine::without_iommu),
    Case::new(
        "machine_without_interrupt_remapping",
        unfit_machine::without_interrupt_remapping,
    )
    .needing(IOMMU),
    Case::new("machine_without_timer", unfit_machine::without_timer).needing(&[Need::NoTimer]),
];
