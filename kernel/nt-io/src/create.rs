//! Opening: parameters, the parse procedures of devices and files, the create IRP, reparsing.
//!
//! ```text
//! io_create_file ─► object manager walks the name ─► device or file object: parse
//!   parse ─► mount if needed ─► FILE_OBJECT ─► IRP_MJ_CREATE ─► success: handle
//!                                                            ├► STATUS_REPARSE: again with the name in the file object
//!                                                            └► failure: the file object goes without CLEANUP or CLOSE
//! ```

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nt_abi::{
    ACCESS_STATE, DEVICE_OBJECT, FILE_OBJECT, FO_ALERTABLE_IO, FO_DELETE_ON_CLOSE, FO_DIRECT_DEVICE_OPEN,
    FO_DISALLOW_EXCLUSIVE, FO_HANDLE_CREATED, FO_NO_INTERMEDIATE_BUFFERING, FO_OPENED_CASE_SENSITIVE,
    FO_RANDOM_ACCESS, FO_SEQUENTIAL_ONLY, FO_SYNCHRONOUS_IO, FO_VOLUME_OPEN, FO_WRITE_THROUGH,
    IO_SECURITY_CONTEXT, IRP, IRP_CREATE_OPERATION, IRP_DEFER_IO_COMPLETION, IRP_MJ_CREATE,
    IRP_SYNCHRONOUS_API, NtStatus, SL_CASE_SENSITIVE, SL_FORCE_ACCESS_CHECK, SL_OPEN_PAGING_FILE,
    SL_OPEN_TARGET_DIRECTORY, SL_STOP_ON_SYMLINK, bugcheck, create_disposition as disposition,
    create_information as information, create_options as option, file_access as right,
    object_attributes as obj,
};
use nt_ke::{BugCheck, Raise, current_core};
use nt_ob::{ObjectAttributes, ParseRequest, Parsed};

use crate::device::io_get_attached_device;
use crate::file::{self, NAME_TAG};
use crate::issue::{Direction, IoStatus, Request};
use crate::objects;
use crate::pointer::{address, at_address, lasting, pointer};
use crate::volume;

/// In [`CreateParameters::create_flags`]: the file is to be a paging file (SL_OPEN_PAGING_FILE).
pub const IO_OPEN_PAGING_FILE: u32 = 2;
const OPEN_TARGET_DIRECTORY: u32 = option::IO_OPEN_TARGET_DIRECTORY;

/// Is asked in the place of a create: the file object, the device that the create would go to, and its IRP, whose current
/// stack location is that of the create. `true`: the create is not sent, and the open ends without a file.
pub type InsteadOfCreate = Arc<
    dyn Fn(&'static FILE_OBJECT, &'static DEVICE_OBJECT, &'static IRP) -> Result<bool, Raise> + Send + Sync,
>;

/// What to open and how.
#[derive(Clone, Default)]
pub struct CreateParameters<'a> {
    /// Name; absolute in the object namespace, or relative to `root` (or a file ID's bytes).
    pub name: &'a [u16],
    /// Handle of the root directory, or 0.
    pub root: usize,
    /// The same as an object.
    pub root_file: Option<&'static FILE_OBJECT>,
    /// `OBJ_*`.
    pub object_attributes: u32,
    /// Desired access; generic rights are allowed.
    pub access: u32,
    /// `FILE_ATTRIBUTE_*` of a new file.
    pub file_attributes: u32,
    /// `FILE_SHARE_*`.
    pub share: u32,
    /// `FILE_OPEN` and the like.
    pub disposition: u32,
    /// Create options.
    pub options: u32,
    /// Bytes to allocate for a new file.
    pub allocation: Option<i64>,
    /// FILE_FULL_EA_INFORMATION list of a new file.
    pub ea: &'a [u8],
    /// Who asks: KernelMode 0 or UserMode 1.
    pub mode: u8,
    /// `IO_*` flags of IoCreateFile, and [`IO_OPEN_PAGING_FILE`].
    pub create_flags: u32,
    /// Device of the volume's stack where the create (and every later request of the file) starts.
    pub start_device: Option<&'static DEVICE_OBJECT>,
    /// Reachable from the file object while the create runs and after.
    pub driver_context: Option<Arc<dyn Any + Send + Sync>>,
    /// May answer what the file would be opened for.
    pub instead: Option<InsteadOfCreate>,
    /// List of extra create parameters, or 0. It stays the caller's.
    pub ecp_list: usize,
    /// Object of the transaction that the file is opened in, or 0.
    pub transaction: usize,
}

