//! The interrupt descriptor table: exceptions are caught, interrupts are counted.
//!
//! Every vector has a gate to a stub of 16 bytes. Exceptions (vectors 0 to 31 without the
//! NMI) end the [`catch`] that they happen in, or the guest. Everything else is counted and,
//! from vector 32 on, acknowledged at the local APIC. So is a debug exception in a [`step`]. On
//! the vector [`STAMPED`] the first thing that happens is a look at the time.
//!
//! Not handled: an exception on another core than the boot core, which ends the guest.

use core::arch::{asm, global_asm};
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::{Failure, apic, finish};

/// Gates of the table.
const VECTORS: usize = 256;
/// Distance of the stubs.
const STUB_BYTES: u64 = 16;
/// The code segment's selector.
const CODE_SELECTOR: u64 = 8;
/// Present, 64-bit interrupt gate (AMD APM 24593-3.42, volume 2, section 4.8.4 "Gate
/// Descriptors").
const INTERRUPT_GATE: u64 = 0x8e;
/// The vector of a debug exception.
pub const DEBUG: u8 = 1;
/// The vector of a non-maskable interrupt.
pub const NMI: u8 = 2;
/// The vector whose handler begins with reading the time-stamp counter, see [`stamp`].
pub const STAMPED: u8 = 0x71;
/// The first vector that is no exception.
const FIRST_INTERRUPT: u64 = 32;

/// The table: two words a gate.
static TABLE: [[AtomicU64; 2]; VECTORS] = [const { [const { AtomicU64::new(0) }; 2] }; VECTORS];
/// The interrupts received on each vector, by all cores.
static RECEIVED: [AtomicU32; VECTORS] = [const { AtomicU32::new(0) }; VECTORS];
/// While this is set, the handler of an NMI counts and does not return.
pub static HOLD_NMI: AtomicBool = AtomicBool::new(false);
/// The time-stamp counter as the handler of [`STAMPED`] began last.
static STAMP: AtomicU64 = AtomicU64::new(0);
/// Whether debug exceptions are counted and gone on from.
static STEPS: AtomicBool = AtomicBool::new(false);
/// The stack pointer that ends the running `catch`, or 0.
static RECOVERY: AtomicU64 = AtomicU64::new(0);
/// Vector, error code and instruction pointer of the last exception that was caught.
static CAUGHT: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

global_asm!(
    r#"
    .pushsection .text.interrupts, "ax"
    .global interrupt_stubs, interrupt_stamped, catch_call, catch_resume
    // Vectors 8, 10 to 14, 17, 21, 29 and 30 come with an error code.
    .set vector, 0
    .align 16
interrupt_stubs:
    .rept 256
    .align 16
    .if ((0x60227d00 >> vector) & 1) == 0 || vector > 31
    push 0
    .endif
    push vector
    jmp interrupt_common
    .set vector, vector + 1
    .endr

interrupt_stamped:
    push rax
    push rdx
    rdtsc
    mov dword ptr [{stamp}], eax
    mov dword ptr [{stamp} + 4], edx
    pop rdx
    pop rax
    jmp interrupt_stubs + 16 * {stamped}

interrupt_common:
    push rax
    push rcx
    push rdx
    push rbx
    push rbp
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, [rsp + 15 * 8]
    mov rsi, [rsp + 16 * 8]
    mov rdx, [rsp + 17 * 8]
    call interrupt_handler
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rbp
    pop rbx
    pop rdx
    pop rcx
    pop rax
    add rsp, 16
    iretq

    // catch_call(function, argument, recovery) -> 0, or 1 from catch_resume(stack pointer)
catch_call:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    pushfq
    mov [rdx], rsp
    mov rax, rdi
    mov rdi, rsi
    call rax
    xor eax, eax
    jmp 2f
catch_resume:
    mov rsp, rdi
    mov eax, 1
2:  popfq
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
    .popsection
    "#,
    stamp = sym STAMP,
    stamped = const STAMPED,
);

unsafe extern "C" {
    static interrupt_stubs: u8;
    static interrupt_stamped: u8;
    /// Calls `function` with `argument` and notes in `recovery` how to come back early.
    fn catch_call(
        function: extern "C" fn(*mut u8),
        argument: *mut u8,
        recovery: *const AtomicU64,
    ) -> u64;
    /// Comes back from the `catch_call` that noted `stack_pointer`.
    fn catch_resume(stack_pointer: u64) -> !;
}

/// Fills the table and loads it on this core.
pub fn load() {
    let stubs = (&raw const interrupt_stubs).expose_provenance();
    let mut stub = u64::try_from(stubs).unwrap_or(0);
    for gate in &TABLE {
        set_gate(gate, stub);
        stub = stub.wrapping_add(STUB_BYTES);
    }
    let stamped = (&raw const interrupt_stamped).expose_provenance();
    let stamped = u64::try_from(stamped).unwrap_or(0);
    if let Some(gate) = TABLE.get(usize::from(STAMPED)) {
        set_gate(gate, stamped);
    }
    let mut pointer = [0_u8; 10];
    pointer[..2].copy_from_slice(&0xfff_u16.to_le_bytes());
    let base = TABLE.as_ptr().expose_provenance();
    pointer[2..].copy_from_slice(&base.to_le_bytes());
    // SAFETY: the operand is the limit and the base of a table that lives for ever and whose
    // gates lead to stubs that keep every register.
    unsafe { asm!("lidt [{}]", in(reg) pointer.as_ptr(), options(nostack, preserves_flags)) };
}

