//! The name that a rename or link will give. Statements: NAME-39 to NAME-43.
//!
//! Of a file whose path may not be known, as it was opened by its ID, the last part is.

use boundary::Raise;
use nt_abi::{
    FILE_OBJECT, FLT_FILE_NAME_NORMALIZED, FLT_FILE_NAME_OPENED, FLT_FILE_NAME_SHORT,
    FLT_VALID_FILE_NAME_FORMATS, FLTFL_NORMALIZE_NAME_DESTINATION_FILE_NAME, NtStatus,
};
use nt_io::io_get_top_level_irp;

use super::{Asker, Question, ask, block, normal, provider, resolve_link};
use crate::findings;
use crate::instance::Instance;
use crate::name_parts;
use crate::text::{self, BACKSLASH, COLON};

/// The name that a rename or link will give.
///
/// Source:  FltGetDestinationFileNameInformation; NAME-39 to NAME-43
/// IRQL:    PASSIVE_LEVEL
/// Returns: address of a name with one reference
/// Errors:  FLT_INVALID_NAME_REQUEST (short name, top-level IRP) · INVALID_PARAMETER (options) · INVALID_HANDLE ·
///          NOT_SAME_DEVICE · MOUNT_POINT_NOT_RESOLVED (a normalized name that leads to another volume) · the file system's; the parent of the target instead of the file is a finding
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
    let asker = Asker::of_instance(instance);
    if nt_io::is_rename_target(file) {
        let message = "FltGetDestinationFileNameInformation was given the file object of the target\'s parent \
                       (Parameters.SetFileInformation.ParentOfTarget): it wants that of the file that is renamed or linked";
        findings::error("NAME-41", asker.label, message);
    }
    let path = if root != 0 {
        let (directory, _) = match nt_io::reference_file_by_handle(root, 0, 0) {
            Ok(referenced) => (referenced.0, referenced.1),
            Err(status) => return Ok(Err(status)),
        };
        let path = path_of(&asker, directory, format, options);
        nt_ob::ob_dereference(std::ptr::from_ref(directory) as usize)?;
        path?.map(|directory| ask::below(&directory, name))
    } else if name.first() == Some(&BACKSLASH) {
        path_on_volume(instance, name)?
    } else {
        path_of(&asker, file, format, options)?.map(|mut path| {
            if name.first() == Some(&COLON) {
                let stream = name_parts::split(&path, 0, 0).stream.start;
                path.truncate(stream);
            } else {
                ask::parent(&mut path);
            }
            ask::below(&path, name)
        })
    };
    let path = match path {
        Ok(path) if format == FLT_FILE_NAME_NORMALIZED => {
            let elsewhere = root != 0 || name.first() == Some(&BACKSLASH);
            let (directory, last) =
                path.split_at(path.iter().rposition(|unit| *unit == BACKSLASH).unwrap_or(0));
            let directory =
                if elsewhere { normal::resolved(&asker, directory)? } else { Ok(directory.to_vec()) };
            let by = provider::below(&asker, false);
            let path = match directory {
                // A provider shows another path than the one that links lead to.
                Ok(_) if by.is_some() => path,
                Ok(directory) => ask::below(&directory, &last[last.len().min(1)..]),
                Err(status) => return Ok(Err(status)),
            };
            let flags = FLTFL_NORMALIZE_NAME_DESTINATION_FILE_NAME;
            provider::normalized(by.as_deref(), &asker, Some(file), path, flags)?
        }
        other => other,
    };
    Ok(path.and_then(|path| {
        let named = ask::full_name(&asker, path, format);
        block::make(&named.name, named.volume, format)
    }))
}

/// Where an open file is, as providers below show it.
fn path_of(asker: &Asker<'_>, file: &'static FILE_OBJECT, format: u32, options: u32) -> ask::Path {
    let method = nt_abi::FLT_FILE_NAME_QUERY_DEFAULT;
    let question = Question {
        file,
        operation: None,
        unopened: false,
        safe: true,
        format,
        method,
        options: options | method,
    };
    Ok(match super::answer(asker, &question)? {
        Ok(address) => {
            let contents = block::contents(address);
            block::flt_release_file_name_information(address)?;
            contents.map(|(name, volume, _)| name[volume..].to_vec())
        }
        Err(NtStatus::ACCESS_DENIED) => ask::permitted_path(asker, file)?,
        Err(status) => Err(status),
    })
}

/// A fully qualified target: `\??\C:\a`, `\Device\X\a`, or a path on the volume itself.
fn path_on_volume(instance: &Instance, name: &[u16]) -> ask::Path {
    let volume = &instance.volume.name;
    let resolved = match second_backslash(name, 2) {
        Some(cut) => match resolve_link(&name[..cut])? {
            Some(target) => [&target, &name[cut..]].concat(),
            None => name.to_vec(),
        },
        None => name.to_vec(),
    };
    let path = if resolved.get(volume.len()) == Some(&BACKSLASH)
        && text::equal_ignoring_case(&resolved[..volume.len()], volume)
    {
        resolved[volume.len()..].to_vec()
    } else if name_parts::volume_length(&resolved) != 0 {
        return Ok(Err(NtStatus::NOT_SAME_DEVICE));
    } else {
        resolved
    };
    Ok(Ok(path))
}

fn second_backslash(name: &[u16], skip: usize) -> Option<usize> {
    name.iter().enumerate().filter(|(_, unit)| **unit == BACKSLASH).nth(skip).map(|(place, _)| place)
}
