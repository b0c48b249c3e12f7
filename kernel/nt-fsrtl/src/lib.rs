//! The file-system run-time library: names, stream headers, per-stream contexts.
//!
//! [`expression`] matches names with wildcards, [`name`] takes paths apart, [`header`] prepares stream headers
//! and guards file-system code against APCs, [`context`] keeps filters' contexts of streams, [`fs_filter`] takes a file
//! system's locks for the memory and cache managers.
//!
//! It refuses: byte-range locks, oplocks, notification and tunnels, which are not there yet.
//!
//! UNSAFETY: only in [`context`], [`mcb`] and [`fs_filter`]: addresses in structures that drivers reach are followed.

pub mod context;
pub mod expression;
pub mod fs_filter;
pub mod header;
pub mod mcb;
pub mod name;

pub use context::{
    FsRtl, insert_per_stream_context, lookup_per_stream_context, remove_per_stream_context,
    teardown_per_stream_contexts,
};
pub use expression::{DOS_DOT, DOS_QM, DOS_STAR, does_name_contain_wild_cards, name_in_expression};
pub use header::{
    enter_file_system, exit_file_system, is_ntstatus_expected, normalize_ntstatus, setup_advanced_header,
    supports_filter_contexts,
};
pub use name::{LEGAL_ANSI_CHARACTERS, dissect_name, is_component_legal, legal};
