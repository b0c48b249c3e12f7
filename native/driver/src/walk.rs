//! Walking a thread's stack through driver frames.
//!
//! ```text
//! fault in a driver ─► its registers ─┐
//! bug check in an export ─► the slot of its return address ─┴─► step, while return addresses lie in images
//!                                                            └─► below: calls into exports, from the shadow stack
//! ```
//!
//! An export's shim takes the driver's return address off the stack and calls the body, whose own return address
//! (an instruction that jumps to the shims' common tail) then stands in the same place. That place is found by
//! looking for such an address; it is believed only if the frames above it end at the innermost boundary record.

use boundary::ProcessorBlock;
use boundary::processor::FaultInfo;

use crate::images::Images;
use crate::unwind::{self, Frame, RSP};

const DEPTH: usize = 64;
/// Most bytes of stack that are searched for the call of an export.
const SEARCH: usize = 256 * 1024;
/// Distance between a boundary record and the entry into the driver that made it, at most.
const ENTRY: u64 = 1024;

fn read(address: u64) -> Option<u64> {
    boundary::copy::read_value::<u64>(address as usize).ok()
}

/// Return addresses, innermost first; the first one is where the fault happened, if there is one.
pub(crate) fn walk(images: &Images, fault: Option<&FaultInfo>) -> Vec<usize> {
    let Some(block) = boundary::try_current() else { return Vec::new() };
    let callers = block.export_callers();
    let mut stack = Vec::new();
    let mut in_export = fault.is_none();
    let mut from = (&raw const stack) as u64;
    if let Some(fault) = fault {
        let mut frame = Frame::of_fault(fault);
        from = frame.registers[RSP];
        if images.at(frame.rip as usize).is_none() {
            stack.push(frame.rip as usize);
            // A call to nowhere left its return address on top of the stack.
            in_export = fault.address as u64 != frame.rip;
            let back = if in_export { None } else { frame.pop(&read) };
            frame.rip = back.unwrap_or(0);
            frame.exact = false;
        }
        stack.extend(frames(images, frame).0);
    }
    let mut callers = callers.as_slice();
    if in_export && let Some((innermost, rest)) = callers.split_first() {
        match segment(images, block, *innermost, from) {
            Some(frames) => stack.extend(frames),
            None => stack.push(*innermost),
        }
        callers = rest;
    }
    stack.extend(callers.iter().copied().filter(|caller| images.at(*caller).is_some()));
    stack
}

/// Addresses from `frame` up to where the driver was entered, and the stack pointer there.
fn frames(images: &Images, mut frame: Frame) -> (Vec<usize>, Option<u64>) {
    let mut addresses = Vec::new();
    while let Some(image) = images.at(frame.rip as usize) {
        addresses.push(frame.rip as usize);
        if addresses.len() == DEPTH || unwind::step(&image, &mut frame, &read).is_none() {
            return (addresses, None);
        }
    }
    (addresses, Some(frame.registers[RSP]))
}

/// Frames of the driver that called the export which is being executed.
fn segment(images: &Images, block: &ProcessorBlock, caller: usize, from: u64) -> Option<Vec<usize>> {
    let record = block.record_top.get() as u64;
    let within = block.stack_low.get() as u64..block.stack_high.get() as u64;
    if !within.contains(&from) || !within.contains(&record) || record < from {
        return None;
    }
    let end = record.min(from + SEARCH as u64);
    (from.next_multiple_of(8)..end).step_by(8).find_map(|slot| {
        if !returns_to_shim(read(slot)?) {
            return None;
        }
        let (addresses, top) = frames(images, Frame::of_call(caller as u64, slot + 8));
        let top = top?;
        (top <= record && record - top < ENTRY).then_some(addresses)
    })
}

/// Whether `address` is the last instruction of an export's shim: a jump to the common tail.
fn returns_to_shim(address: u64) -> bool {
    let text = boundary::shim::shim_return as *const () as u64;
    // The shims and their tail are linked into one program: no jump between them is longer.
    if address.abs_diff(text) > i32::MAX as u64 {
        return false;
    }
    let mut code = [0u8; 5];
    if boundary::copy::read(address as usize, &mut code).is_err() {
        return false;
    }
    let [operation, distance @ ..] = code;
    let (bytes, distance) = match operation {
        0xE9 => (5, i64::from(i32::from_le_bytes(distance))),
        0xEB => (2, i64::from(distance[0] as i8)),
        _ => return false,
    };
    address.wrapping_add(bytes).wrapping_add_signed(distance) == text
}
