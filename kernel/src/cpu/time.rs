//! Time: the frequency of the time stamp counter and bounded waits by it.

use core::arch::x86_64::__cpuid;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use vdev::cpuid::Answer;
use vdev::tsc;

use super::{interrupts, local_apic, port};
use crate::log;

/// The PIT's input clock in hertz (Intel 82C54 data sheet).
const PIT_HERTZ: u64 = 1_193_182;
/// How many PIT ticks the time stamp counter is watched: about 10 ms, and 0.1 ms to find out
/// how long the local APIC's timer takes.
const SAMPLE_TICKS: u16 = 11_932;
const TRIAL_TICKS: u16 = 120;
const PIT_CHANNEL_2: u16 = 0x42;
const PIT_COMMAND: u16 = 0x43;
/// Channel 2, low byte then high byte, mode 0 (interrupt on terminal count), binary.
const PIT_CHANNEL_2_ONE_SHOT: u8 = 0xb0;
/// Holds channel 2's count until it is read.
const PIT_CHANNEL_2_LATCH: u8 = 0x80;
/// Port B of the 8255: bit 0 gates channel 2, bit 1 is the speaker, bit 5 channel 2's output.
const PORT_B: u16 = 0x61;
const PORT_B_GATE: u8 = 1 << 0;
const PORT_B_SPEAKER: u8 = 1 << 1;
const PORT_B_OUTPUT: u8 = 1 << 5;
/// Port reads take about 1 µs: far more than a trial's of them means that no PIT counts.
const PIT_ATTEMPTS: u32 = 20_000;
/// How often a measurement is begun anew that took so long that the PIT ran out: an emulator
/// on a busy host may stand still for that long several times in a row.
const ATTEMPTS: u32 = 100;

/// The local APIC's timer is watched for this part of a millisecond, or longer, if an emulator
/// stands still meanwhile: what it is set by only wakes a core, which then looks at the time
/// stamp counter.
const TIMER_SAMPLES_A_MILLISECOND: u64 = 10;

static TSC_HERTZ: AtomicU64 = AtomicU64::new(0);
/// The local APIC timer's ticks a millisecond.
static TIMER_TICKS: AtomicU32 = AtomicU32::new(0);

/// The time stamp counter's ticks a second, 0 before [`calibrate`].
pub fn tsc_hertz() -> u64 {
    TSC_HERTZ.load(Ordering::Relaxed)
}

/// Milliseconds since the time stamp counter was 0.
pub fn milliseconds() -> u64 {
    read_tsc().checked_div(tsc_hertz() / 1000).unwrap_or(0)
}

/// So many ticks of the time stamp counter in microseconds.
pub fn microseconds(ticks: u64) -> u64 {
    ticks.checked_div(tsc_hertz() / 1_000_000).unwrap_or(0)
}

/// The time stamp counter.
pub fn read_tsc() -> u64 {
    // SAFETY: RDTSC exists on every x86-64 CPU and reads only.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Finds the time stamp counter's frequency: CPUID leaf 15h's, if the PIT does not contradict
/// it, which is said; else what the PIT measures. With the local APIC enabled, whose timer it
/// sets, and interrupts taken.
///
/// # Errors
/// There is neither.
pub fn calibrate() -> Result<(), &'static str> {
    let told = told_by_cpuid();
    let found = tsc::choose(told, measure_by_pit(told));
    let found = found.ok_or("cannot measure the TSC: CPUID has no leaf 15h and no PIT answers")?;
    if let Some(told) = found.contradicted {
        log!(
            "CPUID leaf 15h says that the TSC runs at {} kHz, but it runs at {} kHz",
            told / 1000,
            found.hertz / 1000
        );
    }
    TSC_HERTZ.store(found.hertz, Ordering::Relaxed);
    Ok(())
}

fn told_by_cpuid() -> Option<u64> {
    if __cpuid(0).eax < tsc::LEAF {
        return None;
    }
    let leaf = __cpuid(tsc::LEAF);
    tsc::told(Answer {
        eax: leaf.eax,
        ebx: leaf.ebx,
        ecx: leaf.ecx,
        edx: leaf.edx,
    })
}

/// What the PIT makes of the time stamp counter; `None` if none answers.
fn measure_by_pit(told: Option<u64>) -> Option<u64> {
    // Where the PIT is switched off to save power, CPUID tells the frequency well enough for
    // a bound that is not felt.
    let patience = told.map_or(u64::MAX, |hertz| hertz / 10);
    let alarm = (0..ATTEMPTS).find_map(|_| find_alarm(patience))?;
    let mut samples = [0; 3];
    for sample in &mut samples {
        let measured = (0..ATTEMPTS).find_map(|_| measure_once(alarm));
        *sample = measured.filter(|hertz| *hertz > 0)?;
    }
    Some(tsc::median(samples))
}

/// How many ticks of the local APIC's timer make a sample, found in at most `patience` ticks
/// of the time stamp counter; `None` if no PIT counts.
fn find_alarm(patience: u64) -> Option<u32> {
    start_pit();
    // The output is low from the control word on. Where no PIT is, all bits read one.
    if pit_has_ended() {
        return None;
    }
    let start = read_tsc();
    let mut passed = 0;
    let ticks = local_apic::measure_timer(|| {
        let in_time = |_: &u32| read_tsc().wrapping_sub(start) < patience;
        let mut looks = (0..PIT_ATTEMPTS).take_while(in_time);
        let _ = looks.any(|_| {
            passed = u16::MAX.wrapping_sub(read_pit());
            passed >= TRIAL_TICKS
        });
    });
    let sample = u64::from(ticks).checked_mul(SAMPLE_TICKS.into())?;
    let ticks = u32::try_from(sample.checked_div(passed.into())?).ok()?;
    (passed >= TRIAL_TICKS).then_some(ticks)
}

