//! Events that VM entry injects, and events whose delivery an exit interrupted (SDM, section
//! 25.8.3 "VM-Entry Controls for Event Injection" and section 25.9.3 "Information for VM Exits
//! That Occur During Event Delivery"): both have the same layout.

/// An event for the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventInjection {
    /// The VM-entry interruption-information field.
    pub information: u32,
    /// The VM-entry exception error code; 0 where there is none.
    pub error_code: u32,
}

impl EventInjection {
    const KIND: u32 = 0b111 << 8;
    const NMI: u32 = 2 << 8;
    const HARDWARE_EXCEPTION: u32 = 3 << 8;
    const PRIVILEGED_SOFTWARE_EXCEPTION: u32 = 5 << 8;
    const DELIVER_ERROR_CODE: u32 = 1 << 11;
    const VALID: u32 = 1 << 31;
    const NMI_VECTOR: u32 = 2;

    /// A hardware exception, with the error code that it pushes, if it pushes one.
    #[must_use]
    pub const fn exception(vector: u8, error_code: Option<u32>) -> Self {
        let information = Self::VALID | Self::HARDWARE_EXCEPTION | vector as u32;
        match error_code {
            Some(error_code) => Self {
                information: information | Self::DELIVER_ERROR_CODE,
                error_code,
            },
            None => Self {
                information,
                error_code: 0,
            },
        }
    }

    /// An NMI.
    #[must_use]
    pub const fn nmi() -> Self {
        Self {
            information: Self::VALID | Self::NMI | Self::NMI_VECTOR,
            error_code: 0,
        }
    }

    /// Whether an information field, of entry, of exit or of IDT vectoring, names an event.
    #[must_use]
    pub const fn is_valid(information: u32) -> bool {
        information & Self::VALID != 0
    }

    /// The vector of a valid VM-exit interruption-information field that tells of a hardware
    /// exception or of INT1.
    #[must_use]
    pub const fn exception_vector(information: u32) -> Option<u8> {
        match information & Self::KIND {
            _ if !Self::is_valid(information) => None,
            Self::HARDWARE_EXCEPTION | Self::PRIVILEGED_SOFTWARE_EXCEPTION => {
                Some(information.to_le_bytes()[0])
            }
            _ => None,
        }
    }

    /// Whether the exception is what the instruction INT1 does; it has not been executed yet.
    #[must_use]
    pub const fn is_by_int1(information: u32) -> bool {
        information & Self::KIND == Self::PRIVILEGED_SOFTWARE_EXCEPTION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_protection_pushes_its_error_code() {
        let event = EventInjection::exception(13, Some(8));
        assert_eq!((event.information, event.error_code), (0x8000_0b0d, 8));
        let event = EventInjection::exception(6, None);
        assert_eq!((event.information, event.error_code), (0x8000_0306, 0));
    }

    #[test]
    fn an_nmi() {
        assert_eq!(EventInjection::nmi().information, 0x8000_0202);
    }

    #[test]
    fn only_a_valid_exception_has_a_vector() {
        assert_eq!(EventInjection::exception_vector(0x8000_0312), Some(18));
        assert_eq!(EventInjection::exception_vector(0x8000_0b11), Some(17));
        assert_eq!(EventInjection::exception_vector(0x8000_0501), Some(1));
        assert!(EventInjection::is_by_int1(0x8000_0501));
        assert!(!EventInjection::is_by_int1(0x8000_0301));
        assert_eq!(EventInjection::exception_vector(0x0000_0312), None);
        assert_eq!(EventInjection::exception_vector(0x8000_0202), None);
        assert!(!EventInjection::is_valid(0x7fff_ffff));
    }
}
