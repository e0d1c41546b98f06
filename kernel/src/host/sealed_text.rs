//! Sealing: text that a machine in its steady state has no use for is overwritten, and executing
//! it is a crash that says so.
//!
//! Which text that is `cargo xtask build` finds in the linked kernel and writes into the tables
//! that `boot/kernel.ld` reserves, one for each back end: the other one's text goes whole. A
//! kernel that was built without them cannot be sealed.

use core::sync::atomic::{AtomicPtr, Ordering};

use x86_64::instructions::interrupts;
use x86_64::registers::control::{Cr0, Cr0Flags};

/// INT3: one byte, so that every address of overwritten text raises `#BP`.
const BREAKPOINT: u8 = 0xcc;
/// The ranges that a table has room for.
const MAXIMUM_RANGES: usize = 127;

/// What may be overwritten, as `tools/xtask/src/seal/table.rs` writes it.
#[repr(C)]
pub struct Table {
    /// How many of `ranges` are filled in.
    count: u32,
    /// The bytes of all functions of the kernel.
    text_bytes: u32,
    /// First address and the address behind the last.
    ranges: [[u32; 2]; MAXIMUM_RANGES],
}

const _: () = assert!(size_of::<Table>() == 1024);

unsafe extern "C" {
    static sealable_svm: Table;
    static sealable_vmx: Table;
}

/// The table by which the machine was sealed, once it is.
static SEALED: AtomicPtr<Table> = AtomicPtr::new(core::ptr::null_mut());

/// How much was overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The bytes that were overwritten.
    pub overwritten: u64,
    /// The bytes of all functions of the kernel.
    pub text: u64,
}

impl Table {
    /// What a machine with SVM gives up.
    pub fn for_svm() -> &'static Self {
        // SAFETY: the linker script reserves the table; nobody writes it while the kernel runs,
        // and all values of its bytes are ones of its type.
        unsafe { &sealable_svm }
    }

    /// What a machine with VMX gives up.
    pub fn for_vmx() -> &'static Self {
        // SAFETY: as above.
        unsafe { &sealable_vmx }
    }

    /// Whether the build has found nothing, or was not asked.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let filled = self.ranges.iter().take(self.count as usize);
        filled.map(|[start, end]| (u64::from(*start), u64::from(*end)))
    }

    fn extent(&self) -> Extent {
        let bytes = self.ranges().map(|(start, end)| end.saturating_sub(start));
        Extent {
            overwritten: bytes.fold(0, u64::saturating_add),
            text: self.text_bytes.into(),
        }
    }
}

/// How much was overwritten, if the machine is sealed.
pub fn extent() -> Option<Extent> {
    sealed().map(Table::extent)
}

/// Whether `address` lies in text that was overwritten.
pub fn covers(address: u64) -> bool {
    sealed().is_some_and(|table| {
        let mut ranges = table.ranges();
        ranges.any(|(start, end)| start <= address && address < end)
    })
}

fn sealed() -> Option<&'static Table> {
    // SAFETY: it is null or one of the two tables, which live for ever.
    unsafe { SEALED.load(Ordering::Acquire).as_ref() }
}

/// Overwrites what `table` names, and says how much that is.
///
/// No page becomes writable for that: it is this core alone that disregards, for a moment and
/// with interrupts off, that text is not (CR0.WP; Intel SDM 325384-080, volume 3A, section 5.6
/// "Access Rights"). So other cores have no translation to forget.
///
/// # Safety
/// No core executes any of it or will, and each core executes a serialising instruction before
/// it goes on in root mode.
pub unsafe fn overwrite(table: &'static Table) -> Extent {
    SEALED.store((&raw const *table).cast_mut(), Ordering::Release);
    interrupts::without_interrupts(|| {
        // SAFETY: nothing relies on a fault at a write to what is read-only.
        unsafe { Cr0::update(|flags| flags.remove(Cr0Flags::WRITE_PROTECT)) };
        for (start, end) in table.ranges() {
            for address in start..end {
                // SAFETY: the build has put ranges of text into the table, which is mapped
                // where it was linked; the caller vouches that nobody executes it.
                unsafe { (address as *mut u8).write_volatile(BREAKPOINT) };
            }
        }
        // SAFETY: as it was before.
        unsafe { Cr0::update(|flags| flags.insert(Cr0Flags::WRITE_PROTECT)) };
    });
    table.extent()
}
