//! Steps up a made-up stack, through images with made-up unwind information.

use std::sync::OnceLock;

use super::*;
use crate::builder::{self, Builder, CODE, READ_ONLY};

const BASE: u64 = 0x10_0000;
const TEXT: u32 = 0x1000;
/// Unwind information is written from here on.
const XDATA: u32 = 0x2000;
const STACK: u64 = 0x7000;
const BACK: u64 = 0x1234_5678;

/// An image whose `.text` is `code`, described by `functions` (begin, end, unwind, all in the image) and `xdata`.
fn image(code: &[u8], functions: &[[u32; 3]], xdata: &[u8]) -> LoadedImage {
    let mut text = code.to_vec();
    text.resize(0x200, 0xCC);
    let mut pdata = vec![0; functions.len() * 12];
    for (index, function) in functions.iter().enumerate() {
        builder::put_u32(&mut pdata, index * 12, function);
    }
    let file = Builder { entry: TEXT, ..Builder::default() }
        .section(b".text", TEXT, &text, CODE)
        .section(b".rdata", XDATA, xdata, READ_ONLY)
        .section(b".pdata", 0x4000, &pdata, READ_ONLY)
        .directory(3, 0x4000, pdata.len() as u32)
        .build();
    let parsed = pe::Image::parse(&file).expect("a good image");
    LoadedImage {
        driver: "tiny".into(),
        module: "tiny.sys".into(),
        range: BASE as usize..BASE as usize + 0x5000,
        layout: LoadedImage::lay_out(&parsed, &file),
        looked_up: [const { std::sync::atomic::AtomicU32::new(0) }; 64],
        image: parsed,
        file,
        path: "tiny.sys".into(),
        symbols: OnceLock::new(),
    }
}

/// A frame at an offset in `.text`.
fn at(offset: u64) -> Frame {
    let mut registers = [0; 16];
    registers[RSP] = STACK;
    Frame {
        registers,
        known: u16::MAX,
        rip: BASE + u64::from(TEXT) + offset,
        vectors: [[0; 2]; 10],
        vectors_changed: false,
        exact: true,
    }
}

/// Steps with the words of `stack` from `STACK` on.
fn step_over(image: &LoadedImage, frame: &mut Frame, stack: &[u64]) -> Option<()> {
    let read = |address: u64| {
        stack
            .get(usize::try_from(address.checked_sub(STACK)? / 8).ok()?)
            .copied()
            .filter(|_| address.is_multiple_of(8))
    };
    step(image, frame, &read)
}

/// `push rbx; sub rsp, 20h; nop; add rsp, 20h; pop rbx; ret`.
const PLAIN: &[u8] = &[0x53, 0x48, 0x83, 0xEC, 0x20, 0x90, 0x48, 0x83, 0xC4, 0x20, 0x5B, 0xC3];
const PLAIN_XDATA: &[u8] = &[1, 5, 2, 0, 5, 0x32, 1, 0x30];

#[test]
fn every_instruction_of_a_function_leads_to_its_caller() {
    let image = image(PLAIN, &[[TEXT, TEXT + 12, XDATA]], PLAIN_XDATA);
    // Offset of the instruction; words of the frame that are on the stack there.
    for (offset, words) in [(0, 0), (1, 1), (5, 5), (6, 5), (10, 1), (11, 0)] {
        let mut stack = vec![0; words];
        if let Some(saved) = stack.last_mut() {
            *saved = 0xB0;
        }
        stack.push(BACK);
        let mut frame = at(offset);
        frame.registers[3] = 0xB0;
        assert_eq!(step_over(&image, &mut frame, &stack), Some(()), "offset {offset}");
        assert_eq!((frame.rip, frame.registers[3]), (BACK, 0xB0), "offset {offset}");
        assert_eq!(frame.registers[RSP], STACK + stack.len() as u64 * 8, "offset {offset}");
        assert!(!frame.exact);
    }
}

