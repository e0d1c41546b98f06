//! The counters of each processor, and what is called as instructions are executed.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{c_uint, c_void};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

use harness::count::{Count, Exits, Kind, MARK_LEAF, Mark};

use crate::{arguments, qemu};

const PROCESSORS: usize = 64;
/// The VMCB's fields (AMD APM volume 2, 24593-3.42, appendix B "VMCB Layout").
const GUEST_ASID: u64 = 0x58;
const EXITCODE: u64 = 0x70;
const EXITINFO1: u64 = 0x78;
/// The exit code of RDMSR and WRMSR.
const VMEXIT_MSR: u64 = 0x7c;

/// One processor's counters, which only its own thread changes.
struct Processor {
    in_guest: AtomicBool,
    /// Its instructions in root mode and in guests.
    root: AtomicU64,
    guest: AtomicU64,
    /// The address of the repeated string instruction that was executed last; 0 if another
    /// instruction was.
    repeated: AtomicU64,
    /// The VMCB that it last ran, and the guest's address space identifier.
    control_block: AtomicU64,
    space: AtomicU32,
    /// The exit that it is in, and its count of instructions when that began.
    exit: Mutex<Option<(Kind, u64)>>,
}

impl Processor {
    const fn new() -> Self {
        Self {
            in_guest: AtomicBool::new(false),
            root: AtomicU64::new(0),
            guest: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            control_block: AtomicU64::new(0),
            space: AtomicU32::new(0),
            exit: Mutex::new(None),
        }
    }

    fn add(&self, instructions: u64) {
        let in_guest = self.in_guest.load(Ordering::Relaxed);
        let counter = if in_guest { &self.guest } else { &self.root };
        // One writer: no locked instruction.
        let sum = counter.load(Ordering::Relaxed).wrapping_add(instructions);
        counter.store(sum, Ordering::Relaxed);
    }
}

/// What all processors add to.
struct Total {
    count: Count,
    exits: BTreeMap<Kind, (u64, BTreeMap<u64, u64>)>,
}

static ALL: [Processor; PROCESSORS] = [const { Processor::new() }; PROCESSORS];
static TOTAL: Mutex<Total> = Mutex::new(Total {
    count: Count {
        first_entry: None,
        exits: Vec::new(),
        marks: Vec::new(),
        profile: BTreeMap::new(),
    },
    exits: BTreeMap::new(),
});
static FIRST_ENTRY: AtomicBool = AtomicBool::new(false);
/// Whether a guest's kernel has begun.
static KERNEL: AtomicBool = AtomicBool::new(false);
/// The handles of RAX and RCX.
static REGISTERS: OnceLock<(usize, usize)> = OnceLock::new();

