//! Epilogues: code that takes a frame down, which version 1 of the unwind information does not describe.
//!
//! They have a fixed form: `add rsp, n` or `lea rsp, [frame register + n]`, pops of registers, then `ret` or a jump
//! out of the function. A frame that was interrupted in one is finished as the processor would finish it.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, OpKind, Register};
use pe::RuntimeFunction;

use crate::images::LoadedImage;
use crate::unwind::{Frame, Memory, RSP};

/// Bytes of the longest epilogue.
const LONGEST: usize = 64;

/// The caller's frame, if `offset` lies in an epilogue of `function`.
pub(crate) fn finish(
    image: &LoadedImage,
    offset: u32,
    function: RuntimeFunction,
    frame_register: Option<usize>,
    frame: &Frame,
    memory: Memory<'_>,
) -> Option<Frame> {
    let bytes = (function.end.checked_sub(offset)? as usize).min(LONGEST);
    let code = image.bytes(offset, bytes)?;
    let mut decoder = Decoder::with_ip(64, code, u64::from(offset), DecoderOptions::NONE);
    let mut frame = *frame;
    let mut first = true;
    while decoder.can_decode() {
        let instruction = decoder.decode();
        let start = (instruction.ip() - u64::from(offset)) as usize;
        if leaves(&instruction, &code[start..], function) {
            frame.rip = frame.pop(memory)?;
            return Some(frame);
        }
        match instruction.code() {
            Code::Add_rm64_imm8 | Code::Add_rm64_imm32
                if first && instruction.op0_register() == Register::RSP =>
            {
                frame.registers[RSP] = frame.registers[RSP].wrapping_add(instruction.immediate(1));
            }
            Code::Lea_r64_m if first && instruction.op0_register() == Register::RSP => {
                let base = number(instruction.memory_base())?;
                if Some(base) != frame_register
                    || instruction.memory_index() != Register::None
                    || !frame.knows(base)
                {
                    return None;
                }
                frame.registers[RSP] =
                    frame.registers[base].wrapping_add(instruction.memory_displacement64());
            }
            Code::Pop_r64 => {
                let value = frame.pop(memory)?;
                frame.set(number(instruction.op0_register())?, value);
            }
            _ => return None,
        }
        first = false;
    }
    None
}

/// Whether the instruction ends an epilogue: `ret`, or a jump to another function in one of the agreed forms.
fn leaves(instruction: &Instruction, bytes: &[u8], function: RuntimeFunction) -> bool {
    match instruction.code() {
        Code::Retnq => true,
        Code::Jmp_rel8_64 | Code::Jmp_rel32_64 => {
            let target = instruction.near_branch_target();
            !(u64::from(function.begin)..u64::from(function.end)).contains(&target)
        }
        // A jump through a register with REX.W; without it, it is a jump table of the function's body.
        Code::Jmp_rm64 => {
            let has_rex_w = bytes.first().is_some_and(|byte| byte & 0xF8 == 0x48);
            match instruction.op0_kind() {
                OpKind::Memory => instruction.is_ip_rel_memory_operand(),
                _ => has_rex_w,
            }
        }
        _ => false,
    }
}

/// A register's number in unwind information.
fn number(register: Register) -> Option<usize> {
    register.is_gpr64().then(|| register.number())
}
