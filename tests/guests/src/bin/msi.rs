//! Switches its function's MSI on and stays.

#![no_std]
#![no_main]

use test_guests::msix::Message;
use test_guests::pci::Function;
use test_guests::{Failure, Verdict, apic, ensure, guest, instruction, say};

guest!(main);

/// The MSI capability and its registers (PCI Express Base Specification 6.0, section 7.7.1); the
/// address has 64 bits.
const MSI: u8 = 0x05;
const CONTROL: u64 = 0x02;
const ENABLE: u16 = 1 << 0;
const ADDRESS: u64 = 0x04;
const DATA: u64 = 0x0c;
const VECTOR: u8 = 0x58;

fn main() -> Verdict {
    let none = Failure::new(format_args!("there is no function at 00:01.0"));
    let function = Function::first().ok_or(none)?;
    let none = Failure::new(format_args!("it has no MSI"));
    let start = function.capability(MSI).ok_or(none)?;
    let register = |offset: u64| start.saturating_add(offset);
    let message = Message::fixed(apic::id(), VECTOR);
    let control = function.read::<u16>(register(CONTROL));
    ensure!(control & ENABLE == 0, "MSI is on from the start");
    function.write(register(ADDRESS), message.address as u32);
    function.write(register(DATA), message.data as u16);
    function.write(register(CONTROL), control | ENABLE);
    say!("MSI is on");
    instruction::spin_for_ever()
}
