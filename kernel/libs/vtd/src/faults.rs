//! Fault records (VT-d, chapter 7 "Address Translation Faults" and section 11.4.7.6 "Fault
//! Recording Registers").

use core::fmt;

use addr::RequesterId;

/// Why a request was refused (VT-d, section 7.1.3 "Fault Conditions and Remapping Hardware
/// Behavior for Various Requests" and section 5.1.4.1 "Interrupt Remapping Fault Conditions").
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultReason(pub u8);

impl FaultReason {
    /// Whether this is about an interrupt, not about memory.
    #[must_use]
    pub const fn is_interrupt(self) -> bool {
        matches!(self.0, 0x20..=0x2f)
    }

    /// What it means.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self.0 {
            0x01 => "root entry not present",
            0x02 => "context entry not present",
            0x03 => "context entry invalid",
            0x04 => "address beyond the address width",
            0x05 => "write not permitted",
            0x06 => "read not permitted",
            0x07 => "paging entry could not be read",
            0x08 => "root table could not be read",
            0x09 => "context table could not be read",
            0x0a => "reserved bit set in root entry",
            0x0b => "reserved bit set in context entry",
            0x0c => "reserved bit set in paging entry",
            0x0d => "translated or translation request blocked",
            0x20 => "reserved bit set in interrupt request",
            0x21 => "interrupt index beyond the table",
            0x22 => "interrupt-remapping entry not present",
            0x23 => "interrupt-remapping table could not be read",
            0x24 => "reserved bit set in interrupt-remapping entry",
            0x25 => "compatibility-format interrupt blocked",
            0x26 => "interrupt-remapping entry of another requester",
            _ => "unknown reason",
        }
    }
}

impl fmt::Display for FaultReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({:#04x})", self.text(), self.0)
    }
}

/// What was tried: the type bits T1 and T2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultAccess {
    /// A write; an interrupt is one too.
    Write,
    /// A read.
    Read,
    /// A page request.
    PageRequest,
    /// An atomic operation.
    Atomic,
}

impl FaultAccess {
    const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::PageRequest => "page request",
            Self::Atomic => "atomic operation",
        }
    }
}

/// A request that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultRecord {
    /// Who.
    pub requester: RequesterId,
    /// Why.
    pub reason: FaultReason,
    /// What.
    pub access: FaultAccess,
    /// The page that a request for memory wanted, as the function names it (I/O virtual);
    /// 0 if an interrupt was refused.
    pub address: u64,
    /// The interrupt-remapping entry that a refused interrupt named.
    pub interrupt_index: Option<u16>,
}

impl FaultRecord {
    /// Where the upper 32 bits of a record are: writing [`FaultRecord::CLEAR`] there frees it.
    pub const CLEAR_OFFSET: u64 = 12;
    /// F, which is cleared by writing 1; the other bits of these 32 are read only.
    pub const CLEAR: u32 = 1 << 31;

    /// F: the record holds a fault.
    const FAULT: u64 = 1 << 63;
    const TYPE_1: u64 = 1 << 62;
    const TYPE_2: u64 = 1 << 28;
    const REASON_SHIFT: u32 = 32;
    const ADDRESS: u64 = !0xfff;
    const INTERRUPT_INDEX_SHIFT: u32 = 48;

    /// Decodes a record, low word first; `None` if it holds no fault.
    #[must_use]
    pub const fn decode([low, high]: [u64; 2]) -> Option<Self> {
        if high & Self::FAULT == 0 {
            return None;
        }
        let reason = FaultReason((high >> Self::REASON_SHIFT) as u8);
        let (address, interrupt_index) = if reason.is_interrupt() {
            (0, Some((low >> Self::INTERRUPT_INDEX_SHIFT) as u16))
        } else {
            (low & Self::ADDRESS, None)
        };
        let access = match (high & Self::TYPE_1 != 0, high & Self::TYPE_2 != 0) {
            (false, false) => FaultAccess::Write,
            (true, false) => FaultAccess::Read,
            (false, true) => FaultAccess::PageRequest,
            (true, true) => FaultAccess::Atomic,
        };
        Some(Self {
            requester: RequesterId(high as u16),
            reason,
            access,
            address,
            interrupt_index,
        })
    }
}

impl fmt::Display for FaultRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requester, reason) = (self.requester, self.reason);
        match self.interrupt_index {
            Some(index) => write!(formatter, "{requester}: interrupt {index}: {reason}"),
            None => {
                let (access, address) = (self.access.name(), self.address);
                write!(formatter, "{requester}: {access} at {address:#x}: {reason}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_write_to_foreign_memory() {
        let fault = FaultRecord::decode([0x2000_1000, 0x8000_0005_0000_0202]).unwrap();
        assert_eq!(fault.requester, RequesterId::new(2, 0, 2).unwrap());
        assert_eq!(fault.reason, FaultReason(0x05));
        assert_eq!(
            (fault.access, fault.address),
            (FaultAccess::Write, 0x2000_1000)
        );
        assert_eq!(
            fault.to_string(),
            "02:00.2: write at 0x20001000: write not permitted (0x05)"
        );
    }

    #[test]
    fn a_read_by_a_function_of_nobody() {
        let fault = FaultRecord::decode([0x7000, 0xc000_0002_0000_00f8]).unwrap();
        assert_eq!(fault.reason, FaultReason(0x02));
        assert_eq!(
            (fault.access, fault.interrupt_index),
            (FaultAccess::Read, None)
        );
    }

    #[test]
    fn a_forged_interrupt() {
        let fault = FaultRecord::decode([0x0105 << 48, 0x8000_0026_0000_0201]).unwrap();
        assert_eq!(fault.reason, FaultReason(0x26));
        assert_eq!((fault.interrupt_index, fault.address), (Some(0x105), 0));
        assert_eq!(
            fault.to_string(),
            "02:00.1: interrupt 261: interrupt-remapping entry of another requester (0x26)"
        );
    }

    #[test]
    fn an_empty_record_is_no_fault() {
        assert_eq!(FaultRecord::decode([0x7000, 0x4000_0005_0000_0202]), None);
    }

    #[test]
    fn clearing_writes_the_fault_bit_alone() {
        let bits = u128::from(FaultRecord::CLEAR) << (FaultRecord::CLEAR_OFFSET * 8);
        assert_eq!(bits, u128::from(FaultRecord::FAULT) << 64);
    }

    proptest! {
        #[test]
        fn any_record_decodes_and_prints(low: u64, high: u64) {
            let fault = FaultRecord::decode([low, high]);
            prop_assert_eq!(fault.is_some(), high >> 63 == 1);
            prop_assert!(fault.is_none_or(|fault| !fault.to_string().is_empty()));
        }
    }
}
