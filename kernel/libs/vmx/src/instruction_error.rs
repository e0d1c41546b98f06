//! Why a VMX instruction failed (SDM, section 31.4 "VM Instruction Error Numbers").

/// The VM-instruction error field; 0 where the instruction found no current VMCS.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstructionError(pub u32);

impl InstructionError {
    /// What the number stands for, as far as VMLAUNCH and VMRESUME can give it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "no current VMCS",
            4 => "VMLAUNCH with a VMCS that is not clear",
            5 => "VMRESUME with a VMCS that is not launched",
            6 => "VMRESUME after VMXOFF",
            7 => "invalid control fields",
            8 => "invalid host-state fields",
            26 => "events blocked by MOV SS",
            _ => "another VM-instruction error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_entry_can_fail_with_has_a_name() {
        let known = [0, 4, 5, 6, 7, 8, 26].map(|number| InstructionError(number).name());
        assert!(
            known
                .iter()
                .all(|name| *name != InstructionError(99).name())
        );
    }
}
