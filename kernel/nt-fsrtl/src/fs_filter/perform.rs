//! One operation on its way through a device stack.
//!
//! Statements: FSF-04 to FSF-09, FSF-24, FSF-26.

use std::cell::Cell;
use std::ptr::from_ref;

use boundary::Raise;
use nt_abi::irql::APC_LEVEL;
use nt_abi::{
    DEVICE_OBJECT, FILE_OBJECT, FS_FILTER_CALLBACK_DATA, IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION,
    IRP_MJ_QUERY_OPEN, NativeFn, NtStatus, irp_mj,
};
use nt_io::fs_filter::CallbackPair;
use nt_io::{
    FilterRoutines, device_driver, driver_name, filter_routines, io_get_lower_device, io_get_related_device,
};
use nt_ke::{Finding, Severity, current_core, irql};

use super::refusals;

/// An operation: what callbacks get, and whether they may fail it.
pub(super) struct Call {
    /// The structure that native callbacks get.
    pub data: FS_FILTER_CALLBACK_DATA,
    may_fail: bool,
}

impl Call {
    /// An operation on `file` without parameters.
    pub(super) fn new(operation: u8, file: &FILE_OBJECT, may_fail: bool) -> Self {
        let data = FS_FILTER_CALLBACK_DATA::zeroed();
        data.SizeOfFsFilterCallbackData.set(size_of::<FS_FILTER_CALLBACK_DATA>() as u32);
        data.Operation.set(operation);
        data.FileObject.set(from_ref(file).cast_mut());
        Self { data, may_fail }
    }

    fn file(&self) -> usize {
        self.data.FileObject.get() as usize
    }
}

