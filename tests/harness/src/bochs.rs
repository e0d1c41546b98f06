//! Bochs: its firmware.

/// Debian's files of the packages `bochsbios` and `vgabios`.
pub const FIRMWARE: [&str; 2] = [
    "/usr/share/bochs/BIOS-bochs-latest",
    "/usr/share/vgabios/vgabios.bin",
];
