//! The bits of each CPUID leaf that a guest sees of the processor.

use super::Answer;
use crate::tsc;

/// The highest basic leaf that a guest is told of.
pub(super) const MAXIMUM: u32 = 0x1f;
/// The highest extended leaf that a guest is told of.
pub(super) const EXTENDED_MAXIMUM: u32 = 0x8000_0021;

/// XCR0: x87, SSE, AVX, AVX-512 and PKRU. Not MPX (gone) and not AMX (needs `IA32_XFD`).
pub(super) const XCR0: u32 = bits(&[0, 1, 2, 5, 6, 7, 9]);

/// A leaf, or one of its subleaves, and what comes through.
struct Mask {
    leaf: u32,
    /// `None`: all subleaves.
    subleaf: Option<u32>,
    allowed: Answer,
}

const ALL: u32 = u32::MAX;
const EVERYTHING: Answer = Answer {
    eax: ALL,
    ebx: ALL,
    ecx: ALL,
    edx: ALL,
};

const fn leaf(leaf: u32, allowed: Answer) -> Mask {
    Mask {
        leaf,
        subleaf: None,
        allowed,
    }
}

const fn subleaf(leaf: u32, subleaf: u32, allowed: Answer) -> Mask {
    Mask {
        leaf,
        subleaf: Some(subleaf),
        allowed,
    }
}

const fn bits(positions: &[u32]) -> u32 {
    let mut set = 0;
    let mut rest = positions;
    while let [first, others @ ..] = rest {
        set |= 1_u32.wrapping_shl(*first);
        rest = others;
    }
    set
}

/// SSE3, PCLMULQDQ, SSSE3, FMA, CX16, PCID, SSE4.1, SSE4.2, MOVBE, POPCNT, TSC-deadline,
/// AES, XSAVE, AVX, F16C, RDRAND. Not: DTES64, MONITOR, DS-CPL, VMX, SMX, EIST, TM2, PDCM, DCA.
const FEATURES_C: u32 = bits(&[0, 1, 9, 12, 13, 17, 19, 20, 22, 23, 24, 25, 26, 28, 29, 30]);
/// FPU, VME, DE, PSE, TSC, MSR, PAE, CX8, APIC, SEP, MTRR, PGE, CMOV, PAT, PSE36, CLFSH,
/// MMX, FXSR, SSE, SSE2, SS. Not: MCE and MCA (machine checks are the machine's, and Linux
/// would poll), PSN, DS, ACPI, TM, PBE.
const FEATURES_D: u32 = bits(&[
    0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 15, 16, 17, 19, 23, 24, 25, 26, 27,
]);

/// Leaf 7, EBX: FSGSBASE, BMI1, AVX2, FDP_EXCPTN_ONLY, SMEP, BMI2, ERMS, INVPCID, no FPU CS
/// and DS, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA; AVX512 F, DQ, IFMA, PF, ER, CD, BW, VL.
/// Not: TSC_ADJUST, SGX, PQM, MPX, PQE, PT; HLE and RTM, because whether transactions are
/// safe, and what makes them so, is in registers that are denied.
const STRUCTURED_B: u32 = bits(&[
    0, 3, 5, 6, 7, 8, 9, 10, 13, 16, 17, 18, 19, 20, 21, 23, 24, 26, 27, 28, 29, 30, 31,
]);
/// Leaf 7, ECX: PREFETCHWT1, VBMI, UMIP, PKU, VBMI2, GFNI, VAES, VPCLMULQDQ, VNNI, BITALG,
/// VPOPCNTDQ, LA57, RDPID, CLDEMOTE, MOVDIRI, MOVDIR64B. Not: WAITPKG, CET, TME, KL, bus
/// lock detection, ENQCMD, SGX_LC, PKS.
const STRUCTURED_C: u32 = bits(&[0, 1, 2, 3, 6, 8, 9, 10, 11, 12, 14, 16, 22, 25, 27, 28]);
/// Leaf 7, EDX: AVX512_4VNNIW, AVX512_4FMAPS, FSRM, VP2INTERSECT, MD_CLEAR, SERIALIZE,
/// AVX512_FP16, IBRS and IBPB, STIBP, L1D_FLUSH, SSBD. Not: UINTR, SRBDS_CTRL, what goes with
/// transactions, HYBRID, PCONFIG, LBR, CET, AMX, and the capability registers (29, 30), which
/// are denied.
const STRUCTURED_D: u32 = bits(&[2, 3, 4, 8, 10, 14, 23, 26, 27, 28, 31]);

