//! IRP_MJ_CREATE.
//!
//! Statements: FS-02 to FS-04, FS-10 to FS-12, SHR-01 to SHR-05, SEED-IOPB-23, SEED-IOPB-30, NAME-49.

use nt_abi::{
    FILE_OBJECT, IO_STACK_LOCATION, IRP, NtStatus, create_disposition as disposition,
    create_information as information, create_options as option, file_access as access,
    file_attributes as attribute, fo_flags, sl_flags,
};
use nt_section::FlushType;
use std::cell::RefCell;
use std::sync::atomic::Ordering;
use store::{Blob, CaseMatch, FileId, MetadataChange, NodeKind};

use crate::fcb::{Fcb, Volume, of_file};
use crate::name::{self, Path};
use crate::short::{Found, OpenedByShort};
use crate::{Answer, Done, Failure, ea, reparse, security};

/// What the caller asked for.
struct Request<'a> {
    file: &'a FILE_OBJECT,
    access: u32,
    share: u32,
    options: u32,
    disposition: u32,
    attributes: u32,
    allocation: i64,
    flags: u8,
    case: CaseMatch,
    opened_name: Vec<u16>,
    opener: security::Opener<'a>,
    /// Files of the path that are named by their short names.
    shorts: RefCell<Vec<OpenedByShort>>,
}

impl Request<'_> {
    fn wants(&self, options: u32) -> bool {
        self.options & options != 0
    }

    /// Finds one component.
    fn look_up(&self, volume: &Volume, directory: FileId, name: &[u16]) -> Result<Found, store::StoreError> {
        let found = volume.lookup(directory, name, self.case)?;
        if let Some(short) = found.short {
            self.shorts.borrow_mut().push((found.entry.id, short));
        }
        Ok(found)
    }
}

/// A file that the name leads to.
struct Target {
    id: FileId,
    kind: NodeKind,
}

/// Opens or makes what the IRP names.
pub(crate) fn create(volume: &Volume, irp: &'static IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let parameters = stack.Parameters.Create();
    // SAFETY: the I/O manager's file object and security context of this create.
    let (file, context) = unsafe { (&*stack.FileObject.get(), &*parameters.SecurityContext.get()) };
    let name = nt_io::file_name(file);
    let case = if stack.Flags.get() & sl_flags::SL_CASE_SENSITIVE != 0 {
        CaseMatch::Sensitive
    } else {
        CaseMatch::Insensitive
    };
    let request = Request {
        file,
        access: context.DesiredAccess.get(),
        share: u32::from(parameters.ShareAccess.get()),
        options: parameters.Options.get() & 0x00FF_FFFF,
        disposition: parameters.Options.get() >> 24,
        attributes: u32::from(parameters.FileAttributes.get()),
        allocation: irp.Overlay.AllocationSize().get(),
        flags: stack.Flags.get(),
        case,
        opened_name: name.clone(),
        opener: security::Opener::of(irp, stack, context)?,
        shorts: RefCell::default(),
    };
    // Whatever is wrong with them is said before anything is made or opened.
    let given = match parameters.EaLength.get() as usize {
        0 => None,
        length => {
            let mut list = vec![0; length];
            boundary::copy::read(irp.SystemBuffer().get() as usize, &mut list)?;
            Some(ea::Given::read(&list)?)
        }
    };
    let _guard = nt_ex::resource::ResourceGuard::exclusive(volume.resource)?;
    let related = match file.RelatedFileObject.get() {
        null if null.is_null() => None,
        related => {
            let (_, base, ccb) = of_file(related)?;
            request.shorts.borrow_mut().clone_from(&ccb.state().shorts);
            Some(base)
        }
    };
    if name.is_empty() && related.is_none_or(|base| base.state().volume_open) {
        return open_volume(volume, &request);
    }
    if request.wants(option::FILE_OPEN_BY_FILE_ID) {
        return open_by_id(volume, &request, &name);
    }
    let base = match related {
        Some(base) if base.state().volume_open => volume.store.root(),
        Some(base) if base.is_directory() || name.first() == Some(&u16::from(b':')) || name.is_empty() => {
            base.id()
        }
        Some(_) => return Err(NtStatus::INVALID_PARAMETER.into()),
        None => volume.store.root(),
    };
    let path = name::parse(&name, related.is_some_and(|base| !base.state().volume_open))?;
    let done = open_path(volume, irp, &request, base, &path)?;
    let replaced = [information::FILE_OVERWRITTEN, information::FILE_SUPERSEDED].contains(&done.information);
    if done.status == NtStatus::SUCCESS && (replaced || done.information == information::FILE_CREATED) {
        let id = of_file(stack.FileObject.get())?.1.id();
        if replaced && path.stream.is_none() {
            ea::clear(volume, id)?;
        }
        if let Some(given) = given {
            ea::merge(volume, id, given)?;
        }
    }
    Ok(done)
}

