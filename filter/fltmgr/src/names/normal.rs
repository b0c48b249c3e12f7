//! Short components of a path, replaced by the long names that their directories have for them.
//!
//! Only what can be a short name is looked up: a tilde among at most eight and three characters. Statements: NAME-19,
//! NAME-25, NAME-28.

use std::sync::Arc;

use boundary::{Raise, copy};
use nt_abi::{
    FILE_OBJECT, FLT_FILE_NAME_NORMALIZED, IRP_MJ_DIRECTORY_CONTROL, IRP_MN_QUERY_DIRECTORY,
    IRP_SYNCHRONOUS_API, NtStatus, SL_RESTART_SCAN, SL_RETURN_SINGLE_ENTRY, UNICODE_STRING,
    create_options as option,
};
use nt_ex::pool::{self, PoolKind};
use nt_io::CreateParameters;

use super::Asker;
use super::ask::{self, Path};
use super::block::TAG;
use crate::generated::{Opener, issue};
use crate::name_parts;
use crate::text::{self, BACKSLASH};

const FILE_NAMES_INFORMATION: u32 = 12;
/// Where the name stands in a FILE_NAMES_INFORMATION, behind two words and its length.
pub(super) const NAME_AT: usize = 12;
/// The longest name of a component, behind that.
pub(super) const ENTRY_BYTES: usize = NAME_AT + 255 * 2 + 2;
const FILE_LIST_DIRECTORY: u32 = 1;
const SYNCHRONIZE: u32 = 0x0010_0000;

/// Whether a component, without its stream, can be a generated short name.
pub(super) fn may_be_short(component: &[u16]) -> bool {
    // A pattern is no name: the file system would answer with whatever matches.
    if component.iter().any(|unit| br#"*?<>""#.iter().any(|wild| *unit == u16::from(*wild))) {
        return false;
    }
    let mut parts = component.split(|unit| *unit == u16::from(b'.'));
    let base = parts.next().unwrap_or_default();
    let extension = parts.next().unwrap_or_default();
    base.len() <= 8 && extension.len() <= 3 && parts.next().is_none() && base.contains(&u16::from(b'~'))
}

/// `path` with long components. What its directory does not have stays as it is when it is the last one.
///
/// Errors: OBJECT_PATH_NOT_FOUND (a short component in the middle that is not there) · the file system's
pub(super) fn expand(asker: &Asker<'_>, path: Vec<u16>) -> Path {
    let parts = name_parts::split(&path, 0, 0);
    let (body, stream) = path.split_at(parts.stream.start);
    if !body.split(|unit| *unit == BACKSLASH).any(may_be_short) {
        return Ok(Ok(path));
    }
    let mut long: Vec<u16> = Vec::with_capacity(path.len());
    let mut components = body.split(|unit| *unit == BACKSLASH).skip(1).peekable();
    while let Some(component) = components.next() {
        let mut found = None;
        if may_be_short(component) {
            match look_up(asker, &long, component)? {
                Ok(name) => found = Some(name),
                Err(_) if components.peek().is_none() => {}
                Err(NtStatus::NO_SUCH_FILE) => return Ok(Err(NtStatus::OBJECT_PATH_NOT_FOUND)),
                Err(status) => return Ok(Err(status)),
            }
        }
        long.push(BACKSLASH);
        long.extend_from_slice(found.as_deref().unwrap_or(component));
    }
    long.extend_from_slice(stream);
    Ok(Ok(long))
}

/// The name that `directory` has for `component`.
fn look_up(asker: &Asker<'_>, directory: &[u16], component: &[u16]) -> Path {
    let file = match open_directory(asker, directory)? {
        Ok(file) => file,
        Err(status) => return Ok(Err(status)),
    };
    let entry = first_entry(asker, file, component);
    nt_ob::ob_dereference(std::ptr::from_ref(file) as usize)?;
    entry
}

