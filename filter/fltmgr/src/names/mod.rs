//! File name queries.
//!
//! ```text
//! before the create reaches the file system: volume name + related file's path + FileObject->FileName
//! afterwards: volume name + FileNormalizedNameInformation or FileNameInformation, asked below the instance
//! a name provider below the instance is asked in the place of both (`provider`)
//! ```
//!
//! `cache` keeps the names of open files with the volume; names asked for during a create stay with the operation.
//! Names that filters get are pool blocks with a reference count (`block`). Statements: NAME-01 to NAME-58.
//!
//! UNSAFETY: the instance that a name provider asks for is named by its address while its callback runs.

mod ask;
mod block;
pub(crate) mod cache;
mod normal;
pub mod provider;
mod target;
mod tunnel;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::irql::APC_LEVEL;
use nt_abi::{
    FILE_OBJECT, FLT_FILE_NAME_ALLOW_QUERY_ON_REPARSE, FLT_FILE_NAME_DO_NOT_CACHE, FLT_FILE_NAME_NORMALIZED,
    FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP, FLT_FILE_NAME_QUERY_CACHE_ONLY,
    FLT_FILE_NAME_QUERY_DEFAULT, FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY,
    FLT_FILE_NAME_REQUEST_FROM_CURRENT_PROVIDER, FLT_FILE_NAME_SHORT, FLT_VALID_FILE_NAME_FORMATS,
    FLT_VALID_FILE_NAME_QUERY_METHODS, FO_CLEANUP_COMPLETE, IO_REPARSE_TAG_MOUNT_POINT,
    IO_REPARSE_TAG_SYMLINK, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_NETWORK_QUERY_OPEN, IRP_MJ_QUERY_OPEN,
    NtStatus,
};
use nt_io::io_get_top_level_irp;
use nt_ke::irql;

pub use block::{
    flt_parse_file_name_information, flt_reference_file_name_information, flt_release_file_name_information,
};
pub use target::flt_get_destination_file_name_information;
pub use tunnel::flt_get_tunneled_name;

use crate::altitude::Altitude;
use crate::anchor::Anchored;
use crate::findings;
use crate::flt;
use crate::frame::{Operation, Phase};
use crate::instance::Instance;
use crate::volume::Volume;
use cache::Key;

/// Who asks, and from where on the file system is asked.
pub(crate) struct Asker<'a> {
    volume: &'a Arc<Volume>,
    /// Only instances below this are asked; `None`: all.
    below: Option<&'a Altitude>,
    instance: Option<&'a Instance>,
    filter: usize,
    label: &'a str,
}

impl<'a> Asker<'a> {
    fn of_instance(instance: &'a Instance) -> Self {
        Self {
            volume: &instance.volume,
            below: Some(&instance.altitude),
            instance: Some(instance),
            filter: instance.filter.anchor().address(),
            label: &instance.filter.label,
        }
    }

    /// The instance whose callback runs, or the name provider that was called for it.
    fn of_operation(operation: &'a Operation) -> Option<Self> {
        // SAFETY: `provider` sets it for the time of a callback and keeps the instance meanwhile.
        match unsafe { operation.asking.get().as_ref() } {
            Some(instance) => Some(Self::of_instance(instance)),
            None => operation.current_node().map(|node| Self::of_instance(&node.instance)),
        }
    }

    /// Whether the volume can keep names of `file`: it is a file of this volume.
    fn may_keep(&self, file: &FILE_OBJECT) -> bool {
        let device = file.DeviceObject.get().cast_const();
        !file.FsContext.get().is_null() && self.volume.disk.is_some_and(|disk| std::ptr::eq(disk, device))
    }
}

/// A name, and units of its volume name.
struct Named {
    name: Vec<u16>,
    volume: usize,
}

