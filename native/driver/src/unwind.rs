//! One step up a driver's stack, by `.pdata` and `.xdata`.
//!
//! Unwind information is read from the file, not from the driver's memory; only the stack is memory, and it is
//! read by copies that survive a bad address. The information may be damaged: every step either goes up the
//! stack or ends the walk.

use boundary::processor::FaultInfo;
use nt_abi::CONTEXT;

use crate::epilogue;
use crate::images::LoadedImage;

/// Number of `rsp` in unwind information.
pub(crate) const RSP: usize = 4;
const CHAIN: usize = 32;
const CHAINED: u32 = 4;

/// Reads eight bytes of the stack.
pub(crate) type Memory<'a> = &'a dyn Fn(u64) -> Option<u64>;

/// Registers of a frame, as far as they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// `rax rcx rdx rbx rsp rbp rsi rdi r8 … r15`, the order of unwind information.
    pub(crate) registers: [u64; 16],
    /// One bit for each register that holds what it held in the frame.
    pub(crate) known: u16,
    /// The next instruction.
    pub(crate) rip: u64,
    /// `xmm6` to `xmm15`, halves.
    pub(crate) vectors: [[u64; 2]; 10],
    /// Whether one of them was restored on the way.
    pub(crate) vectors_changed: bool,
    /// Whether `rip` was interrupted there; else it is a return address.
    pub(crate) exact: bool,
}

impl Frame {
    /// The frame that a fault interrupted, or, without a signal, that called what raised.
    pub(crate) fn of_fault(fault: &FaultInfo) -> Self {
        let mut registers = [0; 16];
        registers.copy_from_slice(&fault.registers[..16]);
        Self {
            registers,
            known: u16::MAX,
            rip: fault.registers[16],
            vectors: [[0; 2]; 10],
            vectors_changed: false,
            exact: fault.signal != 0,
        }
    }

    /// The frame that a context describes.
    pub(crate) fn of_context(context: &CONTEXT, exact: bool) -> Self {
        Self {
            registers: std::array::from_fn(|register| context.Integer[register].get()),
            known: u16::MAX,
            rip: context.Rip.get(),
            vectors: std::array::from_fn(|index| {
                let at = (index + 6) * 2;
                [context.Xmm[at].get(), context.Xmm[at + 1].get()]
            }),
            vectors_changed: false,
            exact,
        }
    }

    /// Writes the frame's registers to a context, vectors only when `all` or when they differ from where the walk began.
    pub(crate) fn restore_to(&self, context: &CONTEXT, all: bool) {
        for (slot, value) in context.Integer.iter().zip(self.registers) {
            slot.set(value);
        }
        context.Rip.set(self.rip);
        if !all && !self.vectors_changed {
            return;
        }
        for (slot, value) in context.Xmm[12..].iter().zip(self.vectors.as_flattened()) {
            slot.set(*value);
        }
    }

    /// A frame that called something and of which only its stack pointer is known.
    pub(crate) fn of_call(rip: u64, rsp: u64) -> Self {
        let mut registers = [0; 16];
        registers[RSP] = rsp;
        Self { registers, known: 1 << RSP, rip, vectors: [[0; 2]; 10], vectors_changed: false, exact: false }
    }

    pub(crate) fn set(&mut self, register: usize, value: u64) {
        self.registers[register] = value;
        self.known |= 1 << register;
    }

    pub(crate) fn knows(&self, register: usize) -> bool {
        self.known & 1 << register != 0
    }

    pub(crate) fn pop(&mut self, memory: Memory<'_>) -> Option<u64> {
        let value = memory(self.registers[RSP])?;
        self.registers[RSP] = self.registers[RSP].checked_add(8)?;
        Some(value)
    }
}

/// The function that a frame is in.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// Offset of the next instruction in the image.
    offset: u32,
    function: &'a pe::RuntimeFunction,
    information: Information,
}

impl Entry<'_> {
    /// How far into the function the frame is.
    fn executed(&self) -> u32 {
        self.offset - self.function.begin
    }
}

/// The function of a frame of `image`; leaf functions have no entry.
#[inline]
pub(crate) fn entry<'a>(image: &'a LoadedImage, frame: &Frame) -> Option<Entry<'a>> {
    let offset = u32::try_from(frame.rip.checked_sub(image.range.start as u64)?).ok()?;
    // A call may be the last instruction of its function: what it returns to is another one then.
    let inside = if frame.exact { offset } else { offset.checked_sub(1)? };
    let function = image.function_at(inside)?;
    let unwind = resolve(image, function.unwind)?;
    Some(Entry { offset, function, information: Information::read(image, unwind)? })
}

/// Turns a frame of `image` into its caller's. `None`: it cannot be told.
pub(crate) fn step(image: &LoadedImage, frame: &mut Frame, memory: Memory<'_>) -> Option<()> {
    let entry = entry(image, frame);
    // One whose information cannot be read is no leaf function.
    let offset = u32::try_from(frame.rip.checked_sub(image.range.start as u64)?).ok()?;
    let inside = if frame.exact { offset } else { offset.checked_sub(1)? };
    if entry.is_none() && image.image.runtime_function_at(inside).is_some() {
        return None;
    }
    step_from(image, entry.as_ref(), frame, memory)
}

