//! The bits of each CPUID leaf that a guest sees of the processor.

use super::Answer;
use crate::tsc;

/// The highest basic leaf that a guest is told of.
pub(super) const MAXIMUM: u32 = 0x1f;
/// The highest extended leaf that a guest is told of.
pub(super) const EXTENDED_MAXIMUM: u32 = 0x8000_0021;

/// XCR0: x87, SSE, AVX, AVX-512 and PKRU. Not MPX (gone) and not AMX (needs `IA32_XFD`).
pub(super) const XCR0: u32 = bits(&[0, 1, 2, 5, 6, 7, 9]);

const ALL: u32 = u32::MAX;
const EVERYTHING: Answer = Answer {
    eax: ALL,
    ebx: ALL,
    ecx: ALL,
    edx: ALL,
};

const fn registers(eax: u32, ebx: u32, ecx: u32, edx: u32) -> Answer {
    Answer { eax, ebx, ecx, edx }
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

/// What comes through of a leaf, or of one of its subleaves; `None` where that is nothing.
fn allowed(leaf: u32, subleaf: u32) -> Option<Answer> {
    Some(match (leaf, subleaf) {
        // Cache and TLB descriptors, deterministic cache parameters.
        (0 | 2 | 4, _) => EVERYTHING,
        (1, _) => registers(ALL, 0xff00, FEATURES_C, FEATURES_D),
        // The local APIC's timer always runs; without this Linux has no high-resolution timers.
        // Not: sensors, turbo, P-states, APERF and MPERF. Power is the machine's.
        (6, _) => registers(1 << 2, 0, 0, 0),
        (7, 0) => registers(ALL, STRUCTURED_B, STRUCTURED_C, STRUCTURED_D),
        // AVX-VNNI, AVX512_BF16, CMPCCXADD, fast string operations, AVX-IFMA; AVX-VNNI-INT8,
        // AVX-NE-CONVERT.
        (7, 1) => registers(bits(&[4, 5, 7, 10, 11, 12, 23]), 0, 0, bits(&[4, 5])),
        (0xd, 0) => registers(XCR0, ALL, 0, 0),
        // XSAVEOPT, XSAVEC, XGETBV with ECX = 1, XSAVES; no supervisor state, no XFD.
        (0xd, 1) => registers(0b1111, ALL, 0, 0),
        // Size, offset and alignment of a component. Bit 0 of ECX would say supervisor state.
        (0xd, _) => registers(ALL, ALL, 0b10, 0),
        (tsc::LEAF, _) => registers(ALL, ALL, ALL, 0),
        (0x8000_0000 | 0x8000_0002..=0x8000_0006, _) => EVERYTHING,
        (0x8000_0001, _) => registers(ALL, ALL, EXTENDED_C, EXTENDED_D),
        // Invariant TSC.
        (0x8000_0007, _) => registers(0, 0, 0, 1 << 8),
        (0x8000_0008, _) => registers(0xffff, EXTENDED_8_B, 0, 0),
        (0x8000_0019 | 0x8000_001d, _) => EVERYTHING,
        // FP128, MOVU, FP256.
        (0x8000_001a, _) => registers(0b111, 0, 0, 0),
        // LFENCE always serialising, null selector clears base.
        (0x8000_0021, _) => registers(bits(&[2, 6]), 0, 0, 0),
        _ => return None,
    })
}

/// The processor's answer through the mask; zero for a leaf without one, unasked.
pub(super) fn apply(leaf: u32, subleaf: u32, native: &impl Fn(u32, u32) -> Answer) -> Answer {
    allowed(leaf, subleaf).map_or(Answer::ZERO, |mask| native(leaf, subleaf).masked(mask))
}