/// What the file system's part is when it has no callback, or its callback leaves it to others.
pub(super) type Default<'a> = &'a dyn Fn(&'static DEVICE_OBJECT) -> Result<NtStatus, Raise>;

/// Takes the operation through every device of the file's stack, from the top; `default` is for the lowest one.
///
/// Returns: what the file system, or the filter that failed it, answered
pub(super) fn perform(call: &Call, default: Default<'_>) -> Result<NtStatus, Raise> {
    assert!(irql::current() <= APC_LEVEL, "file system filter operations run below DISPATCH_LEVEL (FSF-26)");
    // SAFETY: the caller's file object, which outlives the call.
    let file = unsafe { &*call.data.FileObject.get() };
    let status = at_device(call, io_get_related_device(file), default)?;
    if status.is_success() {
        refusals::ended(call.file());
    }
    Ok(status)
}

/// The same from `device` on, for a file that is not open.
pub(super) fn perform_at(
    call: &Call,
    device: &'static DEVICE_OBJECT,
    default: Default<'_>,
) -> Result<NtStatus, Raise> {
    at_device(call, device, default)
}

/// Where a query open keeps what it came to: QueryOpen.CompletionStatus.
fn completion_status(call: &Call) -> Option<&Cell<u64>> {
    (call.data.Operation.get() == IRP_MJ_QUERY_OPEN).then(|| &call.data.Parameters.raw[4])
}

/// The result behind FSFILTER_OP_COMPLETED_SUCCESSFULLY.
fn settled(call: &Call, status: NtStatus) -> NtStatus {
    match completion_status(call) {
        Some(kept) if status == NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY => {
            NtStatus::from_bits(kept.get() as u32)
        }
        _ => status,
    }
}

fn at_device(call: &Call, device: &'static DEVICE_OBJECT, default: Default<'_>) -> Result<NtStatus, Raise> {
    let lower = io_get_lower_device(device);
    let below = || match lower {
        Some(lower) => at_device(call, lower, default),
        None => default(device),
    };
    call.data.DeviceObject.set(from_ref(device).cast_mut());
    let Some(routines) = filter_routines(device) else { return below() };
    nt_ke::scheduler::point();
    match (routines, lower) {
        (FilterRoutines::Rust(routines), Some(_)) => routines.filter(&call.data, &below),
        (FilterRoutines::Rust(routines), None) => {
            let status = routines.filter(&call.data, &|| Ok(NtStatus::SUCCESS))?;
            if status == NtStatus::SUCCESS { below() } else { Ok(settled(call, status)) }
        }
        (FilterRoutines::Native(callbacks), Some(_)) => {
            let pair = callbacks.pair(call.data.Operation.get());
            filter(call, device, pair, &below)
        }
        (FilterRoutines::Native(callbacks), None) => {
            file_system(call, callbacks.pair(call.data.Operation.get()), &below)
        }
    }
}

fn pre(call: &Call, routine: NativeFn, context: &Cell<usize>) -> Result<NtStatus, Raise> {
    if routine.is_null() {
        return Ok(NtStatus::SUCCESS);
    }
    let arguments = [from_ref(&call.data) as u64, from_ref(context) as u64];
    Ok(NtStatus(boundary::call(routine, arguments)? as u32 as i32))
}

fn post(call: &Call, routine: NativeFn, status: NtStatus, context: usize) -> Result<(), Raise> {
    if routine.is_null() {
        return Ok(());
    }
    let arguments = [from_ref(&call.data) as u64, u64::from(status.bits()), context as u64];
    boundary::call(routine, arguments).map(|_| ())
}

/// A native filter's callbacks around what is below it.
fn filter(
    call: &Call,
    device: &'static DEVICE_OBJECT,
    pair: CallbackPair,
    below: &dyn Fn() -> Result<NtStatus, Raise>,
) -> Result<NtStatus, Raise> {
    let context = Cell::new(0);
    let answer = pre(call, pair.pre, &context)?;
    if answer != NtStatus::SUCCESS && refuses(call, device, pair.pre, answer) {
        return Ok(settled(call, answer));
    }
    let status = below()?;
    call.data.DeviceObject.set(from_ref(device).cast_mut());
    let kept = completion_status(call);
    if let Some(kept) = kept {
        kept.set(u64::from(status.bits()));
    }
    post(call, pair.post, super::plain(status), context.get())?;
    Ok(kept.map_or(status, |kept| NtStatus::from_bits(kept.get() as u32)))
}

/// A file system's callbacks, and what it leaves to `rest`.
fn file_system(
    call: &Call,
    pair: CallbackPair,
    rest: &dyn Fn() -> Result<NtStatus, Raise>,
) -> Result<NtStatus, Raise> {
    let context = Cell::new(0);
    let answer = pre(call, pair.pre, &context)?;
    let status = if answer == NtStatus::SUCCESS || (answer.is_error() && !call.may_fail) {
        rest()?
    } else {
        settled(call, answer)
    };
    post(call, pair.post, super::plain(status), context.get())?;
    Ok(status)
}

/// A filter answered something else than SUCCESS: whether that ends the operation. Source: FSF-06 to FSF-09.
fn refuses(call: &Call, device: &'static DEVICE_OBJECT, place: NativeFn, answer: NtStatus) -> bool {
    let (operation, driver) = (call.data.Operation.get(), driver_name(device_driver(device)));
    let name = irp_mj::name(operation);
    let complain = |rule, severity, message: String| {
        let mut finding = Finding::warning(rule, driver.clone(), message);
        finding.severity = severity;
        finding.places = vec![place.0];
        current_core().report(finding);
    };
    let section = operation == IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION;
    if !call.may_fail {
        let (rule, severity) =
            if section { ("FSF-08", Severity::Error) } else { ("FSF-07", Severity::Warning) };
        complain(
            rule,
            severity,
            format!("{name}: the callback answers {answer}, but this cannot fail; it is ignored"),
        );
        return false;
    }
    if section && answer.is_error() && answer != NtStatus::INSUFFICIENT_RESOURCES {
        complain(
            "FSF-09",
            Severity::Error,
            format!("{name}: the callback fails it with {answer}; only INSUFFICIENT_RESOURCES is allowed"),
        );
    }
    if answer.is_error() && operation != IRP_MJ_QUERY_OPEN {
        refusals::refused(call.file(), &driver, operation, answer);
    }
    true
}
