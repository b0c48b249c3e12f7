//! Contexts: allocation, references, those of volumes, instances, files, streams and handles.

use boundary::{Raise, export};
use fltmgr::contexts::files::{self, Target};
use fltmgr::contexts::links::Exchanged;
use fltmgr::contexts::{block, links, objects};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL};
use nt_abi::{
    FILE_OBJECT, FLT_FILE_CONTEXT, FLT_INSTANCE_CONTEXT, FLT_RELATED_CONTEXTS_EX, FLT_RELATED_OBJECTS,
    FLT_SECTION_CONTEXT, FLT_STREAM_CONTEXT, FLT_STREAMHANDLE_CONTEXT, FLT_TRANSACTION_CONTEXT,
    FLT_VOLUME_CONTEXT, NtStatus,
};

use crate::argument::{arg, load, optional, rows, store, store_if};
use crate::flt_filter::{filter, instance, volume};

rows! { "fltmgr.sys", "fltmgr";
    FltAllocateContext done "CTX-11 to CTX-23";
    FltReferenceContext done "CTX-40";
    FltReleaseContext done "CTX-24, CTX-38 to CTX-43";
    FltSetVolumeContext done "CTX-26 to CTX-34";
    FltGetVolumeContext done "CTX-34, CTX-58";
    FltDeleteVolumeContext done "CTX-45 to CTX-48";
    FltSetInstanceContext done "CTX-26 to CTX-33";
    FltGetInstanceContext done "CTX-58";
    FltDeleteInstanceContext done "CTX-45 to CTX-48";
    FltDeleteContext done "CTX-44 to CTX-46";
    FltSetFileContext done "CTX-26 to CTX-33, CTX-36, CTX-37";
    FltGetFileContext done "CTX-58";
    FltDeleteFileContext done "CTX-45 to CTX-48";
    FltSetStreamContext done "CTX-26 to CTX-33, CTX-36, CTX-37";
    FltGetStreamContext done "CTX-58";
    FltDeleteStreamContext done "CTX-45 to CTX-48";
    FltSetStreamHandleContext done "CTX-26 to CTX-33, CTX-36, CTX-37";
    FltGetStreamHandleContext done "CTX-58";
    FltDeleteStreamHandleContext done "CTX-45 to CTX-48";
    FltSupportsFileContexts done "CTX-55 to CTX-57";
    FltSupportsFileContextsEx done "CTX-55 to CTX-57";
    FltSupportsStreamContexts done "CTX-56, CTX-57";
    FltSupportsStreamHandleContexts done "CTX-56, CTX-57";
    FltGetContexts done "CTX-51, CTX-53";
    FltGetContextsEx done "CTX-52";
    FltReleaseContexts done "CTX-54";
    FltReleaseContextsEx done "CTX-54";
}

/// Members of `FLT_RELATED_CONTEXTS`; the Ex form has the section context behind them.
const MEMBERS: usize = 6;
const MEMBERS_EX: usize = 7;
const _: () = assert!(size_of::<FLT_RELATED_CONTEXTS_EX>() == MEMBERS_EX * 8);

/// The instance whose context is asked for.
fn borrow(address: usize) -> Result<std::mem::ManuallyDrop<std::sync::Arc<fltmgr::Instance>>, Raise> {
    fltmgr::anchor::borrow(address)
}

/// A context that a getter found, or its failure with a null pointer.
fn found(result: Result<usize, NtStatus>, out: *mut usize, export: &str) -> Result<NtStatus, Raise> {
    store(out, *result.as_ref().unwrap_or(&0), export, "Context")?;
    Ok(result.err().unwrap_or(NtStatus::SUCCESS))
}

/// The result of a set or delete, and the old context.
fn exchanged(result: Exchanged, old: *mut usize) -> Result<NtStatus, Raise> {
    let (status, context) = result?;
    store_if(old, context)?;
    Ok(status)
}

