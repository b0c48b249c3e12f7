//! File name queries.
//!
//! ```text
//! before the create reaches the file system: volume name + related file's path + FileObject->FileName
//! afterwards: volume name + FileNormalizedNameInformation or FileNameInformation, asked below the instance
//! ```
//!
//! There is no cache in this version: CACHE_ONLY always misses. Names that filters get are pool blocks with a
//! reference count. Statements: NAME-01 to NAME-34, NAME-39 to NAME-44.
//!
//! UNSAFETY: name blocks are reached through the addresses that drivers hold, checked by a magic number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use boundary::{Raise, copy};
use nt_abi::{
    FILE_OBJECT, FLT_FILE_NAME_ALLOW_QUERY_ON_REPARSE, FLT_FILE_NAME_INFORMATION, FLT_FILE_NAME_NORMALIZED,
    FLT_FILE_NAME_OPENED, FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP, FLT_FILE_NAME_QUERY_CACHE_ONLY,
    FLT_FILE_NAME_QUERY_DEFAULT, FLT_FILE_NAME_SHORT, FLT_VALID_FILE_NAME_FORMATS,
    FLT_VALID_FILE_NAME_QUERY_METHODS, IRP_MJ_CLOSE, IRP_MJ_CREATE, NtStatus, SL_OPEN_TARGET_DIRECTORY,
};
use nt_ex::pool::{self, PoolKind};
use nt_io::io_get_top_level_irp;

use crate::frame::{Operation, Phase};
use crate::generated::flt_query_information_file;
use crate::instance::Instance;
use crate::name_parts::{self, Parts};
use crate::text::{self, BACKSLASH, COLON};

const TAG: u32 = u32::from_le_bytes(*b"FMfn");
const MAGIC: u64 = 0x464D_666E_4E41_4D45;
const FILE_OPEN_BY_FILE_ID: u32 = 0x2000;
const FILE_RENAME_INFORMATION: u32 = 10;
const FILE_LINK_INFORMATION: u32 = 11;
const FILE_NAME_INFORMATION: u32 = 9;
const FILE_STANDARD_INFORMATION: u32 = 5;
const FILE_ALTERNATE_NAME_INFORMATION: u32 = 21;
const FILE_NORMALIZED_NAME_INFORMATION: u32 = 48;
const FILE_RENAME_INFORMATION_EX: u32 = 65;
const FILE_LINK_INFORMATION_EX: u32 = 72;

#[repr(C)]
struct Block {
    magic: AtomicU64,
    references: AtomicU64,
    information: FLT_FILE_NAME_INFORMATION,
}

const HEAD: usize = std::mem::offset_of!(Block, information);

fn block(address: usize) -> Result<&'static Block, NtStatus> {
    let base =
        address.checked_sub(HEAD).filter(|base| base.is_multiple_of(8)).ok_or(NtStatus::INVALID_PARAMETER)?;
    match copy::read_value::<u64>(base) {
        // SAFETY: the magic stands only in name blocks that are in use.
        Ok(MAGIC) => Ok(unsafe { &*(base as *const Block) }),
        _ => Err(NtStatus::INVALID_PARAMETER),
    }
}

/// A new name block with one reference: `name` begins with `volume` units of volume name.
fn make(name: &[u16], volume: usize, format: u32) -> Result<usize, NtStatus> {
    let bytes = text::bytes(name);
    if bytes.len() > 0xFFFE {
        return Err(NtStatus::NAME_TOO_LONG);
    }
    let size = size_of::<Block>();
    let address = pool::allocate(PoolKind::Paged, size + bytes.len(), TAG, true)
        .ok_or(NtStatus::INSUFFICIENT_RESOURCES)?
        .as_ptr() as usize;
    copy::write(address + size, &bytes).map_err(|_| NtStatus::INTERNAL_ERROR)?;
    // SAFETY: a fresh zeroed block, large enough and aligned; all of it cells and atomics.
    let block = unsafe { &*(address as *const Block) };
    block.magic.store(MAGIC, Ordering::Relaxed);
    block.references.store(1, Ordering::Relaxed);
    let information = &block.information;
    information.Size.set(size_of::<FLT_FILE_NAME_INFORMATION>() as u16);
    information.Format.set(format);
    text::set(&information.Name, address + size, bytes.len());
    text::set(&information.Volume, address + size, volume * 2);
    Ok(address + HEAD)
}

