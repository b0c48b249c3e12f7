//! Contexts: memory of a filter's that the manager attaches to objects and counts references of.
//!
//! ```text
//! FltAllocateContext ─► block (1 reference) ─FltSet…Context─► linked to an object (one more reference)
//!   references 0 ─► cleanup callback ─► memory freed          teardown, delete, replace: the link's goes
//! ```
//!
//! Owns: the blocks ([`block`]), which of them hang on which object ([`links`]), and the routines for the objects
//! that have them: volumes and instances ([`objects`]), files, streams and handles ([`files`], which hang on [`hosts`]),
//! sections for scans ([`sections`]).
//! When an instance goes, its contexts are taken off all of them.
//!
//! Refuses: nothing is found through an address alone; a context that is not live is a finding (CTX-43), never a
//! crash of the engine. Statements: CTX-11 to CTX-59.

pub mod block;
pub mod files;
pub mod hosts;
pub mod links;
pub mod objects;
pub mod sections;

use nt_abi::{
    FLT_FILE_CONTEXT, FLT_INSTANCE_CONTEXT, FLT_SECTION_CONTEXT, FLT_STREAM_CONTEXT,
    FLT_STREAMHANDLE_CONTEXT, FLT_TRANSACTION_CONTEXT, FLT_VOLUME_CONTEXT,
};

/// Whether `kind` is exactly one of the seven. Source: CTX-01, CTX-17.
pub const fn is_kind(kind: u16) -> bool {
    matches!(
        kind,
        FLT_VOLUME_CONTEXT
            | FLT_INSTANCE_CONTEXT
            | FLT_FILE_CONTEXT
            | FLT_STREAM_CONTEXT
            | FLT_STREAMHANDLE_CONTEXT
            | FLT_TRANSACTION_CONTEXT
            | FLT_SECTION_CONTEXT
    )
}

/// Its name, for messages.
pub const fn name(kind: u16) -> &'static str {
    match kind {
        FLT_VOLUME_CONTEXT => "volume context",
        FLT_INSTANCE_CONTEXT => "instance context",
        FLT_FILE_CONTEXT => "file context",
        FLT_STREAM_CONTEXT => "stream context",
        FLT_STREAMHANDLE_CONTEXT => "stream handle context",
        FLT_TRANSACTION_CONTEXT => "transaction context",
        FLT_SECTION_CONTEXT => "section context",
        _ => "context of no kind",
    }
}
