//! Reparse points that a minifilter sets and removes below itself. Statements: RTAG-01 to RTAG-04.

use boundary::{Raise, copy};
use nt_abi::file_flags::{FSCTL_DELETE_REPARSE_POINT, FSCTL_SET_REPARSE_POINT};
use nt_abi::{FILE_OBJECT, NtStatus};
use nt_ex::pool::{self, PoolKind};
use nt_io::ControlBuffers;

use crate::control::flt_fs_control_file;
use crate::instance::Instance;

const TAG: u32 = u32::from_le_bytes(*b"FMrp");
const MICROSOFT: u32 = 0x8000_0000;

/// A tag, and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct ReparseTag {
    /// The tag.
    pub tag: u32,
    /// Its maker's GUID: needed unless the tag is Microsoft's.
    pub guid: Option<[u8; 16]>,
}

/// Sends `REPARSE_DATA_BUFFER`, or `REPARSE_GUID_DATA_BUFFER` for other makers' tags.
fn send(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    code: u32,
    tag: ReparseTag,
    data: &[u8],
) -> Result<NtStatus, Raise> {
    let mut whole = tag.tag.to_le_bytes().to_vec();
    whole.extend((data.len() as u16).to_le_bytes());
    whole.extend([0, 0]);
    match tag.guid {
        _ if tag.tag & MICROSOFT != 0 => {}
        Some(guid) => whole.extend(guid),
        None => return Ok(NtStatus::INVALID_PARAMETER),
    }
    whole.extend(data);
    let Some(block) = pool::allocate_engine(PoolKind::NonPaged, whole.len(), TAG) else {
        return Ok(NtStatus::INSUFFICIENT_RESOURCES);
    };
    let input = block.as_ptr() as usize;
    copy::write(input, &whole)?;
    let buffers = ControlBuffers { input, input_length: whole.len() as u32, output: 0, output_length: 0 };
    let result = flt_fs_control_file(instance, file, code, buffers);
    pool::free(block.as_ptr(), Some(TAG))?;
    Ok(result?.status)
}

/// Makes the file a reparse point, or replaces its data, below `instance`.
///
/// Source:  FltTagFile; RTAG-01 to RTAG-04
/// IRQL:    PASSIVE_LEVEL
/// Errors:  INVALID_PARAMETER (another maker's tag without GUID) · INSUFFICIENT_RESOURCES · the file system's:
///          ACCESS_DENIED, IO_REPARSE_TAG_MISMATCH, REPARSE_ATTRIBUTE_CONFLICT, INVALID_DEVICE_REQUEST
pub fn flt_tag_file(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    tag: ReparseTag,
    data: &[u8],
) -> Result<NtStatus, Raise> {
    send(instance, file, FSCTL_SET_REPARSE_POINT, tag, data)
}

/// Makes the file no reparse point, below `instance`. Errors: as [`flt_tag_file`], and NOT_A_REPARSE_POINT.
///
/// Source: FltUntagFile; RTAG-02 to RTAG-04
pub fn flt_untag_file(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    tag: ReparseTag,
) -> Result<NtStatus, Raise> {
    send(instance, file, FSCTL_DELETE_REPARSE_POINT, tag, &[])
}
