//! Events that VMRUN injects, and events whose delivery an exit interrupted (APM volume 2,
//! section 15.20 "Event Injection" and section 15.7.2 "Intercepts During IDT Interrupt
//! Delivery"): EVENTINJ and EXITINTINFO have the same layout.

/// An event on its way to the guest.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventInjection(pub u64);

impl EventInjection {
    const TYPE_NMI: u64 = 2 << 8;
    const TYPE_EXCEPTION: u64 = 3 << 8;
    const ERROR_CODE_VALID: u64 = 1 << 11;
    const VALID: u64 = 1 << 31;

    /// Nothing.
    pub const NONE: Self = Self(0);
    /// An NMI, whose vector is 2.
    pub const NMI: Self = Self(Self::VALID | Self::TYPE_NMI | 2);

    /// An exception, with what it pushes if it pushes an error code.
    #[must_use]
    pub const fn exception(vector: u8, error_code: Option<u32>) -> Self {
        let event = Self::VALID | Self::TYPE_EXCEPTION | vector as u64;
        match error_code {
            Some(code) => Self(event | Self::ERROR_CODE_VALID | (code as u64) << 32),
            None => Self(event),
        }
    }

    /// Whether there is one at all; without the valid bit all else is stale.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.0 & Self::VALID != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_protection_pushes_its_error_code() {
        let exception = |vector, code| EventInjection::exception(vector, code).0;
        assert_eq!(exception(13, Some(0)), 0x8000_0b0d);
        assert_eq!(exception(13, Some(8)), 0x8_8000_0b0d);
        assert_eq!(exception(6, None), 0x8000_0306);
    }

    #[test]
    fn an_nmi_has_its_own_type() {
        assert_eq!(EventInjection::NMI.0, 0x8000_0202);
    }

    #[test]
    fn without_the_valid_bit_the_rest_is_stale() {
        assert!(!EventInjection(0x0000_0b0d).is_valid());
        assert!(!EventInjection::NONE.is_valid());
        assert!(EventInjection::NMI.is_valid());
    }
}
