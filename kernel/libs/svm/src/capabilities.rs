//! What a CPU's SVM can do, and where it is turned on.

/// EFER, the MSR that holds SVME.
pub const MSR_EFER: u32 = 0xc000_0080;
/// EFER.SVME: SVM's instructions are valid (APM volume 2, section 3.1.7 "Extended Feature
/// Enable Register (EFER)").
pub const EFER_SVME: u64 = 1 << 12;

/// VM_CR (APM volume 2, section 15.30.1 "VM_CR MSR").
pub const MSR_VM_CR: u32 = 0xc001_0114;
/// VM_CR.SVMDIS: EFER.SVME must be 0.
pub const VM_CR_SVMDIS: u64 = 1 << 4;

/// VM_HSAVE_PA: the page in which VMRUN saves root mode's state (APM volume 2, section 15.30.4
/// "VM_HSAVE_PA MSR").
pub const MSR_VM_HSAVE_PA: u32 = 0xc001_0117;

/// NP, of CPUID Fn8000_000A EDX: nested paging.
const NESTED_PAGING: u32 = 1 << 0;

/// CPUID Fn8000_000A (APM volume 3, 24594, appendix E).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// NASID, EBX: the number of address space identifiers, the host's 0 included.
    pub address_spaces: u32,
    /// "SVM Feature Identification", EDX.
    pub features: u32,
}

impl Capabilities {
    /// The name of what is required and absent.
    #[must_use]
    pub const fn missing(&self) -> Option<&'static str> {
        if self.features & NESTED_PAGING == 0 {
            return Some("nested paging (NP)");
        }
        // A guest's ASID is never 0, so there must be a second one.
        if self.address_spaces < 2 {
            return Some("an address space identifier (ASID)");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(address_spaces: u32, features: u32) -> Option<&'static str> {
        let capabilities = Capabilities {
            address_spaces,
            features,
        };
        capabilities.missing()
    }

    #[test]
    fn what_qemu_emulates_is_enough() {
        assert_eq!(missing(16, 0x0001_0001), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(missing(16, 0x0001_0000), Some("nested paging (NP)"));
        let space = "an address space identifier (ASID)";
        assert_eq!(missing(1, 1), Some(space));
    }
}
