//! Sends NMIs from one core to the other, whose interrupts are off: each arrives exactly once,
//! also out of HLT; one that comes in the handler of another waits for its end.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use test_guests::apic::{delivery, send, to_core};
use test_guests::interrupts::{HOLD_NMI, NMI, received};
use test_guests::{Failure, Verdict, apic, ensure, guest, instruction, processors, say, smp, wait};

guest!(main);

/// NMIs sent one by one, in each state of the other core.
const SINGLE: u32 = 25;
/// Rounds with NMIs that come in the handler of another.
const NESTED: u32 = 10;
/// NMIs sent without a look at whether they arrive.
const STORM: u32 = 1000;
/// How long one that should not arrive is waited for: 1 ms at 1 GHz.
const QUIET_TICKS: u64 = 1_000_000;

/// What the other core does between NMIs: nothing, halt, exit all the time.
static STATE: AtomicU32 = AtomicU32::new(SPIN);
const SPIN: u32 = 0;
const HALT: u32 = 1;
const EXIT: u32 = 2;
/// What the other core counts while it runs.
static TURNS: AtomicU32 = AtomicU32::new(0);

fn main() -> Verdict {
    let own = apic::id();
    let none = Failure::new(format_args!("there is no second core"));
    let other = processors::apic_ids().find(|id| *id != own).ok_or(none)?;
    smp::start(other, run)?;
    for (state, what) in [(SPIN, "spinning"), (HALT, "halted"), (EXIT, "exiting")] {
        STATE.store(state, Ordering::Release);
        one_by_one(other, what)?;
    }
    STATE.store(SPIN, Ordering::Release);
    // It makes no more exits from here on, and must have left its last one: see `go_round`.
    go_round(other)?;
    in_the_handler(other)?;
    storm(other)?;
    one_by_one(own, "itself")
}

/// What the other core does: it never lets an interrupt in.
fn run() {
    loop {
        TURNS.fetch_add(1, Ordering::AcqRel);
        match STATE.load(Ordering::Acquire) {
            HALT => instruction::halt(),
            EXIT => {
                let _ = core::hint::black_box(instruction::cpuid(0, 0));
            }
            _ => {}
        }
    }
}

/// Waits until the other core has gone round, in a state that was set before.
///
/// An NMI that comes right before a guest is entered is injected after an INIT that a hypervisor
/// sends itself. Bochs drops that INIT, where a processor keeps it: there the NMI waits for the
/// guest's next exit, and a guest that makes none does not get it.
fn go_round(core: u32) -> Verdict {
    let first = TURNS.load(Ordering::Acquire);
    let goes_on = wait::busy(|| TURNS.load(Ordering::Acquire).wrapping_sub(first) > 1);
    ensure!(goes_on, "core {core} stands still");
    Ok(())
}

fn strike(core: u32) -> Verdict {
    send(to_core(core, delivery::NMI))
        .map_err(|exception| Failure::new(format_args!("ICR: {exception}")))
}

/// Waits until `count` NMIs have been received, and a while longer: there must be no more.
fn expect(count: u32, what: &str) -> Verdict {
    let arrived = wait::busy(|| received(NMI) >= count);
    if arrived {
        wait::pass(QUIET_TICKS);
    }
    let found = received(NMI);
    ensure!(found == count, "{what}: {found} NMIs, not {count}");
    Ok(())
}

/// Each NMI arrives before the next one is sent.
fn one_by_one(core: u32, what: &str) -> Verdict {
    let first = received(NMI);
    for number in 1..=SINGLE {
        strike(core)?;
        expect(first.wrapping_add(number), what)?;
    }
    say!("{what}: {SINGLE} NMIs");
    Ok(())
}

/// One waits while another is handled; of more, all but one are lost, as by a processor.
fn in_the_handler(core: u32) -> Verdict {
    for more in [1, 3] {
        for _ in 0..NESTED {
            let first = received(NMI);
            HOLD_NMI.store(true, Ordering::Release);
            strike(core)?;
            expect(first.wrapping_add(1), "first")?;
            for _ in 0..more {
                strike(core)?;
                wait::pass(QUIET_TICKS);
            }
            expect(first.wrapping_add(1), "during the first")?;
            HOLD_NMI.store(false, Ordering::Release);
            expect(first.wrapping_add(2), "after the first")?;
        }
    }
    say!("in the handler: {NESTED} rounds, and as many with more than one");
    Ok(())
}

/// NMIs that come faster than they are handled are fewer, but the last one counts, and the
/// core goes on.
fn storm(core: u32) -> Verdict {
    let first = received(NMI);
    for _ in 0..STORM {
        strike(core)?;
    }
    go_round(core)?;
    wait::pass(QUIET_TICKS);
    let arrived = received(NMI).wrapping_sub(first);
    ensure!((1..=STORM).contains(&arrived), "{arrived} NMIs of {STORM}");
    say!("storm: {arrived} NMIs of {STORM}");
    one_by_one(core, "after the storm")
}