/// The same, with the frame's function already found; `None` for a leaf function.
pub(crate) fn step_from(
    image: &LoadedImage,
    entry: Option<&Entry<'_>>,
    frame: &mut Frame,
    memory: Memory<'_>,
) -> Option<()> {
    let before = frame.registers[RSP];
    let mut returned = false;
    if let Some(entry) = entry {
        let done = if frame.exact { entry.finish_epilogue(image, frame, memory) } else { None };
        if let Some(done) = done {
            *frame = done;
            returned = true;
        } else {
            returned = undo(image, &entry.information, entry.executed(), frame, memory)?;
        }
    }
    if !returned {
        // A leaf function, or one whose frame has just been taken down: the return address is on top.
        frame.rip = frame.pop(memory)?;
    }
    frame.exact = false;
    (frame.rip != 0 && frame.registers[RSP] > before).then_some(())
}

/// A function has a handler for exceptions.
pub(crate) const EHANDLER: u32 = 1;
/// A function has a handler for unwinding.
pub(crate) const UHANDLER: u32 = 2;

/// The language handler of a frame.
pub(crate) struct Handler {
    /// [`EHANDLER`] and [`UHANDLER`].
    pub(crate) flags: u32,
    /// Offset of the routine in the image.
    pub(crate) routine: u32,
    /// Offset of its data.
    pub(crate) data: u32,
    /// What names the frame: its stack pointer behind the prologue, or its frame pointer less the fixed offset.
    pub(crate) establisher: u64,
    /// Offset of the next instruction.
    pub(crate) pc: u32,
}

/// The establisher frame of a function that has a frame.
pub(crate) fn establisher(image: &LoadedImage, entry: &Entry<'_>, frame: &Frame) -> Option<u64> {
    entry.information.frame_base(image, entry.executed(), frame)
}

/// The handler of a frame, unless it is in a prologue or an epilogue, which have none.
pub(crate) fn handler(
    image: &LoadedImage,
    entry: &Entry<'_>,
    frame: &Frame,
    memory: Memory<'_>,
) -> Option<Handler> {
    let mut root = None;
    for _ in 0..CHAIN {
        let Some(next) = root.as_ref().unwrap_or(&entry.information).chained else { break };
        root = Some(Information::read(image, resolve(image, next)?)?);
    }
    let last = root.as_ref().unwrap_or(&entry.information);
    let flags = last.flags & (EHANDLER | UHANDLER);
    if flags == 0 || last.chained.is_some() {
        return None;
    }
    if frame.exact {
        let in_prologue = entry.executed() < entry.information.prologue;
        if in_prologue || entry.finish_epilogue(image, frame, memory).is_some() {
            return None;
        }
    }
    let at = last.codes.checked_add(last.count.next_multiple_of(2) * 2)?;
    let establisher = establisher(image, entry, frame)?;
    Some(Handler { flags, routine: image.u32(at)?, data: at.checked_add(4)?, establisher, pc: entry.offset })
}

impl Entry<'_> {
    /// The caller's frame, if the frame is in an epilogue.
    fn finish_epilogue(&self, image: &LoadedImage, frame: &Frame, memory: Memory<'_>) -> Option<Frame> {
        let information = &self.information;
        if self.executed() < information.prologue {
            return None;
        }
        let register = (information.register != 0).then_some(information.register);
        epilogue::finish(image, self.offset, *self.function, register, frame, memory)
    }
}

/// Follows an entry that stands for another one.
fn resolve(image: &LoadedImage, mut unwind: u32) -> Option<u32> {
    for _ in 0..CHAIN {
        if unwind & 1 == 0 {
            return Some(unwind);
        }
        unwind = image.u32((unwind & !1).checked_add(8)?)?;
    }
    None
}

/// Undoes a prologue and those that it is chained to. `true`: a machine frame gave the caller's `rip` already.
fn undo(
    image: &LoadedImage,
    information: &Information,
    executed: u32,
    frame: &mut Frame,
    memory: Memory<'_>,
) -> Option<bool> {
    if information.undo(image, executed, frame, memory)? {
        return Some(true);
    }
    let mut chained = information.chained;
    for _ in 0..CHAIN {
        let Some(next) = chained else { return Some(false) };
        let information = Information::read(image, resolve(image, next)?)?;
        if information.undo(image, u32::MAX, frame, memory)? {
            return Some(true);
        }
        chained = information.chained;
    }
    None
}

/// One `UNWIND_INFO`.
#[derive(Clone, Copy)]
struct Information {
    version: u32,
    flags: u32,
    /// Bytes of the prologue.
    prologue: u32,
    register: usize,
    register_offset: u64,
    codes: u32,
    count: u32,
    chained: Option<u32>,
}