thread_local! {
    /// Whether the processor of this thread is in a guest.
    static IN_GUEST: Cell<bool> = const { Cell::new(false) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn processor(index: c_uint) -> &'static Processor {
    let index = usize::try_from(index).unwrap_or(0) % PROCESSORS;
    #[expect(clippy::indexing_slicing, reason = "the remainder is below the length")]
    &ALL[index]
}

fn read_rax_rcx() -> (u64, u64) {
    let (rax, rcx) = REGISTERS.get().copied().unwrap_or_default();
    (qemu::read_register(rax), qemu::read_register(rcx))
}

/// Whether processors are in a guest from the start: there is no hypervisor.
pub fn begin_in_guest(in_guest: bool) {
    for processor in &ALL {
        processor.in_guest.store(in_guest, Ordering::Relaxed);
    }
}

/// Whether the processor whose thread calls is in a guest.
pub fn is_in_guest() -> bool {
    IN_GUEST.get()
}

/// Finds the registers that are read later; on a processor's own thread.
pub fn find_registers() {
    REGISTERS.get_or_init(|| (qemu::find_register(c"rax"), qemu::find_register(c"rcx")));
}

/// The hypervisor's first instruction: what was executed before is the firmware's.
pub extern "C" fn on_entry(_processor: c_uint, _data: *mut c_void) {
    for processor in &ALL {
        processor.root.store(0, Ordering::Relaxed);
    }
}

/// A block outside the hypervisor begins, with so many instructions.
pub extern "C" fn on_block(index: c_uint, instructions: *mut c_void) {
    processor(index).add(u64::try_from(instructions.addr()).unwrap_or(0));
}

/// An instruction at this address.
pub extern "C" fn on_instruction(index: c_uint, address: *mut c_void) {
    let processor = processor(index);
    processor.repeated.store(0, Ordering::Relaxed);
    add_one(processor, address);
}

/// A repeated string instruction at this address, or one more turn of it.
pub extern "C" fn on_repeated(index: c_uint, address: *mut c_void) {
    let processor = processor(index);
    let own = u64::try_from(address.addr()).unwrap_or(0);
    if processor.repeated.swap(own, Ordering::Relaxed) != own {
        add_one(processor, address);
    }
}

fn add_one(processor: &Processor, address: *mut c_void) {
    processor.add(1);
    if arguments().profile && !FIRST_ENTRY.load(Ordering::Relaxed) {
        let place = u64::try_from(address.addr()).unwrap_or(0) & !0xF;
        let mut total = lock(&TOTAL);
        let count = total.count.profile.entry(place).or_default();
        *count = count.wrapping_add(1);
    }
}

/// VMRUN, already counted: the end of an exit, if the guest was in one.
pub extern "C" fn on_vmrun(index: c_uint, _data: *mut c_void) {
    if !FIRST_ENTRY.swap(true, Ordering::Relaxed) {
        lock(&TOTAL).count.first_entry = Some(root_instructions());
        if arguments().end_at_first_guest {
            write(&arguments().output);
            // SAFETY: ends the process at once; QEMU's own end would wait for this processor.
            unsafe { libc::_exit(0) };
        }
    }
    let processor = processor(index);
    if let Some((kind, begin)) = lock(&processor.exit).take() {
        let length = processor.root.load(Ordering::Relaxed).wrapping_sub(begin);
        let mut total = lock(&TOTAL);
        let (_, lengths) = total.exits.entry(kind).or_default();
        let count = lengths.entry(length).or_default();
        *count = count.wrapping_add(1);
    }
    let (control_block, _) = read_rax_rcx();
    // KVM numbers address spaces anew all the time.
    let space = match arguments().memory {
        None => qemu::read_memory(control_block.wrapping_add(GUEST_ASID)) as u32,
        Some(_) => 0,
    };
    processor
        .control_block
        .store(control_block, Ordering::Relaxed);
    processor.space.store(space, Ordering::Relaxed);
    processor.in_guest.store(true, Ordering::Relaxed);
    IN_GUEST.set(true);
}

/// All processors' instructions in root mode so far.
fn root_instructions() -> u64 {
    let roots = ALL.iter().map(|one| one.root.load(Ordering::Relaxed));
    roots.fold(0, u64::wrapping_add)
}

/// The instruction behind VMRUN, not counted yet: an exit begins.
pub extern "C" fn on_exit(index: c_uint, _data: *mut c_void) {
    let processor = processor(index);
    processor.in_guest.store(false, Ordering::Relaxed);
    IN_GUEST.set(false);
    let block = processor.control_block.load(Ordering::Relaxed);
    let block = block.wrapping_add(arguments().memory.unwrap_or(0));
    let field = |offset| qemu::read_memory(block.wrapping_add(offset));
    let space = processor.space.load(Ordering::Relaxed);
    let mut kind = Kind {
        space,
        marks: 0,
        code: field(EXITCODE),
        register: 0,
        write: 0,
    };
    if kind.code == VMEXIT_MSR {
        // The guest's RCX is still there: VMRUN does not exchange it.
        kind.register = read_rax_rcx().1 as u32;
        kind.write = field(EXITINFO1);
    }
    let mut total = lock(&TOTAL);
    // An exit for a mark itself is one before it.
    let own = processor.guest.load(Ordering::Relaxed);
    let is_before = |mark: &&Mark| mark.processor != index || mark.guest != own;
    let marks = total.count.marks.iter().filter(|mark| mark.space == space);
    kind.marks = u32::try_from(marks.filter(is_before).count()).unwrap_or(u32::MAX);
    let (count, _) = total.exits.entry(kind.clone()).or_default();
    *count = count.wrapping_add(1);
    *lock(&processor.exit) = Some((kind, processor.root.load(Ordering::Relaxed)));
}

/// HLT in root mode: an exit that led here does not lead straight back into the guest.
pub extern "C" fn on_rest(index: c_uint, _data: *mut c_void) {
    lock(&processor(index).exit).take();
}

/// CPUID outside the hypervisor, perhaps a mark.
pub extern "C" fn on_guests_cpuid(index: c_uint, _data: *mut c_void) {
    let (leaf, subleaf) = read_rax_rcx();
    if leaf as u32 == MARK_LEAF && subleaf as u32 == 0 {
        mark(index);
    }
}

/// A guest's kernel: its first instruction is a mark.
pub extern "C" fn on_kernel(index: c_uint, _data: *mut c_void) {
    if !KERNEL.swap(true, Ordering::Relaxed) {
        mark(index);
    }
}

fn mark(index: c_uint) {
    let processor = processor(index);
    lock(&TOTAL).count.marks.push(Mark {
        space: processor.space.load(Ordering::Relaxed),
        processor: index,
        guest: processor.guest.load(Ordering::Relaxed),
        root: root_instructions(),
    });
}

/// Writes what was counted to the file `output`.
pub fn write(output: &str) {
    let total = lock(&TOTAL);
    let mut count = total.count.clone();
    let exits = total.exits.clone().into_iter();
    count.exits = exits
        .map(|(kind, (count, lengths))| Exits {
            kind,
            count,
            lengths,
        })
        .collect();
    let written = serde_json::to_string(&count)
        .map_err(|error| error.to_string())
        .and_then(|text| fs::write(output, text).map_err(|error| error.to_string()));
    if let Err(error) = written {
        eprintln!("instruction-count: writing {output}: {error}");
    }
}
