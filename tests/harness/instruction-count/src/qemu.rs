//! As much of QEMU's plugin interface as counting takes (QEMU 10.0, "QEMU TCG Plugins", API
//! version 4, `include/qemu/qemu-plugin.h`), with safe functions around it.
//!
//! The two arrays are GLib's (GLib 2.74, "Arrays" and "Byte Arrays"), which QEMU brings along.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;
use std::slice;

/// The version of the interface, which QEMU looks for by this name.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 4;

/// What is called when an instruction or a block is executed: the processor, and the number
/// that was registered with it.
pub type Executed = extern "C" fn(c_uint, *mut c_void);

/// A translation block; QEMU's.
#[repr(C)]
pub struct RawBlock {
    _opaque: [u8; 0],
}

/// A guest instruction; QEMU's.
#[repr(C)]
struct RawInstruction {
    _opaque: [u8; 0],
}

/// GLib's `GArray` and `GByteArray`, which begin alike.
#[repr(C)]
struct Array {
    data: *mut u8,
    length: c_uint,
}

/// A register; QEMU's `qemu_plugin_reg_descriptor`.
#[repr(C)]
struct RegisterDescriptor {
    handle: *mut c_void,
    name: *const c_char,
    feature: *const c_char,
}

type Translated = extern "C" fn(u64, *mut RawBlock);
type ProcessorStarted = extern "C" fn(u64, c_uint);
type Ended = extern "C" fn(u64, *mut c_void);

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, callback: Translated);
    fn qemu_plugin_register_vcpu_init_cb(id: u64, callback: ProcessorStarted);
    fn qemu_plugin_register_atexit_cb(id: u64, callback: Ended, data: *mut c_void);
    fn qemu_plugin_tb_n_insns(block: *const RawBlock) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const RawBlock, index: usize) -> *mut RawInstruction;
    fn qemu_plugin_insn_vaddr(instruction: *const RawInstruction) -> u64;
    fn qemu_plugin_insn_haddr(instruction: *const RawInstruction) -> *mut c_void;
    fn qemu_plugin_insn_data(
        instruction: *const RawInstruction,
        destination: *mut c_void,
        bytes: usize,
    ) -> usize;
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut RawInstruction,
        callback: Executed,
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_register_vcpu_tb_exec_cb(
        block: *mut RawBlock,
        callback: Executed,
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_get_registers() -> *mut Array;
    fn qemu_plugin_read_register(handle: *mut c_void, bytes: *mut Array) -> c_int;
    fn qemu_plugin_read_memory_vaddr(address: u64, bytes: *mut Array, length: usize) -> bool;
    fn g_byte_array_new() -> *mut Array;
    fn g_byte_array_free(array: *mut Array, with_data: c_int) -> *mut u8;
}

/// What a callback does with the processor's registers (`enum qemu_plugin_cb_flags`).
#[derive(Clone, Copy)]
pub enum Registers {
    /// It leaves them alone.
    Unused = 0,
    /// It reads them.
    Read = 1,
}

/// Asks to be called for each new block, for each processor that starts, and at the end.
pub fn register(id: u64, translated: Translated, started: ProcessorStarted, ended: Ended) {
    // SAFETY: the identifier is the one that QEMU gave.
    unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, translated) };
    // SAFETY: as above.
    unsafe { qemu_plugin_register_vcpu_init_cb(id, started) };
    // SAFETY: as above; the data is not used.
    unsafe { qemu_plugin_register_atexit_cb(id, ended, ptr::null_mut()) };
}

/// A block that is being translated.
#[derive(Clone, Copy)]
pub struct Block(*mut RawBlock);

impl Block {
    /// The block that QEMU hands to the callback.
    ///
    /// # Safety
    /// The value is used during that call only.
    pub unsafe fn new(block: *mut RawBlock) -> Self {
        Self(block)
    }

    /// Its instructions.
    pub fn instructions(self) -> impl Iterator<Item = Instruction> {
        // SAFETY: the block is valid, see `new`.
        let count = unsafe { qemu_plugin_tb_n_insns(self.0) };
        (0..count).map(move |index| {
            // SAFETY: as above, and the index is below the count.
            Instruction(unsafe { qemu_plugin_tb_get_insn(self.0, index) })
        })
    }

