//! A QEMU plugin: counts instructions from the kernel's entry to the first VMRUN, on all
//! processors together, and then ends QEMU.
//!
//! Arguments: `entry=0x…` (the address of the kernel's first instruction) and `output=FILE`,
//! into which it writes two numbers: all instructions but repeated string stores, and those.
//! These clear memory; how QEMU counts their repetitions differs by its version.
//!
//! Interface: QEMU 10.0, "QEMU TCG Plugins", API version 4 (`include/qemu/qemu-plugin.h`).
//! Not handled: VMLAUNCH, which QEMU does not emulate.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fs;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The version of the interface, which QEMU looks for by this name.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 4;

/// A translation block; QEMU's.
#[repr(C)]
struct Block {
    _opaque: [u8; 0],
}

/// A guest instruction; QEMU's.
#[repr(C)]
struct Instruction {
    _opaque: [u8; 0],
}

type Translated = extern "C" fn(u64, *mut Block);
type Executed = extern "C" fn(c_uint, *mut c_void);

/// A callback that reads no registers (`QEMU_PLUGIN_CB_NO_REGS`).
const NO_REGISTERS: c_int = 0;

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, callback: Translated);
    fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    fn qemu_plugin_insn_data(
        instruction: *const Instruction,
        destination: *mut c_void,
        bytes: usize,
    ) -> usize;
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: Executed,
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_register_vcpu_tb_exec_cb(
        block: *mut Block,
        callback: Executed,
        flags: c_int,
        data: *mut c_void,
    );
}

struct Arguments {
    entry: u64,
    output: String,
}

static ARGUMENTS: OnceLock<Arguments> = OnceLock::new();
static STARTED: AtomicBool = AtomicBool::new(false);
static FINISHED: AtomicBool = AtomicBool::new(false);
static INSTRUCTIONS: AtomicU64 = AtomicU64::new(0);
static STORES: AtomicU64 = AtomicU64::new(0);

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
    let (mut entry, mut output) = (None, None);
    for index in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the index is below the number of strings.
        let value = unsafe { values.add(index) };
        // SAFETY: QEMU's array holds a pointer there.
        let value = unsafe { value.read() };
        // SAFETY: it points to a string that ends in NUL.
        let value = unsafe { CStr::from_ptr(value) }.to_string_lossy();
        match value.split_once('=') {
            Some(("entry", number)) => {
                entry = u64::from_str_radix(number.trim_start_matches("0x"), 16).ok();
            }
            Some(("output", path)) => output = Some(path.to_owned()),
            _ => {}
        }
    }
    let (Some(entry), Some(output)) = (entry, output) else {
        eprintln!("instruction-count: needs entry=0x… and output=FILE");
        return -1;
    };
    if ARGUMENTS.set(Arguments { entry, output }).is_err() {
        return -1;
    }
    // SAFETY: the identifier is the one that QEMU gave.
    unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation) };
    0
}

/// What an instruction means to the count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Entry,
    Vmrun,
    RepeatedStore,
    Other,
}

extern "C" fn on_translation(_id: u64, block: *mut Block) {
    // SAFETY: the block is valid for as long as this callback lasts.
    let count = unsafe { qemu_plugin_tb_n_insns(block) };
    let mut plain = 0_usize;
    for index in 0..count {
        // SAFETY: as above, and the index is below the count.
        let instruction = unsafe { qemu_plugin_tb_get_insn(block, index) };
        let callback: Executed = match kind(instruction) {
            Kind::Entry => on_entry,
            Kind::Vmrun => on_vmrun,
            Kind::RepeatedStore => on_repeated_store,
            Kind::Other => {
                plain = plain.saturating_add(1);
                continue;
            }
        };
        // SAFETY: the instruction is one of the block's, which is being translated.
        unsafe {
            qemu_plugin_register_vcpu_insn_exec_cb(
                instruction,
                callback,
                NO_REGISTERS,
                ptr::null_mut(),
            );
        };
    }
    let data = ptr::without_provenance_mut(plain);
    // SAFETY: the block is being translated; the data is a number, never followed.
    unsafe { qemu_plugin_register_vcpu_tb_exec_cb(block, on_block, NO_REGISTERS, data) };
}

fn kind(instruction: *mut Instruction) -> Kind {
    // SAFETY: the instruction is one of a block that is being translated.
    let address = unsafe { qemu_plugin_insn_vaddr(instruction) };
    let mut bytes = [0_u8; 4];
    // SAFETY: as above, and the buffer takes the number of bytes given.
    let length =
        unsafe { qemu_plugin_insn_data(instruction, bytes.as_mut_ptr().cast(), bytes.len()) };
    if ARGUMENTS.get().is_some_and(|a| a.entry == address) {
        return Kind::Entry;
    }
    match bytes.get(..length.min(bytes.len())) {
        // AMD APM volume 3 (24594), "VMRUN" and "STOS, STOSB, STOSW, STOSD, STOSQ".
        Some([0x0F, 0x01, 0xD8, ..]) => Kind::Vmrun,
        Some([0xF3, 0xAA | 0xAB, ..] | [0xF3, 0x48, 0xAB, ..]) => Kind::RepeatedStore,
        _ => Kind::Other,
    }
}

extern "C" fn on_block(_processor: c_uint, data: *mut c_void) {
    if STARTED.load(Ordering::Relaxed) {
        let plain = u64::try_from(data.addr()).unwrap_or(0);
        INSTRUCTIONS.fetch_add(plain, Ordering::Relaxed);
    }
}

extern "C" fn on_entry(_processor: c_uint, _data: *mut c_void) {
    STARTED.store(true, Ordering::Relaxed);
}

extern "C" fn on_repeated_store(_processor: c_uint, _data: *mut c_void) {
    if STARTED.load(Ordering::Relaxed) {
        STORES.fetch_add(1, Ordering::Relaxed);
    }
}

extern "C" fn on_vmrun(_processor: c_uint, _data: *mut c_void) {
    let Some(arguments) = ARGUMENTS.get() else {
        return;
    };
    // Several processors can come here at once: the first one counts, and ends them all.
    if FINISHED.swap(true, Ordering::Relaxed) {
        return;
    }
    let instructions = INSTRUCTIONS.load(Ordering::Relaxed);
    let stores = STORES.load(Ordering::Relaxed);
    if let Err(error) = fs::write(&arguments.output, format!("{instructions} {stores}\n")) {
        eprintln!("instruction-count: writing {}: {error}", arguments.output);
    }
    // SAFETY: ends the process at once; QEMU's own end would wait for this very processor.
    unsafe { libc::_exit(0) };
}