/// What became of an open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Status.
    pub status: NtStatus,
    /// FILE_OPENED and the like; of a failure what the file system said.
    pub information: usize,
    /// The handle, 0 without one.
    pub handle: usize,
}

/// The open on its way through the object manager.
struct OpenPacket {
    access: u32,
    file_attributes: u32,
    share: u32,
    disposition: u32,
    options: u32,
    allocation: Option<i64>,
    ea: Vec<u8>,
    mode: u8,
    create_flags: u32,
    start_device: Option<&'static DEVICE_OBJECT>,
    driver_context: Option<Arc<dyn Any + Send + Sync>>,
    instead: Option<InsteadOfCreate>,
    ecp_list: usize,
    transaction: usize,
    /// A list that a filter attached to the create.
    attached_list: usize,
    /// What the handle may do, as the file system says.
    granted: u32,
    information: usize,
    /// A file system or filter has had the open start again.
    reparsed: bool,
}

/// Checks the parameters as NtCreateFile does.
fn check(p: &CreateParameters<'_>) -> NtStatus {
    const SYNCHRONOUS: u32 = option::FILE_SYNCHRONOUS_IO_ALERT | option::FILE_SYNCHRONOUS_IO_NONALERT;
    const OF_DIRECTORIES: u32 = option::FILE_DIRECTORY_FILE
        | SYNCHRONOUS
        | option::FILE_WRITE_THROUGH
        | option::FILE_COMPLETE_IF_OPLOCKED
        | option::FILE_OPEN_FOR_BACKUP_INTENT
        | option::FILE_DELETE_ON_CLOSE
        | option::FILE_OPEN_FOR_FREE_SPACE_QUERY
        | option::FILE_OPEN_BY_FILE_ID
        | option::FILE_NO_COMPRESSION
        | option::FILE_OPEN_REPARSE_POINT
        | option::FILE_OPEN_REQUIRING_OPLOCK
        | option::FILE_NO_EA_KNOWLEDGE
        | option::FILE_SESSION_AWARE;
    let options = p.options;
    let wrong = p.disposition > disposition::FILE_MAXIMUM_DISPOSITION
        || options & !option::FILE_VALID_OPTION_FLAGS != 0
        || p.share & !right::FILE_SHARE_VALID_FLAGS != 0
        || p.file_attributes & !0x7FFFF_u32 != 0
        || options & SYNCHRONOUS == SYNCHRONOUS
        || (options & SYNCHRONOUS != 0
            && p.access
                & (right::SYNCHRONIZE
                    | right::GENERIC_ALL
                    | right::GENERIC_READ
                    | right::GENERIC_WRITE
                    | right::GENERIC_EXECUTE
                    | right::MAXIMUM_ALLOWED)
                == 0)
        || (options & option::FILE_DELETE_ON_CLOSE != 0
            && p.access & (right::DELETE | right::GENERIC_ALL | right::MAXIMUM_ALLOWED) == 0)
        || (options & option::FILE_DIRECTORY_FILE != 0
            && (options & !OF_DIRECTORIES != 0
                || !matches!(
                    p.disposition,
                    disposition::FILE_CREATE | disposition::FILE_OPEN | disposition::FILE_OPEN_IF
                )))
        || (options & option::FILE_COMPLETE_IF_OPLOCKED != 0 && options & option::FILE_RESERVE_OPFILTER != 0)
        || (options & option::FILE_NO_INTERMEDIATE_BUFFERING != 0
            && p.access & right::FILE_APPEND_DATA != 0
            && p.access & right::FILE_WRITE_DATA == 0);
    if wrong {
        NtStatus::INVALID_PARAMETER
    } else if !p.ea.is_empty() && crate::ea::io_check_ea_list(p.ea).is_err() {
        NtStatus::EA_LIST_INCONSISTENT
    } else {
        NtStatus::SUCCESS
    }
}

