//! Time: the frequency of the time stamp counter and bounded waits by it.

use core::arch::x86_64::__cpuid;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use vdev::cpuid::Answer;
use vdev::tsc;

use super::{interrupts, local_apic, port};
use crate::log;

/// The PIT's input clock in hertz (Intel 82C54 data sheet).
const PIT_HERTZ: u64 = 1_193_182;
/// How many PIT ticks the counter is watched: 10 ms.
const PIT_TICKS: u16 = 11_932;
const PIT_CHANNEL_2: u16 = 0x42;
const PIT_COMMAND: u16 = 0x43;
/// Channel 2, low byte then high byte, mode 0 (interrupt on terminal count), binary.
const PIT_CHANNEL_2_ONE_SHOT: u8 = 0xb0;
/// Port B of the 8255: bit 0 gates channel 2, bit 1 is the speaker, bit 5 channel 2's output.
const PORT_B: u16 = 0x61;
const PORT_B_GATE: u8 = 1 << 0;
const PORT_B_SPEAKER: u8 = 1 << 1;
const PORT_B_OUTPUT: u8 = 1 << 5;
/// Port reads take about 1 µs: far more than 10 ms of them means that no PIT counts.
const PIT_ATTEMPTS: u32 = 10_000_000;

/// How long the local APIC's timer is watched.
const TIMER_SAMPLE_MILLISECONDS: u64 = 1;

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

/// The time stamp counter.
pub fn read_tsc() -> u64 {
    // SAFETY: RDTSC exists on every x86-64 CPU and reads only.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Finds the time stamp counter's frequency: CPUID leaf 15h's, if the PIT does not contradict
/// it, which is said; else what the PIT measures.
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
    let mut samples = [0; 3];
    for sample in &mut samples {
        *sample = measure_once(patience).filter(|hertz| *hertz > 0)?;
    }
    Some(tsc::median(samples))
}

/// One measurement, of at most `patience` ticks of the time stamp counter.
fn measure_once(patience: u64) -> Option<u64> {
    start_pit();
    let start = read_tsc();
    // The output is low from the control word on. Where no PIT is, all bits read one.
    if pit_has_ended() {
        return None;
    }
    let ended = (0..PIT_ATTEMPTS)
        .take_while(|_| read_tsc().wrapping_sub(start) < patience)
        .any(|_| pit_has_ended());
    let ticks = read_tsc().checked_sub(start)?;
    let hertz = ticks
        .checked_mul(PIT_HERTZ)?
        .checked_div(PIT_TICKS.into())?;
    ended.then_some(hertz)
}

/// Lets channel 2 of the PIT count from [`PIT_TICKS`] down.
fn start_pit() {
    // SAFETY: no other code uses PIT channel 2 or port B, and the speaker stays off.
    let port_b = unsafe { port::read_u8(PORT_B) } & !PORT_B_SPEAKER;
    let [low, high] = PIT_TICKS.to_le_bytes();
    let program = [
        (PORT_B, port_b & !PORT_B_GATE),
        (PIT_COMMAND, PIT_CHANNEL_2_ONE_SHOT),
        (PIT_CHANNEL_2, low),
        (PIT_CHANNEL_2, high),
        (PORT_B, port_b | PORT_B_GATE),
    ];
    for (number, value) in program {
        // SAFETY: as above.
        unsafe { port::write_u8(number, value) };
    }
}

/// Whether channel 2 has counted down.
fn pit_has_ended() -> bool {
    // SAFETY: reading port B has no effect.
    let port_b = unsafe { port::read_u8(PORT_B) };
    port_b & PORT_B_OUTPUT != 0
}

/// Finds the local APIC timer's frequency; after [`calibrate`], with the local APIC enabled.
pub fn calibrate_timer() {
    let ticks = local_apic::measure_timer(|| {
        wait_for(TIMER_SAMPLE_MILLISECONDS, || false);
    });
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
    let ticks = tsc_hertz().saturating_mul(milliseconds) / 1000;
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
pub fn wait_for(milliseconds: u64, mut condition: impl FnMut() -> bool) -> bool {
    let ticks = tsc_hertz().saturating_mul(milliseconds) / 1000;
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
