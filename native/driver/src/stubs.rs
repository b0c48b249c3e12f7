//! Machine code that bound images call: guard checks that pass, and traps for imports that nothing exports.
//!
//! A trap names its function when it is called: a driver may import what it never calls on this system.
//!
//! ```text
//! import address table ─► stub: mov ecx, index; jmp ─► missing_import ─► bug check, blamed on the driver's call
//! ```
//!
//! UNSAFETY: none here; the code is written through the alias and runs as part of drivers.

use boundary::slot::{PAGE_SIZE, Protection};
use boundary::{Raise, caller_address, export};
use nt_abi::bugcheck;
use nt_ke::{BugCheck, Lock, Rank, current_core};

use crate::Loader;
use crate::error::What;

/// Addresses of the stubs of one machine.
pub(crate) struct Stubs {
    /// Returns: every target of an indirect call is accepted.
    pub(crate) guard_check: usize,
    /// Jumps to `rax`.
    pub(crate) guard_dispatch: usize,
    traps: Lock<Traps>,
}

struct Traps {
    next: usize,
    end: usize,
    /// Address of the stub and what it stands for, by index.
    missing: Vec<(usize, String)>,
}

const AREA: usize = 16 * PAGE_SIZE;
/// Bytes of `mov ecx, index; movabs rax, target; jmp rax`, padded.
const STUB: usize = 32;
/// `ret`, padding, `jmp rax`.
const GUARD: [u8; 10] = [0xC3, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0xFF, 0xE0];

export! {
    /// Where every trap ends: `index` names the import.
    pub fn missing_import(index: u32) -> () [irql <= 15] {
        let core = current_core();
        let loader = core.get::<Loader>();
        let name = loader.stubs.get().and_then(|stubs| stubs.missing(index as usize));
        let name = name.unwrap_or_else(|| "an import that does not exist".into());
        let caller = loader.images().at(caller_address());
        let (driver, file) = caller
            .map_or(("the driver".into(), "the image".into()), |image| (image.driver.clone(), image.module.clone()));
        let raise: Raise = core.bug_check(BugCheck::new(
            bugcheck::DRIVER_VERIFIER_DETECTED_VIOLATION,
            [0, u64::from(index), 0, 0],
            format!(
                "{driver} called {name}, which Altimeter does not have; \
                 `altimeter exports --check {file}` lists all such imports"
            ),
        ));
        Err(raise)
    }
}

fn reserve() -> Result<usize, What> {
    let base = nt_mm::mm().images.reserve(AREA, PAGE_SIZE).ok_or(What::NoRoom)?;
    current_core().slot.protect(base, AREA, Protection::ReadExecute).map_err(What::Host)?;
    Ok(base)
}

fn write(at: usize, code: &[u8]) -> Result<(), What> {
    let alias = current_core().slot.alias(at);
    boundary::copy::write(alias, code).map_err(|_| What::Host(std::io::ErrorKind::OutOfMemory.into()))
}

impl Stubs {
    /// Writes the guard stubs.
    pub(crate) fn new() -> Result<Self, What> {
        let base = reserve()?;
        write(base, &GUARD)?;
        let traps = Traps { next: base + STUB, end: base + AREA, missing: Vec::new() };
        Ok(Self { guard_check: base, guard_dispatch: base + 8, traps: Lock::new(Rank::DriverImages, traps) })
    }

    /// A stub that bug checks naming `name` when it is called.
    pub(crate) fn trap(&self, name: String) -> Result<usize, What> {
        let mut traps = self.traps.lock();
        if let Some((at, _)) = traps.missing.iter().find(|(_, known)| *known == name) {
            return Ok(*at);
        }
        if traps.next + STUB > traps.end {
            traps.next = reserve()?;
            traps.end = traps.next + AREA;
        }
        let at = traps.next;
        let mut code = vec![0xB9u8];
        code.extend_from_slice(&(traps.missing.len() as u32).to_le_bytes());
        code.extend_from_slice(&[0x48, 0xB8]);
        code.extend_from_slice(&(missing_import as *const () as u64).to_le_bytes());
        code.extend_from_slice(&[0xFF, 0xE0]);
        write(at, &code)?;
        traps.next += STUB;
        traps.missing.push((at, name));
        Ok(at)
    }

    fn missing(&self, index: usize) -> Option<String> {
        self.traps.lock().missing.get(index).map(|(_, name)| name.clone())
    }
}
