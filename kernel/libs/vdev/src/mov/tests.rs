#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test may overflow: it fails"
)]

extern crate std;
use std::vec::Vec;

use iced_x86::{Code, Decoder, DecoderOptions, OpKind};
use proptest::prelude::*;

use super::{decode as decode_bytes, *};

/// Decodes bytes of which no more are known than are there.
fn decode(bytes: &[u8], mode: CodeSize) -> Option<Instruction> {
    let known = bytes.len().min(16);
    let mut all = [0; 16];
    all[..known].copy_from_slice(&bytes[..known]);
    decode_bytes(Bytes::new(u128::from_le_bytes(all), known as u8), mode)
}

fn load(register: Register, bytes: u8, extension: Extension) -> Operation {
    Operation::Load {
        register,
        bytes,
        extension,
    }
}

#[test]
fn linux_accessors_are_decoded() {
    // mov eax, [rdi]: readl.
    let eax = Register {
        number: 0,
        part: Part::DoubleWord,
    };
    let found = decode(&[0x8b, 0x07], CodeSize::Bits64).unwrap();
    assert_eq!(
        found,
        Instruction {
            length: 2,
            operation: load(eax, 4, Extension::Zero)
        }
    );
    // mov [rsi+0xc], r12d: writel.
    let found = decode(&[0x44, 0x89, 0x66, 0x0c, 0x90], CodeSize::Bits64).unwrap();
    let source = Source::Register(Register {
        number: 12,
        part: Part::DoubleWord,
    });
    let operation = Operation::Store { source, bytes: 4 };
    assert_eq!(
        found,
        Instruction {
            length: 4,
            operation
        }
    );
    // movzx eax, word [rax+rdx]: readw.
    let found = decode(&[0x0f, 0xb7, 0x04, 0x10], CodeSize::Bits64).unwrap();
    assert_eq!(
        found,
        Instruction {
            length: 4,
            operation: load(eax, 2, Extension::Zero)
        }
    );
    // mov dword [rip+0x100], 1.
    let bytes = [0xc7, 0x05, 0, 1, 0, 0, 1, 0, 0, 0];
    let operation = Operation::Store {
        source: Source::Immediate(1),
        bytes: 4,
    };
    let found = decode(&bytes, CodeSize::Bits64).unwrap();
    assert_eq!(
        found,
        Instruction {
            length: 10,
            operation
        }
    );
}

#[test]
fn high_byte_registers_are_told_from_low_ones() {
    // mov [rax], ah, then the same with REX: mov [rax], spl.
    let stored = |bytes: &[u8]| decode(bytes, CodeSize::Bits64).unwrap().operation;
    let ah = Source::Register(Register {
        number: 0,
        part: Part::HighByte,
    });
    assert_eq!(
        stored(&[0x88, 0x20]),
        Operation::Store {
            source: ah,
            bytes: 1
        }
    );
    let spl = Source::Register(Register {
        number: 4,
        part: Part::LowByte,
    });
    assert_eq!(
        stored(&[0x40, 0x88, 0x20]),
        Operation::Store {
            source: spl,
            bytes: 1
        }
    );
}

#[test]
fn registers_are_merged_as_the_processor_does() {
    let full = 0x1122_3344_5566_7788;
    let merged = |part| Register { number: 0, part }.loaded(full, 0xffff_ffff_ffff_ffaa);
    assert_eq!(merged(Part::LowByte), 0x1122_3344_5566_77aa);
    assert_eq!(merged(Part::HighByte), 0x1122_3344_5566_aa88);
    assert_eq!(merged(Part::Word), 0x1122_3344_5566_ffaa);
    assert_eq!(merged(Part::DoubleWord), 0xffff_ffaa);
    assert_eq!(
        Register {
            number: 0,
            part: Part::HighByte
        }
        .value(full),
        0x77
    );
    assert_eq!(Extension::Sign.extend(0x80, 1), 0xffff_ffff_ffff_ff80);
    assert_eq!(Extension::Zero.extend(0xff80, 1), 0x80);
    assert_eq!(Extension::Sign.extend(5, 8), 5);
}

#[test]
fn everything_else_is_refused() {
    let refused: [&[u8]; 8] = [
        &[0xf0, 0x89, 0x07],
        &[0xf3, 0xa4],
        &[0x8b, 0xc0],
        &[0xc7, 0x08, 0, 0, 0, 0],
        &[0x0f, 0xb0, 0x00],
        &[0x63, 0x00],
        &[0x48, 0x66, 0x89, 0x07],
        &[0x87, 0x07],
    ];
    for bytes in refused {
        assert_eq!(decode(bytes, CodeSize::Bits64), None, "{bytes:x?}");
    }
    assert_eq!(decode(&[0x89], CodeSize::Bits64), None);
    assert_eq!(decode(&[], CodeSize::Bits64), None);
    assert_eq!(decode(&[0x66; 20], CodeSize::Bits64), None);
    let prefixed = |count: usize| {
        let mut bytes = std::vec![0x2e; count];
        bytes.extend([0x89, 0x07]);
        decode(&bytes, CodeSize::Bits64).map(|found| found.length)
    };
    assert_eq!(prefixed(13), Some(15));
    assert_eq!(prefixed(14), None);
}

