//! The time of day at boot, from the machine's real-time clock (MC146818A data sheet).

use core::sync::atomic::{AtomicU32, Ordering};

use crate::cpu::{port, time};

const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
const UPDATE_IN_PROGRESS: u8 = 1 << 7;
const BINARY: u8 = 1 << 2;
const HOURS_24: u8 = 1 << 1;
const AFTERNOON: u8 = 1 << 7;
/// An update takes 2 ms at most.
const UPDATE_MILLISECONDS: u64 = 10;

static BOOT_SECONDS: AtomicU32 = AtomicU32::new(0);

/// Seconds since 1970 at boot; 0 if the machine did not know.
pub fn boot_seconds() -> u32 {
    BOOT_SECONDS.load(Ordering::Relaxed)
}

/// Reads the real-time clock, once.
pub fn initialise() {
    BOOT_SECONDS.store(read_seconds().unwrap_or(0), Ordering::Relaxed);
}

fn read_register(register: u8) -> u8 {
    // SAFETY: the index port selects, nothing else uses it; NMIs stay enabled (bit 7 clear).
    unsafe { port::write_u8(INDEX, register) };
    // SAFETY: reading the clock's registers has no effect that anything relies on.
    unsafe { port::read_u8(DATA) }
}

fn read_seconds() -> Option<u32> {
    let stable = || read_register(STATUS_A) & UPDATE_IN_PROGRESS == 0;
    if !time::wait_for(UPDATE_MILLISECONDS, stable) {
        return None;
    }
    let mode = read_register(STATUS_B);
    let number = |value: u8| -> u32 {
        let (tens, ones) = (u32::from(value >> 4), u32::from(value & 0xf));
        if mode & BINARY != 0 {
            value.into()
        } else {
            tens.wrapping_mul(10).wrapping_add(ones)
        }
    };
    let hour_register = read_register(4);
    let hour = number(hour_register & !AFTERNOON);
    let hour = match (mode & HOURS_24 != 0, hour_register & AFTERNOON != 0) {
        (true, _) => hour,
        (false, afternoon) => (hour % 12).wrapping_add(if afternoon { 12 } else { 0 }),
    };
    let year = number(read_register(9)).checked_add(2000)?;
    let days = days_since_1970(year, number(read_register(8)), number(read_register(7)))?;
    let minutes = days.checked_mul(24)?.checked_add(hour)?.checked_mul(60)?;
    let minutes = minutes.checked_add(number(read_register(2)))?;
    minutes
        .checked_mul(60)?
        .checked_add(number(read_register(0)))
}

/// Days from 1 January 1970 to a day from 2000 on, in the Gregorian calendar.
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<u32> {
    const DAYS_BEFORE_MONTH: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let before = *DAYS_BEFORE_MONTH.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    let leap_years = |year: u32| (year / 4).checked_sub(year / 100)?.checked_add(year / 400);
    let past = year.checked_sub(1)?;
    let leap_days = leap_years(past)?.checked_sub(leap_years(1969)?)?;
    let leap_this_year =
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let extra = u32::from(leap_this_year && month > 2);
    let whole_years = year.checked_sub(1970)?.checked_mul(365)?;
    whole_years
        .checked_add(leap_days)?
        .checked_add(before)?
        .checked_add(extra)?
        .checked_add(day.checked_sub(1)?)
}