#[test]
fn jumps_that_leave_the_function_end_an_epilogue_and_others_do_not() {
    // Interrupted at a jump with the frame taken down already (a tail call), or with all of it still there.
    let jumps: [(&[u8], bool); 6] = [
        (&[0xE9, 0x00, 0x01, 0, 0], true),
        (&[0xEB, 0x02], false),
        (&[0x48, 0xFF, 0xE0], true),
        (&[0xFF, 0xE0], false),
        (&[0xFF, 0x25, 0, 0, 0, 0], true),
        (&[0xFF, 0x24, 0xC5, 0, 0, 0, 0], false),
    ];
    for (jump, leaves) in jumps {
        let mut code = PLAIN[..5].to_vec();
        code.extend_from_slice(jump);
        let image = image(&code, &[[TEXT, TEXT + 0x20, XDATA]], PLAIN_XDATA);
        let mut frame = at(5);
        let stack: &[u64] = if leaves { &[BACK] } else { &[0, 0, 0, 0, 0xB0, BACK] };
        assert_eq!(step_over(&image, &mut frame, stack), Some(()), "{jump:x?}");
        assert_eq!((frame.rip, frame.registers[RSP]), (BACK, STACK + stack.len() as u64 * 8), "{jump:x?}");
    }
}

#[test]
fn an_epilogue_through_the_frame_register_frees_what_was_allocated_since() {
    // lea rsp, [rbp + 10h]; pop rbp; ret
    let code = [0x48, 0x8D, 0x65, 0x10, 0x5D, 0xC3];
    let xdata = [1, 0, 2, 0x25, 0, 0x03, 0, 0x50];
    let image = image(&code, &[[TEXT, TEXT + 6, XDATA]], &xdata);
    let mut frame = at(0);
    frame.registers[5] = STACK + 0x30;
    step_over(&image, &mut frame, &[0, 0, 0, 0, 0, 0, 0, 0, 0xBB, BACK]).expect("a caller");
    assert_eq!((frame.rip, frame.registers[5]), (BACK, 0xBB));
}

#[test]
fn a_call_at_the_end_of_a_function_belongs_to_it() {
    let functions = [[TEXT, TEXT + 12, XDATA], [TEXT + 12, TEXT + 0x20, XDATA + 8]];
    let xdata = [PLAIN_XDATA, &[1, 0, 0, 0]].concat();
    let image = image(PLAIN, &functions, &xdata);
    let mut frame = Frame::of_call(BASE + u64::from(TEXT) + 12, STACK);
    step_over(&image, &mut frame, &[0, 0, 0, 0, 0xB0, BACK]).expect("a caller");
    assert_eq!(frame.rip, BACK);
}

#[test]
fn a_function_without_information_is_a_leaf() {
    let image = image(&[0x90], &[], &[0; 8]);
    let mut frame = at(0);
    assert_eq!(step_over(&image, &mut frame, &[BACK]), Some(()));
    assert_eq!(frame.rip, BACK);
}

#[test]
fn a_frame_register_finds_the_frame_below_what_was_allocated_since() {
    // push rbp; sub rsp, 30h; lea rbp, [rsp + 20h]; mov [rbp + 8], rsi: rbp = frame + 20h, rsi saved at frame + 28h.
    let xdata = [1, 13, 5, 0x25, 13, 0x64, 5, 0, 10, 0x03, 5, 0x52, 1, 0x50, 0, 0];
    let image = image(&[0x90; 0x40], &[[TEXT, TEXT + 0x40, XDATA]], &xdata);
    let mut stack = [0u64; 20];
    // The frame begins 0x40 above the stack pointer.
    let frame_words = 8;
    stack[frame_words + 5] = 0x51;
    stack[frame_words + 6] = 0xBB;
    stack[frame_words + 7] = BACK;
    let mut frame = at(0x20);
    frame.registers[5] = STACK + frame_words as u64 * 8 + 0x20;
    step_over(&image, &mut frame, &stack).expect("a caller");
    assert_eq!((frame.rip, frame.registers[5], frame.registers[6]), (BACK, 0xBB, 0x51));
    // Before it is set, the stack pointer is the frame.
    let mut early = at(5);
    early.registers[5] = 0xDEAD;
    let mut stack = [0u64; 8];
    (stack[6], stack[7]) = (0xBB, BACK);
    step_over(&image, &mut early, &stack).expect("a caller");
    assert_eq!((early.rip, early.registers[5]), (BACK, 0xBB));
}

