//! Where the bytes of a volume live, below a file system driver with NT semantics.
//!
//! This crate owns names in directories, bytes in streams, and the few facts that an NT file system keeps about a
//! file (times, attributes, label). It knows nothing of file objects, share access, oplocks, delete-on-close or
//! statuses: the file system driver above decides those and maps [`StoreError`].
//!
//! - [`Store`]: the trait, with what a store declares about itself in [`Capabilities`].
//! - [`MemoryStore`]: deterministic; reads no clock and no random number but those it is given.
//! - [`HostStore`]: a real directory.
//!
//! ```text
//! create ──► named ──remove, or replaced by rename──► nameless ──last close──► gone
//!               └───────────remove with no opens─────────────────────────────► gone
//! ```
//!
//! It refuses: hard links made through it. Reparse data, NT extended attributes and security descriptors it keeps
//! without looking into them ([`Blob`]).
#![forbid(unsafe_code)]

mod contract;
mod error;
mod host;
mod memory;
mod names;
mod short;

pub use contract::*;
pub use error::{Result, StoreError};
pub use host::{HostOptions, HostStore};
pub use memory::{MemoryOptions, MemoryStore};
pub use names::{compare_insensitive, equal_insensitive, fold, upcase, validate_component, validate_stream};
pub use short::{MAX_SHORT_UTF16, ShortName};
