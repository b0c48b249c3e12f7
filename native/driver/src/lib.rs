//! Native drivers: mapping, relocating, binding, starting, unloading; symbols and stacks for reports.
//!
//! ```text
//! bytes ─pe─► Image ─map─► slot's image area ─bind─► imports, traps ─start─► DriverEntry
//!                                   │ loaded ─unload─► inaccessible for ever (addresses are never used twice)
//! ```
//!
//! It owns the table of images, by which addresses become places in drivers, the stubs that bound images call
//! (Control Flow Guard, missing imports), and the walk of a driver's stack by its unwind tables.
//!
//! It refuses images without relocations: each machine has its own addresses.
//!
//! UNSAFETY: modules that run or write image memory say why.

#[cfg(test)]
#[allow(dead_code)]
#[path = "../../pe/tests/builder/mod.rs"]
mod builder;

mod bind;
mod dwarf;
mod epilogue;
mod error;
pub mod exception;
mod images;
mod load;
mod map;
mod pdb;
mod rewrite;
mod scopes;
mod stubs;
mod symbols;
mod unwind;
mod walk;

use std::sync::{Arc, OnceLock};

use nt_ke::Core;
use nt_ke::core::{Subsystem, index};

pub use error::LoadError;
pub use images::{Images, Place};
pub use load::{LoadRequest, LoadedDriver, load, unload};

/// Finds what an image imports.
pub trait Resolver: Sync {
    /// Address of `symbol` exported by `image` (`ntoskrnl.exe`, `fltmgr.sys`, `hal.dll`); `None` if it is not there.
    fn resolve(&self, image: &str, symbol: &str) -> Option<usize>;

    /// Address of what `image` exports under a number; nothing of the kernel's has a stable one.
    fn resolve_ordinal(&self, _image: &str, _ordinal: u16) -> Option<usize> {
        None
    }
}

/// The loader of one machine.
pub struct Loader {
    images: Arc<Images>,
    stubs: OnceLock<stubs::Stubs>,
}

impl Subsystem for Loader {
    const INDEX: usize = index::DRIVER;
}

impl Loader {
    /// A loader without images, which walks stacks for the machine from now on.
    pub fn new(core: &Arc<Core>) -> Self {
        let images = Arc::new(Images::default());
        let walker = Arc::clone(&images);
        core.set_stack_walker(Box::new(move |fault| walk::walk(&walker, fault)));
        Self { images, stubs: OnceLock::new() }
    }

    /// The table of images; it can be asked from any thread, also after the machine has stopped.
    pub fn images(&self) -> &Arc<Images> {
        &self.images
    }

    /// Service name of the driver that `address` belongs to, loaded or gone.
    pub fn driver_of(&self, address: usize) -> Option<String> {
        self.images.driver_of(address)
    }

    /// The stubs, written when the first image needs them.
    fn stubs(&self) -> Result<&stubs::Stubs, error::What> {
        if self.stubs.get().is_none() {
            let _ = self.stubs.set(stubs::Stubs::new()?);
        }
        self.stubs.get().ok_or(error::What::NoRoom)
    }
}
