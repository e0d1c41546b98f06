//! The guest's command line: `name=value` words.

use core::ptr::{read_volatile, with_exposed_provenance};
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// The longest command line that is kept.
const BYTES: usize = 1024;
/// Offset of the command line's address in the PVH start info.
const COMMAND_LINE_OFFSET: usize = 24;
/// Offset of the RSDP's address in the PVH start info.
const RSDP_OFFSET: usize = 32;

static KEPT: [AtomicU8; BYTES] = [const { AtomicU8::new(0) }; BYTES];
static KEPT_BYTES: AtomicUsize = AtomicUsize::new(0);
static RSDP: AtomicU32 = AtomicU32::new(0);

/// Keeps what the start info at `start_info` tells, before anything is written over it.
pub(crate) fn keep(start_info: u32) {
    let Ok(start_info) = usize::try_from(start_info) else {
        return;
    };
    RSDP.store(
        read_u32(start_info.wrapping_add(RSDP_OFFSET)),
        Ordering::Relaxed,
    );
    let Ok(line) = usize::try_from(read_u32(start_info.wrapping_add(COMMAND_LINE_OFFSET))) else {
        return;
    };
    let mut count = 0;
    for (index, place) in KEPT.iter().enumerate().filter(|_| line != 0) {
        let byte = read_u8(line.wrapping_add(index));
        if byte == 0 {
            break;
        }
        place.store(byte, Ordering::Relaxed);
        count = index.wrapping_add(1);
    }
    KEPT_BYTES.store(count, Ordering::Relaxed);
}

fn read_u32(address: usize) -> u32 {
    // SAFETY: the boot loader wrote the start info, which is mapped, aligned and constant.
    unsafe { read_volatile(with_exposed_provenance(address)) }
}

fn read_u8(address: usize) -> u8 {
    // SAFETY: the boot loader wrote the command line, which is mapped and constant.
    unsafe { read_volatile(with_exposed_provenance(address)) }
}

/// Where the root system description pointer is.
#[must_use]
pub fn rsdp() -> u64 {
    RSDP.load(Ordering::Relaxed).into()
}

/// The command line.
#[must_use]
pub fn text() -> &'static str {
    let count = KEPT_BYTES.load(Ordering::Relaxed).min(BYTES);
    // SAFETY: the bytes are `count` initialised ones that nobody writes after `keep`.
    let bytes = unsafe { core::slice::from_raw_parts(KEPT.as_ptr().cast(), count) };
    core::str::from_utf8(bytes).unwrap_or_default()
}

/// The value of `name`, if it is given.
#[must_use]
pub fn value(name: &str) -> Option<&'static str> {
    text()
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// The numbers of `name=number,number…`, decimal or with 0x.
pub fn numbers(name: &str) -> impl Iterator<Item = u64> + use<> {
    let list = value(name).unwrap_or_default();
    list.split(',').filter_map(parse)
}

/// The number of `name=number`, decimal or with 0x, if it is given.
#[must_use]
pub fn number(name: &str) -> Option<u32> {
    numbers(name)
        .next()
        .and_then(|number| number.try_into().ok())
}

fn parse(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
