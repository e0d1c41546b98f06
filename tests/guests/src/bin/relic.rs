//! Looks for what the guest before it has left, in memory, registers and the local APIC:
//! nothing must be there. Then it leaves behind what it can itself, and ends as told. It says for
//! programs which guest of its partition it is, and how much it has searched and filled.
//!
//! `pattern=HIGH,LOW` are the halves of the word that memory is filled with. `ends=WORD,WORD…` are the ends of one guest
//! after another, and begin anew behind the last:
//!
//! | word | end |
//! |---|---|
//! | `reset` | asks for a reset |
//! | `triple` | a triple fault |
//! | `off` | switches itself off |
//! | `halt` | halts all its cores, two at most, with interrupts off |
//! | `spin` | spins with interrupts off |
//! | `rest` | the same, without having left anything |

#![no_std]
#![no_main]

use test_guests::interrupts::{received, received_elsewhere};
use test_guests::wait::TIMER_VECTOR;
use test_guests::{
    Failure, Verdict, apic, command_line, ensure, exits, fail, guest, instruction, power,
    processors, ram, registers, say, smp,
};

guest!(main);

/// Vectors on which interrupts are left pending: one that a hypervisor may take for an
/// exception, and one of any others.
const LEFT_PENDING: [u8; 2] = [20, 0x50];
/// The own timer's period, 1 ms at 1 GHz, and how many have passed when all that was pending
/// has come.
const PERIOD: u32 = 1_000_000;
const PERIODS: u32 = 3;

fn main() -> Verdict {
    let halves = halves();
    let life = exits::life();
    look(halves, life)?;
    let own = apic::id();
    if let Some(other) = processors::apic_ids().find(|id| *id != own) {
        smp::start(other, || instruction::halt_for_ever())?;
    }
    let end = end_of(life);
    if end != "rest" {
        leave(halves)?;
    }
    match end {
        "reset" => power::reset(),
        "triple" => instruction::triple_fault(),
        "off" => power::off(),
        "halt" => instruction::halt_for_ever(),
        "spin" | "rest" => instruction::spin_for_ever(),
        other => fail!("there is no end `{other}`"),
    }
    fail!("the end did not come")
}

/// The halves of the word, high and low.
fn halves() -> [u32; 2] {
    let mut halves = command_line::numbers("pattern");
    [(); 2].map(|()| u32::try_from(halves.next().unwrap_or(0)).unwrap_or(0))
}

/// How the guest `life`, counted from 1, is to end.
fn end_of(life: u64) -> &'static str {
    let ends = || command_line::value("ends").unwrap_or("rest").split(',');
    let index = usize::try_from(life).unwrap_or(1).saturating_sub(1);
    let index = index.checked_rem(ends().count()).unwrap_or(0);
    ends().nth(index).unwrap_or("rest")
}

fn look(halves: [u32; 2], life: u64) -> Verdict {
    registers::check()?;
    let ram::Search { bytes, found } = ram::search(halves);
    ensure!(found.is_none(), "memory is not clear at {found:x?}");
    let faulted = |exception| Failure::new(format_args!("timer: {exception}"));
    apic::start_timer(TIMER_VECTOR, PERIOD).map_err(faulted)?;
    while received(TIMER_VECTOR) < PERIODS {
        instruction::wait_for_interrupt();
    }
    apic::stop_timer().map_err(faulted)?;
    let foreign = received_elsewhere(&[TIMER_VECTOR]);
    ensure!(foreign == 0, "{foreign} interrupts were left pending");
    say!("check: {{\"name\":\"life\",\"ok\":true,\"life\":{life},\"searched_bytes\":{bytes}}}");
    Ok(())
}

fn leave([high, low]: [u32; 2]) -> Verdict {
    let bytes = ram::fill(u64::from(high) << 32 | u64::from(low));
    registers::fill()?;
    let faulted = |exception| Failure::new(format_args!("timer: {exception}"));
    apic::start_timer(TIMER_VECTOR, PERIOD).map_err(faulted)?;
    for vector in LEFT_PENDING {
        apic::send(apic::shorthand::SELF | u64::from(vector)).map_err(faulted)?;
    }
    say!("check: {{\"name\":\"left\",\"ok\":true,\"filled_bytes\":{bytes}}}");
    Ok(())
}
