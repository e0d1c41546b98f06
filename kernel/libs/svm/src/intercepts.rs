//! The intercept words at the start of the control area (APM volume 2, appendix B, table B-1
//! "VMCB Layout, Control Area", offsets 000h to 014h).

use bitflags::bitflags;

bitflags! {
    /// Accesses to control registers, offset 000h: a bit for each register, reads in bits
    /// 15:0, writes in bits 31:16.
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct ControlRegisterIntercepts: u32 {
        /// Reads of CR0.
        const READ_CR0 = 1 << 0;
        /// Reads of CR3.
        const READ_CR3 = 1 << 3;
        /// Reads of CR4.
        const READ_CR4 = 1 << 4;
        /// Reads of CR8.
        const READ_CR8 = 1 << 8;
        /// Writes to CR0.
        const WRITE_CR0 = 1 << 16;
        /// Writes to CR3.
        const WRITE_CR3 = 1 << 19;
        /// Writes to CR4.
        const WRITE_CR4 = 1 << 20;
        /// Writes to CR8.
        const WRITE_CR8 = 1 << 24;
        // The other registers' bits are defined by the manual too.
        const _ = !0;
    }
}

bitflags! {
    /// Accesses to debug registers, offset 004h: a bit for each register, reads in bits 15:0,
    /// writes in bits 31:16.
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct DebugRegisterIntercepts: u32 {
        /// Reads of DR0 to DR15.
        const READS = 0x0000_ffff;
        /// Writes to DR0 to DR15.
        const WRITES = 0xffff_0000;
        const _ = !0;
    }
}

bitflags! {
    /// Exceptions, offset 008h: a bit for each vector from 0 to 31.
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct ExceptionIntercepts: u32 {
        /// `#DB`, vector 1.
        const DEBUG = 1 << 1;
        /// `#BP`, vector 3.
        const BREAKPOINT = 1 << 3;
        /// `#UD`, vector 6.
        const INVALID_OPCODE = 1 << 6;
        /// `#DF`, vector 8.
        const DOUBLE_FAULT = 1 << 8;
        /// `#GP`, vector 13.
        const GENERAL_PROTECTION = 1 << 13;
        /// `#PF`, vector 14.
        const PAGE_FAULT = 1 << 14;
        /// `#AC`, vector 17.
        const ALIGNMENT_CHECK = 1 << 17;
        /// `#MC`, vector 18.
        const MACHINE_CHECK = 1 << 18;
        const _ = !0;
    }
}

bitflags! {
    /// The first word of miscellaneous intercepts, offset 00Ch.
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Intercepts1: u32 {
        /// Physical maskable interrupts.
        const INTR = 1 << 0;
        /// NMIs.
        const NMI = 1 << 1;
        /// SMIs.
        const SMI = 1 << 2;
        /// INIT.
        const INIT = 1 << 3;
        /// Virtual maskable interrupts.
        const VINTR = 1 << 4;
        /// Writes that change other bits of CR0 than TS and MP.
        const CR0_SELECTIVE_WRITE = 1 << 5;
        /// Reads of IDTR.
        const IDTR_READ = 1 << 6;
        /// Reads of GDTR.
        const GDTR_READ = 1 << 7;
        /// Reads of LDTR.
        const LDTR_READ = 1 << 8;
        /// Reads of TR.
        const TR_READ = 1 << 9;
        /// Writes to IDTR.
        const IDTR_WRITE = 1 << 10;
        /// Writes to GDTR.
        const GDTR_WRITE = 1 << 11;
        /// Writes to LDTR.
        const LDTR_WRITE = 1 << 12;
        /// Writes to TR.
        const TR_WRITE = 1 << 13;
        /// RDTSC.
        const RDTSC = 1 << 14;
        /// RDPMC.
        const RDPMC = 1 << 15;
        /// PUSHF.
        const PUSHF = 1 << 16;
        /// POPF.
        const POPF = 1 << 17;
        /// CPUID.
        const CPUID = 1 << 18;
        /// RSM.
        const RSM = 1 << 19;
        /// IRET.
        const IRET = 1 << 20;
        /// `INT n`.
        const SOFTWARE_INTERRUPT = 1 << 21;
        /// INVD.
        const INVD = 1 << 22;
        /// PAUSE.
        const PAUSE = 1 << 23;
        /// HLT.
        const HLT = 1 << 24;
        /// INVLPG.
        const INVLPG = 1 << 25;
        /// INVLPGA.
        const INVLPGA = 1 << 26;
        /// IN, OUT and their string forms on the ports that the I/O permission map denies.
        const IO = 1 << 27;
        /// RDMSR and WRMSR of what the MSR permission map denies.
        const MSR = 1 << 28;
        /// Task switches.
        const TASK_SWITCH = 1 << 29;
        /// Freezing of the processor for the legacy FERR signal.
        const FERR_FREEZE = 1 << 30;
        /// Shutdown, a triple fault above all.
        const SHUTDOWN = 1 << 31;
    }
}

bitflags! {
    /// The second word of miscellaneous intercepts, offset 010h.
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Intercepts2: u32 {
        /// VMRUN. VMRUN refuses a VMCB without this one (section 15.5.1).
        const VMRUN = 1 << 0;
        /// VMMCALL.
        const VMMCALL = 1 << 1;
        /// VMLOAD.
        const VMLOAD = 1 << 2;
        /// VMSAVE.
        const VMSAVE = 1 << 3;
        /// STGI.
        const STGI = 1 << 4;
        /// CLGI.
        const CLGI = 1 << 5;
        /// SKINIT.
        const SKINIT = 1 << 6;
        /// RDTSCP.
        const RDTSCP = 1 << 7;
        /// ICEBP.
        const ICEBP = 1 << 8;
        /// WBINVD and WBNOINVD.
        const WBINVD = 1 << 9;
        /// MONITOR and MONITORX.
        const MONITOR = 1 << 10;
        /// MWAIT and MWAITX, always.
        const MWAIT = 1 << 11;
        /// MWAIT and MWAITX, if the monitor hardware is armed.
        const MWAIT_CONDITIONAL = 1 << 12;
        /// XSETBV.
        const XSETBV = 1 << 13;
        /// RDPRU.
        const RDPRU = 1 << 14;
        /// Writes to EFER, after the instruction.
        const EFER_WRITE_TRAP = 1 << 15;
        /// Writes to CR0, after the instruction.
        const CR0_WRITE_TRAP = 1 << 16;
        /// Writes to CR3, after the instruction.
        const CR3_WRITE_TRAP = 1 << 19;
        /// Writes to CR4, after the instruction.
        const CR4_WRITE_TRAP = 1 << 20;
        /// Writes to CR8, after the instruction.
        const CR8_WRITE_TRAP = 1 << 24;
        // The traps of the control registers that do not exist.
        const _ = 0xffff_0000;
    }
}

bitflags! {
    /// The third word of miscellaneous intercepts, offset 014h.
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Intercepts3: u32 {
        /// INVLPGB, always.
        const INVLPGB = 1 << 0;
        /// INVLPGB where the guest specifies what it may not.
        const INVLPGB_ILLEGAL = 1 << 1;
        /// INVPCID.
        const INVPCID = 1 << 2;
        /// MCOMMIT.
        const MCOMMIT = 1 << 3;
        /// TLBSYNC.
        const TLBSYNC = 1 << 4;
        /// Bus locks, counted down to 0.
        const BUS_LOCK = 1 << 5;
        /// HLT while no virtual interrupt is pending.
        const IDLE_HLT = 1 << 6;
    }
}
