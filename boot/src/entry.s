# The machine's entry points.
#
# State on entry, for both protocols: 32-bit protected mode, flat segments, paging off,
# interrupts off, A20 on. PVH: EBX = physical address of hvm_start_info. Multiboot2: EAX =
# its magic number, EBX = physical address of the boot information.
# State on leaving: 64-bit mode, the first 4 GiB identity mapped in 2 MiB pages, the boot
# stack, EDI = the protocol's magic number, ESI = what was in EBX.

.set PVH_MAGIC, 0x336ec578
.set NOTE_PHYS32_ENTRY, 18          # XEN_ELFNOTE_PHYS32_ENTRY
.set MULTIBOOT2_MAGIC, 0xe85250d6
.set CR0_PE, 1 << 0
.set CR0_WP, 1 << 16
.set CR0_PG, 1 << 31
.set CR4_PAE, 1 << 5
.set EFER, 0xc0000080
.set EFER_LME, 1 << 8
.set EFER_NXE, 1 << 11
.set PAGE_PRESENT_WRITABLE, 0x3
.set PAGE_LARGE, 0x80
.set CPUID_EXTENDED_FEATURES, 0x80000001
.set CPUID_LONG_MODE, 1 << 29
.set COM1, 0x3f8

.section .note.pvh, "a", @note
.balign 4
    .long 4, 8, NOTE_PHYS32_ENTRY   # sizes of name and description, type
    .asciz "Xen"
    .quad pvh_entry                 # 8 bytes, for QEMU reads as many from a 64-bit ELF file

.section .multiboot2, "a"
.balign 8
multiboot2_header:
    .long MULTIBOOT2_MAGIC
    .long 0                         # architecture: i386
    .long multiboot2_header_end - multiboot2_header
    .long -(MULTIBOOT2_MAGIC + (multiboot2_header_end - multiboot2_header))
    # The end tag.
    .short 0, 0
    .long 8
multiboot2_header_end:

.section .boot.text, "ax"
.code32
.global pvh_entry
.type pvh_entry, @function
pvh_entry:
    movl $PVH_MAGIC, %eax
.global multiboot2_entry
multiboot2_entry:
    cli
    cld
    movl $boot_stack_top, %esp
    movl %eax, %edi
    movl %ebx, %esi

    # A CPU without 64-bit mode, or without the leaf that tells, is told so and halted.
    movl $0x80000000, %eax
    cpuid
    cmpl $CPUID_EXTENDED_FEATURES, %eax
    jb no_long_mode
    movl $CPUID_EXTENDED_FEATURES, %eax
    cpuid
    testl $CPUID_LONG_MODE, %edx
    jz no_long_mode

    # Level 4 -> level 3 -> four tables of level 2 -> 2048 pages of 2 MiB.
    movl $boot_level3 + PAGE_PRESENT_WRITABLE, boot_level4
    movl $boot_level2 + PAGE_PRESENT_WRITABLE, %eax
    xorl %ecx, %ecx
1:  movl %eax, boot_level3(, %ecx, 8)
    addl $4096, %eax
    incl %ecx
    cmpl $4, %ecx
    jne 1b
    movl $PAGE_PRESENT_WRITABLE + PAGE_LARGE, %eax
    xorl %ecx, %ecx
2:  movl %eax, boot_level2(, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $2048, %ecx
    jne 2b

    movl $boot_level4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $EFER, %ecx
    rdmsr
    orl $EFER_LME + EFER_NXE, %eax
    wrmsr
    movl %cr0, %eax
    orl $CR0_PG + CR0_WP + CR0_PE, %eax
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $long_mode

no_long_mode:
    movl $no_long_mode_text, %esi
    movl $COM1, %edx
3:  lodsb
    testb %al, %al
    jz 4f
    outb %al, (%dx)
    jmp 3b
4:  hlt
    jmp 4b

.code64
long_mode:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    xorl %ebp, %ebp                 # the end of the chain of frames
    call start
    ud2
.size pvh_entry, . - pvh_entry          # all of the section

.section .boot.rodata, "a"
.balign 8
boot_gdt:
    .quad 0
    .quad 0x00209a0000000000        # 8: 64-bit code, ring 0
    .quad 0x0000920000000000        # 16: data, ring 0
boot_gdt_pointer:
    .short boot_gdt_pointer - boot_gdt - 1
    .long boot_gdt
no_long_mode_text:
    .asciz "[bulkhead] cannot run here: the CPU has no 64-bit mode; use one that has\n"

.section .boot.bss, "aw", @nobits
.balign 4096
.global boot_level4
boot_level4: .skip 4096
boot_level3: .skip 4096
boot_level2: .skip 4 * 4096
.balign 4096
    .skip 4096                      # the kernel unmaps this guard page
.global boot_stack_bottom
boot_stack_bottom:
    .skip 49152
.global boot_stack_top
boot_stack_top:
