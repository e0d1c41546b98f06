//! Text that is given up: after boot what ran at boot only and the other back end, with its data,
//! and on sealing also what a machine in its steady state has no use for. Executing it is a crash
//! that says so.
//!
//! Which text that is `cargo xtask build` finds before it links the kernel
//! (`tools/xtask/src/text`). It lays functions and data of one kind out together, and writes where
//! they are into a table for each back end.

use core::sync::atomic::{AtomicBool, Ordering};

use addr::{HostPhysical, Range};
use page_table::MapError;
use spin::Once;
use x86_64::instructions::interrupts;
use x86_64::registers::control::{Cr0, Cr0Flags};

use super::paging;

/// INT3: one byte, so that every address of overwritten text raises `#BP`.
const BREAKPOINT: u8 = 0xcc;

/// What is given up with one back end, as `tools/xtask/src/text/layout.rs` writes it.
#[repr(C)]
pub struct Table {
    /// The bytes of all functions of the kernel.
    text_bytes: u32,
    /// The bytes of those that are overwritten once the machine is sealed.
    overwritten_bytes: u32,
    /// Whole pages of text that nobody needs after boot.
    past: Extent,
    /// Whole pages of read-only data that nobody needs after boot.
    past_data: Extent,
    /// What sealing overwrites.
    sealed: [Extent; 2],
}

/// The first address of some text or data, and the one behind its last.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct Extent {
    start: u32,
    end: u32,
}

unsafe extern "C" {
    static given_up_svm: Table;
    static given_up_vmx: Table;
}

/// The table of the back end that runs, once the boot is over.
static TABLE: Once<&'static Table> = Once::new();
static IS_SEALED: AtomicBool = AtomicBool::new(false);

/// How much of the text a sealed machine has given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// The bytes that were overwritten, after boot or on sealing.
    pub overwritten: u64,
    /// The bytes of all functions of the kernel.
    pub text: u64,
}

/// When text was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// After boot.
    Boot,
    /// On sealing.
    Sealing,
}

impl Table {
    /// What a machine with SVM gives up.
    pub fn for_svm() -> &'static Self {
        // SAFETY: the linker script writes the table; nobody else does, and all values of its
        // bytes are ones of its type.
        unsafe { &given_up_svm }
    }

    /// What a machine with VMX gives up.
    pub fn for_vmx() -> &'static Self {
        // SAFETY: as above.
        unsafe { &given_up_vmx }
    }

    const fn total(&self) -> Sealed {
        Sealed {
            overwritten: self.overwritten_bytes as u64,
            text: self.text_bytes as u64,
        }
    }
}

impl Extent {
    const fn contains(self, address: u64) -> bool {
        self.start as u64 <= address && address < self.end as u64
    }

    fn range(self) -> Option<Range<HostPhysical>> {
        let bytes = u64::from(self.end).checked_sub(self.start.into())?;
        Range::new(HostPhysical::new(self.start.into()), bytes)
    }

    /// Overwrites it, on a core that disregards what is read-only.
    ///
    /// # Safety
    /// It is text of the kernel that nobody executes any more.
    unsafe fn overwrite(self) {
        let bytes = self.end.saturating_sub(self.start) as usize;
        let start = core::ptr::with_exposed_provenance_mut::<u8>(self.start as usize);
        // SAFETY: text is mapped where it was linked; the caller vouches for the rest.
        unsafe { start.write_bytes(BREAKPOINT, bytes) };
    }
}

/// How much was given up, if the machine is sealed.
pub fn sealed() -> Option<Sealed> {
    let table = TABLE.get()?;
    let is_sealed = IS_SEALED.load(Ordering::Acquire);
    is_sealed.then(|| table.total())
}

/// Since when the text at `address` has been given up, if it has.
pub fn since(address: u64) -> Option<Since> {
    let table = TABLE.get()?;
    if table.past.contains(address) {
        return Some(Since::Boot);
    }
    let mut extents = table.sealed.iter();
    let is_sealed = IS_SEALED.load(Ordering::Acquire);
    (is_sealed && extents.any(|extent| extent.contains(address))).then_some(Since::Sealing)
}

/// Gives up what `table` says is not needed after boot: the text is overwritten, and all of it is
/// taken out of the address space. Other cores may have translations of it left, which lead to
/// what the text was overwritten with.
///
/// # Errors
/// See [`paging::unmap`]; the text is overwritten then, and stays mapped.
///
/// # Safety
/// All cores have left it for good.
pub unsafe fn end_boot(table: &'static Table) -> Result<(), MapError> {
    TABLE.call_once(|| table);
    // SAFETY: the build has put text into the table that nobody reaches who has left it.
    disregarding_read_only(|| unsafe { table.past.overwrite() });
    for extent in [table.past, table.past_data] {
        paging::unmap(extent.range().ok_or(MapError::Misaligned)?)?;
    }
    Ok(())
}

/// Overwrites what a sealed machine can do without.
///
/// # Safety
/// No core executes any of it or will, and each core executes a serialising instruction before
/// it goes on in root mode.
pub unsafe fn seal() -> Option<Sealed> {
    let table = TABLE.get()?;
    IS_SEALED.store(true, Ordering::Release);
    disregarding_read_only(|| {
        for extent in table.sealed {
            // SAFETY: the build has put text into the table; the caller vouches for the rest.
            unsafe { extent.overwrite() };
        }
    });
    sealed()
}

/// Does `action` where text can be written.
///
/// No page becomes writable for that: it is this core alone that disregards, for a moment and
/// with interrupts off, that text is not (CR0.WP; Intel SDM 325384-080, volume 3A, section 5.6
/// "Access Rights"). So other cores have no translation to forget.
fn disregarding_read_only(action: impl FnOnce()) {
    interrupts::without_interrupts(|| {
        // SAFETY: nothing relies on a fault at a write to what is read-only.
        unsafe { Cr0::update(|flags| flags.remove(Cr0Flags::WRITE_PROTECT)) };
        action();
        // SAFETY: as it was before.
        unsafe { Cr0::update(|flags| flags.insert(Cr0Flags::WRITE_PROTECT)) };
    });
}
