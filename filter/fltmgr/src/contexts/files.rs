//! Contexts of files, streams and handles: one for each instance.
//!
//! A stream context is shared by all that have the stream open, a file context by all streams of the file, a handle
//! context belongs to one file object. Statements: CTX-26 to CTX-33, CTX-36, CTX-37, CTX-47, CTX-48, CTX-55 to CTX-58.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use nt_abi::{
    FILE_OBJECT, FLT_FILE_CONTEXT, FLT_STREAM_CONTEXT, FLT_STREAMHANDLE_CONTEXT, FO_CLEANUP_COMPLETE,
    NtStatus,
};

use super::block::{self, Context};
use super::hosts;
use super::links::{Exchanged, Links};
use super::objects::key;
use crate::anchor::Anchored;
use crate::findings;
use crate::instance::Instance;

/// What a context hangs on, seen from a file object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The file, whatever stream of it is open.
    File,
    /// The stream.
    Stream,
    /// This open of it.
    Handle,
}

impl Target {
    fn kind(self) -> u16 {
        match self {
            Self::File => FLT_FILE_CONTEXT,
            Self::Stream => FLT_STREAM_CONTEXT,
            Self::Handle => FLT_STREAMHANDLE_CONTEXT,
        }
    }

    fn setter(self) -> &'static str {
        match self {
            Self::File => "FltSetFileContext",
            Self::Stream => "FltSetStreamContext",
            Self::Handle => "FltSetStreamHandleContext",
        }
    }

    #[inline]
    fn links(self, file: &FILE_OBJECT) -> Result<Option<&'static Links>, NtStatus> {
        match self {
            Self::File => hosts::file(file, false),
            Self::Stream => Ok(hosts::stream(file)?.map(|host| &host.own)),
            Self::Handle => Ok(hosts::handle(file)?.map(|host| &host.own)),
        }
    }

    fn links_or_new(self, file: &FILE_OBJECT) -> Result<&'static Links, NtStatus> {
        match self {
            Self::File => hosts::file(file, true)?.ok_or(NtStatus::NOT_SUPPORTED),
            Self::Stream => Ok(&hosts::stream_or_new(file)?.own),
            Self::Handle => Ok(&hosts::handle_or_new(file)?.own),
        }
    }
}

/// The context at `new`, if it is one of `kind` and of the filter of `instance`. Source: CTX-32.
pub(super) fn expect_own(
    instance: &Instance,
    new: usize,
    kind: u16,
    setter: &str,
) -> Result<Context, NtStatus> {
    let context = block::expect(new, setter).ok_or(NtStatus::INVALID_PARAMETER)?;
    let own = context.kind() == kind && std::ptr::eq(context.filter(), Arc::as_ptr(&instance.filter));
    if own { Ok(context) } else { Err(NtStatus::INVALID_PARAMETER) }
}

/// A file that is not open yet has nothing that a context could hang on.
fn report_unopened(instance: &Instance, file: &FILE_OBJECT, setter: &str) {
    if file.FsContext.get().is_null() && file.Flags.load(Ordering::Relaxed) & FO_CLEANUP_COMPLETE == 0 {
        let message = format!(
            "{setter} was called for a file object that is not open: allocate the context in the pre-create callback if \
             need be, but set it in the post-create callback, when the create succeeded"
        );
        findings::error("CTX-37", &instance.filter.label, message);
    }
}

/// Links a context for `instance`.
///
/// Source:  FltSetFileContext, FltSetStreamContext, FltSetStreamHandleContext; CTX-26 to CTX-33, CTX-36 to CTX-38
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (operation, another type, another filter's) · NOT_SUPPORTED ·
///          FLT_CONTEXT_ALREADY_DEFINED · FLT_CONTEXT_ALREADY_LINKED · FLT_DELETING_OBJECT
pub fn flt_set_context(
    target: Target,
    instance: &Instance,
    file: &FILE_OBJECT,
    operation: u32,
    new: usize,
    wanted: bool,
) -> Exchanged {
    let context = match expect_own(instance, new, target.kind(), target.setter()) {
        Ok(context) => context,
        Err(status) => return Ok((status, 0)),
    };
    match target.links_or_new(file) {
        Ok(links) => links.set(key(instance), operation, context, wanted, || instance.anchor().is_deleting()),
        Err(status) => {
            report_unopened(instance, file, target.setter());
            Ok((status, 0))
        }
    }
}

/// The context of `instance`, referenced.
///
/// Source:  FltGetFileContext, FltGetStreamContext, FltGetStreamHandleContext; CTX-58
/// IRQL:    <= APC_LEVEL
/// Errors:  NOT_FOUND · NOT_SUPPORTED
#[inline]
pub fn flt_get_context(target: Target, instance: &Instance, file: &FILE_OBJECT) -> Result<usize, NtStatus> {
    target.links(file)?.and_then(|links| links.get(key(instance))).ok_or(NtStatus::NOT_FOUND)
}

/// Unlinks the context of `instance`.
///
/// Source:  FltDeleteFileContext, FltDeleteStreamContext, FltDeleteStreamHandleContext; CTX-45, CTX-47, CTX-48
/// IRQL:    <= APC_LEVEL
/// Errors:  NOT_FOUND · NOT_SUPPORTED
pub fn flt_delete_context_of(
    target: Target,
    instance: &Instance,
    file: &FILE_OBJECT,
    wanted: bool,
) -> Exchanged {
    match target.links(file) {
        Ok(Some(links)) => links.delete(key(instance), wanted),
        Ok(None) => Ok((NtStatus::NOT_FOUND, 0)),
        Err(status) => Ok((status, 0)),
    }
}

/// Whether the stream of an open file, and its handles, can have contexts.
///
/// Source: FltSupportsStreamContexts, FltSupportsStreamHandleContexts; CTX-56, CTX-57. IRQL: <= APC_LEVEL.
pub fn flt_supports_stream_contexts(file: &FILE_OBJECT) -> bool {
    hosts::header(file).is_some()
}

/// Whether an open file can have file contexts: the file system's own, or with an instance the manager's in their place.
///
/// Source: FltSupportsFileContexts, FltSupportsFileContextsEx; CTX-55, CTX-56. IRQL: <= APC_LEVEL.
pub fn flt_supports_file_contexts(file: &FILE_OBJECT, any: bool) -> bool {
    hosts::native_file(file).is_ok_and(|pointer| any || pointer.is_some())
}
