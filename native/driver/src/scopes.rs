//! The scope table of a C function: which addresses are inside which `__try`, and what belongs to it.
//!
//! | handler | target | is |
//! | --- | --- | --- |
//! | 1 | set | `__except (EXCEPTION_EXECUTE_HANDLER)` |
//! | filter | set | `__except (filter)` |
//! | routine | 0 | `__finally` |
//!
//! Inner scopes come first.

use std::cell::Cell;

use nt_abi::{EXCEPTION_POINTERS, NativeFn, exception};

use crate::images::LoadedImage;
use crate::unwind::Handler;

/// A scope table.
pub(crate) struct Scopes<'a> {
    base: u64,
    image: Option<&'a LoadedImage>,
    /// Offset of the table in the image; in memory its address.
    at: u64,
}

struct Scope {
    begin: u32,
    end: u32,
    handler: u32,
    target: u32,
}

/// What a search found in one function.
pub(crate) enum Found {
    Nothing,
    /// A filter says: go on where it happened.
    Resume,
    /// The function goes on at this address.
    Takes(u64),
}

impl<'a> Scopes<'a> {
    /// As the file has it.
    pub(crate) fn of_image(image: &'a LoadedImage, handler: &Handler) -> Self {
        Self { base: image.range.start as u64, image: Some(image), at: handler.data.into() }
    }

    /// As memory has it.
    pub(crate) fn in_memory(base: u64, at: u64) -> Self {
        Self { base, image: None, at }
    }

    fn word(&self, index: u32) -> Option<u32> {
        let at = self.at.checked_add(u64::from(index) * 4)?;
        match self.image {
            Some(image) => image.u32(u32::try_from(at).ok()?),
            None => boundary::copy::read_value(at as usize).ok(),
        }
    }

    fn count(&self) -> u32 {
        self.word(0).unwrap_or(0)
    }

    fn get(&self, index: u32) -> Option<Scope> {
        let first = index.checked_mul(4)?.checked_add(1)?;
        Some(Scope {
            begin: self.word(first)?,
            end: self.word(first + 1)?,
            handler: self.word(first + 2)?,
            target: self.word(first + 3)?,
        })
    }

    fn routine(&self, offset: u32) -> NativeFn {
        NativeFn((self.base + u64::from(offset)) as usize)
    }
}

impl Scope {
    fn contains(&self, pc: u32) -> bool {
        (self.begin..self.end).contains(&pc)
    }
}

/// Asks the filters around `pc`, from scope number `from` on. `None`: the machine stops.
pub(crate) fn search(
    scopes: &Scopes<'_>,
    pc: u32,
    from: u32,
    pointers: &EXCEPTION_POINTERS,
    establisher: u64,
) -> Option<Found> {
    for index in from..scopes.count() {
        let Some(scope) = scopes.get(index) else { break };
        if scope.target == 0 || !scope.contains(pc) {
            continue;
        }
        let answer = if scope.handler == exception::EXECUTE_HANDLER {
            1
        } else {
            let arguments = [std::ptr::from_ref(pointers) as u64, establisher];
            boundary::call(scopes.routine(scope.handler), arguments).ok()? as i32
        };
        if answer < 0 {
            return Some(Found::Resume);
        }
        if answer > 0 {
            return Some(Found::Takes(scopes.base + u64::from(scope.target)));
        }
    }
    Some(Found::Nothing)
}

/// Runs the `__finally` blocks that are left around `pc`, from scope number `done` on, which it counts up; for the
/// function that goes on at `target` only those that this leaves. `None`: the machine stops.
pub(crate) fn finish(
    scopes: &Scopes<'_>,
    pc: u32,
    done: &Cell<u32>,
    target: Option<u64>,
    establisher: u64,
) -> Option<()> {
    let target = target.map(|ip| ip.wrapping_sub(scopes.base) as u32);
    // The `__except` that it goes on in: its block may begin where the last instruction of an inner `__try` ends.
    let takes = |scope: Scope| scope.target != 0 && Some(scope.target) == target && scope.contains(pc);
    let except = (done.get()..scopes.count()).find(|index| scopes.get(*index).is_some_and(takes));
    for index in done.get()..except.unwrap_or(scopes.count()) {
        let Some(scope) = scopes.get(index) else { break };
        if scope.target != 0 || !scope.contains(pc) {
            continue;
        }
        if except.is_none() && target.is_some_and(|target| scope.contains(target)) {
            break;
        }
        // What it raises itself goes on behind it.
        done.set(index + 1);
        boundary::call(scopes.routine(scope.handler), [1, establisher]).ok()?;
    }
    Some(())
}
