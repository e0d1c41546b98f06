//! What is the machine's and not a partition's is denied: the access is answered, counted and
//! harms nobody, the attacker included.

use anyhow::{Result, ensure};
use harness::{Bench, Need};

use crate::plans::{self, BETA_START, Guest};
use crate::transcript::Transcript;

/// The first eight bytes of a root system description pointer, which Bulkhead puts at this
/// address of every guest.
const POINTER_SIGNATURE: u64 = u64::from_le_bytes(*b"RSD PTR ");
const POINTER: u64 = 0xe_0000;

/// Registers for power, voltage, microcode, machine checks, SMM, VMX and SVM fault.
pub fn model_specific_registers(bench: &Bench) -> Result<()> {
    attack(bench, Guest::attacker("msr"), "msr")
}

/// Ports of the reset, power, SMI, timer, disk and configuration logic read all ones, and
/// writes to them are dropped.
pub fn ports(bench: &Bench) -> Result<()> {
    attack(bench, Guest::attacker("ports"), "ports")
}

/// The instructions of hypervisors are undefined, and INVD loses no memory.
pub fn hypervisor_instructions(bench: &Bench) -> Result<()> {
    let guest = "hypervisor-instructions";
    attack(bench, Guest::attacker(guest), guest)
}

/// Addresses that are no memory of the partition's read all ones; writes there are dropped.
/// Among them are those at which the neighbour's memory is in the machine: seen from outside,
/// where that can be seen, it does not change.
pub fn memory(bench: &Bench) -> Result<()> {
    let pointer = BETA_START.saturating_add(POINTER);
    let outside = format!("outside={BETA_START:#x},{pointer:#x},0x100000000,0xff00000000");
    let alpha = Guest::attacker("memory").with_argument(&outside);
    let mut emulator = plans::start(bench, &[alpha, Guest::bystander()])?;
    let transcript = Transcript::until_stop(&mut emulator, "alpha")?;
    if bench.has(Need::Monitor) {
        let found = emulator.monitor()?.read_physical(pointer, 1)?;
        ensure!(
            found == [POINTER_SIGNATURE],
            "the neighbour's memory at {pointer:#x} is {found:x?}"
        );
    }
    ensure_denied(&transcript.and_to_the_end(&mut emulator)?, "memory")
}

/// `alpha` attacks and passes with denials, `beta` notices nothing and is denied nothing.
fn attack(bench: &Bench, alpha: Guest, guest: &str) -> Result<()> {
    let mut emulator = plans::start(bench, &[alpha, Guest::bystander()])?;
    ensure_denied(&Transcript::to_the_end(&mut emulator)?, guest)
}

fn ensure_denied(transcript: &Transcript, guest: &str) -> Result<()> {
    transcript.ensure_undisturbed(guest)?;
    transcript.ensure_stop("alpha", "poweroff")?;
    transcript.ensure_denied_at_least("alpha", 1)
}
