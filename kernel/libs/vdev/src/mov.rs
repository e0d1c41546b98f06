//! Decodes the moves by which guests access device memory: the part of the instruction set
//! that a trapped access needs, and nothing else (Intel SDM 325383-080, volume 2A, chapter 2
//! "Instruction Format", and volume 2B, "MOV", "MOVSX/MOVSXD", "MOVZX").
//!
//! The memory operand's address is not computed: the nested page fault gives it. Refused:
//! register operands, LOCK, REP prefixes, and all other instructions.

/// No instruction is longer.
const MAXIMUM_LENGTH: u8 = 15;

/// The bytes at an instruction's start, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes {
    value: u128,
    known: u8,
}

impl Bytes {
    /// The `known` low bytes of `value`, the lowest one first; more than an instruction has are
    /// not looked at.
    #[must_use]
    pub const fn new(value: u128, known: u8) -> Self {
        Self { value, known }
    }
}

/// The size of code that CS and EFER say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeSize {
    /// Real mode, virtual-8086 mode and 16-bit segments.
    Bits16,
    /// 32-bit segments.
    Bits32,
    /// 64-bit mode.
    Bits64,
}

/// The part of a general register that an instruction uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Bits 7:0.
    LowByte,
    /// Bits 15:8, of AH, CH, DH and BH.
    HighByte,
    /// Bits 15:0.
    Word,
    /// Bits 31:0; a write clears the upper half.
    DoubleWord,
    /// All bits.
    QuadWord,
}

/// A general register, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// 0 for RAX, 1 for RCX and so on to 15, as the instruction encodes it.
    pub number: u8,
    /// The part.
    pub part: Part,
}

impl Register {
    /// The part's value, given the `full` register.
    #[must_use]
    pub const fn value(self, full: u64) -> u64 {
        match self.part {
            Part::LowByte => full & 0xff,
            Part::HighByte => (full >> 8) & 0xff,
            Part::Word => full & 0xffff,
            Part::DoubleWord => full & 0xffff_ffff,
            Part::QuadWord => full,
        }
    }

    /// The full register after `value` was loaded into the part; before, it was `full`.
    #[must_use]
    pub const fn loaded(self, full: u64, value: u64) -> u64 {
        match self.part {
            Part::LowByte => full & !0xff | value & 0xff,
            Part::HighByte => full & !0xff00 | (value & 0xff) << 8,
            Part::Word => full & !0xffff | value & 0xffff,
            Part::DoubleWord => value & 0xffff_ffff,
            Part::QuadWord => value,
        }
    }
}

/// How a value from memory fills a wider register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// With zeros.
    Zero,
    /// With copies of the sign.
    Sign,
}

impl Extension {
    /// The 64-bit value of `bytes` bytes from memory, which are the low ones of `value`.
    #[must_use]
    pub const fn extend(self, value: u64, bytes: u8) -> u64 {
        let unused = match bytes {
            1 => 56,
            2 => 48,
            4 => 32,
            _ => 0,
        };
        let top = value << unused;
        match self {
            Self::Zero => top >> unused,
            Self::Sign => (top.cast_signed() >> unused).cast_unsigned(),
        }
    }
}

/// What is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A register.
    Register(Register),
    /// A constant, sign-extended to 64 bits.
    Immediate(u64),
}

/// The access to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// From memory into a register.
    Load {
        /// The register.
        register: Register,
        /// The bytes read from memory.
        bytes: u8,
        /// How they fill the register.
        extension: Extension,
    },
    /// From a register or a constant to memory.
    Store {
        /// What is stored.
        source: Source,
        /// The bytes written to memory.
        bytes: u8,
    },
}

/// An instruction that accesses memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Its length in bytes, 2 to 15.
    pub length: u8,
    /// What it does.
    pub operation: Operation,
}

/// Decodes the instruction at the start of `bytes`; `None` if it is none of the moves that access
/// memory, or if `bytes` does not hold all of it.
#[must_use]
pub fn decode(bytes: Bytes, mode: CodeSize) -> Option<Instruction> {
    let mut cursor = Cursor {
        rest: bytes.value,
        position: 0,
    };
    let (prefixes, opcode) = Prefixes::read(&mut cursor, mode);
    let operation = operation(&mut cursor, &prefixes, opcode)?;
    // Looked at once and not at every byte: what is read behind the known ones does no harm.
    let length = cursor.position;
    (length <= bytes.known.min(MAXIMUM_LENGTH)).then_some(Instruction { length, operation })
}

/// Reads one byte after the other.
struct Cursor {
    /// What was not read yet, the next byte lowest, and zeros behind the last one.
    rest: u128,
    /// How many bytes were read.
    position: u8,
}

impl Cursor {
    fn next(&mut self) -> u8 {
        let byte = self.rest as u8;
        self.skip(1);
        byte
    }

    /// Steps over 0 to 8 bytes.
    fn skip(&mut self, bytes: u8) {
        self.rest = self.rest.wrapping_shr(u32::from(bytes).wrapping_mul(8));
        self.position = self.position.wrapping_add(bytes);
    }

    /// A little-endian constant of 1, 2 or 4 bytes, sign-extended.
    fn signed(&mut self, bytes: u8) -> u64 {
        let value = Extension::Sign.extend(self.rest as u64, bytes);
        self.skip(bytes);
        value
    }
}

/// What the prefixes say.
struct Prefixes {
    /// The operand size: 2, 4 or 8 bytes.
    operand: u8,
    /// The address size: 2, 4 or 8 bytes.
    address: u8,
    /// The REX prefix, or 0.
    rex: u8,
}

