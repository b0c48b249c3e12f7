//! Constants that point into the shared user data page, rewritten to this machine's own page.
//!
//! Functions with unwind information are decoded one by one; what lies between them (leaf functions have none)
//! is swept from the end of the one to the beginning of the next. What the sweep does not find (an address that
//! is computed) faults and is redirected by `boundary::signals`.

use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, OpKind};
use pe::Image;

const SHARED_USER_DATA: u64 = 0xFFFF_F780_0000_0000;
const BYTES: u64 = 4096;

/// Rewrites 64-bit immediates and absolute addresses in all code of `memory`, the image as it is laid out.
pub(crate) fn shared_user_data(image: &Image, memory: &mut [u8], page: u64) {
    for range in pieces(image) {
        let Some(code) = memory.get_mut(range.clone()) else { continue };
        if !mentions_page(code) {
            continue;
        }
        for at in constants(code, range.start as u64) {
            let bytes = &mut code[at..at + 8];
            let value = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
            bytes.copy_from_slice(&(value - SHARED_USER_DATA + page).to_le_bytes());
        }
    }
}

/// Executable sections, cut where functions begin and end.
fn pieces(image: &Image) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    for section in image.sections.iter().filter(|section| section.is_executable()) {
        let (start, end) = (section.rva as usize, section.end_rva() as usize);
        let mut cuts: Vec<usize> = image
            .runtime_functions
            .iter()
            .flat_map(|function| [function.begin as usize, function.end as usize])
            .filter(|cut| (start..end).contains(cut))
            .chain([start, end])
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        pieces.extend(cuts.windows(2).map(|pair| pair[0]..pair[1]));
    }
    pieces
}

/// Whether the upper bytes of an address in the page stand anywhere in `code`: almost no function has them.
fn mentions_page(code: &[u8]) -> bool {
    let upper = &SHARED_USER_DATA.to_le_bytes()[2..];
    code.windows(upper.len()).any(|bytes| bytes == upper)
}

/// Offsets of the 8-byte constants of `code` that point into the page.
fn constants(code: &[u8], ip: u64) -> Vec<usize> {
    let mut found = Vec::new();
    let mut decoder = Decoder::with_ip(64, code, ip, DecoderOptions::NONE);
    while decoder.can_decode() {
        let instruction = decoder.decode();
        let constants = decoder.get_constant_offsets(&instruction);
        let at = (instruction.ip() - ip) as usize;
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
            if bytes == 8 && (SHARED_USER_DATA..SHARED_USER_DATA + BYTES).contains(&value) {
                found.push(at + offset);
            }
        }
    }
    found
}
