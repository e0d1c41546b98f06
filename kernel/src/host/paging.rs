//! Bulkhead's own address space: virtual = physical, writable never executable.
//!
//! The kernel's sections have the rights that `boot/kernel.ld` gives them; RAM is writable
//! and not executable; devices are uncached; page 0 and a guard page under every stack are
//! not mapped, so a null pointer and an overrun stack fault at once.

use core::sync::atomic::{AtomicU64, Ordering};

use addr::{Address, HostPhysical, PageSize, Range};
use page_table::{Access, Host, MapError, MemoryKind, PageTable};
use spin::Mutex;
use x86_64::PhysAddr;
use x86_64::registers::control::{Cr3, Cr3Flags, Efer, EferFlags};
use x86_64::structures::paging::PhysFrame;

use super::frames::CoherentTables;

static TABLE: Mutex<Option<PageTable<Host>>> = Mutex::new(None);
/// The bytes that were mapped and are not any more.
static GIVEN_UP: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    static kernel_start: u8;
    static text_start: u8;
    static text_end: u8;
    static rodata_end: u8;
    static kernel_end: u8;
    static boot_stack_bottom: u8;
    static boot_stack_top: u8;
    static boot_level4: u8;
}

/// The address that a symbol of the linker script stands for.
macro_rules! symbol {
    ($name:ident) => {
        HostPhysical::new((&raw const $name) as u64)
    };
}

/// The memory that the kernel's image fills, from its first section to its last.
pub fn kernel_image() -> Option<Range<HostPhysical>> {
    span(symbol!(kernel_start), symbol!(kernel_end))
}

fn span(start: HostPhysical, end: HostPhysical) -> Option<Range<HostPhysical>> {
    Range::new(start, end.checked_offset_from(start)?)
}

/// Builds the address space over `ram`, and enters it.
///
/// # Errors
/// The pool has no frame left, or two regions contradict one another.
pub fn initialise(ram: &[Range<HostPhysical>]) -> Result<(), MapError> {
    let mut table =
        PageTable::<Host>::new(&mut CoherentTables, largest_page()).ok_or(MapError::OutOfTables)?;
    let data = Access::READ | Access::WRITE;
    let sections = [
        (
            span(symbol!(text_start), symbol!(text_end)),
            Access::READ | Access::EXECUTE,
        ),
        (span(symbol!(text_end), symbol!(rodata_end)), Access::READ),
        (span(symbol!(rodata_end), symbol!(kernel_end)), data),
    ];
    for (section, access) in sections {
        let section = section.ok_or(MapError::Misaligned)?;
        map(&mut table, section, access, MemoryKind::WriteBack)?;
    }
    for range in ram {
        map(&mut table, *range, data, MemoryKind::WriteBack)?;
    }
    enter(table.root());
    *TABLE.lock() = Some(table);
    unmap(guard_below(symbol!(boot_stack_bottom)).ok_or(MapError::Misaligned)?)
}

/// The unmapped page under a stack whose lowest byte is at `bottom`.
fn guard_below(bottom: HostPhysical) -> Option<Range<HostPhysical>> {
    let page = PageSize::Size4KiB.bytes();
    Range::new(HostPhysical::new(bottom.as_u64().checked_sub(page)?), page)
}

fn map(
    table: &mut PageTable<Host>,
    range: Range<HostPhysical>,
    access: Access,
    kind: MemoryKind,
) -> Result<(), MapError> {
    table.map(&mut CoherentTables, range.start(), range, access, kind)
}

/// The largest page that the CPU has.
pub fn largest_page() -> PageSize {
    const GIGABYTE_PAGES: u32 = 1 << 26;
    let leaf = core::arch::x86_64::__cpuid(0x8000_0001);
    if leaf.edx & GIGABYTE_PAGES != 0 {
        PageSize::Size1GiB
    } else {
        PageSize::Size2MiB
    }
}