/// 0x80000001, ECX: LAHF, ALTMOVCR8, ABM, SSE4A, MISALIGNSSE, 3DNOWPREFETCH, XOP, FMA4, TBM,
/// TOPOEXT. Not: SVM, EXTAPIC, OSVW, IBS, SKINIT, WDT, LWP, NODEID, performance counters, BPEXT, MWAITX.
const EXTENDED_C: u32 = bits(&[0, 4, 5, 6, 7, 8, 11, 16, 21, 22]);
/// 0x80000001, EDX: those of leaf 1, SYSCALL, NX, MMXEXT, GBPAGES, RDTSCP, LM, 3DNOW. Not:
/// FFXSR, whose EFER bit is denied.
const EXTENDED_D: u32 = (FEATURES_D & 0x0183_fbff) | bits(&[11, 20, 22, 26, 27, 29, 30, 31]);
/// 0x80000008, EBX: CLZERO, XSAVEERPTR, WBNOINVD, IBPB, INT_WBINVD, IBRS, STIBP and how they
/// are preferred, SSBD, SSB_NO, PSFD, BTC_NO, IBPB_RET. Not: IRPERF, RDPRU, PPIN, CPPC, VIRT_SSBD.
const EXTENDED_8_B: u32 = bits(&[0, 2, 9, 12, 13, 14, 15, 16, 17, 18, 19, 24, 26, 28, 29, 30]);

const MASKS: &[Mask] = &[
    leaf(0, EVERYTHING),
    leaf(
        1,
        Answer {
            eax: ALL,
            ebx: 0xff00,
            ecx: FEATURES_C,
            edx: FEATURES_D,
        },
    ),
    // Cache and TLB descriptors, deterministic cache parameters.
    leaf(2, EVERYTHING),
    leaf(4, EVERYTHING),
    // The local APIC's timer always runs; without this Linux has no high-resolution timers.
    // Not: sensors, turbo, P-states, APERF and MPERF. Power is the machine's.
    leaf(
        6,
        Answer {
            eax: 1 << 2,
            ebx: 0,
            ecx: 0,
            edx: 0,
        },
    ),
    subleaf(
        7,
        0,
        Answer {
            eax: ALL,
            ebx: STRUCTURED_B,
            ecx: STRUCTURED_C,
            edx: STRUCTURED_D,
        },
    ),
    // AVX-VNNI, AVX512_BF16, CMPCCXADD, fast string operations, AVX-IFMA; AVX-VNNI-INT8,
    // AVX-NE-CONVERT.
    subleaf(
        7,
        1,
        Answer {
            eax: bits(&[4, 5, 7, 10, 11, 12, 23]),
            ebx: 0,
            ecx: 0,
            edx: bits(&[4, 5]),
        },
    ),
    subleaf(
        0xd,
        0,
        Answer {
            eax: XCR0,
            ebx: ALL,
            ecx: 0,
            edx: 0,
        },
    ),
    // XSAVEOPT, XSAVEC, XGETBV with ECX = 1, XSAVES; no supervisor state, no XFD.
    subleaf(
        0xd,
        1,
        Answer {
            eax: 0b1111,
            ebx: ALL,
            ecx: 0,
            edx: 0,
        },
    ),
    // Size, offset and alignment of a component. Bit 0 of ECX would say supervisor state.
    leaf(
        0xd,
        Answer {
            eax: ALL,
            ebx: ALL,
            ecx: 0b10,
            edx: 0,
        },
    ),
    leaf(
        tsc::LEAF,
        Answer {
            edx: 0,
            ..EVERYTHING
        },
    ),
    leaf(0x8000_0000, EVERYTHING),
    leaf(
        0x8000_0001,
        Answer {
            eax: ALL,
            ebx: ALL,
            ecx: EXTENDED_C,
            edx: EXTENDED_D,
        },
    ),
    leaf(0x8000_0002, EVERYTHING),
    leaf(0x8000_0003, EVERYTHING),
    leaf(0x8000_0004, EVERYTHING),
    leaf(0x8000_0005, EVERYTHING),
    leaf(0x8000_0006, EVERYTHING),
    // Invariant TSC.
    leaf(
        0x8000_0007,
        Answer {
            eax: 0,
            ebx: 0,
            ecx: 0,
            edx: 1 << 8,
        },
    ),
    leaf(
        0x8000_0008,
        Answer {
            eax: 0xffff,
            ebx: EXTENDED_8_B,
            ecx: 0,
            edx: 0,
        },
    ),
    leaf(0x8000_0019, EVERYTHING),
    // FP128, MOVU, FP256.
    leaf(
        0x8000_001a,
        Answer {
            eax: 0b111,
            ebx: 0,
            ecx: 0,
            edx: 0,
        },
    ),
    leaf(0x8000_001d, EVERYTHING),
    // LFENCE always serialising, null selector clears base.
    leaf(
        0x8000_0021,
        Answer {
            eax: bits(&[2, 6]),
            ebx: 0,
            ecx: 0,
            edx: 0,
        },
    ),
];

/// The processor's answer through the mask; zero for a leaf without one, unasked.
pub(super) fn apply(leaf: u32, subleaf: u32, native: &impl Fn(u32, u32) -> Answer) -> Answer {
    let fits = |mask: &&Mask| mask.leaf == leaf && mask.subleaf.is_none_or(|only| only == subleaf);
    let mask = MASKS.iter().find(fits);
    mask.map_or(Answer::ZERO, |mask| {
        native(leaf, subleaf).masked(mask.allowed)
    })
}
