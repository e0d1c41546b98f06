//! The guest's general registers, and the instructions that exchange them: what is left of
//! entering a guest when each back end has done its own. They come in two groups, for the
//! answer that is given before all of them are exchanged (`quick.rs`).

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

/// Assembly: loads the guest's registers that functions of root mode may change, but RAX, out of
/// the [`Registers`] at `$at`; the register of `$at`, if it is one of them, must be RDI. The flags
/// stay as they are.
macro_rules! load_scratch {
    ($at:literal) => {
        concat!(
            "mov rcx, [",
            $at,
            " + 8]\n",
            "mov rdx, [",
            $at,
            " + 16]\n",
            "mov rsi, [",
            $at,
            " + 48]\n",
            "mov r8, [",
            $at,
            " + 64]\n",
            "mov r9, [",
            $at,
            " + 72]\n",
            "mov r10, [",
            $at,
            " + 80]\n",
            "mov r11, [",
            $at,
            " + 88]\n",
            "mov rdi, [",
            $at,
            " + 56]"
        )
    };
}

/// Assembly: stores what [`load_scratch`] loads, but RDI.
macro_rules! store_scratch {
    ($at:literal) => {
        concat!(
            "mov [",
            $at,
            " + 8], rcx\n",
            "mov [",
            $at,
            " + 16], rdx\n",
            "mov [",
            $at,
            " + 48], rsi\n",
            "mov [",
            $at,
            " + 64], r8\n",
            "mov [",
            $at,
            " + 72], r9\n",
            "mov [",
            $at,
            " + 80], r10\n",
            "mov [",
            $at,
            " + 88], r11"
        )
    };
}

/// Assembly: loads the guest's registers that functions of root mode keep, out of the
/// [`Registers`] at `$at`. The flags stay as they are.
macro_rules! load_kept {
    ($at:literal) => {
        concat!(
            "mov rbx, [",
            $at,
            " + 24]\n",
            "mov rbp, [",
            $at,
            " + 40]\n",
            "mov r12, [",
            $at,
            " + 96]\n",
            "mov r13, [",
            $at,
            " + 104]\n",
            "mov r14, [",
            $at,
            " + 112]\n",
            "mov r15, [",
            $at,
            " + 120]"
        )
    };
}

/// Assembly: stores what [`load_kept`] loads.
macro_rules! store_kept {
    ($at:literal) => {
        concat!(
            "mov [",
            $at,
            " + 24], rbx\n",
            "mov [",
            $at,
            " + 40], rbp\n",
            "mov [",
            $at,
            " + 96], r12\n",
            "mov [",
            $at,
            " + 104], r13\n",
            "mov [",
            $at,
            " + 112], r14\n",
            "mov [",
            $at,
            " + 120], r15"
        )
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

pub(super) use {
    load_kept, load_scratch, restore_callee_saved, save_callee_saved, store_kept, store_scratch,
};