/// What is asked for.
struct Question<'a> {
    file: &'static FILE_OBJECT,
    /// The operation that the name is asked in.
    operation: Option<&'a Operation>,
    /// The create has not opened the file.
    unopened: bool,
    /// The file system may be asked now.
    safe: bool,
    format: u32,
    method: u32,
    options: u32,
}

/// Format and method of name options. Source: NAME-01, NAME-03. Errors: INVALID_PARAMETER.
fn format_and_method(options: u32, last_method: u32) -> Result<(u32, u32), NtStatus> {
    let (format, method) =
        (options & FLT_VALID_FILE_NAME_FORMATS, options & FLT_VALID_FILE_NAME_QUERY_METHODS);
    if (FLT_FILE_NAME_NORMALIZED..=FLT_FILE_NAME_SHORT).contains(&format)
        && (FLT_FILE_NAME_QUERY_DEFAULT..=last_method).contains(&method)
    {
        Ok((format, method))
    } else {
        Err(NtStatus::INVALID_PARAMETER)
    }
}

/// The name of the file that an operation is about, as `FLT_FILE_NAME_INFORMATION` in pool.
///
/// Source:  FltGetFileNameInformation; NAME-01 to NAME-28
/// IRQL:    <= APC_LEVEL
/// Returns: its address, with one reference for the caller
/// Errors:  INVALID_PARAMETER (options) · FLT_INVALID_NAME_REQUEST (no file, after close, short name before the
///          create; the file system cannot be asked: paging, top-level IRP, file system filter operation, APC_LEVEL)
///          · FLT_NAME_CACHE_MISS · the file system's
pub fn flt_get_file_name_information(
    operation: &Operation,
    options: u32,
) -> Result<Result<usize, NtStatus>, Raise> {
    let (format, method) = match format_and_method(options, FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP) {
        Ok(found) => found,
        Err(status) => return Ok(Err(status)),
    };
    let (Some(asker), Some(file)) =
        (Asker::of_operation(operation), crate::pointer::file(operation.iopb.TargetFileObject.get()))
    else {
        return Ok(Err(NtStatus::FLT_INVALID_NAME_REQUEST));
    };
    let major = operation.iopb.MajorFunction.get();
    let after = operation.phase.get() == Phase::Post;
    let status = operation.data.IoStatus.Status.get();
    let reparsed = major == IRP_MJ_CREATE && after && status == NtStatus::REPARSE;
    let unopened = major == IRP_MJ_CREATE && (!after || !status.is_success() || reparsed)
        || matches!(major, IRP_MJ_NETWORK_QUERY_OPEN | IRP_MJ_QUERY_OPEN);
    if (major == IRP_MJ_CLOSE && after)
        || (reparsed && options & FLT_FILE_NAME_ALLOW_QUERY_ON_REPARSE == 0)
        || (unopened && format == FLT_FILE_NAME_SHORT)
    {
        return Ok(Err(NtStatus::FLT_INVALID_NAME_REQUEST));
    }
    let safe = io_get_top_level_irp() == 0
        && irql::current() < APC_LEVEL
        && !crate::fs_filter::is_fs_filter(operation)
        && !crate::requestor::is_paging(&operation.data);
    if reparsed && follows_a_link(operation.data.IoStatus.Information.get()) {
        let message = "FLT_FILE_NAME_ALLOW_QUERY_ON_REPARSE was given for a mount point or symbolic link, whose target is \
                       another file";
        findings::error("NAME-16", asker.label, message);
    }
    answer(&asker, &Question { file, operation: Some(operation), unopened, safe, format, method, options })
}

/// Whether STATUS_REPARSE came with the tag of a mount point or symbolic link.
fn follows_a_link(tag: usize) -> bool {
    matches!(u32::try_from(tag), Ok(IO_REPARSE_TAG_MOUNT_POINT | IO_REPARSE_TAG_SYMLINK))
}

