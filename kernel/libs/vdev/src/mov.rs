//! Decodes the moves by which guests access device memory: the part of the instruction set
//! that a trapped access needs, and nothing else (Intel SDM 325383-080, volume 2A, chapter 2
//! "Instruction Format", and volume 2B, "MOV", "MOVSX/MOVSXD", "MOVZX").
//!
//! The memory operand's address is not computed: the nested page fault gives it. Refused:
//! register operands, LOCK, REP prefixes, and all other instructions.

/// No instruction is longer.
pub const MAXIMUM_LENGTH: usize = 15;

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

/// Why an instruction was not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end before the instruction does.
    Truncated,
    /// Longer than 15 bytes, which raises `#GP`.
    TooLong,
    /// Not one of the moves.
    Unsupported,
}

/// Decodes the instruction at the start of `bytes`.
///
/// # Errors
/// It is none of the moves that access memory, or `bytes` does not hold all of it.
pub fn decode(bytes: &[u8], mode: CodeSize) -> Result<Instruction, DecodeError> {
    let mut cursor = Cursor { bytes, position: 0 };
    let prefixes = Prefixes::read(&mut cursor, mode)?;
    let operation = operation(&mut cursor, &prefixes)?;
    let length = u8::try_from(cursor.position).map_err(|_| DecodeError::TooLong)?;
    Ok(Instruction { length, operation })
}

/// Reads one byte after the other, 15 at most.
struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Result<u8, DecodeError> {
        if self.position >= MAXIMUM_LENGTH {
            return Err(DecodeError::TooLong);
        }
        self.bytes
            .get(self.position)
            .copied()
            .ok_or(DecodeError::Truncated)
    }

    fn next(&mut self) -> Result<u8, DecodeError> {
        let byte = self.peek()?;
        self.position = self.position.wrapping_add(1);
        Ok(byte)
    }

    /// A little-endian constant of 1, 2, 4 or 8 bytes, sign-extended.
    fn signed(&mut self, bytes: u8) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for index in 0..u32::from(bytes) {
            value |= u64::from(self.next()?).wrapping_shl(index.wrapping_mul(8));
        }
        Ok(Extension::Sign.extend(value, bytes))
    }
}

/// What the prefixes say.
struct Prefixes {
    /// The operand size: 2, 4 or 8 bytes.
    operand: u8,
    /// The address size: 2, 4 or 8 bytes.
    address: u8,
    /// The REX prefix, if there is one.
    rex: Option<u8>,
}

impl Prefixes {
    fn read(cursor: &mut Cursor<'_>, mode: CodeSize) -> Result<Self, DecodeError> {
        let (mut operand_override, mut address_override) = (false, false);
        loop {
            match cursor.peek()? {
                0x66 => operand_override = true,
                0x67 => address_override = true,
                // Segment overrides change the address, which the fault gives.
                0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 => {}
                _ => break,
            }
            cursor.next()?;
        }
        let rex = match cursor.peek()? {
            rex @ 0x40..=0x4f if mode == CodeSize::Bits64 => Some(rex),
            _ => None,
        };
        if rex.is_some() {
            cursor.next()?;
        }
        let wide = rex.is_some_and(|rex| rex & REX_W != 0);
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
        Ok(Self {
            operand,
            address,
            rex,
        })
    }

    /// The register with a 3-bit `number` from ModR/M, of `bytes` bytes.
    fn register(&self, number: u8, bytes: u8) -> Register {
        // Without REX, byte registers 4 to 7 are AH, CH, DH and BH.
        if bytes == 1 && self.rex.is_none() && number >= 4 {
            return Register {
                number: number & 0b11,
                part: Part::HighByte,
            };
        }
        let high = if self.rex.is_some_and(|rex| rex & REX_R != 0) {
            8
        } else {
            0
        };
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

const REX_W: u8 = 1 << 3;
const REX_R: u8 = 1 << 2;

fn operation(cursor: &mut Cursor<'_>, prefixes: &Prefixes) -> Result<Operation, DecodeError> {
    let opcode = cursor.next()?;
    // Bit 0 of these opcodes: 0 for bytes, 1 for the operand size.
    let bytes = if opcode & 1 == 0 { 1 } else { prefixes.operand };
    match opcode {
        0x88 | 0x89 => {
            let register = prefixes.register(memory_operand(cursor, prefixes)?, bytes);
            Ok(Operation::Store {
                source: Source::Register(register),
                bytes,
            })
        }
        0x8a | 0x8b => {
            let register = prefixes.register(memory_operand(cursor, prefixes)?, bytes);
            Ok(Operation::Load {
                register,
                bytes,
                extension: Extension::Zero,
            })
        }
        0xa0..=0xa3 => {
            // The accumulator, and an address of the address size. REX.R has no meaning.
            cursor.signed(prefixes.address)?;
            let register = Register {
                number: 0,
                ..prefixes.register(0, bytes)
            };
            match opcode {
                0xa0 | 0xa1 => Ok(Operation::Load {
                    register,
                    bytes,
                    extension: Extension::Zero,
                }),
                _ => Ok(Operation::Store {
                    source: Source::Register(register),
                    bytes,
                }),
            }
        }
        0xc6 | 0xc7 if memory_operand(cursor, prefixes)? == 0 => {
            // A constant has at most 32 bits and is sign-extended to 64.
            let value = cursor.signed(bytes.min(4))?;
            Ok(Operation::Store {
                source: Source::Immediate(value),
                bytes,
            })
        }
        0x63 if prefixes.operand == 8 => load_extended(cursor, prefixes, 4, Extension::Sign),
        0x0f => match cursor.next()? {
            0xb6 => load_extended(cursor, prefixes, 1, Extension::Zero),
            0xb7 => load_extended(cursor, prefixes, 2, Extension::Zero),
            0xbe => load_extended(cursor, prefixes, 1, Extension::Sign),
            0xbf => load_extended(cursor, prefixes, 2, Extension::Sign),
            _ => Err(DecodeError::Unsupported),
        },
        _ => Err(DecodeError::Unsupported),
    }
}

fn load_extended(
    cursor: &mut Cursor<'_>,
    prefixes: &Prefixes,
    bytes: u8,
    extension: Extension,
) -> Result<Operation, DecodeError> {
    let register = prefixes.register(memory_operand(cursor, prefixes)?, prefixes.operand);
    Ok(Operation::Load {
        register,
        bytes,
        extension,
    })
}

/// Steps over ModR/M, SIB and displacement of a memory operand; the reg field.
fn memory_operand(cursor: &mut Cursor<'_>, prefixes: &Prefixes) -> Result<u8, DecodeError> {
    let mod_rm = cursor.next()?;
    let (mode, reg, rm) = (mod_rm >> 6, (mod_rm >> 3) & 0b111, mod_rm & 0b111);
    if mode == 0b11 {
        return Err(DecodeError::Unsupported);
    }
    let displacement = if prefixes.address == 2 {
        match (mode, rm) {
            (0b00, 0b110) | (0b10, _) => 2,
            (0b01, _) => 1,
            _ => 0,
        }
    } else {
        let base = if rm == 0b100 {
            cursor.next()? & 0b111
        } else {
            rm
        };
        match (mode, base) {
            (0b00, 0b101) | (0b10, _) => 4,
            (0b01, _) => 1,
            _ => 0,
        }
    };
    cursor.signed(displacement)?;
    Ok(reg)
}

#[cfg(test)]
mod tests;
