//! The directory that a rename or link names as its target.
//!
//! ```text
//! name in the same directory ─► none        path, or name below a root ─► opened with SL_OPEN_TARGET_DIRECTORY
//! ```
//!
//! Statements: FS-26.

use std::sync::atomic::Ordering;

use nt_abi::{
    FILE_OBJECT, FO_OPENED_CASE_SENSITIVE, NtStatus, create_disposition, create_options as option,
    file_access as right, file_information_class as class, object_attributes as obj,
};
use nt_ke::Raise;

use crate::create::{CreateParameters, Opened};
use crate::file::reference_file_by_handle;
use crate::issue::IoStatus;
use crate::objects;
use crate::pointer::address;

/// `RootDirectory`, `FileNameLength` and `FileName` of `FILE_RENAME_INFORMATION` and its kin.
const ROOT: usize = 8;
const BYTES: usize = 0x10;
const NAME: usize = 0x14;

/// Whether a class carries the name of a target.
pub fn names_target(class: u32) -> bool {
    matches!(
        class,
        class::FileRenameInformation
            | class::FileLinkInformation
            | class::FileRenameInformationEx
            | class::FileLinkInformationEx
    )
}

/// The open target directory of a rename or link.
pub struct TargetDirectory {
    file: &'static FILE_OBJECT,
    handle: usize,
}

impl TargetDirectory {
    /// For `Parameters.SetFile.FileObject`.
    pub fn file(&self) -> &'static FILE_OBJECT {
        self.file
    }

    /// After the operation.
    pub fn close(self) -> Result<(), Raise> {
        nt_ob::ob_close_handle(self.handle, 0)?;
        objects::dereference(address(self.file))
    }
}

/// Opens the target directory that the information at `buffer` names, through `open`. `None` for a name in the directory of
/// `file` itself.
///
/// IRQL:    PASSIVE_LEVEL
/// Errors:  INVALID_PARAMETER (no name, or one behind `length`) · NOT_SAME_DEVICE (another volume) · as the open
pub fn io_open_target_directory(
    file: &FILE_OBJECT,
    buffer: usize,
    length: u32,
    mode: u8,
    open: impl FnOnce(CreateParameters<'_>) -> Result<Opened, Raise>,
) -> Result<Result<Option<TargetDirectory>, IoStatus>, Raise> {
    let root = boundary::copy::read_value::<u64>(buffer + ROOT)? as usize;
    let bytes = boundary::copy::read_value::<u32>(buffer + BYTES)? as usize;
    if bytes == 0 || !bytes.is_multiple_of(2) || bytes > (length as usize).saturating_sub(NAME) {
        return Ok(Err(IoStatus::of(NtStatus::INVALID_PARAMETER)));
    }
    let name = crate::memory::read_units(buffer + NAME, bytes)?;
    if name[0] != u16::from(b'\\') && root == 0 {
        return Ok(Ok(None));
    }
    let case = file.Flags.load(Ordering::Relaxed) & FO_OPENED_CASE_SENSITIVE;
    let opened = open(CreateParameters {
        name: &name,
        root,
        object_attributes: obj::OBJ_KERNEL_HANDLE | if case == 0 { obj::OBJ_CASE_INSENSITIVE } else { 0 },
        access: right::FILE_WRITE_DATA | right::SYNCHRONIZE,
        share: right::FILE_SHARE_READ | right::FILE_SHARE_WRITE | right::FILE_SHARE_DELETE,
        disposition: create_disposition::FILE_OPEN,
        options: option::FILE_OPEN_FOR_BACKUP_INTENT,
        mode,
        create_flags: option::IO_OPEN_TARGET_DIRECTORY | option::IO_NO_PARAMETER_CHECKING,
        ..CreateParameters::default()
    })?;
    if opened.handle == 0 {
        return Ok(Err(IoStatus { status: opened.status, information: opened.information }));
    }
    let target = match reference_file_by_handle(opened.handle, 0, 0) {
        Ok((file, _)) => TargetDirectory { file, handle: opened.handle },
        Err(status) => {
            nt_ob::ob_close_handle(opened.handle, 0)?;
            return Ok(Err(IoStatus::of(status)));
        }
    };
    crate::file::set_rename_target(target.file);
    if target.file.DeviceObject.get() != file.DeviceObject.get() {
        target.close()?;
        return Ok(Err(IoStatus::of(NtStatus::NOT_SAME_DEVICE)));
    }
    Ok(Ok(Some(target)))
}
