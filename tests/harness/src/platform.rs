//! What carries an emulated machine.

/// What carries the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// QEMU's own processors: AMD's with SVM, beside Intel's VT-d.
    Tcg,
    /// The host's processors, through QEMU and the host's KVM.
    Kvm,
}