impl Information {
    fn read(image: &LoadedImage, rva: u32) -> Option<Self> {
        let header = image.u32(rva)?;
        let version = header & 7;
        if !(1..=2).contains(&version) {
            return None;
        }
        let count = (header >> 16) & 0xFF;
        let codes = rva.checked_add(4)?;
        let chained = if header >> 3 & CHAINED != 0 {
            Some(image.u32(codes.checked_add(count.next_multiple_of(2) * 2)?.checked_add(8)?)?)
        } else {
            None
        };
        Some(Self {
            version,
            flags: header >> 3 & 0x1F,
            prologue: header >> 8 & 0xFF,
            register: (header >> 24 & 0xF) as usize,
            register_offset: u64::from(header >> 28) * 16,
            codes,
            count,
            chained,
        })
    }

    fn code(&self, image: &LoadedImage, index: u32) -> Option<u16> {
        if index < self.count { image.u16(self.codes + index * 2) } else { None }
    }

    /// An offset of one slot (scaled) or two (in bytes), from the slot after `index`.
    fn operand(&self, image: &LoadedImage, index: u32, scale: u64, far: bool) -> Option<u64> {
        let low = u64::from(self.code(image, index + 1)?);
        if far { Some(low | u64::from(self.code(image, index + 2)?) << 16) } else { Some(low * scale) }
    }

    /// Slots that the code at `index` takes.
    fn slots(&self, entry: u16) -> Option<u32> {
        Some(match (entry >> 8 & 0xF, self.version) {
            (0 | 2 | 3 | 10, _) | (6, 2) => 1,
            (1, _) if entry >> 12 == 0 => 2,
            (4 | 8, _) | (6, 1) | (7, 2) => 2,
            (1 | 5 | 9, _) | (7, 1) => 3,
            _ => return None,
        })
    }

    /// What saved registers are addressed from: the frame register once it is set, else the stack pointer.
    fn frame_base(&self, image: &LoadedImage, executed: u32, frame: &Frame) -> Option<u64> {
        if self.register == 0 {
            return Some(frame.registers[RSP]);
        }
        let mut index = 0;
        while index < self.count {
            let entry = self.code(image, index)?;
            let set = entry >> 8 & 0xF == 3 && u32::from(entry & 0xFF) <= executed;
            if (set || executed == u32::MAX) && frame.knows(self.register) {
                return Some(frame.registers[self.register].wrapping_sub(self.register_offset));
            }
            index += self.slots(entry)?;
        }
        Some(frame.registers[RSP])
    }

    /// Registers below `xmm6` are volatile. One that cannot be read keeps its value, as a walk for a report needs none.
    fn restore_vector(&self, frame: &mut Frame, register: usize, at: u64, memory: Memory<'_>) {
        if let (Some(slot), Some(low), Some(high)) = (
            register.checked_sub(6).and_then(|index| frame.vectors.get_mut(index)),
            memory(at),
            memory(at + 8),
        ) {
            *slot = [low, high];
            frame.vectors_changed = true;
        }
    }

    /// Undoes the part of the prologue that ends at or before `executed`.
    fn undo(
        &self,
        image: &LoadedImage,
        executed: u32,
        frame: &mut Frame,
        memory: Memory<'_>,
    ) -> Option<bool> {
        let base = self.frame_base(image, executed, frame)?;
        let mut index = 0;
        while index < self.count {
            let entry = self.code(image, index)?;
            let info = usize::from(entry >> 12);
            let slots = self.slots(entry)?;
            if u32::from(entry & 0xFF) <= executed {
                let rsp = frame.registers[RSP];
                match entry >> 8 & 0xF {
                    0 => {
                        let value = frame.pop(memory)?;
                        frame.set(info, value);
                    }
                    1 => frame.set(RSP, rsp.checked_add(self.operand(image, index, 8, info != 0)?)?),
                    2 => frame.set(RSP, rsp.checked_add(info as u64 * 8 + 8)?),
                    // Unknown only where no fault gave the registers: right as long as nothing was allocated since.
                    3 if frame.knows(self.register) => frame.set(RSP, base),
                    4 => frame.set(info, memory(base.checked_add(self.operand(image, index, 8, false)?)?)?),
                    5 => frame.set(info, memory(base.checked_add(self.operand(image, index, 1, true)?)?)?),
                    8 => self.restore_vector(
                        frame,
                        info,
                        base.checked_add(self.operand(image, index, 16, false)?)?,
                        memory,
                    ),
                    9 => self.restore_vector(
                        frame,
                        info,
                        base.checked_add(self.operand(image, index, 1, true)?)?,
                        memory,
                    ),
                    10 => {
                        // rip, cs, rflags, rsp; with an error code below when the code says so.
                        let at = rsp.checked_add(if info != 0 { 8 } else { 0 })?;
                        frame.rip = memory(at)?;
                        frame.set(RSP, memory(at.checked_add(24)?)?);
                        return Some(true);
                    }
                    _ => {}
                }
            }
            index += slots;
        }
        Some(false)
    }
}

#[cfg(test)]
#[path = "unwind_tests.rs"]
mod unwind_step;
