# One stub of 16 bytes for each of the 256 vectors, all into one common path.
#
# State on entry: 64-bit root mode, the CPU's interrupt frame on the stack, interrupts off.
# The common path hands `interrupt` a pointer to `Frame` (interrupts.rs): general registers
# in the order of the pushes below, then vector, error code, and the CPU's own frame.

.section .text.interrupts, "ax"
.balign 16
.global interrupt_stubs
.type interrupt_stubs, @function
interrupt_stubs:
.set vector, 0
.rept 256
    .balign 16
    # These exceptions push an error code themselves: 8, 10 to 14, 17, 21, 29, 30.
    .if (vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)
    pushq $0
    .endif
    pushq $vector
    jmp interrupt_common
    .set vector, vector + 1
.endr

.balign 16
interrupt_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    movq %rsp, %rbp
    andq $-16, %rsp
    call interrupt
    movq %rbp, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq
.size interrupt_stubs, . - interrupt_stubs   # the common path too
