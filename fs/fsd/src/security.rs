//! Security descriptors: kept by the store with each file that has one of its own, and checked when a program opens it.
//!
//! A file that nobody gave a descriptor, and that inherits nothing, has the default one, which lets everybody do
//! everything: it is not kept. Directories on the way are not checked: programs have the privilege to traverse them.
//!
//! UNSAFETY: follows the access state of a create.

use nt_abi::{
    ACCESS_STATE, IO_SECURITY_CONTEXT, IO_STACK_LOCATION, IRP, NtStatus, file_access as access, sl_flags,
};
use nt_ex::resource::ResourceGuard;
use nt_se::acl;
use nt_se::capture;
use nt_se::descriptor::Parts;
use nt_se::{default_descriptor, merge_descriptor, se_access_check, se_token_description, select_descriptor};
use store::{Blob, FileId};

use crate::fcb::{Volume, of_file};
use crate::{Answer, Done, Failure, buffer};

/// OWNER_, GROUP_, DACL_ and SACL_SECURITY_INFORMATION.
const ALL: u32 = 0xF;
/// SE_DACL_PRESENT.
const DACL_PRESENT: u16 = 4;
const OBJECT_INHERIT: u8 = 1;
const CONTAINER_INHERIT: u8 = 2;
const NO_PROPAGATE: u8 = 4;
const INHERIT_ONLY: u8 = 8;
const INHERITED: u8 = 0x10;

/// Who opens, and which descriptor a new file is to have.
pub(crate) struct Opener<'a> {
    /// The token, 0 when nothing is checked.
    token: usize,
    state: Option<&'a ACCESS_STATE>,
    given: Option<Parts>,
}

impl<'a> Opener<'a> {
    /// Who sent a create.
    ///
    /// Errors: INVALID_SECURITY_DESCR
    pub(crate) fn of(
        irp: &IRP,
        stack: &IO_STACK_LOCATION,
        context: &'a IO_SECURITY_CONTEXT,
    ) -> Result<Self, Failure> {
        // SAFETY: the security context of a create names its access state.
        let Some(state) = (unsafe { context.AccessState.get().as_ref() }) else {
            return Ok(Self { token: 0, state: None, given: None });
        };
        let checked =
            irp.RequestorMode.get() != 0 || stack.Flags.get() & sl_flags::SL_FORCE_ACCESS_CHECK != 0;
        let subject = &state.SubjectSecurityContext;
        let client = subject.ClientToken.get();
        let token = if client.is_null() { subject.PrimaryToken.get() } else { client } as usize;
        let given = match state.SecurityDescriptor.get() as usize {
            0 => None,
            address => Some(capture::descriptor(address)?.ok_or(NtStatus::INVALID_SECURITY_DESCR)?),
        };
        Ok(Self { token: if checked { token } else { 0 }, state: Some(state), given })
    }

    /// What an open for `desired` is granted; an overwrite needs more than it says.
    ///
    /// Errors: ACCESS_DENIED · PRIVILEGE_NOT_HELD
    pub(crate) fn check(
        &self,
        volume: &Volume,
        id: FileId,
        desired: u32,
        overwrites: bool,
    ) -> Result<u32, Failure> {
        if self.token == 0 {
            return Ok(whole(desired));
        }
        let Some(descriptor) = volume.store.blob(id, Blob::Security)? else { return Ok(whole(desired)) };
        let token = se_token_description(self.token)?;
        let needed = desired | if overwrites { access::FILE_WRITE_DATA } else { 0 };
        let granted = se_access_check(Some(&descriptor), &token, needed, 0, &nt_io::FILE_MAPPING, 1)?;
        Ok(if desired & access::MAXIMUM_ALLOWED != 0 { granted } else { desired })
    }

    /// Tells the I/O manager what the open's handle may do.
    pub(crate) fn grant(&self, granted: u32) {
        if let Some(state) = self.state {
            state.PreviouslyGrantedAccess.set(granted);
            state.RemainingDesiredAccess.set(0);
        }
    }

