//! 8.3 names: how a file gets one, and how a name finds a file by it.
//!
//! A name that is no 8.3 name itself gets one beside it when it comes into a directory: the one that the tunnel cache
//! has for it, else the first generated one that is free. Names and short names of a directory are one set.
//!
//! Statements: NAME-25 to NAME-27, NAME-49.

use nt_abi::{NtStatus, file_access as access};
use nt_rtl::short_name;
use store::{CaseMatch, Entry, FileId, MAX_SHORT_UTF16, ShortName, StoreError};

use crate::fcb::{Ccb, Fcb, Volume};
use crate::{Answer, Failure, buffer};

/// A file that a name leads to.
pub(crate) struct Found {
    pub(crate) entry: Entry,
    /// The short name, where that is what was asked for.
    pub(crate) short: Option<ShortName>,
}

/// A file that was opened by its short name. It counts as long as that is its short name.
pub(crate) type OpenedByShort = (FileId, ShortName);

impl Volume {
    /// Finds `name` in `directory`, among the names first, then among the short names.
    pub(crate) fn lookup(
        &self,
        directory: FileId,
        name: &[u16],
        case: CaseMatch,
    ) -> Result<Found, StoreError> {
        let missing = match self.store.lookup(directory, name, case) {
            Ok(entry) => return Ok(Found { entry, short: None }),
            Err(StoreError::NotFound(missing)) => missing,
            Err(error) => return Err(error),
        };
        if name.len() > MAX_SHORT_UTF16 {
            return Err(StoreError::NotFound(missing));
        }
        let entry = match self.store.lookup_short(directory, name) {
            Err(StoreError::NotFound(_)) => return Err(StoreError::NotFound(missing)),
            other => other?,
        };
        let short = self.store.metadata(entry.id)?.short;
        if case == CaseMatch::Sensitive && short.units() != name {
            return Err(StoreError::NotFound(missing));
        }
        Ok(Found { entry, short: Some(short) })
    }

    /// Whether nothing but `id` has `name` in `directory`.
    fn is_free(&self, directory: FileId, name: &[u16], id: FileId) -> bool {
        match self.lookup(directory, name, CaseMatch::Insensitive) {
            Ok(found) => found.entry.id == id,
            Err(error) => matches!(error, StoreError::NotFound(_)),
        }
    }

    /// `id` has just come into `directory` as `name`: gives it a short name, `wanted` if that is free. A store that does
    /// not take it leaves the file without one. Call with the volume's resource held exclusively.
    pub(crate) fn give_short_name(&self, directory: FileId, id: FileId, name: &[u16], wanted: ShortName) {
        if !wanted.is_none() && self.is_free(directory, wanted.units(), id) {
            let _ = self.store.set_short_name(id, wanted);
            return;
        }
        if short_name::legal(name).is_some() {
            return;
        }
        for attempt in 1.. {
            let Some(candidate) = short_name::generated(name, attempt) else { return };
            if self.is_free(directory, &candidate, id)
                && let Some(short) = ShortName::new(&candidate)
            {
                let _ = self.store.set_short_name(id, short);
                return;
            }
        }
    }

    /// The path of `id` with the short names that `opened` was opened by.
    pub(crate) fn path_as_opened(
        &self,
        id: FileId,
        opened: &[OpenedByShort],
    ) -> Result<Vec<Vec<u16>>, StoreError> {
        let mut path = self.store.path(id)?;
        let mut at = id;
        for component in path.iter_mut().rev() {
            if opened.is_empty() {
                break;
            }
            if let Some((_, short)) = opened.iter().find(|(file, _)| *file == at)
                && self.store.metadata(at)?.short == *short
            {
                *component = short.units().to_vec();
            }
            at = self.store.parent(at)?;
        }
        Ok(path)
    }
}

/// `FileShortNameInformation`: another short name, or none. Everybody here has the privilege that it needs.
///
/// Errors: ACCESS_DENIED (neither data nor attributes may be written, the file is deleted) · INVALID_PARAMETER (a
///         stream, the root, no 8.3 name) · OBJECT_NAME_COLLISION
pub(crate) fn set(volume: &Volume, fcb: &Fcb, ccb: &Ccb, from: usize, length: usize) -> Answer {
    let bytes = buffer::get::<u32>(from, 0)? as usize;
    if !bytes.is_multiple_of(2) || length < 4 + bytes {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let name = buffer::get_name(from + 4, bytes)?;
    let short = ShortName::new(&name).filter(|_| name.is_empty() || short_name::legal(&name).is_some());
    let Some(short) = short else { return Err(NtStatus::INVALID_PARAMETER.into()) };
    if ccb.granted.get() & (access::FILE_WRITE_DATA | access::FILE_WRITE_ATTRIBUTES) == 0 {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let _guard = nt_ex::resource::ResourceGuard::exclusive(volume.resource)?;
    if fcb.deleted.get() != 0 || fcb.delete_pending.get() != 0 || ccb.delete_on_close.get() != 0 {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    if fcb.stream().is_some() || fcb.id() == volume.store.root() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if !short.is_none() && !volume.is_free(volume.store.parent(fcb.id())?, short.units(), fcb.id()) {
        return Err(NtStatus::OBJECT_NAME_COLLISION.into());
    }
    volume.store.set_short_name(fcb.id(), short).map_err(Failure::from)?;
    Ok(NtStatus::SUCCESS.into())
}