/// Opens or creates a file, directory, volume or device and makes a handle.
///
/// Source:  IoCreateFileEx, ZwCreateFile; FS-01 to FS-04
/// IRQL:    PASSIVE_LEVEL
/// Locks:   none
/// Errors:  INVALID_PARAMETER · what the object manager says of the name · what the file system answers
pub fn io_create_file(p: &CreateParameters<'_>) -> Result<Opened, Raise> {
    let opened = open(p)?;
    let Found { file, information, granted } = match opened {
        Ok(found) => found,
        Err(failed) => {
            return Ok(Opened { status: failed.status, information: failed.information, handle: 0 });
        }
    };
    file.Flags.fetch_or(FO_HANDLE_CREATED, Ordering::Relaxed);
    let handle = nt_ob::ob_create_handle(address(file), granted, p.object_attributes);
    objects::dereference(address(file))?;
    Ok(match handle {
        Ok(handle) => Opened { status: NtStatus::SUCCESS, information, handle },
        Err(status) => Opened { status, information: 0, handle: 0 },
    })
}

/// Opens without a handle: the caller gets the one reference, and the information.
///
/// CLEANUP and CLOSE both follow when that reference is given back.
pub fn io_create_file_object(
    p: &CreateParameters<'_>,
) -> Result<Result<(&'static FILE_OBJECT, usize), IoStatus>, Raise> {
    Ok(open(p)?.map(|found| (found.file, found.information)))
}

/// What an open ended with.
struct Found {
    file: &'static FILE_OBJECT,
    information: usize,
    granted: u32,
}

fn open(p: &CreateParameters<'_>) -> Result<Result<Found, IoStatus>, Raise> {
    if p.create_flags & option::IO_NO_PARAMETER_CHECKING == 0 {
        let status = check(p);
        if status != NtStatus::SUCCESS {
            return Ok(Err(IoStatus::of(status)));
        }
    }
    let mut packet = OpenPacket {
        access: crate::subsystem().file_type().mapping().map(p.access),
        file_attributes: p.file_attributes,
        share: p.share,
        disposition: p.disposition,
        options: p.options,
        allocation: p.allocation,
        ea: p.ea.to_vec(),
        mode: p.mode,
        create_flags: p.create_flags,
        start_device: p.start_device,
        driver_context: p.driver_context.clone(),
        instead: p.instead.clone(),
        ecp_list: p.ecp_list,
        transaction: p.transaction,
        attached_list: 0,
        granted: 0,
        information: 0,
        reparsed: false,
    };
    let opened = look_up(p, &mut packet);
    if packet.attached_list != 0
        && let Some(free) = crate::subsystem().free_ecp_list.get()
    {
        free(packet.attached_list)?;
    }
    opened
}

fn look_up(p: &CreateParameters<'_>, packet: &mut OpenPacket) -> Result<Result<Found, IoStatus>, Raise> {
    let mut attributes = ObjectAttributes::relative(p.root, p.name, p.object_attributes);
    if let Some(root) = p.root_file {
        match open_from(root, p.name, p.object_attributes, packet)? {
            Parsed::Object(file) => return Ok(found(file, packet)),
            Parsed::Status(status) => return Ok(Err(IoStatus { status, information: packet.information })),
            Parsed::Reparse(name) => attributes = ObjectAttributes::named(&name, p.object_attributes),
        }
    }
    match nt_ob::ob_lookup(&attributes, None, p.mode, p.access, packet)? {
        Ok(object) => {
            if !std::ptr::eq(object.kind(), crate::subsystem().file_type()) {
                return Ok(Err(IoStatus::of(NtStatus::OBJECT_TYPE_MISMATCH)));
            }
            Ok(found(object.into_raw(), packet))
        }
        Err(status) => Ok(Err(IoStatus { status, information: packet.information })),
    }
}

fn found(file: usize, packet: &OpenPacket) -> Result<Found, IoStatus> {
    at_address(file)
        .map(|file| Found { file, information: packet.information, granted: packet.granted })
        .ok_or(IoStatus::of(NtStatus::OBJECT_TYPE_MISMATCH))
}

