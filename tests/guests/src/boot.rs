//! From the PVH entry into 64-bit mode.
//!
//! Machine state on entry (Xen 4.19, docs/misc/pvh.pandoc, "x86/HVM direct boot ABI"):
//! 1. 32-bit protected mode, paging off, flat segments.
//! 2. `EBX` holds the address of the start info.
//! 3. Interrupts are off; there is no stack and no usable GDT.
//!
//! Leaves: 64-bit mode, `level_4` in `CR3` with the first 4 GiB mapped to themselves in
//! 2 MiB pages, a level 2 table of its own (`window`) for the gigabyte above them, a stack of
//! 64 KiB, and the start info's address as the argument of `guest_start`.

use core::arch::global_asm;

/// `CR0.PE`, `CR0.PG`, `CR0.WP`, and `CR4.PAE` (AMD APM 24593-3.42, volume 2, section 3.1).
const PROTECTION: u32 = 1 << 0;
const PAGING: u32 = 1 << 31 | 1 << 16;
const PHYSICAL_ADDRESS_EXTENSION: u32 = 1 << 5;
/// The extended feature enable register and its long mode enable bit.
const EFER: u32 = 0xc000_0080;
const LONG_MODE_ENABLE: u32 = 1 << 8;
/// Present and writable; and with the page size bit.
const TABLE: u32 = 0b11;
const LEAF: u32 = 0x83;

global_asm!(
    r#"
    .pushsection .note.Xen, "a", @note
    .align 4
    .long 4, 4, 18
    .asciz "Xen"
    .long pvh_start
    .popsection

    .pushsection .text.boot, "ax"
    .code32
    .global pvh_start
pvh_start:
    cli
    cld
    mov esi, ebx

    // The level 4 table has one entry, the level 3 table five.
    mov eax, offset level_3
    or eax, {table}
    mov dword ptr [level_4], eax
    mov eax, offset level_2
    or eax, {table}
    xor ecx, ecx
2:  mov dword ptr [level_3 + ecx * 8], eax
    add eax, 4096
    inc ecx
    cmp ecx, 5
    jb 2b

    // Four level 2 tables map 4 GiB; the fifth stays empty.
    xor ecx, ecx
3:  mov eax, ecx
    shl eax, 21
    or eax, {leaf}
    mov dword ptr [level_2 + ecx * 8], eax
    inc ecx
    cmp ecx, 4 * 512
    jb 3b

    mov eax, cr4
    or eax, {physical_address_extension}
    mov cr4, eax
    mov eax, offset level_4
    mov cr3, eax
    mov ecx, {efer}
    rdmsr
    or eax, {long_mode_enable}
    wrmsr
    mov eax, cr0
    or eax, {protection} + {paging}
    mov cr0, eax
    lgdt [gdt_pointer]
    mov esp, offset boot_stack_top
    push 8
    mov eax, offset long_start
    push eax
    retf

    .code64
long_start:
    mov eax, 16
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    mov esp, offset boot_stack_top
    mov edi, esi
    call guest_start
    ud2
    .popsection

    .pushsection .rodata.boot, "a"
    .align 8
    .global gdt_pointer
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    .word 23
    .quad gdt
    .popsection

    .pushsection .bss.boot, "aw", @nobits
    .align 4096
    .global level_4, level_2, window
level_4:
    .skip 4096
level_3:
    .skip 4096
level_2:
    .skip 4 * 4096
window:
    .skip 4096
boot_stack:
    .skip 65536
boot_stack_top:
    .popsection
    "#,
    table = const TABLE,
    leaf = const LEAF,
    physical_address_extension = const PHYSICAL_ADDRESS_EXTENSION,
    efer = const EFER,
    long_mode_enable = const LONG_MODE_ENABLE,
    protection = const PROTECTION,
    paging = const PAGING,
);
