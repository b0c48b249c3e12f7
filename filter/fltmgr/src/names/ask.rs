//! Asking for a name: the path of a create, the file system's answer, and how paths are put together.
//!
//! Statements: NAME-17 to NAME-20, NAME-25 to NAME-28.

use boundary::{Raise, copy};
use nt_abi::{
    FILE_OBJECT, FLT_FILE_NAME_NORMALIZED, FLT_FILE_NAME_OPENED, FLT_FILE_NAME_SHORT, FO_VOLUME_OPEN,
    IRP_BUFFERED_IO, IRP_MJ_QUERY_INFORMATION, IRP_SYNCHRONOUS_API, NtStatus, SL_OPEN_TARGET_DIRECTORY,
};
use nt_ex::pool::{self, PoolKind};
use nt_io::CreateParameters;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Asker;
use super::block::TAG;
use crate::frame::Operation;
use crate::generated::{Opener, issue};
use crate::text::{self, BACKSLASH, COLON};

const FILE_OPEN_BY_FILE_ID: u32 = 0x2000;
const FILE_NAME_INFORMATION: u32 = 9;
const FILE_ALTERNATE_NAME_INFORMATION: u32 = 21;
const FILE_NORMALIZED_NAME_INFORMATION: u32 = 48;
const FILE_READ_ATTRIBUTES: u32 = 0x80;

/// A path below the volume, or why there is none.
pub(super) type Path = Result<Result<Vec<u16>, NtStatus>, Raise>;

