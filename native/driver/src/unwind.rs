//! Walking a driver's stack by `.pdata` and `.xdata`.
//!
//! Starts at the registers of a fault, or at the driver's call of the innermost export, and goes on while return
//! addresses lie in images. Below that are the engine's own frames; further calls into exports on the same
//! thread are known from the boundary's shadow stack and are added.

use boundary::processor::FaultInfo;

use crate::images::Images;

const DEPTH: usize = 64;
const RSP: usize = 4;
const RIP: usize = 16;

fn read(address: u64) -> Option<u64> {
    boundary::copy::read_value::<u64>(address as usize).ok()
}

/// Return addresses, innermost first.
pub(crate) fn walk(images: &Images, fault: Option<&FaultInfo>) -> Vec<usize> {
    let Some(block) = boundary::try_current() else { return Vec::new() };
    let callers = block.export_callers();
    let mut frames = Vec::new();
    if let Some(fault) = fault {
        let mut registers = fault.registers;
        if images.at(registers[RIP] as usize).is_none() {
            frames.push(registers[RIP] as usize);
            // A call to nowhere left its return address on top of the stack.
            match read(registers[RSP]) {
                Some(back) if images.at(back as usize).is_some() => {
                    registers[RIP] = back;
                    registers[RSP] += 8;
                }
                _ => registers[RIP] = 0,
            }
        }
        while frames.len() < DEPTH && images.at(registers[RIP] as usize).is_some() {
            frames.push(registers[RIP] as usize);
            if !unwind(images, &mut registers) {
                break;
            }
        }
    }
    for caller in callers {
        if !frames.contains(&caller) && images.at(caller).is_some() {
            frames.push(caller);
        }
    }
    frames
}

/// Turns the registers of a frame into those of its caller.
fn unwind(images: &Images, registers: &mut [u64; 18]) -> bool {
    let Some(image) = images.at(registers[RIP] as usize) else { return false };
    let base = image.range.start as u64;
    let offset = (registers[RIP] - base) as u32;
    if let Some(function) = image.image.runtime_function_at(offset) {
        let mut unwind_rva = function.unwind;
        let mut prologue_offset = offset - function.begin;
        for _ in 0..32 {
            match apply(base + u64::from(unwind_rva), prologue_offset, registers) {
                Some(Some(next)) => {
                    unwind_rva = next;
                    prologue_offset = u32::MAX;
                }
                Some(None) => break,
                None => return false,
            }
        }
    }
    // A leaf function, or one whose frame has just been taken down: the return address is on top.
    let Some(back) = read(registers[RSP]) else { return false };
    registers[RSP] += 8;
    registers[RIP] = back;
    back != 0
}

/// Undoes the prologue that the unwind information at `address` describes. Inner `Some`: chained information.
fn apply(address: u64, prologue_offset: u32, registers: &mut [u64; 18]) -> Option<Option<u32>> {
    let header: u32 = boundary::copy::read_value(address as usize).ok()?;
    let flags = (header >> 3) & 0x1F;
    let count = (header >> 16) & 0xFF;
    let frame_register = ((header >> 24) & 0xF) as usize;
    let frame_offset = ((header >> 28) & 0xF) * 16;
    let code = |index: u32| -> Option<u16> {
        boundary::copy::read_value((address + 4 + u64::from(index) * 2) as usize).ok()
    };
    // With a frame register, the stack pointer is found through it once it is set.
    let mut index = 0;
    while index < count {
        let entry = code(index)?;
        let at = u32::from(entry & 0xFF);
        let operation = (entry >> 8) & 0xF;
        let info = usize::from(entry >> 12);
        let done = at <= prologue_offset;
        let slots = match operation {
            0 => {
                if done {
                    registers[info] = read(registers[RSP])?;
                    registers[RSP] += 8;
                }
                1
            }
            1 => {
                let (bytes, slots) = if info == 0 {
                    (u64::from(code(index + 1)?) * 8, 2)
                } else {
                    (u64::from(code(index + 1)?) | u64::from(code(index + 2)?) << 16, 3)
                };
                if done {
                    registers[RSP] += bytes;
                }
                slots
            }
            2 => {
                if done {
                    registers[RSP] += info as u64 * 8 + 8;
                }
                1
            }
            3 => {
                if done {
                    registers[RSP] = registers[frame_register].wrapping_sub(u64::from(frame_offset));
                }
                1
            }
            4 | 5 => {
                let (distance, slots) = if operation == 4 {
                    (u64::from(code(index + 1)?) * 8, 2)
                } else {
                    (u64::from(code(index + 1)?) | u64::from(code(index + 2)?) << 16, 3)
                };
                if done {
                    registers[info] = read(registers[RSP] + distance)?;
                }
                slots
            }
            8 => 2,
            9 => 3,
            10 => {
                // A machine frame: an error code may lie below rip, cs, flags, rsp.
                let frame = registers[RSP] + if info != 0 { 8 } else { 0 };
                registers[RIP] = read(frame)?;
                registers[RSP] = read(frame + 24)?;
                1
            }
            _ => return None,
        };
        index += slots;
    }
    if flags & 4 != 0 {
        let chained = address + 4 + u64::from(count.next_multiple_of(2)) * 2;
        let next: u32 = boundary::copy::read_value((chained + 8) as usize).ok()?;
        return Some(Some(next));
    }
    Some(None)
}