fn set_gate([low, high]: &[AtomicU64; 2], stub: u64) {
    let gate =
        (stub & 0xffff) | CODE_SELECTOR << 16 | INTERRUPT_GATE << 40 | (stub >> 16 & 0xffff) << 48;
    low.store(gate, Ordering::Relaxed);
    high.store(stub >> 32, Ordering::Relaxed);
}

/// The time-stamp counter at the beginning of the last handler on [`STAMPED`].
#[must_use]
pub fn stamp() -> u64 {
    STAMP.load(Ordering::Relaxed)
}

/// The interrupts that have been received on `vector` so far.
#[must_use]
pub fn received(vector: u8) -> u32 {
    RECEIVED
        .get(usize::from(vector))
        .map_or(0, |count| count.load(Ordering::Acquire))
}

/// The interrupts that have been received so far on any vector but those in `known`.
#[must_use]
pub fn received_elsewhere(known: &[u8]) -> u32 {
    (0..=u8::MAX)
        .filter(|vector| !known.contains(vector))
        .fold(0, |sum, vector| received(vector).wrapping_add(sum))
}

/// An exception that [`catch`] caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// Its vector.
    pub vector: u64,
    /// Its error code, or 0.
    pub error: u64,
    /// The instruction that raised it.
    pub instruction: u64,
}

impl Exception {
    /// Invalid opcode, `#UD`.
    pub const INVALID_OPCODE: u64 = 6;
    /// General protection, `#GP`.
    pub const GENERAL_PROTECTION: u64 = 13;
}

impl fmt::Display for Exception {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            vector,
            error,
            instruction,
        } = self;
        write!(
            formatter,
            "exception {vector} (error {error:#x}) at {instruction:#x}"
        )
    }
}

/// Runs `operation` and answers with the exception that it raises, if it does.
///
/// What `operation` holds is then not dropped; it is to be one instruction or a few.
///
/// # Errors
/// The [`Exception`].
pub fn catch<T, F: FnOnce() -> T>(operation: F) -> Result<T, Exception> {
    let mut call = Call {
        operation: Some(operation),
        result: None,
    };
    let argument = (&raw mut call).cast();
    // SAFETY: `run` gets the `Call` of its own type; the recovery word is cleared before this
    // frame, which it points below, ends.
    let caught = unsafe { catch_call(Call::<T, F>::run, argument, &raw const RECOVERY) };
    RECOVERY.store(0, Ordering::Relaxed);
    match call.result {
        Some(result) if caught == 0 => Ok(result),
        _ => Err(Exception {
            vector: CAUGHT[0].load(Ordering::Relaxed),
            error: CAUGHT[1].load(Ordering::Relaxed),
            instruction: CAUGHT[2].load(Ordering::Relaxed),
        }),
    }
}

/// [`catch`], but a debug exception is counted in [`received`] and the operation goes on.
///
/// # Errors
/// Any other [`Exception`].
pub fn step<T, F: FnOnce() -> T>(operation: F) -> Result<T, Exception> {
    STEPS.store(true, Ordering::Relaxed);
    let result = catch(operation);
    STEPS.store(false, Ordering::Relaxed);
    result
}

/// An operation on its way through assembly.
struct Call<T, F> {
    operation: Option<F>,
    result: Option<T>,
}

impl<T, F: FnOnce() -> T> Call<T, F> {
    extern "C" fn run(argument: *mut u8) {
        // SAFETY: `catch` passes its own `Call`, of this type, and does not touch it meanwhile.
        let call = unsafe { &mut *argument.cast::<Self>() };
        call.result = call.operation.take().map(|operation| operation());
    }
}

/// Every interrupt and exception ends here.
#[unsafe(no_mangle)]
extern "C" fn interrupt_handler(vector: u64, error: u64, instruction: u64) {
    let is_step = vector == u64::from(DEBUG) && STEPS.load(Ordering::Relaxed);
    if vector < FIRST_INTERRUPT && vector != u64::from(NMI) && !is_step {
        handle_exception([vector, error, instruction]);
    }
    if let Some(count) = usize::try_from(vector)
        .ok()
        .and_then(|index| RECEIVED.get(index))
    {
        count.fetch_add(1, Ordering::Release);
    }
    while vector == u64::from(NMI) && HOLD_NMI.load(Ordering::Acquire) {
        core::hint::spin_loop();
    }
    if vector >= FIRST_INTERRUPT && vector != u64::from(apic::SPURIOUS_VECTOR) {
        apic::end_of_interrupt();
    }
}

/// Ends the running `catch`, or the guest.
fn handle_exception(exception: [u64; 3]) -> ! {
    let recovery = RECOVERY.swap(0, Ordering::Relaxed);
    if recovery == 0 {
        let [vector, error, instruction] = exception;
        let unexpected = Exception {
            vector,
            error,
            instruction,
        };
        finish(Err(Failure::new(format_args!("unexpected {unexpected}"))));
    }
    for (place, value) in CAUGHT.iter().zip(exception) {
        place.store(value, Ordering::Relaxed);
    }
    // SAFETY: the word is not 0, so a `catch` is running on this stack further up, and the
    // frames between have nothing to drop, as `catch` demands.
    unsafe { catch_resume(recovery) }
}