/// The name of the file that an operation is about, as `FLT_FILE_NAME_INFORMATION` in pool.
///
/// Source:  FltGetFileNameInformation; NAME-01 to NAME-11, NAME-15, NAME-17 to NAME-19, NAME-21 to NAME-28
/// IRQL:    <= APC_LEVEL
/// Returns: its address, with one reference for the caller
/// Errors:  INVALID_PARAMETER (options) · FLT_INVALID_NAME_REQUEST (no file, paging, after close, short name before
///          the create, top-level IRP) · FLT_NAME_CACHE_MISS · NOT_SUPPORTED (create by file ID) · the file system's
pub fn flt_get_file_name_information(
    operation: &Operation,
    options: u32,
) -> Result<Result<usize, NtStatus>, Raise> {
    let (format, method) =
        (options & FLT_VALID_FILE_NAME_FORMATS, options & FLT_VALID_FILE_NAME_QUERY_METHODS);
    if !(FLT_FILE_NAME_NORMALIZED..=FLT_FILE_NAME_SHORT).contains(&format)
        || !(FLT_FILE_NAME_QUERY_DEFAULT..=FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP).contains(&method)
        || method % FLT_FILE_NAME_QUERY_DEFAULT != 0
    {
        return Ok(Err(NtStatus::INVALID_PARAMETER));
    }
    let (Some(node), Some(file)) =
        (operation.current_node(), crate::pointer::file(operation.iopb.TargetFileObject.get()))
    else {
        return Ok(Err(NtStatus::FLT_INVALID_NAME_REQUEST));
    };
    let major = operation.iopb.MajorFunction.get();
    let after = operation.phase.get() == Phase::Post;
    let status = operation.data.IoStatus.Status.get();
    let reparsed = major == IRP_MJ_CREATE && after && status == NtStatus::REPARSE;
    if crate::requestor::is_paging(&operation.data)
        || (major == IRP_MJ_CLOSE && after)
        || (reparsed && options & FLT_FILE_NAME_ALLOW_QUERY_ON_REPARSE == 0)
    {
        return Ok(Err(NtStatus::FLT_INVALID_NAME_REQUEST));
    }
    let unopened = major == IRP_MJ_CREATE && (!after || !status.is_success() || reparsed);
    if unopened && format == FLT_FILE_NAME_SHORT {
        return Ok(Err(NtStatus::FLT_INVALID_NAME_REQUEST));
    }
    if method == FLT_FILE_NAME_QUERY_CACHE_ONLY {
        return Ok(Err(NtStatus::FLT_NAME_CACHE_MISS));
    }
    if io_get_top_level_irp() != 0 {
        let always = method == FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP;
        return Ok(Err(if always {
            NtStatus::FLT_NAME_CACHE_MISS
        } else {
            NtStatus::FLT_INVALID_NAME_REQUEST
        }));
    }
    let instance = &*node.instance;
    let path = if unopened {
        unopened_path(operation, instance, file)?
    } else {
        opened_path(instance, file, format)?
    };
    Ok(path.and_then(|path| finish(instance, path, format)))
}

fn finish(instance: &Instance, path: Vec<u16>, format: u32) -> Result<usize, NtStatus> {
    if format == FLT_FILE_NAME_SHORT {
        return make(&path, 0, format);
    }
    let path =
        if format == FLT_FILE_NAME_NORMALIZED { name_parts::without_data_suffix(&path) } else { &path };
    let volume = &instance.volume.name;
    make(&[volume, path].concat(), volume.len(), format)
}

/// The path that a create asks for. Source: NAME-17, NAME-18, NAME-26.
fn unopened_path(
    operation: &Operation,
    instance: &Instance,
    file: &FILE_OBJECT,
) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
    if operation.iopb.Parameters.Create().Options.get() & FILE_OPEN_BY_FILE_ID != 0 {
        return Ok(Err(NtStatus::NOT_SUPPORTED));
    }
    let Some(name) = text::units(&file.FileName) else { return Ok(Err(NtStatus::FLT_INVALID_NAME_REQUEST)) };
    let mut path = match crate::pointer::file(file.RelatedFileObject.get()) {
        Some(related) if name.first() != Some(&BACKSLASH) => {
            match query_name(instance, related, FILE_NAME_INFORMATION)? {
                Ok(directory) => below(&directory, &name),
                Err(status) => return Ok(Err(status)),
            }
        }
        _ => name,
    };
    if operation.iopb.OperationFlags.get() & SL_OPEN_TARGET_DIRECTORY != 0 {
        parent(&mut path);
    }
    Ok(Ok(path))
}

/// `directory\name`, or the directory itself, or a stream of it.
fn below(directory: &[u16], name: &[u16]) -> Vec<u16> {
    let mut path = directory.to_vec();
    if !name.is_empty() && name.first() != Some(&COLON) && path.last() != Some(&BACKSLASH) {
        path.push(BACKSLASH);
    }
    path.extend(name);
    path
}

/// Cuts the last component off.
fn parent(path: &mut Vec<u16>) {
    let last = path.iter().rposition(|unit| *unit == BACKSLASH).unwrap_or(0);
    path.truncate(last.max(1));
}