    /// Calls back with `number` whenever the block begins to be executed.
    pub fn on_execution(self, callback: Executed, number: usize) {
        let data = ptr::without_provenance_mut(number);
        let flags = Registers::Unused as c_int;
        // SAFETY: the block is valid, see `new`; the data is a number, never followed.
        unsafe { qemu_plugin_register_vcpu_tb_exec_cb(self.0, callback, flags, data) };
    }
}

/// An instruction of a block that is being translated.
#[derive(Clone, Copy)]
pub struct Instruction(*mut RawInstruction);

impl Instruction {
    /// Its address as the software sees it.
    pub fn address(self) -> u64 {
        // SAFETY: it is one of a block that is being translated.
        unsafe { qemu_plugin_insn_vaddr(self.0) }
    }

    /// Where it is in QEMU's own memory, which tells physical addresses apart; 0 if nowhere.
    pub fn host_address(self) -> usize {
        // SAFETY: it is one of a block that is being translated.
        unsafe { qemu_plugin_insn_haddr(self.0) }.addr()
    }

    /// Its first bytes, four at most, filled up with zeros.
    pub fn bytes(self) -> [u8; 4] {
        let mut bytes = [0_u8; 4];
        let place = bytes.as_mut_ptr().cast();
        // SAFETY: it is one of a block that is being translated; the buffer has that size.
        unsafe { qemu_plugin_insn_data(self.0, place, bytes.len()) };
        bytes
    }

    /// Calls back with `number` before each execution.
    pub fn on_execution(self, callback: Executed, registers: Registers, number: usize) {
        let data = ptr::without_provenance_mut(number);
        let flags = registers as c_int;
        // SAFETY: it is one of a block that is being translated; the data is a number.
        unsafe { qemu_plugin_register_vcpu_insn_exec_cb(self.0, callback, flags, data) };
    }
}

/// The handle of a register of the processor that calls; 0 if it has none of that name.
pub fn find_register(wanted: &CStr) -> usize {
    // SAFETY: called by a processor's own thread, as QEMU asks.
    let array = unsafe { qemu_plugin_get_registers() };
    // SAFETY: QEMU gives a `GArray` of descriptors, never null.
    let array = unsafe { &*array };
    let descriptors: *const RegisterDescriptor = array.data.cast();
    let length = usize::try_from(array.length).unwrap_or(0);
    // SAFETY: the array holds that many.
    let descriptors = unsafe { slice::from_raw_parts(descriptors, length) };
    // SAFETY: each name ends in NUL and lives as long as QEMU does.
    let is_wanted = |one: &&RegisterDescriptor| unsafe { CStr::from_ptr(one.name) } == wanted;
    let found = descriptors.iter().find(is_wanted);
    found.map_or(0, |descriptor| descriptor.handle.addr())
}

/// The register of the processor that calls, its first eight bytes.
pub fn read_register(handle: usize) -> u64 {
    let handle = ptr::without_provenance_mut(handle);
    with_bytes(|array| {
        // SAFETY: the handle is QEMU's, which it takes for a number, and the array is valid.
        unsafe { qemu_plugin_read_register(handle, array) };
    })
}

/// The word at `address`, as the processor that calls sees memory.
pub fn read_memory(address: u64) -> u64 {
    with_bytes(|array| {
        // SAFETY: the array is valid; what cannot be read leaves it empty.
        unsafe { qemu_plugin_read_memory_vaddr(address, array, 8) };
    })
}

/// Lets `fill` fill a byte array, and makes a number of what it has put there.
fn with_bytes(fill: impl FnOnce(*mut Array)) -> u64 {
    // SAFETY: makes an array, and ends the program if there is no memory.
    let array = unsafe { g_byte_array_new() };
    fill(array);
    // SAFETY: it is valid until it is freed below.
    let Array { data, length } = unsafe { ptr::read(array) };
    let mut bytes = [0_u8; 8];
    let length = usize::try_from(length).unwrap_or(0).min(bytes.len());
    // SAFETY: the array holds at least that many bytes, the buffer too, and they are apart.
    unsafe { ptr::copy_nonoverlapping(data, bytes.as_mut_ptr(), length) };
    // SAFETY: the array is this function's own; nobody uses it any more.
    unsafe { g_byte_array_free(array, 1) };
    u64::from_le_bytes(bytes)
}
