//! The file-system run-time library: names, stream headers, per-stream contexts.
//!
//! [`expression`] matches names with wildcards, [`name`] takes paths apart, [`header`] prepares stream headers
//! and guards file-system code against APCs, [`context`] and [`file_context`] keep filters' contexts of streams and files, [`ecp`] what creates carry, [`fs_filter`] takes a file
//! system's locks for the memory and cache managers.
//!
//! It refuses: byte-range locks, oplocks, notification and tunnels, which are not there yet.
//!
//! UNSAFETY: only in [`context`], [`file_context`], [`ecp`], [`mcb`] and [`fs_filter`]: addresses in structures that drivers reach are followed.

pub mod context;
pub mod ecp;
pub mod expression;
pub mod file_context;
pub mod fs_filter;
pub mod header;
pub mod mcb;
pub mod name;

pub use context::{
    FreeContext, FsRtl, find_or_insert_per_stream_context, insert_per_stream_context,
    lookup_per_stream_context, remove_per_stream_context, set_rust_owner, teardown_per_stream_contexts,
};
pub use expression::{DOS_DOT, DOS_QM, DOS_STAR, does_name_contain_wild_cards, name_in_expression};
pub use file_context::{
    FilePointer, file_pointer, find_or_insert_per_file_context, insert_per_file_context,
    lookup_per_file_context, remove_per_file_context, teardown_per_file_contexts,
};
pub use header::{
    enter_file_system, exit_file_system, is_ntstatus_expected, normalize_ntstatus, setup_advanced_header,
    supports_filter_contexts,
};
pub use name::{LEGAL_ANSI_CHARACTERS, dissect_name, is_component_legal, legal};
