//! The guest's general registers, and the instructions that exchange them: what is left of
//! entering a guest when each back end has done its own.

use core::mem::offset_of;

/// The guest's general registers, which no back end's hardware saves by itself.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Registers {
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rbx: u64,
    pub rsp: u64,
    pub rbp: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
}

impl Registers {
    /// The register that instructions encode as `number`, 0 to 15; 0 for any other.
    pub fn read(&mut self, number: u8) -> u64 {
        self.find(number).map_or(0, |register| *register)
    }

    /// Sets the register that instructions encode as `number`.
    pub fn write(&mut self, number: u8, value: u64) {
        if let Some(register) = self.find(number) {
            *register = value;
        }
    }

    fn find(&mut self, number: u8) -> Option<&mut u64> {
        Some(match number {
            0 => &mut self.rax,
            1 => &mut self.rcx,
            2 => &mut self.rdx,
            3 => &mut self.rbx,
            4 => &mut self.rsp,
            5 => &mut self.rbp,
            6 => &mut self.rsi,
            7 => &mut self.rdi,
            8 => &mut self.r8,
            9 => &mut self.r9,
            10 => &mut self.r10,
            11 => &mut self.r11,
            12 => &mut self.r12,
            13 => &mut self.r13,
            14 => &mut self.r14,
            15 => &mut self.r15,
            _ => return None,
        })
    }
}

const _: () = {
    assert!(offset_of!(Registers, rcx) == 8);
    assert!(offset_of!(Registers, rdi) == 56);
    assert!(offset_of!(Registers, r15) == 120);
};

/// Assembly: loads the guest's registers but RAX and RSP out of the [`Registers`] at RDI. The
/// flags stay as they are.
macro_rules! load_registers {
    () => {
        "mov rcx, [rdi + 8]
         mov rdx, [rdi + 16]
         mov rbx, [rdi + 24]
         mov rbp, [rdi + 40]
         mov rsi, [rdi + 48]
         mov r8, [rdi + 64]
         mov r9, [rdi + 72]
         mov r10, [rdi + 80]
         mov r11, [rdi + 88]
         mov r12, [rdi + 96]
         mov r13, [rdi + 104]
         mov r14, [rdi + 112]
         mov r15, [rdi + 120]
         mov rdi, [rdi + 56]"
    };
}

/// Assembly: stores what [`load_registers`] loads into the [`Registers`] whose address is on
/// top of the stack, and takes it off. Leaves the address in RDI, and RAX as it is.
macro_rules! store_registers {
    () => {
        "xchg rdi, [rsp]
         mov [rdi + 8], rcx
         mov [rdi + 16], rdx
         mov [rdi + 24], rbx
         mov [rdi + 40], rbp
         mov [rdi + 48], rsi
         mov [rdi + 64], r8
         mov [rdi + 72], r9
         mov [rdi + 80], r10
         mov [rdi + 88], r11
         mov [rdi + 96], r12
         mov [rdi + 104], r13
         mov [rdi + 112], r14
         mov [rdi + 120], r15
         pop rcx
         mov [rdi + 56], rcx"
    };
}

/// Assembly: saves the registers that a function of root mode must keep.
macro_rules! save_callee_saved {
    () => {
        "push rbx
         push rbp
         push r12
         push r13
         push r14
         push r15"
    };
}

/// Assembly: restores what [`save_callee_saved`] saved.
macro_rules! restore_callee_saved {
    () => {
        "pop r15
         pop r14
         pop r13
         pop r12
         pop rbp
         pop rbx"
    };
}

pub(super) use {load_registers, restore_callee_saved, save_callee_saved, store_registers};
