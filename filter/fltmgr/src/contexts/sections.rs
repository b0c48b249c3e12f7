//! Sections for data scans, and the contexts that stand for them.
//!
//! ```text
//! FltAllocateContext ─► NEVER ─FltCreateSectionForDataScan─► OPEN, linked to the stream ─FltCloseSection…─► CLOSED
//! ```
//!
//! One for each instance and stream. While one is open, a change of the stream's end or allocation first calls the
//! instance's conflict callback, which is to close the section. The section itself is made by who calls.
//!
//! Refuses: to wait for a scanner that keeps its section: the operation goes on and the file system answers it.
//! Statements: SEC-01 to SEC-06, CTX-46, CTX-58.

use std::sync::atomic::Ordering;

use boundary::{Raise, call};
use nt_abi::{
    FILE_OBJECT, FLT_SECTION_CONTEXT, FLTFL_CALLBACK_DATA_IRP_OPERATION, IRP_MJ_SET_INFORMATION, NtStatus,
    file_information_class,
};
use nt_ke::current_thread;

use super::block::{self, Context};
use super::objects::key;
use super::{files, hosts};
use crate::anchor::Anchored;
use crate::findings;
use crate::flt;
use crate::instance::{ACTIVE, Instance};

/// What a section context has been through.
const NEVER: usize = 0;
const OPEN: usize = 1;
const CLOSED: usize = 2;

/// `FLT_SET_CONTEXT_KEEP_IF_EXISTS`.
const KEEP: u32 = 1;
const PAGE_READONLY: u32 = 2;
const PAGE_READWRITE: u32 = 4;
const SEC_COMMIT: u32 = 0x0800_0000;
const FILE_DEVICE_DISK_FILE_SYSTEM: u32 = 8;

/// Announces that the instance will scan files of its volume.
///
/// Source:  FltRegisterForDataScan; SEC-01
/// IRQL:    <= APC_LEVEL
/// Errors:  NOT_SUPPORTED (no disk volume)
pub fn flt_register_for_data_scan(instance: &Instance) -> NtStatus {
    if instance.volume.device_type != FILE_DEVICE_DISK_FILE_SYSTEM {
        return NtStatus::NOT_SUPPORTED;
    }
    instance.scans.store(true, Ordering::Release);
    NtStatus::SUCCESS
}

/// The file that is to be scanned, as its file system describes it: bytes, and whether it is a directory.
pub type Described = Result<(i64, bool), NtStatus>;

/// Makes a section by `make`, and links `context` for as long as it is open.
///
/// Source:  FltCreateSectionForDataScan; SEC-01 to SEC-05
/// IRQL:    PASSIVE_LEVEL
/// Errors:  INVALID_PARAMETER (no section context of the filter's, or one that was used) · INVALID_PARAMETER_8
///          (protection) · INVALID_PARAMETER_9 (not SEC_COMMIT) · NOT_SUPPORTED · FILE_IS_A_DIRECTORY · END_OF_FILE
///          (empty) · FLT_CONTEXT_ALREADY_DEFINED · FLT_DELETING_OBJECT · what `make` answers
pub fn flt_create_section_for_data_scan(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    context: usize,
    (protection, allocation): (u32, u32),
    describe: impl FnOnce() -> Result<Described, Raise>,
    make: impl FnOnce() -> Result<NtStatus, Raise>,
) -> Result<NtStatus, Raise> {
    const NAME: &str = "FltCreateSectionForDataScan";
    let context = match files::expect_own(instance, context, FLT_SECTION_CONTEXT, NAME) {
        Ok(context) if state(context) == NEVER => context,
        Ok(_) => return Ok(NtStatus::INVALID_PARAMETER),
        Err(status) => return Ok(status),
    };
    if !matches!(protection, PAGE_READONLY | PAGE_READWRITE) {
        return Ok(NtStatus::INVALID_PARAMETER_8);
    }
    if allocation & SEC_COMMIT == 0 {
        return Ok(NtStatus::INVALID_PARAMETER_9);
    }
    if !instance.scans.load(Ordering::Acquire) {
        let message = "FltCreateSectionForDataScan was called before FltRegisterForDataScan for the instance";
        findings::error("SEC-01", &instance.filter.label, message);
        return Ok(NtStatus::NOT_SUPPORTED);
    }
    match describe()? {
        Ok((_, true)) => return Ok(NtStatus::FILE_IS_A_DIRECTORY),
        Ok((0, _)) => return Ok(NtStatus::END_OF_FILE),
        Ok(_) => {}
        Err(status) => return Ok(status),
    }
    let host = match hosts::stream_or_new(file) {
        Ok(host) => host,
        Err(status) => return Ok(status),
    };
    let linked =
        host.sections.set(key(instance), KEEP, context, false, || instance.anchor().is_deleting())?.0;
    if linked != NtStatus::SUCCESS {
        return Ok(linked);
    }
    context.header().scan.store(OPEN, Ordering::Release);
    let made = make()?;
    if !made.is_success() {
        context.header().scan.store(NEVER, Ordering::Release);
        super::links::unlink(context)?;
    }
    Ok(made)
}

