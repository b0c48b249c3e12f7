//! Where an operation's buffer, its MDL and its length stand in the parameters.
//!
//! Source: FltDecodeParameters; SWAP-05 to SWAP-08.

use nt_abi::{
    FLT_IO_PARAMETER_BLOCK, FLT_PARAMETERS_Create as Create,
    FLT_PARAMETERS_DeviceIoControl_Buffered as Buffered, FLT_PARAMETERS_DeviceIoControl_Neither as Neither,
    FLT_PARAMETERS_DirectoryControl_QueryDirectory as QueryDirectory, FLT_PARAMETERS_QueryEa as QueryEa,
    FLT_PARAMETERS_QueryFileInformation as QueryFile, FLT_PARAMETERS_QueryQuota as QueryQuota,
    FLT_PARAMETERS_QuerySecurity as QuerySecurity, FLT_PARAMETERS_Read as Read,
    FLT_PARAMETERS_SetEa as SetEa, FLT_PARAMETERS_SetFileInformation as SetFile,
    FLT_PARAMETERS_SetQuota as SetQuota, FLT_PARAMETERS_SetSecurity as SetSecurity, IRP_MJ_CREATE,
    IRP_MJ_DEVICE_CONTROL, IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL,
    IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_QUERY_EA, IRP_MJ_QUERY_INFORMATION, IRP_MJ_QUERY_QUOTA,
    IRP_MJ_QUERY_SECURITY, IRP_MJ_QUERY_VOLUME_INFORMATION, IRP_MJ_READ, IRP_MJ_SET_EA,
    IRP_MJ_SET_INFORMATION, IRP_MJ_SET_QUOTA, IRP_MJ_SET_SECURITY, IRP_MJ_SET_VOLUME_INFORMATION,
    IRP_MJ_WRITE, IRP_MN_KERNEL_CALL, IRP_MN_USER_FS_REQUEST,
};
use std::mem::offset_of;

/// `IoReadAccess`.
pub const READ_ACCESS: u32 = 0;
/// `IoWriteAccess`.
pub const WRITE_ACCESS: u32 = 1;
/// `IoModifyAccess`.
pub const MODIFY_ACCESS: u32 = 2;

/// Byte offsets inside `FLT_PARAMETERS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The MDL pointer, where the operation has one.
    pub mdl: Option<usize>,
    /// The buffer pointer.
    pub buffer: usize,
    /// The length.
    pub length: Option<usize>,
    /// How the buffer is used: `IoReadAccess` 0, `IoWriteAccess` 1, `IoModifyAccess` 2.
    pub access: u32,
}

/// The places for the operation in `block`, `None` for one without a buffer.
pub fn places(block: &FLT_IO_PARAMETER_BLOCK, fast_io: bool) -> Option<Places> {
    let of = |mdl, buffer, length, access| Some(Places { mdl, buffer, length, access });
    match block.MajorFunction.get() {
        IRP_MJ_READ => {
            of(Some(offset_of!(Read, MdlAddress)), offset_of!(Read, ReadBuffer), Some(0), WRITE_ACCESS)
        }
        IRP_MJ_WRITE => {
            of(Some(offset_of!(Read, MdlAddress)), offset_of!(Read, ReadBuffer), Some(0), READ_ACCESS)
        }
        IRP_MJ_CREATE => {
            of(None, offset_of!(Create, EaBuffer), Some(offset_of!(Create, EaLength)), READ_ACCESS)
        }
        IRP_MJ_QUERY_INFORMATION | IRP_MJ_QUERY_VOLUME_INFORMATION => {
            of(None, offset_of!(QueryFile, InfoBuffer), Some(0), WRITE_ACCESS)
        }
        IRP_MJ_SET_VOLUME_INFORMATION => of(None, offset_of!(QueryFile, InfoBuffer), Some(0), READ_ACCESS),
        IRP_MJ_SET_INFORMATION => of(None, offset_of!(SetFile, InfoBuffer), Some(0), READ_ACCESS),
        IRP_MJ_DIRECTORY_CONTROL => of(
            Some(offset_of!(QueryDirectory, MdlAddress)),
            offset_of!(QueryDirectory, DirectoryBuffer),
            Some(0),
            WRITE_ACCESS,
        ),
        IRP_MJ_QUERY_EA => {
            of(Some(offset_of!(QueryEa, MdlAddress)), offset_of!(QueryEa, EaBuffer), Some(0), WRITE_ACCESS)
        }
        IRP_MJ_SET_EA => {
            of(Some(offset_of!(SetEa, MdlAddress)), offset_of!(SetEa, EaBuffer), Some(0), READ_ACCESS)
        }
        IRP_MJ_QUERY_SECURITY => of(
            Some(offset_of!(QuerySecurity, MdlAddress)),
            offset_of!(QuerySecurity, SecurityBuffer),
            Some(offset_of!(QuerySecurity, Length)),
            WRITE_ACCESS,
        ),
        IRP_MJ_SET_SECURITY => of(None, offset_of!(SetSecurity, SecurityDescriptor), None, READ_ACCESS),
        IRP_MJ_QUERY_QUOTA => of(
            Some(offset_of!(QueryQuota, MdlAddress)),
            offset_of!(QueryQuota, QuotaBuffer),
            Some(0),
            WRITE_ACCESS,
        ),
        IRP_MJ_SET_QUOTA => of(
            Some(offset_of!(SetQuota, MdlAddress)),
            offset_of!(SetQuota, QuotaBuffer),
            Some(0),
            READ_ACCESS,
        ),
        IRP_MJ_FILE_SYSTEM_CONTROL
            if !matches!(block.MinorFunction.get(), IRP_MN_USER_FS_REQUEST | IRP_MN_KERNEL_CALL) =>
        {
            None
        }
        IRP_MJ_FILE_SYSTEM_CONTROL | IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL => {
            let method = block.Parameters.DeviceIoControl().Common().IoControlCode.get() & 3;
            if fast_io {
                of(None, offset_of!(Neither, OutputBuffer), Some(0), WRITE_ACCESS)
            } else if method == 0 {
                of(None, offset_of!(Buffered, SystemBuffer), Some(0), MODIFY_ACCESS)
            } else {
                // METHOD_IN_DIRECT (1) reads the output buffer, the others write it.
                let access = if method == 1 { READ_ACCESS } else { WRITE_ACCESS };
                of(
                    Some(offset_of!(Neither, OutputMdlAddress)),
                    offset_of!(Neither, OutputBuffer),
                    Some(0),
                    access,
                )
            }
        }
        _ => None,
    }
}
