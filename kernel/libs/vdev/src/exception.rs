//! Exceptions that root mode gives to a guest.

/// An exception, under its vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exception {
    /// `#DB`.
    Debug = 1,
    /// `#UD`.
    InvalidOpcode = 6,
    /// `#GP(0)`.
    GeneralProtection = 13,
    /// `#AC(0)`.
    AlignmentCheck = 17,
}

impl Exception {
    /// Its vector.
    #[must_use]
    pub const fn vector(self) -> u8 {
        self as u8
    }

    /// The error code that it pushes in a guest with this CR0: in real mode none does (Intel SDM
    /// 325384-080, volume 3B, section 21.1.4 "Interrupt and Exception Handling"), and VM entry
    /// refuses one there (volume 3C, section 27.2.1.3 "VM-Entry Control Fields").
    #[must_use]
    pub const fn error_code(self, cr0: u64) -> Option<u32> {
        const PROTECTION_ENABLE: u64 = 1 << 0;
        match self {
            Self::GeneralProtection | Self::AlignmentCheck if cr0 & PROTECTION_ENABLE != 0 => {
                Some(0)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGING_AND_PROTECTION: u64 = 1 << 31 | 1;

    #[test]
    fn exceptions_have_the_manuals_vectors() {
        let all = [
            Exception::Debug,
            Exception::InvalidOpcode,
            Exception::GeneralProtection,
            Exception::AlignmentCheck,
        ];
        assert_eq!(all.map(Exception::vector), [1, 6, 13, 17]);
    }

    #[test]
    fn only_some_push_an_error_code() {
        let code = |exception: Exception| exception.error_code(PAGING_AND_PROTECTION);
        assert_eq!(code(Exception::GeneralProtection), Some(0));
        assert_eq!(code(Exception::AlignmentCheck), Some(0));
        assert_eq!(code(Exception::Debug), None);
        assert_eq!(code(Exception::InvalidOpcode), None);
    }

    #[test]
    fn none_pushes_one_in_real_mode() {
        assert_eq!(Exception::GeneralProtection.error_code(0), None);
        assert_eq!(Exception::GeneralProtection.error_code(!1), None);
    }
}