fn state(context: Context) -> usize {
    context.header().scan.load(Ordering::Acquire)
}

/// Ends what [`flt_create_section_for_data_scan`] began; handle and object are the caller's to give up.
///
/// Source:  FltCloseSectionForDataScan; SEC-04, SEC-06
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (no section was made for it) · NOT_FOUND (closed before)
pub fn flt_close_section_for_data_scan(context: usize) -> Result<NtStatus, Raise> {
    let found = block::expect(context, "FltCloseSectionForDataScan");
    let Some(context) = found.filter(|context| context.kind() == FLT_SECTION_CONTEXT) else {
        return Ok(NtStatus::INVALID_PARAMETER);
    };
    match context.header().scan.compare_exchange(OPEN, CLOSED, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => super::links::unlink(context).map(|()| NtStatus::SUCCESS),
        Err(NEVER) => Ok(NtStatus::INVALID_PARAMETER),
        Err(_) => Ok(NtStatus::NOT_FOUND),
    }
}

/// The section context of `instance`, referenced.
///
/// Source:  FltGetSectionContext; CTX-58
/// IRQL:    <= APC_LEVEL
/// Errors:  NOT_FOUND · NOT_SUPPORTED
pub fn flt_get_section_context(instance: &Instance, file: &FILE_OBJECT) -> Result<usize, NtStatus> {
    let host = hosts::stream(file)?.ok_or(NtStatus::NOT_FOUND)?;
    host.sections.get(key(instance)).ok_or(NtStatus::NOT_FOUND)
}

/// An operation goes to the file system: whoever has a section that it conflicts with is told first. Source: SEC-05.
#[inline]
pub(crate) fn conflict(class: u32, length: u32, file: *mut FILE_OBJECT) -> Result<(), Raise> {
    let cuts = matches!(
        class,
        file_information_class::FileEndOfFileInformation | file_information_class::FileAllocationInformation
    );
    if !cuts {
        return Ok(());
    }
    let Some(file) = crate::pointer::file(file) else { return Ok(()) };
    let Ok(Some(host)) = hosts::stream(file) else { return Ok(()) };
    host.sections.all().into_iter().try_for_each(|(context, instance)| {
        let told = tell(context, &instance, (class, length, file));
        block::release(context).and(told)
    })
}

/// Calls the conflict callback with callback data that describe the operation.
#[cold]
fn tell(
    context: Context,
    instance: &Instance,
    (class, length, file): (u32, u32, &FILE_OBJECT),
) -> Result<(), Raise> {
    let callback = context.filter().registration.section_notification;
    if callback.is_null() {
        return Ok(());
    }
    let Some(operation) = flt().frames.take(2) else { return Ok(()) };
    operation.enter(instance);
    let result = if instance.stage() == ACTIVE {
        let data = &operation.data;
        data.Flags.set(FLTFL_CALLBACK_DATA_IRP_OPERATION);
        data.Thread.set(std::ptr::from_ref(current_thread()).cast_mut().cast());
        operation.iopb.MajorFunction.set(IRP_MJ_SET_INFORMATION);
        operation.iopb.TargetFileObject.set(std::ptr::from_ref(file).cast_mut());
        operation.iopb.TargetInstance.set(instance.anchor().address() as *mut _);
        let set = operation.iopb.Parameters.SetFileInformation();
        set.Length.set(length);
        set.FileInformationClass.set(class);
        let arguments =
            [instance.anchor().address() as u64, context.address() as u64, std::ptr::from_ref(data) as u64];
        call(callback, arguments).map(|_| ())
    } else {
        Ok(())
    };
    operation.end_descent();
    flt().frames.give(operation);
    result
}