fn get_contexts(
    objects: &FLT_RELATED_OBJECTS,
    desired: u16,
    out: usize,
    members: usize,
) -> Result<(), Raise> {
    let mut found = [0usize; MEMBERS_EX];
    let wants = |kind: u16| desired & kind != 0;
    if wants(FLT_VOLUME_CONTEXT) {
        let (filter, volume) =
            (filter(objects.Filter.get() as usize)?, volume(objects.Volume.get() as usize)?);
        found[0] = objects::flt_get_volume_context(&filter, &volume).unwrap_or(0);
    }
    // All others belong to an instance.
    let instance = match objects.Instance.get() as usize {
        0 => None,
        address => Some(borrow(address)?),
    };
    if let Some(instance) = &instance {
        if wants(FLT_INSTANCE_CONTEXT) {
            found[1] = objects::flt_get_instance_context(instance).unwrap_or(0);
        }
        if let Some(file) = optional(objects.FileObject.get(), "FltGetContexts", "FltObjects->FileObject")? {
            for (member, kind, target) in [
                (2, FLT_FILE_CONTEXT, Target::File),
                (3, FLT_STREAM_CONTEXT, Target::Stream),
                (4, FLT_STREAMHANDLE_CONTEXT, Target::Handle),
            ] {
                if wants(kind) {
                    found[member] = files::flt_get_context(target, instance, file).unwrap_or(0);
                }
            }
            if wants(FLT_SECTION_CONTEXT) && members == MEMBERS_EX {
                found[6] = fltmgr::contexts::sections::flt_get_section_context(instance, file).unwrap_or(0);
            }
        }
        let transaction = objects.Transaction.get() as usize;
        if wants(FLT_TRANSACTION_CONTEXT) && transaction != 0 {
            let context = fltmgr::transactions::flt_get_transaction_context(instance, transaction);
            found[5] = context.unwrap_or(0);
        }
    }
    for (index, context) in found[..members].iter().enumerate() {
        store((out + index * 8) as *mut usize, *context, "FltGetContexts", "Contexts")?;
    }
    Ok(())
}

fn release_contexts(contexts: usize, members: usize) -> Result<(), Raise> {
    for index in 0..members {
        let member = (contexts + index * 8) as *mut usize;
        let context: usize = load(member, "FltReleaseContexts", "Contexts")?;
        if context != 0 {
            store(member, 0usize, "FltReleaseContexts", "Contexts")?;
            block::flt_release_context(context)?;
        }
    }
    Ok(())
}

