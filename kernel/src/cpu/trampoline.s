# Where an application processor begins, copied to TRAMPOLINE_PAGE below 1 MiB.
#
# State on entry: real mode, CS = page << 8, IP = 0, everything else undefined.
# State on leaving: 64-bit mode in Bulkhead's address space, the core's own stack, RDI = the
# argument; interrupts off. `bring_up.rs` has filled in the four words at the end.

.section .rodata.trampoline, "a"
.set TRAMPOLINE, 0x8000
.set CR0_PE, 1 << 0
.set CR0_WP, 1 << 16
.set CR0_NW, 1 << 29
.set CR0_CD, 1 << 30
.set CR0_PG, 1 << 31
.set CR4_PAE, 1 << 5
.set EFER, 0xc0000080
.set EFER_LME, 1 << 8
.set EFER_NXE, 1 << 11

.code16
.balign 16
.global trampoline_start
trampoline_start:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl TRAMPOLINE + (trampoline_gdt_pointer - trampoline_start)
    # INIT leaves the caches as firmware did.
    movl %cr0, %eax
    andl $~(CR0_NW + CR0_CD), %eax
    orl $CR0_PE, %eax
    movl %eax, %cr0
    ljmpl $8, $TRAMPOLINE + (trampoline_32 - trampoline_start)

.code32
trampoline_32:
    movl $24, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %cr4, %eax
    orl $CR4_PAE, %eax
    movl %eax, %cr4
    movl TRAMPOLINE + (trampoline_level4 - trampoline_start), %eax
    movl %eax, %cr3
    movl $EFER, %ecx
    rdmsr
    orl $EFER_LME + EFER_NXE, %eax
    wrmsr
    movl %cr0, %eax
    orl $CR0_PG + CR0_WP, %eax
    movl %eax, %cr0
    ljmpl $16, $TRAMPOLINE + (trampoline_64 - trampoline_start)

.code64
trampoline_64:
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movq trampoline_stack(%rip), %rsp
    movq trampoline_argument(%rip), %rdi
    xorl %ebp, %ebp
    callq *trampoline_entry(%rip)
    ud2

.balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00cf9a000000ffff        # 8: 32-bit code
    .quad 0x00209a0000000000        # 16: 64-bit code
    .quad 0x00cf92000000ffff        # 24: data
trampoline_gdt_pointer:
    .short trampoline_gdt_pointer - trampoline_gdt - 1
    .long TRAMPOLINE + (trampoline_gdt - trampoline_start)
.balign 8
.global trampoline_words
trampoline_words:
trampoline_level4: .quad 0
trampoline_stack: .quad 0
trampoline_entry: .quad 0
trampoline_argument: .quad 0
.global trampoline_end
trampoline_end:
