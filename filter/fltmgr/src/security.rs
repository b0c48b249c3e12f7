//! Security descriptors: of a file, below an instance; and the one that a minifilter gives to its communication port.

use boundary::{Raise, copy};
use nt_abi::{FILE_OBJECT, IRP_MJ_QUERY_SECURITY, IRP_MJ_SET_SECURITY, IRP_SYNCHRONOUS_API, NtStatus};
use nt_ex::pool::{self, PoolKind};
use nt_io::IoStatus;
use nt_se::Sid;
use nt_se::descriptor::allow_list;

use crate::generated::issue;
use crate::instance::Instance;

const TAG: u32 = u32::from_le_bytes(*b"FMsd");
/// SE_DACL_PRESENT.
const DACL_PRESENT: u16 = 4;
/// Bytes of an absolute descriptor, behind which its parts lie.
const HEAD: usize = 0x28;

/// A descriptor that grants `access` to the system and to administrators, in one block of pool: the address.
/// Free it with [`flt_free_security_descriptor`].
///
/// Source:  FltBuildDefaultSecurityDescriptor
/// IRQL:    <= APC_LEVEL
/// Errors:  InsufficientResources
pub fn flt_build_default_security_descriptor(access: u32) -> Result<Result<usize, NtStatus>, Raise> {
    let owner = Sid::administrators();
    let list = allow_list(&[(access, Sid::local_system()), (access, Sid::administrators())]);
    let bytes = HEAD + owner.bytes().len() + list.len();
    let Some(block) = pool::allocate(PoolKind::Paged, bytes, TAG, true) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let base = block.as_ptr() as usize;
    let (list_at, owner_at) = (base + HEAD, base + HEAD + list.len());
    let head = [1 | u64::from(DACL_PRESENT) << 16, owner_at as u64, owner_at as u64, 0, list_at as u64];
    for (index, word) in head.into_iter().enumerate() {
        copy::write_value(base + index * 8, word)?;
    }
    copy::write(list_at, &list)?;
    copy::write(owner_at, owner.bytes())?;
    Ok(Ok(base))
}

/// Frees such a descriptor. Source: FltFreeSecurityDescriptor. Errors: a bug check when it is none
pub fn flt_free_security_descriptor(descriptor: usize) -> Result<(), Raise> {
    pool::free(descriptor as *const u8, Some(TAG))
}

/// Reads the parts of a file's descriptor that `information` names, self-relative, below `instance`.
///
/// Source:  FltQuerySecurityObject; PARM-30. IRQL: PASSIVE_LEVEL
/// Returns: the status, and the bytes of the descriptor: with BUFFER_OVERFLOW those that are needed, and the buffer is
///          left alone
/// Errors:  what the file system answered
pub fn flt_query_security_object(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    information: u32,
    (buffer, length): (usize, u32),
) -> Result<IoStatus, Raise> {
    issue(&instance.volume, Some(&instance.altitude), file, IRP_MJ_QUERY_SECURITY, |irp, stack| {
        irp.Flags.set(IRP_SYNCHRONOUS_API);
        irp.UserBuffer.set(buffer as *mut _);
        let parameters = stack.Parameters.QuerySecurity();
        parameters.SecurityInformation.set(information);
        parameters.Length.set(length);
    })
}

/// Sets the parts of a file's descriptor that `information` names, below `instance`. `descriptor` may be of either form.
///
/// Source:  FltSetSecurityObject; PARM-30. IRQL: PASSIVE_LEVEL
/// Errors:  INVALID_SECURITY_DESCR · what the file system answered
pub fn flt_set_security_object(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    information: u32,
    descriptor: usize,
) -> Result<NtStatus, Raise> {
    let result =
        issue(&instance.volume, Some(&instance.altitude), file, IRP_MJ_SET_SECURITY, |irp, stack| {
            irp.Flags.set(IRP_SYNCHRONOUS_API);
            let parameters = stack.Parameters.SetSecurity();
            parameters.SecurityInformation.set(information);
            parameters.SecurityDescriptor.set(descriptor as *mut _);
        })?;
    Ok(result.status)
}