    /// Gives the new file `id` in `parent` what it inherits and what its maker gave it.
    pub(crate) fn assign(
        &self,
        volume: &Volume,
        (parent, id): (FileId, FileId),
        directory: bool,
    ) -> Result<(), Failure> {
        let inherited = match volume.store.blob(parent, Blob::Security)? {
            Some(of_parent) => inherited(&of_parent, directory),
            None => None,
        };
        if inherited.is_none() && self.given.is_none() {
            return Ok(());
        }
        let mut descriptor = default_descriptor();
        for parts in [inherited, self.given.clone()].into_iter().flatten() {
            let named = u32::from(parts.owner.is_some())
                | u32::from(parts.group.is_some()) << 1
                | u32::from(parts.control & DACL_PRESENT != 0) << 2
                | u32::from(parts.sacl.is_some()) << 3;
            descriptor = merge_descriptor(&descriptor, &parts.write(), named)
                .ok_or(NtStatus::INVALID_SECURITY_DESCR)?;
        }
        Ok(volume.store.set_blob(id, Blob::Security, Some(&descriptor))?)
    }
}

/// The entries that a new child takes over from its parent's list; `None` when there are none.
fn inherited(of_parent: &[u8], directory: bool) -> Option<Parts> {
    let list = Parts::read(of_parent)?.dacl?;
    let mut taken = vec![2, 0, 8, 0, 0, 0, 0, 0];
    for place in acl::entries(&list)? {
        let mut entry = list[place].to_vec();
        let flags = entry[1];
        entry[1] = if !directory {
            if flags & OBJECT_INHERIT == 0 {
                continue;
            }
            INHERITED
        } else if flags & CONTAINER_INHERIT != 0 {
            let kept =
                if flags & NO_PROPAGATE != 0 { 0 } else { flags & (OBJECT_INHERIT | CONTAINER_INHERIT) };
            kept | INHERITED
        } else if flags & OBJECT_INHERIT != 0 && flags & NO_PROPAGATE == 0 {
            // For the files below only.
            OBJECT_INHERIT | INHERIT_ONLY | INHERITED
        } else {
            continue;
        };
        taken[4] += 1;
        taken.extend(entry);
    }
    if taken[4] == 0 {
        return None;
    }
    let bytes = (taken.len() as u16).to_le_bytes();
    taken[2..4].copy_from_slice(&bytes);
    Some(Parts { control: DACL_PRESENT, dacl: Some(taken), ..Parts::default() })
}

/// The descriptor of a file, whole.
fn of(volume: &Volume, id: FileId) -> Result<Vec<u8>, Failure> {
    Ok(volume.store.blob(id, Blob::Security)?.unwrap_or_else(default_descriptor))
}

/// IRP_MJ_QUERY_SECURITY. A buffer that is too small gets nothing, and the length that is needed. Source: PARM-30.
pub(crate) fn query(volume: &Volume, irp: &IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let (_, fcb, _) = of_file(stack.FileObject.get())?;
    if fcb.state().volume_open {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    let parameters = stack.Parameters.QuerySecurity();
    let whole = {
        let _guard = ResourceGuard::shared(volume.resource)?;
        of(volume, fcb.id())?
    };
    let chosen = select_descriptor(&whole, parameters.SecurityInformation.get());
    let chosen = chosen.ok_or(NtStatus::INVALID_SECURITY_DESCR)?;
    if chosen.len() > parameters.Length.get() as usize {
        return Ok(Done::new(NtStatus::BUFFER_OVERFLOW, chosen.len()));
    }
    boundary::copy::write(buffer::data_address(irp)?, &chosen)?;
    Ok(Done::new(NtStatus::SUCCESS, chosen.len()))
}

/// IRP_MJ_SET_SECURITY. Source: PARM-30.
pub(crate) fn set(volume: &Volume, stack: &IO_STACK_LOCATION) -> Answer {
    let (_, fcb, _) = of_file(stack.FileObject.get())?;
    if fcb.state().volume_open {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    let parameters = stack.Parameters.SetSecurity();
    let given = capture::descriptor(parameters.SecurityDescriptor.get() as usize)?;
    let given = given.ok_or(NtStatus::INVALID_SECURITY_DESCR)?;
    let named = parameters.SecurityInformation.get() & ALL;
    let _guard = ResourceGuard::exclusive(volume.resource)?;
    let merged = merge_descriptor(&of(volume, fcb.id())?, &given.write(), named);
    let merged = merged.ok_or(NtStatus::INVALID_SECURITY_DESCR)?;
    volume.store.set_blob(fcb.id(), Blob::Security, Some(&merged))?;
    Ok(NtStatus::SUCCESS.into())
}

/// All that is wanted, where nothing forbids it.
pub(crate) fn whole(desired: u32) -> u32 {
    let maximum = if desired & access::MAXIMUM_ALLOWED != 0 { access::FILE_ALL_ACCESS } else { 0 };
    (desired & !access::MAXIMUM_ALLOWED) | maximum
}