/// Parse procedure of devices: `remaining` names something on it.
pub(crate) fn parse_device_name(request: &mut ParseRequest<'_>) -> Result<Parsed, Raise> {
    let Some(device) = at_address::<DEVICE_OBJECT>(request.object) else {
        return Ok(Parsed::Status(NtStatus::NO_SUCH_DEVICE));
    };
    let (remaining, attributes) = (request.remaining.to_vec(), request.attributes);
    match request.context.downcast_mut::<OpenPacket>() {
        Some(packet) => open_on(device, None, &remaining, attributes, packet),
        // Somebody looks for the device itself.
        None if remaining.is_empty() => {
            objects::reference(request.object)?;
            Ok(Parsed::Object(request.object))
        }
        None => Ok(Parsed::Status(NtStatus::OBJECT_TYPE_MISMATCH)),
    }
}

/// Parse procedure of files: a name relative to one.
pub(crate) fn parse_relative_name(request: &mut ParseRequest<'_>) -> Result<Parsed, Raise> {
    let Some(root) = at_address::<FILE_OBJECT>(request.object) else {
        return Ok(Parsed::Status(NtStatus::INVALID_HANDLE));
    };
    let (remaining, attributes) = (request.remaining.to_vec(), request.attributes);
    match request.context.downcast_mut::<OpenPacket>() {
        Some(packet) => open_from(root, &remaining, attributes, packet),
        None => Ok(Parsed::Status(NtStatus::OBJECT_TYPE_MISMATCH)),
    }
}

fn open_from(
    root: &'static FILE_OBJECT,
    name: &[u16],
    attributes: u32,
    packet: &mut OpenPacket,
) -> Result<Parsed, Raise> {
    match crate::pointer::at(root.DeviceObject.get()) {
        Some(device) => open_on(device, Some(root), name, attributes, packet),
        None => Ok(Parsed::Status(NtStatus::FILE_CLOSED)),
    }
}

/// Access that can be had to a volume's device without its file system.
const DIRECT_ACCESS: u32 = right::SYNCHRONIZE
    | right::FILE_READ_ATTRIBUTES
    | right::READ_CONTROL
    | right::ACCESS_SYSTEM_SECURITY
    | right::WRITE_OWNER
    | right::WRITE_DAC;

/// Where an open goes.
struct Target {
    device: &'static DEVICE_OBJECT,
    vpb: Option<&'static nt_abi::VPB>,
    direct: bool,
}

fn find_target(
    device: &'static DEVICE_OBJECT,
    related: Option<&'static FILE_OBJECT>,
    name: &[u16],
    packet: &OpenPacket,
) -> Result<Result<Target, NtStatus>, Raise> {
    let direct = match related {
        Some(related) => related.Flags.load(Ordering::Relaxed) & FO_DIRECT_DEVICE_OPEN != 0,
        None => name.is_empty() && packet.access & !DIRECT_ACCESS == 0 && packet.start_device.is_none(),
    };
    let mut vpb = None;
    let mut target = device;
    if !direct && volume::vpb_of(device).is_some() {
        loop {
            if let Some(mounted) = volume::reference_vpb(device) {
                vpb = Some(mounted);
                break;
            }
            let status = volume::io_mount_volume(device)?;
            if !status.is_success() {
                return Ok(Err(status));
            }
        }
        if let Some(volume) = vpb.and_then(|vpb| crate::pointer::at(vpb.DeviceObject.get())) {
            target = volume;
        }
    }
    let device = match packet.start_device {
        Some(start) if in_stack(start, target) => start,
        Some(_) => {
            if let Some(vpb) = vpb {
                volume::dereference_vpb(vpb);
            }
            // The name led to another volume, or never was of the one that was asked for.
            return Ok(Err(if packet.reparsed {
                NtStatus::MOUNT_POINT_NOT_RESOLVED
            } else {
                NtStatus::INVALID_DEVICE_OBJECT_PARAMETER
            }));
        }
        None => io_get_attached_device(target),
    };
    Ok(Ok(Target { device, vpb, direct }))
}

fn in_stack(wanted: &DEVICE_OBJECT, bottom: &'static DEVICE_OBJECT) -> bool {
    let mut next = Some(bottom);
    while let Some(device) = next {
        if std::ptr::eq(device, wanted) {
            return true;
        }
        next = crate::pointer::at(device.AttachedDevice.get());
    }
    false
}

