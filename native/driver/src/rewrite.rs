//! Constants that point into the shared user data page, rewritten to this machine's own page.
//!
//! What the sweep does not find (an address that is computed) faults and is redirected by `boundary::signals`.

use iced_x86::{Decoder, DecoderOptions, OpKind};
use pe::Image;

const SHARED_USER_DATA: u64 = 0xFFFF_F780_0000_0000;

/// Rewrites 64-bit immediates and absolute addresses in all functions of `memory`.
pub(crate) fn shared_user_data(image: &Image, memory: &mut [u8], page: u64) {
    let mut patches: Vec<(usize, u64)> = Vec::new();
    let functions = image.runtime_functions.iter().map(|f| (f.begin as usize, f.end as usize));
    for (begin, end) in functions {
        let Some(code) = memory.get(begin..end) else { continue };
        let mut decoder = Decoder::with_ip(64, code, begin as u64, DecoderOptions::NONE);
        while decoder.can_decode() {
            let instruction = decoder.decode();
            let constants = decoder.get_constant_offsets(&instruction);
            let at = instruction.ip() as usize;
            for operand in 0..instruction.op_count() {
                let (value, offset, bytes) = match instruction.op_kind(operand) {
                    OpKind::Immediate64 => {
                        (instruction.immediate64(), constants.immediate_offset(), constants.immediate_size())
                    }
                    OpKind::Memory => (
                        instruction.memory_displacement64(),
                        constants.displacement_offset(),
                        constants.displacement_size(),
                    ),
                    _ => continue,
                };
                if bytes == 8 && (SHARED_USER_DATA..SHARED_USER_DATA + 4096).contains(&value) {
                    patches.push((at + offset, value - SHARED_USER_DATA + page));
                }
            }
        }
    }
    for (at, value) in patches {
        if let Some(bytes) = memory.get_mut(at..at + 8) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
    }
}
