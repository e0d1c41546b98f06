//! Events that VMRUN injects, and events whose delivery an exit interrupted (APM volume 2,
//! section 15.20 "Event Injection" and section 15.7.2 "Intercepts During IDT Interrupt
//! Delivery"): EVENTINJ and EXITINTINFO have the same layout.

/// The TYPE of an event: a number of 3 bits, of which the manual defines four.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKind(u8);

impl EventKind {
    /// An external interrupt.
    pub const INTERRUPT: Self = Self(0);
    /// An NMI.
    pub const NMI: Self = Self(2);
    /// An exception.
    pub const EXCEPTION: Self = Self(3);
    /// `INT n`.
    pub const SOFTWARE_INTERRUPT: Self = Self(4);

    /// The number.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// An event on its way to the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventInjection {
    /// The vector; an NMI's is 2 whatever is written here.
    pub vector: u8,
    /// What it is.
    pub kind: EventKind,
    /// What an exception pushes, if it pushes an error code.
    pub error_code: Option<u32>,
}

impl EventInjection {
    const KIND_SHIFT: u32 = 8;
    const ERROR_CODE_VALID: u64 = 1 << 11;
    const VALID: u64 = 1 << 31;
    const ERROR_CODE_SHIFT: u32 = 32;
    const NMI_VECTOR: u8 = 2;

    /// An exception.
    #[must_use]
    pub const fn exception(vector: u8, error_code: Option<u32>) -> Self {
        Self {
            vector,
            kind: EventKind::EXCEPTION,
            error_code,
        }
    }

    /// An NMI.
    #[must_use]
    pub const fn nmi() -> Self {
        Self {
            vector: Self::NMI_VECTOR,
            kind: EventKind::NMI,
            error_code: None,
        }
    }

    /// An external interrupt.
    #[must_use]
    pub const fn interrupt(vector: u8) -> Self {
        Self {
            vector,
            kind: EventKind::INTERRUPT,
            error_code: None,
        }
    }

    /// The value for EVENTINJ.
    #[must_use]
    pub const fn encode(self) -> u64 {
        let event = Self::VALID | ((self.kind.0 as u64) << Self::KIND_SHIFT) | self.vector as u64;
        match self.error_code {
            Some(code) => {
                event | Self::ERROR_CODE_VALID | ((code as u64) << Self::ERROR_CODE_SHIFT)
            }
            None => event,
        }
    }

    /// The event in EXITINTINFO; `None` if its valid bit is clear, and what else it holds is
    /// stale then.
    #[must_use]
    pub const fn decode(value: u64) -> Option<Self> {
        if value & Self::VALID == 0 {
            return None;
        }
        let error_code = if value & Self::ERROR_CODE_VALID != 0 {
            Some((value >> Self::ERROR_CODE_SHIFT) as u32)
        } else {
            None
        };
        let kind = EventKind((value >> Self::KIND_SHIFT) as u8 & 0b111);
        Some(Self {
            vector: value as u8,
            kind,
            error_code,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn general_protection_pushes_its_error_code() {
        assert_eq!(EventInjection::exception(13, Some(0)).encode(), 0x8000_0b0d);
        assert_eq!(
            EventInjection::exception(13, Some(8)).encode(),
            0x8_8000_0b0d
        );
        assert_eq!(EventInjection::exception(6, None).encode(), 0x8000_0306);
    }

    #[test]
    fn an_nmi_and_an_interrupt() {
        assert_eq!(EventInjection::nmi().encode(), 0x8000_0202);
        assert_eq!(EventInjection::interrupt(0x30).encode(), 0x8000_0030);
    }

    #[test]
    fn without_the_valid_bit_the_rest_is_stale() {
        assert_eq!(EventInjection::decode(0x0000_0b0d), None);
    }

    proptest! {
        #[test]
        fn an_event_reads_back_as_written(
            vector: u8, kind in 0_u8..8, error_code: Option<u32>,
        ) {
            let event = EventInjection { vector, kind: EventKind(kind), error_code };
            prop_assert_eq!(EventInjection::decode(event.encode()), Some(event));
        }

        #[test]
        fn any_value_decodes(value: u64) {
            prop_assert_eq!(EventInjection::decode(value).is_some(), value & (1 << 31) != 0);
        }
    }
}