/// What the oracle says of the same bytes: length, bytes of memory, register, is it a load?
fn oracle(bytes: &[u8], bits: u32) -> Option<(usize, usize, Option<iced_x86::Register>, bool)> {
    let mut decoder = Decoder::new(bits, bytes, DecoderOptions::NONE);
    let found = decoder.decode();
    if found.code() == Code::INVALID || found.op_count() != 2 {
        return None;
    }
    let is_load = found.op0_kind() == OpKind::Register;
    let register = match (is_load, found.op1_kind()) {
        (true, _) => Some(found.op0_register()),
        (false, OpKind::Register) => Some(found.op1_register()),
        _ => None,
    };
    Some((found.len(), found.memory_size().size(), register, is_load))
}

/// The register in the oracle's words.
fn named(register: Register) -> iced_x86::Register {
    use iced_x86::Register as Named;
    let number = u32::from(register.number);
    match register.part {
        Part::LowByte if number >= 4 => Named::SPL + (number - 4),
        Part::LowByte => Named::AL + number,
        Part::HighByte => Named::AH + number,
        Part::Word => Named::AX + number,
        Part::DoubleWord => Named::EAX + number,
        Part::QuadWord => Named::RAX + number,
    }
}

fn agrees(bytes: &[u8], mode: CodeSize, bits: u32) -> Result<(), TestCaseError> {
    let Some(found) = decode(bytes, mode) else {
        return Ok(());
    };
    let expected = oracle(bytes, bits);
    let (size, register, is_load) = match found.operation {
        Operation::Load {
            register, bytes, ..
        } => (bytes, Some(named(register)), true),
        Operation::Store {
            source: Source::Register(register),
            bytes,
        } => (bytes, Some(named(register)), false),
        Operation::Store { bytes, .. } => (bytes, None, false),
    };
    let found = (
        usize::from(found.length),
        usize::from(size),
        register,
        is_load,
    );
    prop_assert_eq!(Some(found), expected, "{:x?}", bytes);
    Ok(())
}

const MODES: [(CodeSize, u32); 3] = [
    (CodeSize::Bits16, 16),
    (CodeSize::Bits32, 32),
    (CodeSize::Bits64, 64),
];

fn encoding() -> impl Strategy<Value = Vec<u8>> {
    let prefix = prop::sample::select(std::vec![0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]);
    let rex = prop::option::of(0x40_u8..0x50);
    let opcode = prop::sample::select(std::vec![
        std::vec![0x88],
        std::vec![0x89],
        std::vec![0x8a],
        std::vec![0x8b],
        std::vec![0xa0],
        std::vec![0xa1],
        std::vec![0xa2],
        std::vec![0xa3],
        std::vec![0xc6],
        std::vec![0xc7],
        std::vec![0x63],
        std::vec![0x0f, 0xb6],
        std::vec![0x0f, 0xb7],
        std::vec![0x0f, 0xbe],
        std::vec![0x0f, 0xbf],
    ]);
    let parts = (
        prop::collection::vec(prefix, 0..4),
        rex,
        opcode,
        any::<[u8; 15]>(),
    );
    parts.prop_map(|(prefixes, rex, opcode, rest)| {
        prefixes
            .into_iter()
            .chain(rex)
            .chain(opcode)
            .chain(rest)
            .take(15)
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    #[test]
    fn the_decoder_agrees_with_the_oracle(bytes in encoding()) {
        for (mode, bits) in MODES {
            agrees(&bytes, mode, bits)?;
        }
    }

    #[test]
    fn moves_of_memory_are_not_refused(bytes in encoding()) {
        // What the oracle calls a move with a memory operand, the decoder knows.
        for (mode, bits) in MODES {
            let found = Decoder::new(bits, &bytes, DecoderOptions::NONE).decode();
            let is_move = matches!(
                found.mnemonic(),
                iced_x86::Mnemonic::Mov | iced_x86::Mnemonic::Movzx | iced_x86::Mnemonic::Movsx
            );
            if is_move && (0..2).any(|operand| found.op_kind(operand) == OpKind::Memory) {
                prop_assert!(decode(&bytes, mode).is_some(), "{bytes:x?} {found:?}");
            }
        }
    }

    #[test]
    fn an_instruction_that_is_known_in_part_is_none(bytes in encoding()) {
        let mut all = [0; 16];
        all[..bytes.len()].copy_from_slice(&bytes);
        let decode = |known| decode_bytes(Bytes::new(u128::from_le_bytes(all), known), CodeSize::Bits64);
        if let Some(found) = decode(16) {
            prop_assert_eq!(decode(found.length), Some(found));
            prop_assert_eq!(decode(found.length - 1), None);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        for (mode, bits) in MODES {
            agrees(&bytes, mode, bits)?;
        }
    }
}