/// The path that a create asks for. Source: NAME-17, NAME-18, NAME-20, NAME-26.
pub(super) fn unopened_path(operation: &Operation, asker: &Asker<'_>, file: &'static FILE_OBJECT) -> Path {
    let options = operation.iopb.Parameters.Create().Options.get();
    let Some(name) = text::units(&file.FileName) else { return Ok(Err(NtStatus::FLT_INVALID_NAME_REQUEST)) };
    if options & FILE_OPEN_BY_FILE_ID != 0 {
        return path_of_id(asker, file, &name);
    }
    let mut path = match crate::pointer::file(file.RelatedFileObject.get()) {
        Some(related) if name.first() != Some(&BACKSLASH) => {
            match query_name(asker, related, FILE_NAME_INFORMATION)?.and_then(whole) {
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

/// Opens the file of an ID below the asker to learn its name. Source: NAME-20.
fn path_of_id(asker: &Asker<'_>, file: &'static FILE_OBJECT, id: &[u16]) -> Path {
    let Some(device) = asker.volume.device() else { return Ok(Err(NtStatus::VOLUME_DISMOUNTED)) };
    let below = asker.below.cloned();
    let full = [asker.volume.name.as_slice(), &[BACKSLASH], id].concat();
    let related = crate::pointer::file(file.RelatedFileObject.get());
    let opened = nt_io::io_create_file_object(&CreateParameters {
        name: if related.is_some() { id } else { &full },
        root_file: related,
        access: FILE_READ_ATTRIBUTES,
        share: 7,
        disposition: nt_abi::create_disposition::FILE_OPEN,
        options: FILE_OPEN_BY_FILE_ID,
        start_device: Some(device),
        driver_context: below
            .map(|altitude| Arc::new(Opener { altitude, generated: true, files: None, transaction: 0 }) as _),
        ..CreateParameters::default()
    })?;
    let (opened, _) = match opened {
        Ok(opened) => opened,
        Err(failed) => return Ok(Err(failed.status)),
    };
    let path = query_name(asker, opened, FILE_NAME_INFORMATION);
    nt_ob::ob_dereference(std::ptr::from_ref(opened) as usize)?;
    Ok(path?.and_then(whole))
}

/// A file system gives only the last part of a path, without a backslash in front, to who may not traverse the rest.
///
/// Source: NAME-20
fn whole(path: Vec<u16>) -> Result<Vec<u16>, NtStatus> {
    if path.first().is_none_or(|unit| *unit == BACKSLASH) { Ok(path) } else { Err(NtStatus::ACCESS_DENIED) }
}

/// As much of the path of an open file as who opened it may know. Source: NAME-43.
pub(super) fn permitted_path(asker: &Asker<'_>, file: &'static FILE_OBJECT) -> Path {
    let known = |path: Vec<u16>| {
        if path.first() == Some(&BACKSLASH) { path } else { [vec![BACKSLASH], path].concat() }
    };
    Ok(query_name(asker, file, FILE_NAME_INFORMATION)?.map(known))
}

/// `directory\name`, or the directory itself, or a stream of it.
pub(super) fn below(directory: &[u16], name: &[u16]) -> Vec<u16> {
    let mut path = directory.to_vec();
    if !name.is_empty() && name.first() != Some(&COLON) && path.last() != Some(&BACKSLASH) {
        path.push(BACKSLASH);
    }
    path.extend(name);
    path
}

/// Cuts the last component off.
pub(super) fn parent(path: &mut Vec<u16>) {
    let last = path.iter().rposition(|unit| *unit == BACKSLASH).unwrap_or(0);
    path.truncate(last.max(1));
}

/// The path of an open file, from the file system. Source: NAME-25 to NAME-28.
pub(super) fn opened_path(asker: &Asker<'_>, file: &'static FILE_OBJECT, format: u32) -> Path {
    if file.FsContext.get().is_null() {
        return Ok(Err(NtStatus::FLT_INVALID_NAME_REQUEST));
    }
    if file.Flags.load(Ordering::Relaxed) & FO_VOLUME_OPEN != 0 {
        let none =
            if format == FLT_FILE_NAME_SHORT { Err(NtStatus::FLT_INVALID_NAME_REQUEST) } else { Ok(vec![]) };
        return Ok(none);
    }
    match format {
        FLT_FILE_NAME_SHORT => query_name(asker, file, FILE_ALTERNATE_NAME_INFORMATION),
        FLT_FILE_NAME_OPENED => Ok(query_name(asker, file, FILE_NAME_INFORMATION)?.and_then(whole)),
        _ => match query_name(asker, file, FILE_NORMALIZED_NAME_INFORMATION)? {
            Ok(name) => Ok(whole(name)),
            Err(_) => query_name(asker, file, FILE_NAME_INFORMATION)?
                .and_then(whole)
                .map_or_else(|status| Ok(Err(status)), |path| super::normal::expand(asker, path)),
        },
    }
}

/// Asks the file system, below the asker, for a name with a length in front.
fn query_name(asker: &Asker<'_>, file: &'static FILE_OBJECT, class: u32) -> Path {
    // A name is at most 64 KiB; most need little.
    for size in [1024usize, 4 + 0x10000] {
        let Some(buffer) = pool::allocate_engine(PoolKind::NonPaged, size, TAG) else {
            return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
        };
        let address = buffer.as_ptr() as usize;
        let result = issue(asker.volume, asker.below, file, IRP_MJ_QUERY_INFORMATION, |irp, stack| {
            irp.Flags.set(IRP_SYNCHRONOUS_API | IRP_BUFFERED_IO);
            irp.SystemBuffer().set(address as *mut _);
            let query = stack.Parameters.QueryFile();
            query.Length.set(size as u32);
            query.FileInformationClass.set(class);
        });
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

/// `path` below the volume as a name of `format`.
pub(super) fn full_name(asker: &Asker<'_>, path: Vec<u16>, format: u32) -> super::Named {
    if format == FLT_FILE_NAME_SHORT {
        return super::Named { name: path, volume: 0 };
    }
    let path = if format == FLT_FILE_NAME_NORMALIZED {
        crate::name_parts::without_data_suffix(&path)
    } else {
        &path
    };
    let volume = &asker.volume.name;
    super::Named { name: [volume, path].concat(), volume: volume.len() }
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
