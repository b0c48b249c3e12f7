//! A page of machine code that bound images call: guard checks that pass, and traps for imports that nothing
//! exports.
//!
//! A trap names its function when it is called: the driver may import what it never calls on this system.
//!
//! UNSAFETY: none here; the code is written through the alias and runs as part of drivers.

use boundary::slot::{PAGE_SIZE, Protection};
use boundary::{Raise, export};
use nt_abi::bugcheck;
use nt_ke::{BugCheck, Lock, Rank, current_core};

use crate::Loader;
use crate::error::What;

/// Addresses in the page.
pub(crate) struct Helpers {
    pub(crate) guard_check: usize,
    pub(crate) guard_dispatch: usize,
    traps: Lock<Traps>,
}

struct Traps {
    next: usize,
    end: usize,
    missing: Vec<String>,
}

const AREA: usize = 16 * PAGE_SIZE;
/// `mov ecx, index; movabs rax, target; jmp rax`, padded.
const STUB: usize = 32;

export! {
    /// Where every trap ends: `index` names the import.
    pub fn missing_import(index: u32) -> () [irql <= 15] {
        let core = current_core();
        let helpers = core.get::<Loader>().helpers.get();
        let name = helpers.and_then(|helpers| helpers.traps.lock().missing.get(index as usize).cloned());
        let name = name.unwrap_or_else(|| "an import that does not exist".into());
        let raise: Raise = core.bug_check(BugCheck::new(
            bugcheck::DRIVER_VERIFIER_DETECTED_VIOLATION,
            [0, u64::from(index), 0, 0],
            format!(
                "the driver called {name}, which Altimeter does not have; \
                 `altimeter exports --check` lists all such imports of an image"
            ),
        ));
        Err(raise)
    }
}

impl Helpers {
    /// Writes the page.
    pub(crate) fn new() -> Result<Self, What> {
        let slot = &current_core().slot;
        let base = nt_mm::mm().images.reserve(AREA, PAGE_SIZE).ok_or(What::NoRoom)?;
        // ret; jmp rax
        let code = [0xC3u8, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xFF, 0xE0];
        let _ = boundary::copy::write(slot.alias(base), &code);
        slot.protect(base, AREA, Protection::ReadExecute).map_err(What::Host)?;
        Ok(Self {
            guard_check: base,
            guard_dispatch: base + 8,
            traps: Lock::new(
                Rank::DriverImages,
                Traps { next: base + STUB, end: base + AREA, missing: Vec::new() },
            ),
        })
    }

    /// A stub that bug checks naming `name` when it is called.
    pub(crate) fn trap(&self, name: String) -> Result<usize, What> {
        let mut traps = self.traps.lock();
        if let Some(index) = traps.missing.iter().position(|known| *known == name) {
            return Ok(self.guard_check + STUB + index * STUB);
        }
        if traps.next + STUB > traps.end {
            return Err(What::NoRoom);
        }
        let at = traps.next;
        let mut code = vec![0xB9u8];
        code.extend_from_slice(&(traps.missing.len() as u32).to_le_bytes());
        code.extend_from_slice(&[0x48, 0xB8]);
        code.extend_from_slice(&(missing_import as *const () as u64).to_le_bytes());
        code.extend_from_slice(&[0xFF, 0xE0]);
        let _ = boundary::copy::write(current_core().slot.alias(at), &code);
        traps.next += STUB;
        traps.missing.push(name);
        Ok(at)
    }
}