impl Prefixes {
    /// The prefixes, and the byte behind them, the opcode's first.
    fn read(cursor: &mut Cursor, mode: CodeSize) -> (Self, u8) {
        let (mut operand_override, mut address_override) = (false, false);
        let mut byte = cursor.next();
        loop {
            match byte {
                0x66 => operand_override = true,
                0x67 => address_override = true,
                // Segment overrides change the address, which the fault gives.
                0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 => {}
                _ => break,
            }
            byte = cursor.next();
        }
        let mut rex = 0;
        if mode == CodeSize::Bits64 && byte & 0xf0 == REX {
            rex = byte;
            byte = cursor.next();
        }
        let wide = rex & REX_W != 0;
        let operand = match (mode, operand_override) {
            (CodeSize::Bits64, _) if wide => 8,
            (CodeSize::Bits16, false) | (CodeSize::Bits32 | CodeSize::Bits64, true) => 2,
            _ => 4,
        };
        let address = match (mode, address_override) {
            (CodeSize::Bits64, false) => 8,
            (CodeSize::Bits16, false) | (CodeSize::Bits32, true) => 2,
            _ => 4,
        };
        let prefixes = Self {
            operand,
            address,
            rex,
        };
        (prefixes, byte)
    }

    /// The register with a 3-bit `number` from ModR/M, of `bytes` bytes.
    fn register(&self, number: u8, bytes: u8) -> Register {
        // Without REX, byte registers 4 to 7 are AH, CH, DH and BH.
        if bytes == 1 && self.rex == 0 && number >= 4 {
            return Register {
                number: number & 0b11,
                part: Part::HighByte,
            };
        }
        let high = if self.rex & REX_R == 0 { 0 } else { 8 };
        let part = match bytes {
            1 => Part::LowByte,
            2 => Part::Word,
            4 => Part::DoubleWord,
            _ => Part::QuadWord,
        };
        Register {
            number: number | high,
            part,
        }
    }
}

/// The upper half of a REX prefix, and bits of the lower one.
const REX: u8 = 0x40;
const REX_W: u8 = 1 << 3;
const REX_R: u8 = 1 << 2;

fn operation(cursor: &mut Cursor, prefixes: &Prefixes, opcode: u8) -> Option<Operation> {
    const TWO_BYTES: u8 = 0x0f;
    let operand = prefixes.operand;
    // Bit 0 of most opcodes: 0 for bytes, 1 for the operand size.
    let bytes = if opcode & 1 == 0 { 1 } else { operand };
    if let 0xa0..=0xa3 = opcode {
        return Some(accumulator(cursor, prefixes, opcode, bytes));
    }
    let second = match opcode {
        TWO_BYTES => cursor.next(),
        _ => 0,
    };
    let reg = memory_operand(cursor, prefixes)?;
    let width = match opcode {
        0x88..=0x8b => bytes,
        _ => operand,
    };
    let register = prefixes.register(reg, width);
    let (bytes, extension) = match (opcode, second) {
        (0x88 | 0x89, _) => {
            let source = Source::Register(register);
            return Some(Operation::Store { source, bytes });
        }
        (0xc6 | 0xc7, _) if reg == 0 => {
            // A constant has at most 32 bits and is sign-extended to 64.
            let source = Source::Immediate(cursor.signed(bytes.min(4)));
            return Some(Operation::Store { source, bytes });
        }
        (0x8a | 0x8b, _) => (bytes, Extension::Zero),
        (0x63, _) if operand == 8 => (4, Extension::Sign),
        (TWO_BYTES, 0xb6) => (1, Extension::Zero),
        (TWO_BYTES, 0xb7) => (2, Extension::Zero),
        (TWO_BYTES, 0xbe) => (1, Extension::Sign),
        (TWO_BYTES, 0xbf) => (2, Extension::Sign),
        _ => return None,
    };
    Some(Operation::Load {
        register,
        bytes,
        extension,
    })
}

/// The accumulator, and an address of the address size. REX.R has no meaning.
fn accumulator(cursor: &mut Cursor, prefixes: &Prefixes, opcode: u8, bytes: u8) -> Operation {
    cursor.skip(prefixes.address);
    let register = Register {
        number: 0,
        ..prefixes.register(0, bytes)
    };
    match opcode {
        0xa0 | 0xa1 => Operation::Load {
            register,
            bytes,
            extension: Extension::Zero,
        },
        _ => Operation::Store {
            source: Source::Register(register),
            bytes,
        },
    }
}

/// Steps over ModR/M, SIB and displacement of a memory operand; the reg field.
fn memory_operand(cursor: &mut Cursor, prefixes: &Prefixes) -> Option<u8> {
    let mod_rm = cursor.next();
    let (mode, reg, rm) = (mod_rm >> 6, (mod_rm >> 3) & 0b111, mod_rm & 0b111);
    if mode == 0b11 {
        return None;
    }
    let displacement = if prefixes.address == 2 {
        match (mode, rm) {
            (0b00, 0b110) | (0b10, _) => 2,
            (0b01, _) => 1,
            _ => 0,
        }
    } else {
        let base = if rm == 0b100 {
            cursor.next() & 0b111
        } else {
            rm
        };
        match (mode, base) {
            (0b00, 0b101) | (0b10, _) => 4,
            (0b01, _) => 1,
            _ => 0,
        }
    };
    cursor.skip(displacement);
    Some(reg)
}

#[cfg(test)]
mod tests;