fn file_flags(packet: &OpenPacket, attributes: u32) -> u32 {
    let mut flags = 0;
    for (wanted, flag) in [
        (option::FILE_SYNCHRONOUS_IO_ALERT, FO_SYNCHRONOUS_IO | FO_ALERTABLE_IO),
        (option::FILE_SYNCHRONOUS_IO_NONALERT, FO_SYNCHRONOUS_IO),
        (option::FILE_NO_INTERMEDIATE_BUFFERING, FO_NO_INTERMEDIATE_BUFFERING),
        (option::FILE_WRITE_THROUGH, FO_WRITE_THROUGH),
        (option::FILE_SEQUENTIAL_ONLY, FO_SEQUENTIAL_ONLY),
        (option::FILE_RANDOM_ACCESS, FO_RANDOM_ACCESS),
        (option::FILE_DISALLOW_EXCLUSIVE, FO_DISALLOW_EXCLUSIVE),
    ] {
        if packet.options & wanted != 0 {
            flags |= flag;
        }
    }
    if attributes & obj::OBJ_CASE_INSENSITIVE == 0 {
        flags |= FO_OPENED_CASE_SENSITIVE;
    }
    debug_assert_eq!(flags & FO_DELETE_ON_CLOSE, 0, "the file system decides on it");
    flags
}

fn stack_flags(packet: &OpenPacket, attributes: u32) -> u8 {
    let mut flags = 0;
    if attributes & obj::OBJ_CASE_INSENSITIVE == 0 {
        flags |= SL_CASE_SENSITIVE;
    }
    if packet.create_flags & option::IO_FORCE_ACCESS_CHECK != 0
        || attributes & obj::OBJ_FORCE_ACCESS_CHECK != 0
    {
        flags |= SL_FORCE_ACCESS_CHECK;
    }
    if packet.create_flags & OPEN_TARGET_DIRECTORY != 0 {
        flags |= SL_OPEN_TARGET_DIRECTORY;
    }
    if packet.create_flags & IO_OPEN_PAGING_FILE != 0 {
        flags |= SL_OPEN_PAGING_FILE;
    }
    if packet.create_flags & option::IO_STOP_ON_SYMLINK != 0 {
        flags |= SL_STOP_ON_SYMLINK;
    }
    flags
}

/// Fills the access state of an open. In kernel mode everything is granted before the file system sees it.
fn fill_access_state(
    state: &ACCESS_STATE,
    auxiliary: &[std::cell::Cell<u64>; 28],
    packet: &OpenPacket,
) -> Result<(), Raise> {
    let mapping = crate::subsystem().file_type().mapping();
    nt_se::se_create_access_state(state, auxiliary.as_ptr() as usize, packet.access, Some(&mapping))?;
    if packet.mode == 0 && packet.create_flags & option::IO_FORCE_ACCESS_CHECK == 0 {
        nt_se::se_grant_remaining(state, &mapping);
    }
    Ok(())
}

