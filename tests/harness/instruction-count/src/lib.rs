//! A QEMU plugin: counts VM exits by their code, and instructions on both sides of them.
//!
//! This file finds out which instruction of a new block means what; `processor.rs` counts as
//! they are executed; `qemu.rs` is the interface. What is counted is [`harness::count::Count`].
//!
//! Arguments:
//! - `output=FILE`, where the count goes as JSON when QEMU ends,
//! - `text=0x…-0x…` and `entry=0x…`: where the hypervisor's code is, with virtual = physical,
//!   and its first instruction,
//! - or `memory=0x…`: the hypervisor is whatever runs outside guests, firmware, kernel and
//!   programs, and sees physical memory from this address on,
//! - without these every instruction is a guest's,
//! - `kernel=0x…`: the first instruction of a guest's at or above this address is a moment like
//!   those that guests mark themselves: its kernel begins,
//! - `exact=on`: count guests' instructions one by one, too,
//! - `profile=on`: also say where the instructions up to the first VMRUN are,
//! - `end=first-guest`: end QEMU at the first VMRUN.
//!
//! The hypervisor's own instructions are counted one by one, guests' by blocks as they begin,
//! which is faster, and too much where one is left in its middle: without `exact` they are right
//! only where QEMU makes blocks of one instruction. Code is the hypervisor's
//! by where it is in the host's memory: a guest cannot pass for it. With `memory` it is by the
//! state of the processor that translates it: QEMU keeps no block for both a guest and a host
//! (it must translate with one thread for each processor then). An execution of a repeated
//! string instruction counts as one instruction, as hardware counts it, whatever it repeats.
//!
//! Not handled: VMLAUNCH, which QEMU does not emulate; more than 64 processors; with `memory`
//! several guests at a time.

mod processor;
mod qemu;

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use qemu::{Block, Executed, Instruction, RawBlock, Registers};

/// What the plugin is told.
#[derive(Default)]
struct Arguments {
    output: String,
    text: Option<(u64, u64)>,
    entry: u64,
    memory: Option<u64>,
    kernel: Option<u64>,
    exact: bool,
    profile: bool,
    end_at_first_guest: bool,
}

const CPUID: [u8; 2] = [0x0F, 0xA2];

static ARGUMENTS: OnceLock<Arguments> = OnceLock::new();
/// Where physical address 0 is in QEMU's memory, once the entry has been seen.
static MEMORY: AtomicUsize = AtomicUsize::new(0);
/// Where the instruction behind VMRUN is in QEMU's memory.
static BEHIND_VMRUN: AtomicUsize = AtomicUsize::new(0);

/// QEMU calls this when it loads the plugin; anything but 0 makes it end.
///
/// # Safety
/// `values` must point to `count` strings that end in NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _information: *const c_void,
    count: c_int,
    values: *const *const c_char,
) -> c_int {
    let mut arguments = Arguments::default();
    for index in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the index is below the number of strings.
        let value = unsafe { values.add(index) };
        // SAFETY: QEMU's array holds a pointer there.
        let value = unsafe { value.read() };
        // SAFETY: it points to a string that ends in NUL.
        let value = unsafe { CStr::from_ptr(value) }.to_string_lossy();
        if arguments.take(&value).is_none() {
            eprintln!("instruction-count: `{value}` is not understood");
            return -1;
        }
    }
    let has_hypervisor = arguments.text.is_some() || arguments.memory.is_some();
    processor::begin_in_guest(!has_hypervisor);
    if arguments.output.is_empty() || ARGUMENTS.set(arguments).is_err() {
        eprintln!("instruction-count: needs output=FILE");
        return -1;
    }
    qemu::register(id, on_translation, on_processor, on_end);
    0
}

impl Arguments {
    fn take(&mut self, argument: &str) -> Option<()> {
        let (name, value) = argument.split_once('=')?;
        let number = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        match name {
            "output" => value.clone_into(&mut self.output),
            "entry" => self.entry = number(value)?,
            "memory" => self.memory = Some(number(value)?),
            "text" => {
                let (start, end) = value.split_once('-')?;
                self.text = Some((number(start)?, number(end)?));
            }
            "kernel" => self.kernel = Some(number(value)?),
            "exact" => self.exact = value == "on",
            "profile" => self.profile = value == "on",
            "end" => self.end_at_first_guest = value == "first-guest",
            _ => return None,
        }
        Some(())
    }
}

