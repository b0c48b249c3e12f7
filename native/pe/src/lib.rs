//! Reads x64 PE driver images: headers, sections, and the directories that a loader needs.
//!
//! What it owns: the meaning of the bytes of a `.sys` file. [`Image::parse`] turns them into plain values and checks
//! every number against the file and against the image that it would become, so that the loader (crate `driver`)
//! can work without doubting them. [`Image::map_into`] lays the file out as it stands in memory, and [`relocate`]
//! moves such a layout to another base address.
//!
//! ```text
//! file bytes -> header -> sections -> view (RVA -> bytes) -> directories -> Image
//!                                                                            | map_into, relocate
//!                                                                            v
//!                                                                   laid-out image bytes
//! ```
//!
//! What it refuses: to execute, bind or protect anything; to read files; 32-bit images, other machines, object files.
//! It does not panic, whatever the input, and needs no unsafe code. Every error ([`PeError`]) says what is wrong, where,
//! and what to do next; things that Windows tolerates and a user should know are [`Warning`]s in the image.
#![forbid(unsafe_code)]

mod debug;
mod error;
mod exception;
mod export;
mod header;
mod image;
mod import;
mod load_config;
mod map;
mod reader;
mod relocation;
mod section;
mod view;

pub use debug::CodeView;
pub use error::{PeError, Warning};
pub use exception::RuntimeFunction;
pub use export::{Export, ExportTarget};
pub use image::Image;
pub use import::{Import, ImportSymbol, ImportedModule};
pub use map::relocate;
pub use relocation::{Relocation, RelocationKind};
pub use section::Section;

/// Bounds on what an image may ask of us; each is far above what any driver needs.
pub mod limits {
    /// Sections in an image; the Windows loader has the same bound.
    pub const SECTIONS: u32 = 96;
    /// Bytes of address space of an image.
    pub const IMAGE_BYTES: u32 = 1 << 30;
    /// Imported modules.
    pub const IMPORTED_MODULES: u32 = 4096;
    /// Imported functions over all modules.
    pub const IMPORTS: u32 = 65_536;
    /// Exported names.
    pub const EXPORTS: u32 = 65_536;
    /// Bytes of the relocation directory.
    pub const RELOCATION_BYTES: u32 = 32 << 20;
    /// Entries of the exception directory.
    pub const RUNTIME_FUNCTIONS: u32 = 1 << 20;
    /// Bytes of any name in the image.
    pub const NAME_BYTES: u32 = 4096;
    /// Entries of the debug directory.
    pub const DEBUG_ENTRIES: u32 = 64;
}