/// The name of an open file, outside any operation.
///
/// Source:  FltGetFileNameInformationUnsafe; NAME-35 to NAME-38
/// IRQL:    <= APC_LEVEL
/// Returns: address of a name with one reference
/// Errors:  INVALID_PARAMETER (options, no volume of the manager) · FLT_INVALID_NAME_REQUEST (not open) ·
///          FLT_NAME_CACHE_MISS · the file system's; where it can deadlock is a finding
pub fn flt_get_file_name_information_unsafe(
    file: &'static FILE_OBJECT,
    instance: Option<&Instance>,
    options: u32,
) -> Result<Result<usize, NtStatus>, Raise> {
    let (format, method) = match format_and_method(options, FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY) {
        Ok(found) => found,
        Err(status) => return Ok(Err(status)),
    };
    if file.FsContext.get().is_null() || cache::is_closed(file) {
        return Ok(Err(NtStatus::FLT_INVALID_NAME_REQUEST));
    }
    if instance.is_none()
        && let Some(filter) = crate::filter::filter_at_code(boundary::caller_address())
        && !flt().instances_of(&filter).is_empty()
    {
        let message = "FltGetFileNameInformationUnsafe was called without an instance: only who has none yet may do so, in \
                       DriverEntry; the name comes from the top of the volume, this filter's own callbacks included";
        findings::error("NAME-38", &filter.label, message);
    }
    let found = if instance.is_none() { crate::lookup::volume_of_file(file) } else { None };
    let asker = match (instance, &found) {
        (Some(instance), _) => Asker::of_instance(instance),
        (None, Some(volume)) => Asker { volume, below: None, instance: None, filter: 0, label: "" },
        (None, None) => return Ok(Err(NtStatus::INVALID_PARAMETER)),
    };
    let complain = |state: &str| {
        let message = format!("FltGetFileNameInformationUnsafe was called {state}, where it can deadlock");
        findings::error("NAME-37", asker.label, message);
    };
    if method != FLT_FILE_NAME_QUERY_CACHE_ONLY {
        if io_get_top_level_irp() != 0 {
            complain("with a top-level IRP set");
        } else if file.Flags.load(Ordering::Relaxed) & FO_CLEANUP_COMPLETE != 0 {
            complain("after the cleanup of the file");
        }
    }
    answer(&asker, &Question { file, operation: None, unopened: false, safe: true, format, method, options })
}

/// From what is remembered, or from below. Source: NAME-09 to NAME-14.
fn answer(asker: &Asker<'_>, question: &Question<'_>) -> Result<Result<usize, NtStatus>, Raise> {
    let Question { file, format, method, options, .. } = *question;
    let provider = provider::below(asker, options & FLT_FILE_NAME_REQUEST_FROM_CURRENT_PROVIDER != 0);
    let made_by = provider.as_ref().map_or(0, |provider| provider.anchor().address());
    let key = Key { filter: asker.filter, format, provider: made_by };
    let kept = !question.unopened && asker.may_keep(file);
    let names = &asker.volume.names;
    let generation = names.generation();
    let looks = method != FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY
        && (question.safe || method != FLT_FILE_NAME_QUERY_DEFAULT);
    if looks {
        let found = match question.operation {
            _ if kept => names.find(file, key),
            Some(operation) if question.unopened => of_create(operation, file, key).map(Err),
            _ => None,
        };
        match found {
            Some(Ok(address)) => return Ok(Ok(address)),
            Some(Err(other)) => {
                // The same text, in a block of this filter.
                let own =
                    block::contents(other).and_then(|(name, volume, _)| block::make(&name, volume, format));
                block::flt_release_file_name_information(other)?;
                if let Ok(address) = own
                    && kept
                    && asker.filter != 0
                {
                    names.keep(file, key, generation, address)?;
                }
                return Ok(own);
            }
            None => {}
        }
    }
    if method == FLT_FILE_NAME_QUERY_CACHE_ONLY {
        return Ok(Err(NtStatus::FLT_NAME_CACHE_MISS));
    }
    if !question.safe {
        let always = method == FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP;
        return Ok(Err(if always {
            NtStatus::FLT_NAME_CACHE_MISS
        } else {
            NtStatus::FLT_INVALID_NAME_REQUEST
        }));
    }
    let (named, may_keep) = match &provider {
        Some(provider) => match provider::name_from(provider, asker, question)? {
            Ok(found) => found,
            Err(status) => return Ok(Err(status)),
        },
        None => match path(asker, question)? {
            Ok(path) => (ask::full_name(asker, path, format), true),
            Err(status) => return Ok(Err(status)),
        },
    };
    let made = block::make(&named.name, named.volume, format);
    if let Ok(address) = made
        && may_keep
        && method != FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY
        && options & FLT_FILE_NAME_DO_NOT_CACHE == 0
    {
        match question.operation {
            // A block of nobody's would be the driver's that is calling, and outlive it.
            _ if kept && asker.filter != 0 => names.keep(file, key, generation, address)?,
            Some(operation) if question.unopened => keep_in_create(operation, file, key, &named, generation),
            _ => {}
        }
    }
    Ok(made)
}

