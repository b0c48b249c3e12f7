//! Extended attributes that a minifilter asks for and sets below itself.

use boundary::Raise;
use nt_abi::{
    FILE_OBJECT, IRP_MJ_QUERY_EA, IRP_MJ_SET_EA, IRP_SYNCHRONOUS_API, NtStatus, SL_INDEX_SPECIFIED,
    SL_RESTART_SCAN, SL_RETURN_SINGLE_ENTRY,
};
use nt_io::IoStatus;

use crate::generated::issue;
use crate::instance::Instance;

/// Which attributes of a file are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct EaQuery {
    /// One only.
    pub single: bool,
    /// Address of a `FILE_GET_EA_INFORMATION` list, or 0.
    pub list: usize,
    /// Its bytes.
    pub list_length: u32,
    /// The first one, counted from 1.
    pub index: Option<u32>,
    /// From the first one on.
    pub restart: bool,
}

/// Asks for extended attributes below `instance`.
///
/// Source:  FltQueryEaFile. IRQL: PASSIVE_LEVEL
/// Errors:  what the file system answered
pub fn flt_query_ea_file(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    (buffer, length): (usize, u32),
    query: EaQuery,
) -> Result<IoStatus, Raise> {
    issue(&instance.volume, Some(&instance.altitude), file, IRP_MJ_QUERY_EA, |irp, stack| {
        irp.Flags.set(IRP_SYNCHRONOUS_API);
        irp.UserBuffer.set(buffer as *mut _);
        let parameters = stack.Parameters.QueryEa();
        parameters.Length.set(length);
        parameters.EaList.set(query.list as *mut _);
        parameters.EaListLength.set(query.list_length);
        let mut flags = if query.restart { SL_RESTART_SCAN } else { 0 };
        if query.single {
            flags |= SL_RETURN_SINGLE_ENTRY;
        }
        if let Some(index) = query.index {
            parameters.EaIndex.set(index);
            flags |= SL_INDEX_SPECIFIED;
        }
        stack.Flags.set(flags);
    })
}

/// Sets extended attributes below `instance` from a `FILE_FULL_EA_INFORMATION` list.
///
/// Source:  FltSetEaFile. IRQL: PASSIVE_LEVEL
/// Errors:  what the file system answered
pub fn flt_set_ea_file(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    buffer: usize,
    length: u32,
) -> Result<NtStatus, Raise> {
    let result = issue(&instance.volume, Some(&instance.altitude), file, IRP_MJ_SET_EA, |irp, stack| {
        irp.Flags.set(IRP_SYNCHRONOUS_API);
        irp.UserBuffer.set(buffer as *mut _);
        stack.Parameters.SetEa().Length.set(length);
    })?;
    Ok(result.status)
}