fn opened_path(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    format: u32,
) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
    if file.FsContext.get().is_null() {
        return Ok(Err(NtStatus::FLT_INVALID_NAME_REQUEST));
    }
    match format {
        FLT_FILE_NAME_SHORT => query_name(instance, file, FILE_ALTERNATE_NAME_INFORMATION),
        FLT_FILE_NAME_OPENED => query_name(instance, file, FILE_NAME_INFORMATION),
        _ => match query_name(instance, file, FILE_NORMALIZED_NAME_INFORMATION)? {
            Ok(name) => Ok(Ok(name)),
            Err(_) => query_name(instance, file, FILE_NAME_INFORMATION),
        },
    }
}

/// Asks the file system, below `instance`, for a name with a length in front.
fn query_name(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    class: u32,
) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
    // A name is at most 64 KiB; most need little.
    for size in [1024usize, 4 + 0x10000] {
        let Some(buffer) = pool::allocate_engine(PoolKind::NonPaged, size, TAG) else {
            return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
        };
        let address = buffer.as_ptr() as usize;
        let result = flt_query_information_file(instance, file, address, size as u32, class);
        let name = match &result {
            Ok(done) if done.status == NtStatus::SUCCESS => {
                let length = copy::read_value::<u32>(address).unwrap_or(0) as usize;
                Some(text::units_at(address + 4, length.min(size - 4)).unwrap_or_default())
            }
            _ => None,
        };
        pool::free(buffer.as_ptr(), Some(TAG))?;
        match (result?.status, name) {
            (_, Some(name)) => return Ok(Ok(name)),
            (NtStatus::BUFFER_OVERFLOW, _) => {}
            (status, _) => return Ok(Err(status)),
        }
    }
    Ok(Err(NtStatus::NAME_TOO_LONG))
}

/// Fills in the parts of a name.
///
/// Source:  FltParseFileNameInformation; NAME-24, NAME-29 to NAME-33
/// Errors:  INVALID_PARAMETER (not a name of the manager's)
pub fn flt_parse_file_name_information(address: usize) -> NtStatus {
    let information = match block(address) {
        Ok(block) => &block.information,
        Err(status) => return status,
    };
    let Some(name) = text::units(&information.Name) else { return NtStatus::INVALID_PARAMETER };
    let short = information.Format.get() == FLT_FILE_NAME_SHORT;
    let volume = if short { 0 } else { usize::from(information.Volume.Length.get()) / 2 };
    let Parts { share, parent, component, extension, stream, .. } = name_parts::split(&name, volume, 0);
    let base = information.Name.Buffer.get() as usize;
    for (string, part) in [
        (&information.Share, share),
        (&information.ParentDir, parent),
        (&information.FinalComponent, component),
        (&information.Extension, extension),
        (&information.Stream, stream),
    ] {
        text::set(string, base + part.start * 2, part.len() * 2);
    }
    information.NamesParsed.set(0xF);
    NtStatus::SUCCESS
}

/// Source: FltReferenceFileNameInformation; NAME-44. Errors: INVALID_PARAMETER.
pub fn flt_reference_file_name_information(address: usize) -> NtStatus {
    match block(address) {
        Ok(block) => {
            block.references.fetch_add(1, Ordering::Relaxed);
            NtStatus::SUCCESS
        }
        Err(status) => status,
    }
}

/// Gives up a reference; the last one frees the block.
///
/// Source:  FltReleaseFileNameInformation; NAME-21, NAME-44
/// Errors:  something that is no name, or was released, is a bug check
pub fn flt_release_file_name_information(address: usize) -> Result<(), Raise> {
    let Ok(block) = block(address) else {
        return Err(nt_ke::current_core().bug_check(nt_ke::BugCheck::new(
            nt_abi::bugcheck::FLTMGR_FILE_SYSTEM,
            [address as u64, 0, 0, 0],
            "FltReleaseFileNameInformation was given something that is no name information (released too often?)",
        )));
    };
    if block.references.fetch_sub(1, Ordering::AcqRel) == 1 {
        block.magic.store(0, Ordering::Relaxed);
        pool::free(std::ptr::from_ref(block).cast(), Some(TAG))?;
    }
    Ok(())
}