/// The path that `directory` leads to, without links and short names; itself where it cannot be opened or says no path:
/// what is wrong with it is for the operation to say.
///
/// Source: NAME-25, NAME-40. Errors: MOUNT_POINT_NOT_RESOLVED (it leads to another volume)
pub(super) fn resolved(asker: &Asker<'_>, directory: &[u16]) -> Path {
    let file = match open_directory(asker, directory)? {
        Ok(file) => file,
        Err(NtStatus::MOUNT_POINT_NOT_RESOLVED) => return Ok(Err(NtStatus::MOUNT_POINT_NOT_RESOLVED)),
        Err(_) => return Ok(Ok(directory.to_vec())),
    };
    let path = ask::opened_path(asker, file, FLT_FILE_NAME_NORMALIZED);
    nt_ob::ob_dereference(std::ptr::from_ref(file) as usize)?;
    Ok(Ok(path?.unwrap_or_else(|_| directory.to_vec())))
}

/// Opens a directory of the volume below the asker. The caller gives the reference back.
fn open_directory(
    asker: &Asker<'_>,
    directory: &[u16],
) -> Result<Result<&'static FILE_OBJECT, NtStatus>, Raise> {
    let Some(device) = asker.volume.device() else { return Ok(Err(NtStatus::VOLUME_DISMOUNTED)) };
    let full = [asker.volume.name.as_slice(), directory, &[BACKSLASH]].concat();
    let opened = nt_io::io_create_file_object(&CreateParameters {
        name: &full,
        access: FILE_LIST_DIRECTORY | SYNCHRONIZE,
        share: 7,
        disposition: nt_abi::create_disposition::FILE_OPEN,
        options: option::FILE_DIRECTORY_FILE | option::FILE_SYNCHRONOUS_IO_NONALERT,
        start_device: Some(device),
        driver_context: asker.below.map(|altitude| {
            Arc::new(Opener { altitude: altitude.clone(), generated: true, files: None, transaction: 0 }) as _
        }),
        ..CreateParameters::default()
    })?;
    Ok(opened.map(|(file, _)| file).map_err(|failed| failed.status))
}

fn first_entry(asker: &Asker<'_>, file: &'static FILE_OBJECT, component: &[u16]) -> Path {
    let pattern = text::bytes(component);
    let Some(memory) = pool::allocate_engine(PoolKind::NonPaged, ENTRY_BYTES + pattern.len(), TAG) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let address = memory.as_ptr() as usize;
    let string = UNICODE_STRING::default();
    text::set(&string, address + ENTRY_BYTES, pattern.len());
    copy::write(address + ENTRY_BYTES, &pattern)?;
    let result = issue(asker.volume, asker.below, file, IRP_MJ_DIRECTORY_CONTROL, |irp, stack| {
        irp.Flags.set(IRP_SYNCHRONOUS_API);
        irp.UserBuffer.set(address as *mut _);
        stack.MinorFunction.set(IRP_MN_QUERY_DIRECTORY);
        stack.Flags.set(SL_RESTART_SCAN | SL_RETURN_SINGLE_ENTRY);
        let query = stack.Parameters.QueryDirectory();
        query.Length.set(ENTRY_BYTES as u32);
        query.FileName.set(std::ptr::from_ref(&string).cast_mut());
        query.FileInformationClass.set(FILE_NAMES_INFORMATION);
    });
    let name = entry_name(address);
    pool::free(memory.as_ptr(), Some(TAG))?;
    let status = result?.status;
    Ok(if status.is_success() { name } else { Err(status) })
}

/// The name in a FILE_NAMES_INFORMATION of [`ENTRY_BYTES`].
pub(super) fn entry_name(address: usize) -> Result<Vec<u16>, NtStatus> {
    let length = copy::read_value::<u32>(address + 8).unwrap_or(0) as usize;
    if length == 0 || length > ENTRY_BYTES - NAME_AT {
        return Err(NtStatus::OBJECT_NAME_INVALID);
    }
    text::units_at(address + NAME_AT, length).ok_or(NtStatus::INTERNAL_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::wide;

    #[test]
    fn short_names_have_a_tilde_and_eight_and_three_characters_at_most() {
        // spec: NAME-25
        for short in ["DOCUME~1", "A~1.TXT", "~", "TestRe~1.txt"] {
            assert!(may_be_short(&wide(short)), "{short}");
        }
        for long in ["file.txt", "documents~1", "A~1.HTML", "A~1.B.C", "", "a.~1"] {
            assert!(!may_be_short(&wide(long)), "{long}");
        }
    }
}