/// The path of the file of `question`, without providers.
fn path(asker: &Asker<'_>, question: &Question<'_>) -> ask::Path {
    match question.operation {
        Some(operation) if question.unopened => {
            let path = ask::unopened_path(operation, asker, question.file)?;
            match path {
                Ok(path) if question.format == FLT_FILE_NAME_NORMALIZED => normal::expand(asker, path),
                other => Ok(other),
            }
        }
        _ => ask::opened_path(asker, question.file, question.format),
    }
}

/// A name that was asked for during a create.
pub(crate) struct CreateName {
    key: Key,
    /// What stood in the file object then.
    file_name: Vec<u16>,
    generation: u64,
    address: usize,
}

impl CreateName {
    /// The operation ends.
    pub(crate) fn release(self) -> Result<(), Raise> {
        block::flt_release_file_name_information(self.address)
    }
}

/// As [`cache::Names::find`], for a file that the operation creates. The block is the manager's: the operation may outlive
/// the filter that asked.
fn of_create(operation: &Operation, file: &FILE_OBJECT, key: Key) -> Option<usize> {
    let now = crate::text::units(&file.FileName)?;
    let buffers = operation.buffers.borrow();
    let fits = |name: &&CreateName| {
        (name.key.format, name.key.provider) == (key.format, key.provider)
            && name.file_name == now
            && name.generation == operation.volume().names.generation()
    };
    let address = buffers.names.iter().find(fits)?.address;
    block::reference_kept(address);
    Some(address)
}

/// `generation` is that of before the file system was asked.
fn keep_in_create(operation: &Operation, file: &FILE_OBJECT, key: Key, named: &Named, generation: u64) {
    let Some(file_name) = crate::text::units(&file.FileName) else { return };
    let Ok(address) = block::make_own(&named.name, named.volume, key.format) else { return };
    operation.buffers.borrow_mut().names.push(CreateName { key, file_name, generation, address });
    operation.extras.set(true);
}

/// Forgets the names that a provider made: of one file, or all.
///
/// Source:  FltPurgeFileNameInformationCache; NAME-44, NAME-45
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (the file is not open)
pub fn flt_purge_file_name_information_cache(
    instance: &Instance,
    file: Option<&FILE_OBJECT>,
) -> Result<NtStatus, Raise> {
    let stream = file.map(|file| file.FsContext.get() as usize);
    if stream == Some(0) {
        return Ok(NtStatus::INVALID_PARAMETER);
    }
    instance.volume.names.forget_provider(instance.anchor().address(), stream)?;
    Ok(NtStatus::SUCCESS)
}

/// What a symbolic link names, `None` for anything else.
pub(crate) fn resolve_link(name: &[u16]) -> Result<Option<Vec<u16>>, Raise> {
    Ok(nt_ob::ob_query_symbolic_link(name)?.ok())
}
