# Touches each page of a stack frame larger than one page, in order, as the Windows kit's __chkstk does.
# rax: size of the frame. All registers but flags, r10 and r11 are kept.
    .text
    .globl __chkstk
__chkstk:
    movq %rsp, %r10
    addq $8, %r10
    movq %rax, %r11
1:
    cmpq $0x1000, %r11
    jb 2f
    subq $0x1000, %r10
    testb $0, (%r10)
    subq $0x1000, %r11
    jmp 1b
2:
    subq %r11, %r10
    testb $0, (%r10)
    ret