/// Maps a device's registers, uncached.
///
/// # Errors
/// The range is not made of pages, overlaps RAM, or the pool has no frame left. A range
/// that is mapped already, whole, is not an error.
pub fn map_device(range: Range<HostPhysical>) -> Result<(), MapError> {
    let mut guard = TABLE.lock();
    let table = guard.as_mut().ok_or(MapError::OutOfTables)?;
    if is_device(table, range) {
        return Ok(());
    }
    map(
        table,
        range,
        Access::READ | Access::WRITE,
        MemoryKind::Uncached,
    )
}

/// Whether all of `range` is mapped as a device's, looked at leaf by leaf.
fn is_device(table: &PageTable<Host>, range: Range<HostPhysical>) -> bool {
    let mut next = Some(range.start());
    while let Some(page) = next.filter(|page| *page < range.end()) {
        let found = table.translate(&CoherentTables, page);
        let Some(leaf) = found.filter(|found| found.kind == MemoryKind::Uncached) else {
            return false;
        };
        next = page.align_down(leaf.page).checked_add(leaf.page.bytes());
    }
    true
}

/// Takes the pages of `range` out of the address space. Other cores may reach them until
/// they flush their TLBs: what nobody uses, they do not.
///
/// # Errors
/// The range is not made of pages, or splitting a larger one needs a frame that the pool has
/// not.
pub fn unmap(range: Range<HostPhysical>) -> Result<(), MapError> {
    let mut guard = TABLE.lock();
    let table = guard.as_mut().ok_or(MapError::OutOfTables)?;
    table.unmap(&mut CoherentTables, range.start(), range.bytes())?;
    x86_64::instructions::tlb::flush_all();
    GIVEN_UP.fetch_add(range.bytes(), Ordering::Relaxed);
    Ok(())
}

/// Takes the tables and the stack of the boot out of the address space, when no core needs them
/// any more.
///
/// # Errors
/// See [`unmap`].
pub fn unmap_boot() -> Result<(), MapError> {
    let bottom = symbol!(boot_stack_bottom);
    let guard = guard_below(bottom).ok_or(MapError::Misaligned)?;
    let tables = span(boot_root(), guard.start());
    let stack = span(bottom, symbol!(boot_stack_top));
    unmap(tables.ok_or(MapError::Misaligned)?)?;
    unmap(stack.ok_or(MapError::Misaligned)?)
}

/// The bytes taken out of the address space so far.
pub fn given_up() -> u64 {
    GIVEN_UP.load(Ordering::Relaxed)
}

/// Enters Bulkhead's address space on a core that starts in that of [`boot_root`].
pub fn enter_on_this_core() {
    let root = TABLE.lock().as_ref().map(PageTable::root);
    if let Some(root) = root {
        enter(root);
    }
}

/// The root of the tables of `boot/src/entry.s`: the first 4 GiB, all rights. A core needs
/// it for the few instructions of the trampoline, which no other table lets anybody execute.
pub fn boot_root() -> HostPhysical {
    symbol!(boot_level4)
}

fn enter(root: HostPhysical) {
    let frame = PhysFrame::containing_address(PhysAddr::new_truncate(root.as_u64()));
    // SAFETY: NXE only gives a meaning to bit 63, which was reserved before.
    unsafe { Efer::update(|flags| flags.insert(EferFlags::NO_EXECUTE_ENABLE)) };
    // SAFETY: the new tables map the code that runs, its stack and all data where they are,
    // because virtual = physical in both address spaces.
    unsafe { Cr3::write(frame, Cr3Flags::empty()) };
}

/// The two words at `address`, if it looks like a frame on a stack: aligned and mapped.
/// For the record of a crash only, which must not fault again.
pub fn stack_words(address: u64) -> Option<[u64; 2]> {
    if !address.is_multiple_of(16) {
        return None;
    }
    let start = HostPhysical::new(address);
    let guard = TABLE.try_lock()?;
    guard.as_ref()?.translate(&CoherentTables, start)?;
    // SAFETY: both words are in one mapped page, for 16 divides the address.
    Some(unsafe { core::ptr::read_volatile(address as *const [u64; 2]) })
}