/// The name that a rename or link will give.
///
/// Source:  FltGetDestinationFileNameInformation; NAME-39, NAME-42
/// Returns: address of a name with one reference
/// Errors:  FLT_INVALID_NAME_REQUEST (short name, top-level IRP) · INVALID_PARAMETER (options) · INVALID_HANDLE
pub fn flt_get_destination_file_name_information(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    root: usize,
    name: &[u16],
    options: u32,
) -> Result<Result<usize, NtStatus>, Raise> {
    let format = options & FLT_VALID_FILE_NAME_FORMATS;
    if format == FLT_FILE_NAME_SHORT || io_get_top_level_irp() != 0 {
        return Ok(Err(NtStatus::FLT_INVALID_NAME_REQUEST));
    }
    if !matches!(format, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_OPENED) {
        return Ok(Err(NtStatus::INVALID_PARAMETER));
    }
    let directory = if root != 0 {
        let (directory, _) = match nt_io::reference_file_by_handle(root, 0, 0) {
            Ok(referenced) => (referenced.0, referenced.1),
            Err(status) => return Ok(Err(status)),
        };
        let path = query_name(instance, directory, FILE_NAME_INFORMATION);
        nt_ob::ob_dereference(std::ptr::from_ref(directory) as usize)?;
        path?
    } else if name.first() == Some(&BACKSLASH) {
        return full_target(instance, name, format);
    } else {
        query_name(instance, file, FILE_NAME_INFORMATION)?.map(|mut path| {
            parent(&mut path);
            path
        })
    };
    Ok(directory.and_then(|directory| finish(instance, below(&directory, name), format)))
}

/// A fully qualified target: `\??\C:\a`, `\Device\X\a`, or a path on the volume itself.
fn full_target(instance: &Instance, name: &[u16], format: u32) -> Result<Result<usize, NtStatus>, Raise> {
    let volume = &instance.volume.name;
    let resolved = match second_backslash(name, 2) {
        Some(cut) => match resolve_link(&name[..cut])? {
            Some(target) => [&target, &name[cut..]].concat(),
            None => name.to_vec(),
        },
        None => name.to_vec(),
    };
    let path =
        if resolved.len() > volume.len() && text::equal_ignoring_case(&resolved[..volume.len()], volume) {
            resolved[volume.len()..].to_vec()
        } else if name_parts::volume_length(&resolved) != 0 {
            return Ok(Err(NtStatus::NOT_SAME_DEVICE));
        } else {
            resolved
        };
    Ok(finish(instance, path, format))
}

fn second_backslash(name: &[u16], skip: usize) -> Option<usize> {
    name.iter().enumerate().filter(|(_, unit)| **unit == BACKSLASH).nth(skip).map(|(place, _)| place)
}

/// What a symbolic link names, `None` for anything else.
pub(crate) fn resolve_link(name: &[u16]) -> Result<Option<Vec<u16>>, Raise> {
    Ok(nt_ob::ob_query_symbolic_link(name)?.ok())
}

/// Whether an open file is a directory.
///
/// Source:  FltIsDirectory; OBJ-23. IRQL: PASSIVE_LEVEL
/// Errors:  the file system's
pub fn flt_is_directory(
    instance: &Arc<Instance>,
    file: &'static FILE_OBJECT,
) -> Result<Result<bool, NtStatus>, Raise> {
    const SIZE: usize = 24;
    const DIRECTORY: usize = 21;
    let Some(buffer) = pool::allocate_engine(PoolKind::NonPaged, SIZE, TAG) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let address = buffer.as_ptr() as usize;
    let result = flt_query_information_file(instance, file, address, SIZE as u32, FILE_STANDARD_INFORMATION);
    let directory = copy::read_value::<u8>(address + DIRECTORY).unwrap_or(0) != 0;
    pool::free(buffer.as_ptr(), Some(TAG))?;
    let status = result?.status;
    Ok(if status.is_success() { Ok(directory) } else { Err(status) })
}

/// Whether a class carries the name of a target.
pub(crate) fn names_target(class: u32) -> bool {
    matches!(
        class,
        FILE_RENAME_INFORMATION
            | FILE_LINK_INFORMATION
            | FILE_RENAME_INFORMATION_EX
            | FILE_LINK_INFORMATION_EX
    )
}

/// Whether the target of a rename or link is more than a name in the same directory.
pub(crate) fn target_needs_directory(buffer: usize, length: u32) -> bool {
    if length < 0x16 {
        return false;
    }
    let root = copy::read_value::<u64>(buffer + 8).unwrap_or(0);
    let first = copy::read_value::<u16>(buffer + 0x14).unwrap_or(0);
    root != 0 || first == BACKSLASH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::wide;

    #[test]
    fn a_relative_name_goes_below_its_directory() {
        // spec: NAME-18, NAME-26
        assert_eq!(below(&wide("\\a"), &wide("b")), wide("\\a\\b"));
        assert_eq!(below(&wide("\\"), &wide("b")), wide("\\b"));
        assert_eq!(below(&wide("\\a"), &wide(":s")), wide("\\a:s"));
        assert_eq!(below(&wide("\\a"), &[]), wide("\\a"));
    }

    #[test]
    fn the_target_directory_is_the_path_without_its_last_component() {
        // spec: NAME-17
        let cut = |text: &str| {
            let mut path = wide(text);
            parent(&mut path);
            path
        };
        assert_eq!(cut("\\a\\b"), wide("\\a"));
        assert_eq!(cut("\\b"), wide("\\"));
    }
}