export! {
    /// A context that hangs on nothing yet.
    pub fn FltAllocateContext(owner: usize, kind: u16, bytes: usize, pool_type: u32, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        let result = block::flt_allocate_context(&filter(owner)?, kind, bytes, pool_type)?;
        found(result, out, "FltAllocateContext")
    }

    /// One more reference.
    pub fn FltReferenceContext(context: usize) -> () [irql <= DISPATCH_LEVEL] {
        block::flt_reference_context(context);
        Ok(())
    }

    /// One reference less.
    pub fn FltReleaseContext(context: usize) -> () [irql <= DISPATCH_LEVEL] {
        block::flt_release_context(context)
    }

    /// Links a context to a volume.
    pub fn FltSetVolumeContext(target: usize, operation: u32, context: usize, old: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        exchanged(objects::flt_set_volume_context(&*volume(target)?, operation, context, !old.is_null()), old)
    }

    /// The filter's context of a volume.
    pub fn FltGetVolumeContext(owner: usize, target: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        found(objects::flt_get_volume_context(&*filter(owner)?, &*volume(target)?), out, "FltGetVolumeContext")
    }

    /// Unlinks the filter's context of a volume.
    pub fn FltDeleteVolumeContext(owner: usize, target: usize, old: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        let (owner, target) = (filter(owner)?, volume(target)?);
        exchanged(objects::flt_delete_volume_context(&owner, &target, !old.is_null()), old)
    }

    /// Links a context to an instance.
    pub fn FltSetInstanceContext(address: usize, operation: u32, context: usize, old: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        exchanged(objects::flt_set_instance_context(&*instance(address)?, operation, context, !old.is_null()), old)
    }

    /// The context of an instance.
    pub fn FltGetInstanceContext(address: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        found(objects::flt_get_instance_context(&**borrow(address)?), out, "FltGetInstanceContext")
    }

    /// Unlinks the context of an instance.
    pub fn FltDeleteInstanceContext(address: usize, old: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        exchanged(objects::flt_delete_instance_context(&*instance(address)?, !old.is_null()), old)
    }

    /// Unlinks a context from whatever it hangs on.
    pub fn FltDeleteContext(context: usize) -> () [irql <= APC_LEVEL] {
        links::flt_delete_context(context)
    }

    /// Several contexts at once.
    pub fn FltGetContexts(objects: *mut FLT_RELATED_OBJECTS, desired: u16, contexts: usize) -> () [irql <= APC_LEVEL] {
        arg!(FltGetContexts: objects);
        get_contexts(objects, desired, contexts, MEMBERS)
    }

    /// Several contexts at once, with room for the section's.
    pub fn FltGetContextsEx(objects: *mut FLT_RELATED_OBJECTS, desired: u16, bytes: usize, contexts: usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltGetContextsEx: objects);
        if bytes != size_of::<FLT_RELATED_CONTEXTS_EX>() {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        get_contexts(objects, desired, contexts, MEMBERS_EX)?;
        Ok(NtStatus::SUCCESS)
    }

    /// Releases what FltGetContexts found.
    pub fn FltReleaseContexts(contexts: usize) -> () [irql <= DISPATCH_LEVEL] {
        release_contexts(contexts, MEMBERS)
    }

    /// Releases what FltGetContextsEx found.
    pub fn FltReleaseContextsEx(_bytes: usize, contexts: usize) -> () [irql <= DISPATCH_LEVEL] {
        release_contexts(contexts, MEMBERS_EX)
    }

    /// Links a context to a file.
    pub fn FltSetFileContext(address: usize, file: *mut FILE_OBJECT, operation: u32, context: usize, old: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltSetFileContext: file);
        exchanged(files::flt_set_context(Target::File, &*instance(address)?, file, operation, context, !old.is_null()), old)
    }

    /// The context of a file.
    pub fn FltGetFileContext(address: usize, file: *mut FILE_OBJECT, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltGetFileContext: file);
        found(files::flt_get_context(Target::File, &**borrow(address)?, file), out, "FltGetFileContext")
    }

    /// Unlinks the context of a file.
    pub fn FltDeleteFileContext(address: usize, file: *mut FILE_OBJECT, old: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltDeleteFileContext: file);
        exchanged(files::flt_delete_context_of(Target::File, &*instance(address)?, file, !old.is_null()), old)
    }

    /// Links a context to a stream.
    pub fn FltSetStreamContext(address: usize, file: *mut FILE_OBJECT, operation: u32, context: usize, old: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltSetStreamContext: file);
        exchanged(files::flt_set_context(Target::Stream, &*instance(address)?, file, operation, context, !old.is_null()), old)
    }

    /// The context of a stream.
    pub fn FltGetStreamContext(address: usize, file: *mut FILE_OBJECT, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltGetStreamContext: file);
        found(files::flt_get_context(Target::Stream, &**borrow(address)?, file), out, "FltGetStreamContext")
    }

    /// Unlinks the context of a stream.
    pub fn FltDeleteStreamContext(address: usize, file: *mut FILE_OBJECT, old: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltDeleteStreamContext: file);
        exchanged(files::flt_delete_context_of(Target::Stream, &*instance(address)?, file, !old.is_null()), old)
    }

    /// Links a context to an open file.
    pub fn FltSetStreamHandleContext(address: usize, file: *mut FILE_OBJECT, operation: u32, context: usize, old: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltSetStreamHandleContext: file);
        exchanged(files::flt_set_context(Target::Handle, &*instance(address)?, file, operation, context, !old.is_null()), old)
    }

    /// The context of an open file.
    pub fn FltGetStreamHandleContext(address: usize, file: *mut FILE_OBJECT, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltGetStreamHandleContext: file);
        found(files::flt_get_context(Target::Handle, &**borrow(address)?, file), out, "FltGetStreamHandleContext")
    }

    /// Unlinks the context of an open file.
    pub fn FltDeleteStreamHandleContext(address: usize, file: *mut FILE_OBJECT, old: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltDeleteStreamHandleContext: file);
        exchanged(files::flt_delete_context_of(Target::Handle, &*instance(address)?, file, !old.is_null()), old)
    }

    /// Whether the file system has a place for contexts of a file.
    pub fn FltSupportsFileContexts(file: *mut FILE_OBJECT) -> bool [irql <= APC_LEVEL] {
        arg!(FltSupportsFileContexts: file);
        Ok(files::flt_supports_file_contexts(file, false))
    }

    /// Whether a file can have contexts, of an instance in any case.
    pub fn FltSupportsFileContextsEx(file: *mut FILE_OBJECT, address: usize) -> bool [irql <= APC_LEVEL] {
        arg!(FltSupportsFileContextsEx: file);
        Ok(files::flt_supports_file_contexts(file, address != 0))
    }

    /// Whether a stream can have contexts.
    pub fn FltSupportsStreamContexts(file: *mut FILE_OBJECT) -> bool [irql <= APC_LEVEL] {
        arg!(FltSupportsStreamContexts: file);
        Ok(files::flt_supports_stream_contexts(file))
    }

    /// Whether an open file can have contexts.
    pub fn FltSupportsStreamHandleContexts(file: *mut FILE_OBJECT) -> bool [irql <= APC_LEVEL] {
        arg!(FltSupportsStreamHandleContexts: file);
        Ok(files::flt_supports_stream_contexts(file))
    }
}
