//! Renames: `FileRenameInformation` and its extended form. Statements: FS-26, FS-27, NAME-49.

use nt_abi::{IO_STACK_LOCATION_SetFile, NtStatus, file_attributes as attribute};
use store::{CaseMatch, FileId, NodeKind};

use crate::fcb::{Ccb, Fcb, Volume, of_file};
use crate::short::Found;
use crate::tunnel::Removed;
use crate::{Answer, Failure, buffer, name};

/// Flag of the extended form.
const FILE_RENAME_REPLACE_IF_EXISTS: u32 = 1;
const SEPARATOR: u16 = b'\\' as u16;

/// Renames a file, directory or stream.
pub(crate) fn rename(
    volume: &Volume,
    (fcb, ccb): (&'static Fcb, &Ccb),
    parameters: &IO_STACK_LOCATION_SetFile,
    from: usize,
    length: usize,
    extended: bool,
) -> Answer {
    let replace = if extended {
        let flags = buffer::get::<u32>(from, 0)?;
        if flags & !FILE_RENAME_REPLACE_IF_EXISTS != 0 {
            return Err(NtStatus::NOT_SUPPORTED.into());
        }
        flags & FILE_RENAME_REPLACE_IF_EXISTS != 0
    } else {
        buffer::get::<u8>(from, 0)? != 0
    };
    let bytes = buffer::get::<u32>(from, 16)? as usize;
    if bytes == 0 || !bytes.is_multiple_of(2) || length < 20 + bytes {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let given = buffer::get_name(from + 20, bytes)?;
    let _guard = nt_ex::resource::ResourceGuard::exclusive(volume.resource)?;
    if fcb.deleted.get() != 0 || fcb.delete_pending.get() != 0 {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    if given.first() == Some(&u16::from(b':')) {
        return rename_stream(volume, fcb, &given, replace);
    }
    if fcb.stream().is_some() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let target = parameters.FileObject.get();
    let (directory, new_name) = if target.is_null() {
        if given.contains(&SEPARATOR) {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        (volume.store.parent(fcb.id())?, given)
    } else {
        let (_, parent, _) = of_file(target)?;
        let last = given.rsplit(|unit| *unit == SEPARATOR).next().unwrap_or_default().to_vec();
        (parent.id(), last)
    };
    let parsed = name::parse(&new_name, true)?;
    if parsed.stream.is_some() || parsed.components.len() != 1 {
        return Err(NtStatus::OBJECT_NAME_INVALID.into());
    }
    if fcb.id() == volume.store.root() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if fcb.is_directory() && has_open_descendant(volume, fcb.id()) {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let existing = check_target(volume, fcb, directory, &new_name, replace)?;
    carry_out(volume, (fcb, ccb), directory, &new_name, existing)?;
    Ok(NtStatus::SUCCESS.into())
}

/// Moves the file, over `existing` if there is one, with what goes from name to name through the tunnel cache.
fn carry_out(
    volume: &Volume,
    (fcb, ccb): (&Fcb, &Ccb),
    directory: FileId,
    new_name: &[u16],
    existing: Option<Found>,
) -> Result<(), Failure> {
    let id = fcb.id();
    let removed = Removed::of(volume, fcb, ccb)?;
    let respelled = removed.directory == directory && store::equal_insensitive(&removed.long, new_name);
    let tunnels = !fcb.is_directory() && !respelled;
    let tunneled = match existing {
        None if tunnels => volume.tunnel.take(directory, new_name),
        _ => None,
    };
    let new_name = volume.name_to_take(directory, new_name, tunneled.as_ref());
    let victim = existing.filter(|existing| existing.entry.id != id);
    let mut replaced = None;
    if let Some(Found { entry, short: Some(_) }) = &victim {
        // One that was found by its short name goes under its own.
        replaced = volume.store.rename(id, directory, &entry.name, true)?;
    }
    let replace = victim.is_some() && replaced.is_none();
    replaced = volume.store.rename(id, directory, new_name, replace)?.or(replaced);
    if let Some(gone) = replaced.and_then(|replaced| volume.find(replaced, None)) {
        gone.deleted.set(1);
    }
    volume.arrived(directory, id, new_name, tunneled.as_ref());
    if tunnels {
        volume.tunnel.remember(removed);
    }
    Ok(())
}

/// What the name leads to already, the file itself included, unless it stands in the way.
fn check_target(
    volume: &Volume,
    fcb: &Fcb,
    directory: FileId,
    new_name: &[u16],
    replace: bool,
) -> Result<Option<Found>, Failure> {
    let found = match volume.lookup(directory, new_name, CaseMatch::Insensitive) {
        Ok(found) if found.entry.id == fcb.id() => return Ok(Some(found)),
        Ok(found) => found,
        Err(store::StoreError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let existing = &found.entry;
    if !replace {
        return Err(NtStatus::OBJECT_NAME_COLLISION.into());
    }
    let read_only = volume.store.metadata(existing.id)?.attributes & attribute::FILE_ATTRIBUTE_READONLY != 0;
    if existing.kind == NodeKind::Directory || fcb.is_directory() || read_only {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    if volume.unclean_of_file(existing.id) > 0 {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    Ok(Some(found))
}

/// Whether anything below `directory` has a handle: its path would change under that handle.
fn has_open_descendant(volume: &Volume, directory: FileId) -> bool {
    let root = volume.store.root();
    let mut found = false;
    volume.for_each(|fcb| {
        let mut at = fcb.id();
        while !found && fcb.unclean.get() > 0 && at != root && fcb.id() != directory {
            match volume.store.parent(at) {
                Ok(parent) if parent == directory => found = true,
                Ok(parent) => at = parent,
                Err(_) => break,
            }
        }
    });
    found
}

fn rename_stream(volume: &Volume, fcb: &Fcb, given: &[u16], replace: bool) -> Answer {
    let new = name::parse_stream(&given[1..])?;
    match (fcb.stream(), new) {
        (Some(_), Some(new)) if fcb.opens.get() == 1 => {
            // The block is keyed by the stream's name: only the one opener may move it, and the old name goes with it.
            let old = fcb.stream().map(<[u16]>::to_vec).unwrap_or_default();
            if store::equal_insensitive(&old, &new) {
                volume.store.rename_stream(fcb.id(), &old, &new, replace)?;
                return Ok(NtStatus::SUCCESS.into());
            }
            Err(NtStatus::NOT_SUPPORTED.into())
        }
        (Some(_), Some(_)) => Err(NtStatus::ACCESS_DENIED.into()),
        _ => Err(NtStatus::NOT_SUPPORTED.into()),
    }
}
