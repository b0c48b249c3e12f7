//! Builds x64 Windows minifilter drivers from their sources on Linux, with clang and lld.
//!
//! ```text
//! Tools (clang, lld-link, llvm-dlltool, mingw-w64's headers)   Kit (include/: headers, export lists, run-time sources)
//!        └────────────────────────┬────────────────────────────────────┘
//!                              Prepared: import libraries and run-time objects, case-insensitive header names
//!                                 │
//!                    Recipe ──► objects ──► OUT.sys
//! ```
//!
//! Owns the whole recipe: target, dialect, headers, import libraries, entry point, security cookie, link. Used by
//! `altimeter cc`, which carries the kit inside itself, and by `cargo xtask drivers`, which takes the repository's.
//!
//! Refuses: to run a driver; to compile resources (nothing that a machine sees is in them) and MASM assembly.
#![forbid(unsafe_code)]

mod cmake;
mod dialect;
mod failure;
mod kit;
mod mended;
mod overlay;
mod prepared;
mod process;
mod recipe;
mod sources;
mod tools;
mod tracing_headers;

pub use cmake::toolchain_file;
pub use failure::Failure;
pub use kit::Kit;
pub use prepared::Prepared;
pub use recipe::{Recipe, Symbols};
pub use tools::Tools;