#[test]
fn chained_and_indirect_information_is_followed() {
    // A second part of the function that pushed rdi, chained to the first; a third entry stands for the second.
    let mut xdata = PLAIN_XDATA.to_vec();
    xdata.extend_from_slice(&[0x21, 1, 1, 0, 1, 0x70, 0, 0]);
    for value in [TEXT, TEXT + 12, XDATA] {
        xdata.extend_from_slice(&value.to_le_bytes());
    }
    let functions = [
        [TEXT, TEXT + 12, XDATA],
        [TEXT + 0x20, TEXT + 0x30, XDATA + 8],
        [TEXT + 0x30, TEXT + 0x40, 0x4000 + 12 + 1],
    ];
    let mut code = PLAIN.to_vec();
    code.resize(0x40, 0x90);
    let image = image(&code, &functions, &xdata);
    for offset in [0x28, 0x38] {
        let mut frame = at(offset);
        step_over(&image, &mut frame, &[0xD1, 0, 0, 0, 0, 0xB0, BACK]).expect("a caller");
        assert_eq!((frame.rip, frame.registers[3], frame.registers[7]), (BACK, 0xB0, 0xD1), "{offset:#x}");
    }
}

#[test]
fn large_frames_xmm_saves_and_version_2_epilogues_are_counted_right() {
    for (version, epilogues) in [(1u8, &[][..]), (2, &[0x0C, 0x06, 0x00, 0x06][..])] {
        // movaps [rsp + 40h], xmm6 (18); sub rsp, 12340h in 32 bits (12); push rbx (1).
        let codes = [epilogues, &[18, 0x68, 4, 0, 12, 0x11, 0x40, 0x23, 1, 0, 1, 0x30]].concat();
        let mut xdata = vec![version, 18, (codes.len() / 2) as u8, 0];
        xdata.extend_from_slice(&codes);
        xdata.resize(64, 0);
        let image = image(&[0x90; 0x40], &[[TEXT, TEXT + 0x40, XDATA]], &xdata);
        let mut stack = vec![0; 0x12340 / 8];
        stack.extend_from_slice(&[0xB0, BACK]);
        let mut frame = at(0x20);
        assert_eq!(step_over(&image, &mut frame, &stack), Some(()), "version {version}");
        assert_eq!((frame.rip, frame.registers[3]), (BACK, 0xB0), "version {version}");
    }
}

#[test]
fn a_machine_frame_holds_the_interrupted_registers() {
    for (info, error_code) in [(0u8, 0usize), (1, 1)] {
        let xdata = [1, 0, 1, 0, 0, info << 4 | 0xA, 0, 0];
        let image = image(&[0x90; 0x40], &[[TEXT, TEXT + 0x40, XDATA]], &xdata);
        let mut stack = vec![0; error_code];
        stack.extend_from_slice(&[BACK, 0x10, 0x246, STACK + 0x500, 0x18]);
        let mut frame = at(0x10);
        step_over(&image, &mut frame, &stack).expect("a caller");
        assert_eq!((frame.rip, frame.registers[RSP]), (BACK, STACK + 0x500));
    }
}

#[test]
fn damaged_information_ends_the_walk() {
    // Version 7; a chain to itself; a code that does not exist; codes beyond the section; a return address of 0.
    let endless = {
        let mut bytes = vec![0x21, 0, 0, 0];
        for value in [TEXT, TEXT + 0x40, XDATA] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes
    };
    for xdata in [&[7, 0, 0, 0][..], &endless, &[1, 0, 1, 0, 0, 0x0F, 0, 0], &[1, 0, 200, 0]] {
        let image = image(&[0x90; 0x40], &[[TEXT, TEXT + 0x40, XDATA]], xdata);
        assert_eq!(step_over(&image, &mut at(0x10), &[BACK]), None, "{xdata:?}");
    }
    let image = image(&[0x90], &[], &[0; 8]);
    assert_eq!(step_over(&image, &mut at(0), &[0]), None);
    assert_eq!(step_over(&image, &mut at(0), &[]), None);
}