/// One measurement, in HLT for `alarm` ticks of the local APIC's timer; `None` if that took
/// longer than the PIT can count.
fn measure_once(alarm: u32) -> Option<u64> {
    start_pit();
    let (first, start) = (read_pit(), read_tsc());
    local_apic::start_timer(alarm);
    interrupts::wait_unless(|| false);
    local_apic::stop_timer();
    let (last, end) = (read_pit(), read_tsc());
    if pit_has_ended() {
        return None;
    }
    let ticks = end.checked_sub(start)?.checked_mul(PIT_HERTZ)?;
    ticks.checked_div(first.checked_sub(last)?.into())
}

/// Lets channel 2 of the PIT count down from all ones, for 55 ms.
fn start_pit() {
    // SAFETY: no other code uses PIT channel 2 or port B, and the speaker stays off.
    let port_b = unsafe { port::read_u8(PORT_B) } & !PORT_B_SPEAKER;
    let program = [
        (PORT_B, port_b & !PORT_B_GATE),
        (PIT_COMMAND, PIT_CHANNEL_2_ONE_SHOT),
        (PIT_CHANNEL_2, u8::MAX),
        (PIT_CHANNEL_2, u8::MAX),
        (PORT_B, port_b | PORT_B_GATE),
    ];
    for (number, value) in program {
        // SAFETY: as above.
        unsafe { port::write_u8(number, value) };
    }
}

/// Channel 2's count.
fn read_pit() -> u16 {
    // SAFETY: no other code uses PIT channel 2.
    unsafe { port::write_u8(PIT_COMMAND, PIT_CHANNEL_2_LATCH) };
    // SAFETY: as above; low byte, then high byte.
    let low = unsafe { port::read_u8(PIT_CHANNEL_2) };
    // SAFETY: as above.
    let high = unsafe { port::read_u8(PIT_CHANNEL_2) };
    u16::from_le_bytes([low, high])
}

/// Whether channel 2 has counted down.
fn pit_has_ended() -> bool {
    // SAFETY: reading port B has no effect.
    let port_b = unsafe { port::read_u8(PORT_B) };
    port_b & PORT_B_OUTPUT != 0
}

/// Finds the local APIC timer's frequency; after [`calibrate`], with the local APIC enabled.
pub fn calibrate_timer() {
    let millisecond = tsc_ticks(1);
    let sample = millisecond.checked_div(TIMER_SAMPLES_A_MILLISECOND);
    let start = read_tsc();
    let ticks = local_apic::measure_timer(|| {
        wait_for_ticks(sample.unwrap_or(0), || false);
    });
    let passed = read_tsc().wrapping_sub(start);
    let ticks = u64::from(ticks).saturating_mul(millisecond);
    let ticks = ticks.checked_div(passed).unwrap_or(0);
    let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
    TIMER_TICKS.store(ticks.max(1), Ordering::Relaxed);
}

/// The local APIC timer's ticks in `milliseconds`, as far as its counter goes.
pub fn timer_ticks(milliseconds: u64) -> u32 {
    let ticks = u64::from(TIMER_TICKS.load(Ordering::Relaxed)).saturating_mul(milliseconds);
    u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
}

/// Lets `milliseconds` go by in HLT; on the housekeeping core only, whose local APIC timer
/// this sets, after [`calibrate_timer`].
pub fn sleep(milliseconds: u64) {
    sleep_until(milliseconds, || false);
}

/// Waits in HLT until `condition` holds, at most `milliseconds`; whether it came to hold. On
/// the housekeeping core only, as [`sleep`].
pub fn sleep_until(milliseconds: u64, mut condition: impl FnMut() -> bool) -> bool {
    let ticks = tsc_ticks(milliseconds);
    let start = read_tsc();
    let mut holds = condition();
    local_apic::start_timer(timer_ticks(1));
    while !holds && read_tsc().wrapping_sub(start) <= ticks {
        interrupts::wait_unless(|| false);
        holds = condition();
    }
    local_apic::stop_timer();
    holds
}

/// Lets `milliseconds` go by without giving the core away: what a guest's core does, which
/// must not take interrupts.
pub fn spin(milliseconds: u64) {
    wait_for(milliseconds, || false);
}

/// Waits until `condition` holds, at most `milliseconds`; whether it came to hold.
pub fn wait_for(milliseconds: u64, condition: impl FnMut() -> bool) -> bool {
    wait_for_ticks(tsc_ticks(milliseconds), condition)
}

/// The time stamp counter's ticks in `milliseconds`.
fn tsc_ticks(milliseconds: u64) -> u64 {
    tsc_hertz().saturating_mul(milliseconds) / 1000
}

/// As [`wait_for`], for so many ticks of the time stamp counter.
fn wait_for_ticks(ticks: u64, mut condition: impl FnMut() -> bool) -> bool {
    let start = read_tsc();
    loop {
        if condition() {
            return true;
        }
        if read_tsc().wrapping_sub(start) > ticks {
            return false;
        }
        ::core::hint::spin_loop();
    }
}