fn open_volume(volume: &Volume, request: &Request<'_>) -> Answer {
    if !matches!(request.disposition, disposition::FILE_OPEN | disposition::FILE_OPEN_IF) {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    if request.wants(option::FILE_DIRECTORY_FILE) {
        return Err(NtStatus::NOT_A_DIRECTORY.into());
    }
    let fcb = volume.fcb(volume.store.root(), NodeKind::Directory, None, true)?;
    request.file.Flags.fetch_or(fo_flags::FO_VOLUME_OPEN, Ordering::Relaxed);
    finish(volume, request, fcb, security::whole(request.access), information::FILE_OPENED)
}

fn open_by_id(volume: &Volume, request: &Request<'_>, name: &[u16]) -> Answer {
    let [a, b, c, d] = name else { return Err(NtStatus::INVALID_PARAMETER.into()) };
    let id = FileId([a, b, c, d].iter().rev().fold(0u64, |id, unit| id << 16 | u64::from(**unit)));
    if !matches!(request.disposition, disposition::FILE_OPEN | disposition::FILE_OPEN_IF) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let metadata = volume.store.metadata(id).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    open_existing(volume, request, &Target { id, kind: metadata.kind }, None)
}

fn open_path(volume: &Volume, irp: &IRP, request: &Request<'_>, base: FileId, path: &Path) -> Answer {
    if request.wants(option::FILE_NON_DIRECTORY_FILE) && path.trailing_backslash {
        return Err(NtStatus::OBJECT_NAME_INVALID.into());
    }
    let Some((last, parents)) = path.components.split_last() else {
        let kind = volume.store.metadata(base)?.kind;
        return open_existing(volume, request, &Target { id: base, kind }, path.stream.as_deref());
    };
    let mut directory = base;
    for (index, component) in parents.iter().enumerate() {
        if volume.is_delete_pending(directory) {
            return Err(NtStatus::DELETE_PENDING.into());
        }
        match request.look_up(volume, directory, component) {
            Ok(found) if reparse::is_met(volume, found.entry.id)? => {
                let unparsed = reparse::behind(&request.opened_name, index + 1);
                return reparse::met(volume, irp, found.entry.id, unparsed);
            }
            Ok(found) if found.entry.kind == NodeKind::Directory => directory = found.entry.id,
            Ok(_) | Err(store::StoreError::NotFound(_)) => return Err(NtStatus::OBJECT_PATH_NOT_FOUND.into()),
            Err(error) => return Err(error.into()),
        }
    }
    if volume.is_delete_pending(directory) {
        return Err(NtStatus::DELETE_PENDING.into());
    }
    let found = match request.look_up(volume, directory, last) {
        Ok(found) => Some(Target { id: found.entry.id, kind: found.entry.kind }),
        Err(store::StoreError::NotFound(_)) => None,
        Err(store::StoreError::NotADirectory(_)) => return Err(NtStatus::OBJECT_PATH_NOT_FOUND.into()),
        Err(error) => return Err(error.into()),
    };
    if request.flags & sl_flags::SL_OPEN_TARGET_DIRECTORY != 0 {
        return open_target_directory(volume, request, directory, last, found.is_some());
    }
    if let Some(target) = &found
        && request.disposition != disposition::FILE_CREATE
        && !request.wants(option::FILE_OPEN_REPARSE_POINT)
        && reparse::is_met(volume, target.id)?
    {
        let unparsed = reparse::behind(&request.opened_name, path.components.len());
        return reparse::met(volume, irp, target.id, unparsed);
    }
    match found {
        Some(target) => open_existing(volume, request, &target, path.stream.as_deref()),
        None => make(volume, request, directory, last, path),
    }
}

/// The parent of a rename's or link's target: the name shrinks to its last component. Statement: SEED-IOPB-30.
fn open_target_directory(
    volume: &Volume,
    request: &Request<'_>,
    directory: FileId,
    last: &[u16],
    exists: bool,
) -> Answer {
    let bytes: Vec<u8> = last.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    boundary::copy::write(request.file.FileName.Buffer.get() as usize, &bytes)?;
    request.file.FileName.Length.set(bytes.len() as u16);
    let fcb = volume.fcb(directory, NodeKind::Directory, None, false)?;
    let answer = if exists { information::FILE_EXISTS } else { information::FILE_DOES_NOT_EXIST };
    finish(volume, request, fcb, security::whole(request.access), answer)
}

fn open_existing(volume: &Volume, request: &Request<'_>, target: &Target, stream: Option<&[u16]>) -> Answer {
    let directory = target.kind == NodeKind::Directory && stream.is_none();
    if directory && request.wants(option::FILE_NON_DIRECTORY_FILE) {
        return Err(NtStatus::FILE_IS_A_DIRECTORY.into());
    }
    if !directory && request.wants(option::FILE_DIRECTORY_FILE) {
        return Err(NtStatus::NOT_A_DIRECTORY.into());
    }
    if volume.is_delete_pending(target.id) {
        return Err(NtStatus::DELETE_PENDING.into());
    }
    let stream = match stream {
        None => None,
        Some(name) => match volume.store.lookup_stream(target.id, name) {
            Ok(stored) => Some(stored),
            Err(store::StoreError::NotFound(_)) => return make_stream(volume, request, target, name),
            Err(error) => return Err(error.into()),
        },
    };
    if stream.is_some()
        && volume.find(target.id, stream.as_deref()).is_some_and(|fcb| fcb.delete_pending.get() != 0)
    {
        return Err(NtStatus::DELETE_PENDING.into());
    }
    if request.disposition == disposition::FILE_CREATE {
        return Err(NtStatus::OBJECT_NAME_COLLISION.into());
    }
    let overwrite = matches!(
        request.disposition,
        disposition::FILE_SUPERSEDE | disposition::FILE_OVERWRITE | disposition::FILE_OVERWRITE_IF
    );
    if directory && overwrite {
        return Err(NtStatus::OBJECT_NAME_COLLISION.into());
    }
    let metadata = volume.store.metadata(target.id)?;
    check_attributes(volume, request, target, metadata.attributes, overwrite)?;
    let granted = request.opener.check(volume, target.id, request.access, overwrite)?;
    let fcb = volume.fcb(target.id, target.kind, stream.as_deref(), false)?;
    let shared = check_share(request, fcb, overwrite).and_then(|()| {
        if overwrite { overwrite_data(volume, request, fcb, metadata.attributes) } else { Ok(()) }
    });
    if let Err(failure) = shared {
        return Err(abandon(volume, fcb, failure));
    }
    let answer = match request.disposition {
        disposition::FILE_SUPERSEDE => information::FILE_SUPERSEDED,
        disposition::FILE_OVERWRITE | disposition::FILE_OVERWRITE_IF => information::FILE_OVERWRITTEN,
        _ => information::FILE_OPENED,
    };
    finish(volume, request, fcb, granted, answer)
}

/// Gives a block back that nobody has open after all.
fn abandon(volume: &Volume, fcb: &Fcb, failure: Failure) -> Failure {
    if fcb.opens.get() == 0
        && let Err(worse) = volume.free_fcb(fcb)
    {
        return worse;
    }
    failure
}

/// Rules of the attributes: FS-11, FS-12.
fn check_attributes(
    volume: &Volume,
    request: &Request<'_>,
    target: &Target,
    attributes: u32,
    overwrite: bool,
) -> Result<(), Failure> {
    let read_only = attributes & attribute::FILE_ATTRIBUTE_READONLY != 0;
    let writes = access::FILE_WRITE_DATA | access::FILE_APPEND_DATA;
    if read_only
        && target.kind == NodeKind::File
        && (request.access & writes != 0 || overwrite)
        && request.flags & sl_flags::SL_IGNORE_READONLY_ATTRIBUTE == 0
    {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    if request.wants(option::FILE_DELETE_ON_CLOSE) {
        if request.access & access::DELETE == 0 {
            return Err(NtStatus::ACCESS_DENIED.into());
        }
        if read_only || target.id == volume.store.root() {
            return Err(NtStatus::CANNOT_DELETE.into());
        }
    }
    // Hidden and system files are overwritten only by who says so.
    let protected = attributes & (attribute::FILE_ATTRIBUTE_HIDDEN | attribute::FILE_ATTRIBUTE_SYSTEM);
    if overwrite && protected & !request.attributes != 0 {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let changes = writes | access::DELETE | access::FILE_WRITE_ATTRIBUTES | access::FILE_WRITE_EA;
    if volume.store.capabilities().read_only && (overwrite || request.access & changes != 0) {
        return Err(NtStatus::MEDIA_WRITE_PROTECTED.into());
    }
    Ok(())
}

/// SHR-01 to SHR-05. Sections count beside handles: MM-02, MM-04.
fn check_share(request: &Request<'_>, fcb: &Fcb, overwrite: bool) -> Result<(), Failure> {
    let mut wanted = request.access;
    if overwrite {
        wanted |= access::FILE_WRITE_DATA;
        if request.disposition == disposition::FILE_SUPERSEDE {
            wanted |= access::DELETE;
        }
    }
    let pointers = &fcb.section_pointers;
    let goes = request.wants(option::FILE_DELETE_ON_CLOSE);
    if (wanted & access::FILE_WRITE_DATA != 0 || goes)
        && !nt_section::mm_flush_image_section(pointers, FlushType::Write)
    {
        return Err(if goes { NtStatus::CANNOT_DELETE } else { NtStatus::SHARING_VIOLATION }.into());
    }
    if overwrite && !nt_section::mm_can_file_be_truncated(pointers, Some(0)) {
        return Err(NtStatus::USER_MAPPED_FILE.into());
    }
    if request.share & access::FILE_SHARE_WRITE == 0
        && nt_section::mm_does_file_have_user_writable_references(pointers) != 0
    {
        return Err(NtStatus::SHARING_VIOLATION.into());
    }
    if fcb.unclean.get() == 0 {
        return Ok(());
    }
    match nt_io::io_check_share_access(wanted, request.share, request.file, &fcb.share, false) {
        NtStatus::SUCCESS => Ok(()),
        status => Err(status.into()),
    }
}

fn overwrite_data(volume: &Volume, request: &Request<'_>, fcb: &Fcb, before: u32) -> Result<(), Failure> {
    let _main = nt_ex::resource::ResourceGuard::exclusive(&fcb.resource)?;
    fcb.cut(volume, 0)?;
    if request.allocation > 0 {
        volume.store.set_allocation(fcb.id(), fcb.stream(), request.allocation as u64)?;
        fcb.header.AllocationSize.set((request.allocation + 4095) / 4096 * 4096);
    }
    if fcb.stream().is_none() {
        // Replacing the unnamed stream takes the others with it, unless somebody has them open.
        for stream in volume.store.streams(fcb.id())? {
            if !stream.name.is_empty() && volume.find(fcb.id(), Some(&stream.name)).is_none() {
                volume.store.remove_stream(fcb.id(), &stream.name)?;
            }
        }
        let kept = if request.disposition == disposition::FILE_SUPERSEDE {
            volume.store.set_blob(fcb.id(), Blob::Reparse, None)?;
            0
        } else {
            before
        };
        let attributes = kept
            | (request.attributes & attribute::FILE_ATTRIBUTE_VALID_SET_FLAGS)
            | attribute::FILE_ATTRIBUTE_ARCHIVE;
        let change = MetadataChange { attributes: Some(attributes), ..MetadataChange::default() };
        volume.store.set_metadata(fcb.id(), change)?;
    }
    Ok(())
}

/// The name is not there: a new file, directory, or file with a stream.
fn make(volume: &Volume, request: &Request<'_>, directory: FileId, last: &[u16], path: &Path) -> Answer {
    if matches!(request.disposition, disposition::FILE_OPEN | disposition::FILE_OVERWRITE) {
        return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into());
    }
    let as_directory = request.wants(option::FILE_DIRECTORY_FILE);
    if path.trailing_backslash && !as_directory {
        return Err(NtStatus::OBJECT_NAME_INVALID.into());
    }
    if as_directory
        && (path.stream.is_some()
            || !matches!(request.disposition, disposition::FILE_CREATE | disposition::FILE_OPEN_IF))
    {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let given = request.attributes & attribute::FILE_ATTRIBUTE_VALID_SET_FLAGS;
    if request.wants(option::FILE_DELETE_ON_CLOSE) {
        if request.access & access::DELETE == 0 {
            return Err(NtStatus::ACCESS_DENIED.into());
        }
        if given & attribute::FILE_ATTRIBUTE_READONLY != 0 {
            return Err(NtStatus::CANNOT_DELETE.into());
        }
    }
    let (kind, attributes) = if as_directory {
        (NodeKind::Directory, given)
    } else {
        (NodeKind::File, given | attribute::FILE_ATTRIBUTE_ARCHIVE)
    };
    let tunneled = if as_directory { None } else { volume.tunnel.take(directory, last) };
    let name = volume.name_to_take(directory, last, tunneled.as_ref());
    let id = volume.store.create(directory, name, kind, attributes)?;
    let opened_by = volume.arrived(directory, id, name, tunneled.as_ref());
    request.shorts.borrow_mut().extend(opened_by);
    let undo = |failure: Failure| {
        let _ = volume.store.remove(id);
        failure
    };
    request.opener.assign(volume, (directory, id), as_directory).map_err(undo)?;
    if let Some(stream) = &path.stream {
        volume.store.create_stream(id, stream).map_err(|error| undo(error.into()))?;
    } else if !as_directory && request.allocation > 0 {
        volume
            .store
            .set_allocation(id, None, request.allocation as u64)
            .map_err(|error| undo(error.into()))?;
    }
    let fcb = volume.fcb(id, kind, path.stream.as_deref(), false).map_err(undo)?;
    finish(volume, request, fcb, security::whole(request.access), information::FILE_CREATED)
}

fn make_stream(volume: &Volume, request: &Request<'_>, target: &Target, stream: &[u16]) -> Answer {
    if matches!(request.disposition, disposition::FILE_OPEN | disposition::FILE_OVERWRITE) {
        return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into());
    }
    if volume.store.metadata(target.id)?.attributes & attribute::FILE_ATTRIBUTE_READONLY != 0 {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let granted = request.opener.check(volume, target.id, request.access, true)?;
    volume.store.create_stream(target.id, stream)?;
    let fcb = volume.fcb(target.id, target.kind, Some(stream), false)?;
    finish(volume, request, fcb, granted, information::FILE_CREATED)
}

/// Counts the open and ties the file object to its blocks. `granted` is what its handle may do.
fn finish(volume: &Volume, request: &Request<'_>, fcb: &'static Fcb, granted: u32, answer: usize) -> Answer {
    let ccb = match volume.ccb(request.opened_name.clone(), request.shorts.take(), granted) {
        Ok(ccb) => ccb,
        Err(failure) => return Err(abandon(volume, fcb, failure)),
    };
    ccb.delete_on_close.set(u32::from(request.wants(option::FILE_DELETE_ON_CLOSE)));
    if fcb.unclean.get() == 0 {
        nt_io::io_set_share_access(granted, request.share, request.file, &fcb.share);
    } else {
        let status = nt_io::io_check_share_access(granted, request.share, request.file, &fcb.share, true);
        if status != NtStatus::SUCCESS {
            volume.free_ccb(ccb)?;
            return Err(abandon(volume, fcb, status.into()));
        }
    }
    fcb.unclean.set(fcb.unclean.get() + 1);
    fcb.opens.set(fcb.opens.get() + 1);
    request.opener.grant(granted);
    let file = request.file;
    file.FsContext.set(std::ptr::from_ref(fcb).cast_mut().cast());
    file.FsContext2.set(std::ptr::from_ref(ccb).cast_mut().cast());
    file.SectionObjectPointer.set(std::ptr::from_ref(&fcb.section_pointers).cast_mut());
    if file.Vpb.get().is_null() {
        file.Vpb.set(std::ptr::from_ref(volume.vpb).cast_mut());
    }
    Ok(Done::new(NtStatus::SUCCESS, answer))
}