/// Sends the create for `name` on `device`.
fn open_on(
    device: &'static DEVICE_OBJECT,
    related: Option<&'static FILE_OBJECT>,
    name: &[u16],
    attributes: u32,
    packet: &mut OpenPacket,
) -> Result<Parsed, Raise> {
    let target = match find_target(device, related, name, packet)? {
        Ok(target) => target,
        Err(status) => return Ok(Parsed::Status(status)),
    };
    let file = match file::create(device) {
        Ok(file) => file,
        Err(status) => {
            if let Some(vpb) = target.vpb {
                volume::dereference_vpb(vpb);
            }
            return Ok(Parsed::Status(status));
        }
    };
    file::set_volume(file, target.vpb);
    file::set_start_device(file, packet.start_device);
    file::set_context(file, packet.driver_context.clone());
    file::set_transaction(file, packet.transaction)?;
    if packet.create_flags & option::IO_IGNORE_SHARE_ACCESS_CHECK != 0 {
        file::ignore_share_access(file);
    }
    let mut flags = file_flags(packet, attributes);
    if target.direct {
        flags |= FO_DIRECT_DEVICE_OPEN;
    }
    if name.is_empty() && related.is_none() {
        flags |= FO_VOLUME_OPEN;
    }
    file.Flags.store(flags, Ordering::Relaxed);
    if let Some(related) = related {
        objects::reference(address(related))?;
        file.RelatedFileObject.set(pointer(related));
    }
    if !objects::set_string(&file.FileName, name, NAME_TAG) {
        file::discard(file)?;
        return Ok(Parsed::Status(if name.len() > 0x7FFE {
            NtStatus::OBJECT_NAME_INVALID
        } else {
            NtStatus::INSUFFICIENT_RESOURCES
        }));
    }
    let lists = file::file_ecp_list(file);
    lists.set(if packet.attached_list == 0 { packet.ecp_list } else { packet.attached_list });
    let sent = send_create(file, &target, attributes, packet)?;
    // A list that is attached stays with the open, also when that begins again elsewhere.
    // What a filter attached in an earlier attempt and took off in this one is its own again.
    let list = lists.replace(0);
    packet.attached_list = if list == packet.ecp_list { 0 } else { list };
    let result = match sent {
        Ok(Some(result)) => result,
        Ok(None) => {
            file::discard(file)?;
            return Ok(Parsed::Status(NtStatus::SUCCESS));
        }
        Err(status) => IoStatus::of(status),
    };
    packet.reparsed |= result.status == NtStatus::REPARSE;
    packet.information = result.information;
    if result.status == NtStatus::REPARSE {
        let flags = (attributes, packet.create_flags);
        return reparse(file, name.is_empty() && related.is_none(), device, flags, result.information);
    }
    // A filter made something else of the answer.
    crate::memory::free_any(file::take_reparse_data(file))?;
    if !result.status.is_success() {
        file::discard(file)?;
        return Ok(Parsed::Status(result.status));
    }
    // The related object is for the create only.
    let related = file.RelatedFileObject.replace(std::ptr::null_mut());
    if !related.is_null() {
        objects::dereference(related as usize)?;
    }
    nt_ke::dispatcher::set_event(&file.Event.Header);
    Ok(Parsed::Object(address(file)))
}

/// Returns: what the create came to; `None` when something else was done instead
fn send_create(
    file: &'static FILE_OBJECT,
    target: &Target,
    attributes: u32,
    packet: &mut OpenPacket,
) -> Result<Result<Option<IoStatus>, NtStatus>, Raise> {
    let device = target.device;
    let request = match Request::with_stack(Some(file), device, device.StackSize.get() as u8) {
        Ok(request) => request,
        Err(status) => return Ok(Err(status)),
    };
    request.irp.RequestorMode.set(packet.mode as i8);
    if !packet.ea.is_empty() {
        let buffered = request.system_buffer(packet.ea.as_ptr() as usize, packet.ea.len(), Direction::Out);
        if let Err(status) = buffered {
            request.abandon()?;
            return Ok(Err(status));
        }
    }
    // The list is input that the request owns, not buffered I/O: its flags are exactly these (FS-01).
    let ea = request.irp.SystemBuffer().get() as usize;
    request.irp.Flags.set(IRP_CREATE_OPERATION | IRP_SYNCHRONOUS_API | IRP_DEFER_IO_COMPLETION);
    request.irp.Overlay.AllocationSize().set(packet.allocation.unwrap_or(0));
    let state = ACCESS_STATE::default();
    let auxiliary = [const { std::cell::Cell::new(0u64) }; 28];
    fill_access_state(&state, &auxiliary, packet)?;
    let security = IO_SECURITY_CONTEXT::default();
    security.AccessState.set(pointer(&state));
    security.DesiredAccess.set(packet.access);
    security.FullCreateOptions.set(packet.options);
    let stack = request.stack;
    stack.MajorFunction.set(IRP_MJ_CREATE);
    stack.Flags.set(stack_flags(packet, attributes));
    let create = stack.Parameters.Create();
    create.SecurityContext.set(pointer(&security));
    create.Options.set((packet.disposition << 24) | (packet.options & option::FILE_VALID_OPTION_FLAGS));
    create.FileAttributes.set(packet.file_attributes as u16);
    create.ShareAccess.set(packet.share as u16);
    create.EaLength.set(packet.ea.len() as u32);
    let instead = packet.instead.as_ref().filter(|_| !target.direct);
    let result = match instead.map(|instead| ask_instead(instead, file, device, &request)).transpose()? {
        Some(true) => request.abandon().map(|()| None),
        _ => request.send_synchronous().map(Some),
    };
    // What the file system and the filters left unchecked, nobody forbids.
    nt_se::se_grant_remaining(&state, &crate::subsystem().file_type().mapping());
    packet.granted = state.PreviouslyGrantedAccess.get();
    nt_se::se_delete_access_state(&state)?;
    crate::memory::free_any(ea)?;
    result.map(Ok)
}

