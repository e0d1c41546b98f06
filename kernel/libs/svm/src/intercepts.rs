//! The intercept words at the start of the control area (APM volume 2, appendix B, table B-1
//! "VMCB Layout, Control Area", offsets 000h to 014h).

use crate::ExitCode;

/// What makes a guest exit. Bit N of the six words, counted through, intercepts what exits with
/// code N (appendix C "SVM Intercept Exit Codes").
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intercepts([u32; 6]);

impl Intercepts {
    /// Those that exit with one of `codes`.
    #[must_use]
    pub const fn of(mut codes: &[ExitCode]) -> Self {
        let mut intercepts = Self([0; 6]);
        while let [code, rest @ ..] = codes {
            intercepts.insert(*code);
            codes = rest;
        }
        intercepts
    }

    /// Adds the one that exits with `code`. Codes without an intercept of their own change nothing.
    pub const fn insert(&mut self, code: ExitCode) {
        if let Some(word) = self.word_of(code) {
            *word |= 1 << (code.0 % 32);
        }
    }

    /// Takes the one away that exits with `code`.
    pub const fn remove(&mut self, code: ExitCode) {
        if let Some(word) = self.word_of(code) {
            *word &= !(1 << (code.0 % 32));
        }
    }

    const fn word_of(&mut self, code: ExitCode) -> Option<&mut u32> {
        match self.0.split_at_mut_checked((code.0 / 32) as usize) {
            Some((_, [word, ..])) => Some(word),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_bit_in_its_word() {
        let codes = [
            ExitCode(0x13),
            ExitCode(0x27),
            ExitCode::ALIGNMENT_CHECK,
            ExitCode::SHUTDOWN,
            ExitCode(0x8d),
            ExitCode(0xa2),
        ];
        let bits = [19, 7, 17, 31, 13, 2].map(|bit| 1 << bit);
        assert_eq!(Intercepts::of(&codes), Intercepts(bits));
    }

    #[test]
    fn what_is_added_can_be_taken_away() {
        let mut intercepts = Intercepts::of(&[ExitCode::NMI]);
        intercepts.insert(ExitCode::IRET);
        assert_eq!(intercepts, Intercepts([0, 0, 0, 1 << 20 | 1 << 1, 0, 0]));
        intercepts.remove(ExitCode::IRET);
        assert_eq!(intercepts, Intercepts::of(&[ExitCode::NMI]));
    }

    #[test]
    fn what_has_no_intercept_changes_nothing() {
        let none = Intercepts([0; 6]);
        assert_eq!(Intercepts::of(&[ExitCode::NPF, ExitCode(u64::MAX)]), none);
    }
}