fn arguments() -> &'static Arguments {
    ARGUMENTS.get_or_init(Arguments::default)
}

extern "C" fn on_processor(_id: u64, _processor: c_uint) {
    processor::find_registers();
}

extern "C" fn on_end(_id: u64, _data: *mut c_void) {
    processor::write(&arguments().output);
}

extern "C" fn on_translation(_id: u64, block: *mut RawBlock) {
    // SAFETY: it is used in this call only.
    let block = unsafe { Block::new(block) };
    let Some(first) = block.instructions().next() else {
        return;
    };
    note_entry(first);
    if is_hypervisors(first) {
        block.instructions().for_each(watch_hypervisor);
        return;
    }
    watch_guests(block, first);
}

fn watch_guests(block: Block, first: Instruction) {
    if arguments()
        .kernel
        .is_some_and(|kernel| first.address() >= kernel)
    {
        first.on_execution(processor::on_kernel, Registers::Unused, 0);
    }
    for instruction in block.instructions() {
        if arguments().exact {
            count(instruction);
        }
        if instruction.bytes().starts_with(&CPUID) {
            instruction.on_execution(processor::on_guests_cpuid, Registers::Read, 0);
        }
    }
    if !arguments().exact {
        block.on_execution(processor::on_block, block.instructions().count());
    }
}

/// Learns where physical memory is in QEMU's, by the hypervisor's first instruction.
fn note_entry(instruction: Instruction) {
    let Arguments { text, entry, .. } = arguments();
    if text.is_some() && instruction.address() == *entry {
        let offset = usize::try_from(*entry).unwrap_or(0);
        let memory = instruction.host_address().wrapping_sub(offset);
        MEMORY.store(memory, Ordering::Relaxed);
        instruction.on_execution(processor::on_entry, Registers::Unused, 0);
    }
}

fn is_hypervisors(instruction: Instruction) -> bool {
    if arguments().memory.is_some() {
        // An exit's first block is translated before it is known that there is an exit.
        let is_behind = instruction.host_address() == BEHIND_VMRUN.load(Ordering::Relaxed);
        return is_behind || !processor::is_in_guest();
    }
    let memory = MEMORY.load(Ordering::Relaxed);
    let offset = instruction.host_address().wrapping_sub(memory);
    let offset = u64::try_from(offset).unwrap_or(u64::MAX);
    let is_in = |(start, end): (u64, u64)| (start..end).contains(&offset);
    memory != 0 && arguments().text.is_some_and(is_in)
}

/// Sees to it that an instruction of the hypervisor's is counted, and acted upon if it is one
/// that begins or ends something.
fn watch_hypervisor(instruction: Instruction) {
    if instruction.host_address() == BEHIND_VMRUN.load(Ordering::Relaxed) {
        instruction.on_execution(processor::on_exit, Registers::Read, 0);
    }
    count(instruction);
    // AMD APM volume 3 (24594), "VMRUN" and "HLT".
    match instruction.bytes() {
        [0x0F, 0x01, 0xD8, _] => {
            let behind = instruction.host_address().wrapping_add(3);
            BEHIND_VMRUN.store(behind, Ordering::Relaxed);
            instruction.on_execution(processor::on_vmrun, Registers::Read, 0);
        }
        [0xF4, ..] => instruction.on_execution(processor::on_rest, Registers::Unused, 0),
        _ => {}
    }
}

fn count(instruction: Instruction) {
    // REP in front of a string instruction (AMD APM volume 3, "Repeat Prefixes").
    let callback: Executed = match instruction.bytes() {
        [0xF3, 0xA4 | 0xA5 | 0xAA | 0xAB, ..] | [0xF3, 0x48, 0xA5 | 0xAB, _] => {
            processor::on_repeated
        }
        _ => processor::on_instruction,
    };
    let address = usize::try_from(instruction.address()).unwrap_or(0);
    instruction.on_execution(callback, Registers::Unused, address);
}