fn ask_instead(
    instead: &InsteadOfCreate,
    file: &'static FILE_OBJECT,
    device: &'static DEVICE_OBJECT,
    request: &Request,
) -> Result<bool, Raise> {
    crate::stack::io_set_next_location(request.irp);
    request.stack.DeviceObject.set(pointer(device));
    let answered = instead(file, device, request.irp);
    crate::stack::io_skip_current(request.irp);
    answered
}

/// A file system or filter wants the open to start again.
fn reparse(
    file: &'static FILE_OBJECT,
    volume_open: bool,
    device: &'static DEVICE_OBJECT,
    (attributes, create_flags): (u32, u32),
    tag: usize,
) -> Result<Parsed, Raise> {
    if volume_open && tag == information::IO_REPARSE && file::file_name(file).is_empty() {
        return Err(current_core().bug_check(BugCheck::new(
            bugcheck::DRIVER_RETURNED_STATUS_REPARSE_FOR_VOLUME_OPEN,
            [address(device) as u64, 0, 0, 0],
            "STATUS_REPARSE was answered to the open of a volume without giving it another name",
        )));
    }
    let name = file::file_name(file);
    let data = file::take_reparse_data(file);
    let target = match u32::try_from(tag) {
        Ok(nt_abi::IO_REPARSE_TAG_MOUNT_POINT | nt_abi::IO_REPARSE_TAG_SYMLINK) if data != 0 => {
            Some(crate::reparse::target(file, device, &name, data)?)
        }
        _ => None,
    };
    crate::memory::free_any(data)?;
    file::discard(file)?;
    let refused = attributes & obj::OBJ_DONT_REPARSE != 0;
    Ok(match (tag, target) {
        (information::IO_REPARSE, _) | (_, Some(_)) if refused => {
            Parsed::Status(NtStatus::from_bits(0xC000_050B)) // STATUS_REPARSE_POINT_ENCOUNTERED
        }
        (information::IO_REPARSE, _) => Parsed::Reparse(name),
        (information::IO_REMOUNT, _) => {
            let mut whole = crate::device::device_name(device).unwrap_or_default();
            whole.extend(name);
            Parsed::Reparse(whole)
        }
        (_, Some(_))
            if create_flags & option::IO_STOP_ON_SYMLINK != 0
                && tag as u32 == nt_abi::IO_REPARSE_TAG_SYMLINK =>
        {
            Parsed::Status(NtStatus::STOPPED_ON_SYMLINK)
        }
        (_, Some(Ok(target))) => Parsed::Reparse(target),
        (_, Some(Err(status))) => Parsed::Status(status),
        _ => Parsed::Status(NtStatus::IO_REPARSE_TAG_NOT_HANDLED),
    })
}

/// Opens the device that `name` names and returns its file object (referenced) and the top of its stack.
///
/// Source:  IoGetDeviceObjectPointer
pub fn io_get_device_object_pointer(
    name: &[u16],
    access: u32,
) -> Result<Result<(&'static FILE_OBJECT, &'static DEVICE_OBJECT), NtStatus>, Raise> {
    let parameters = CreateParameters {
        name,
        access,
        share: right::FILE_SHARE_READ | right::FILE_SHARE_WRITE | right::FILE_SHARE_DELETE,
        disposition: disposition::FILE_OPEN,
        options: option::FILE_NON_DIRECTORY_FILE,
        object_attributes: obj::OBJ_KERNEL_HANDLE | obj::OBJ_CASE_INSENSITIVE,
        ..CreateParameters::default()
    };
    Ok(match io_create_file_object(&parameters)? {
        Ok((file, _)) => Ok((lasting(file), crate::device::io_get_related_device(file))),
        Err(failed) => Err(failed.status),
    })
}
