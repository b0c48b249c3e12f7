//! File system filter operations on their way through a volume's instances: callback data that stand for neither an
//! IRP nor a fast I/O call.
//!
//! ```text
//! acquire, release at the volume's device
//!   no callback registered ───────────────► below: lower drivers, then the file system
//!   pre, pre, … ─ all passed ─────────────► the same; then the posts with the file system's status
//!              └─ answered (acquire only) ► the posts above it; the answer is what the acquire came to
//! ```
//!
//! A release, and the synchronisation of a section with `SyncTypeOther`, cannot be answered: they go on whatever a
//! callback says. Parameters that a filter changes are seen by the instances below it, not by the file system.
//!
//! A query open stands in the place of a create: whoever disallows it gets the create instead.
//!
//! Statements: CBD-02, SEED-MODW-01 to SEED-MODW-06, SEED-MODW-08, SEED-MODW-14, FSF-06 to FSF-09, FSF-27, FSF-28,
//! PRE-10, PRE-25, POST-09, PARM-25.
//!
//! UNSAFETY: reads the published callback table through its address, under the epoch pin.

use std::cell::Cell;
use std::sync::Arc;

use boundary::Raise;
use nt_abi::{
    FILE_OBJECT, FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION, FS_FILTER_CALLBACK_DATA,
    IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION, IRP_MJ_QUERY_OPEN, IRP_MJ_RELEASE_FOR_CC_FLUSH,
    IRP_MJ_RELEASE_FOR_MOD_WRITE, IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION, NtStatus, SyncTypeOther,
};
use nt_fsrtl::fs_filter::refusals;
use nt_io::{FsFilter, device_state};
use nt_ke::{Severity, current_core, current_thread, epoch};

use crate::callback::report;
use crate::completion;
use crate::descend::{Outcome, descend};
use crate::device::{Attachment, FilterManager};
use crate::frame::Operation;
use crate::generated::Opener;
use crate::nodes::{CallbackTable, Node};
use crate::operation::{interested, kinds_of_file};
use crate::parameters::Snapshot;
use crate::pend::Leg;
use crate::volume::Volume;
use crate::{callback, flt, generated, rows};

/// What a filter may do to an operation that `data` describes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It may fail it.
    MayFail,
    /// It may fail it for want of memory.
    MayFailForMemory,
    /// It cannot do anything about it.
    Inevitable,
}

fn is_release(major: u8) -> bool {
    matches!(
        major,
        IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION
            | IRP_MJ_RELEASE_FOR_CC_FLUSH
            | IRP_MJ_RELEASE_FOR_MOD_WRITE
    )
}

/// Source: FSF-06 to FSF-09.
pub fn rule(operation: &Operation) -> Rule {
    match operation.iopb.MajorFunction.get() {
        major if is_release(major) => Rule::Inevitable,
        IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION => {
            let parameters = operation.iopb.Parameters.AcquireForSectionSynchronization();
            if parameters.SyncType.get() == SyncTypeOther { Rule::Inevitable } else { Rule::MayFailForMemory }
        }
        _ => Rule::MayFail,
    }
}

/// Whether the operation is of this kind.
pub fn is_fs_filter(operation: &Operation) -> bool {
    operation.base_flags.get() & FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION != 0
}

/// A pre callback completes the operation with `status`. `false`: it goes on all the same.
#[cold]
pub fn answered(operation: &Operation, node: &Node, status: NtStatus) -> bool {
    let major = operation.iopb.MajorFunction.get();
    let complain = |rule, severity, message: String| report(node, node.pre, rule, severity, message);
    match rule(operation) {
        Rule::Inevitable => {
            let (rule, severity) = if major == IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION {
                ("FSF-08", Severity::Error)
            } else {
                ("FSF-07", Severity::Warning)
            };
            complain(
                rule,
                severity,
                format!(
                    "the pre callback completes it with {status}, but it can neither fail nor end; it goes on"
                ),
            );
            return false;
        }
        Rule::MayFailForMemory if status.is_error() && status != NtStatus::INSUFFICIENT_RESOURCES => {
            complain(
                "FSF-09",
                Severity::Error,
                format!(
                    "the pre callback fails it with {status}; only STATUS_INSUFFICIENT_RESOURCES is allowed"
                ),
            )
        }
        _ if !status.is_error() && major != IRP_MJ_QUERY_OPEN => complain(
            "acquire-completed",
            Severity::Error,
            "the pre callback completes it with success, so nobody below locks the file, but the release will give \
             back what the file system thinks it holds; let the operation pass, or fail it"
                .into(),
        ),
        _ => {}
    }
    if status.is_error() && major != IRP_MJ_QUERY_OPEN {
        let file = operation.iopb.TargetFileObject.get() as usize;
        refusals::refused(file, &node.instance.filter.label, major, status);
    }
    true
}

#[inline]
fn fill(operation: &Operation, volume: &Volume, call: &FS_FILTER_CALLBACK_DATA, table: *const CallbackTable) {
    let (thread, data) = (current_thread(), &operation.data);
    data.Flags.set(FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION);
    data.RequestorMode.set(thread.previous_mode().get() as i8);
    data.Thread.set(std::ptr::from_ref(thread).cast_mut().cast());
    // The arms of both unions have the same members at the same places.
    let word = |index: usize| call.Parameters.raw[index].get();
    let (first, file) = (Snapshot::first_word(call.Operation.get()), call.FileObject.get() as u64);
    let words = [first, file, 0, word(0), word(1), word(2), word(3), 0, 0];
    operation.begin_with(volume, table, words);
}

/// Takes the operation at the volume's device through the volume's instances, around `below`.
fn run(
    volume: &Arc<Volume>,
    call: &FS_FILTER_CALLBACK_DATA,
    below: &dyn Fn() -> Result<NtStatus, Raise>,
) -> Result<NtStatus, Raise> {
    let core = current_core();
    let file = call.FileObject.get();
    if call.Operation.get() == IRP_MJ_QUERY_OPEN {
        volume.settle()?;
    }
    let _pin = epoch::pin(core);
    let table = volume.table.load();
    let Some(row) = rows::row(call.Operation.get()) else { return below() };
    // SAFETY: loaded under the pin taken above, which lasts until this function returns.
    let list = unsafe { &*table }.row(row);
    let start = first_below(file, list);
    let kinds = kinds_of_file(file);
    if !interested(&list[start..], kinds) {
        return below();
    }
    let flt = flt();
    let Some(operation) = flt.frames.take(2 * list.len()) else {
        // What is held has to be given back, whether or not filters can be told.
        return if is_release(call.Operation.get()) { below() } else { Ok(NtStatus::INSUFFICIENT_RESOURCES) };
    };
    operation.set_watched(callback::is_watched(core, flt), || false);
    fill(operation, volume, call, table);
    let outcome =
        descend(core, operation, list, start, kinds, Leg::DISPATCHER).inspect_err(|_| operation.leave())?;
    let result = Cell::new(operation.data.IoStatus.Status.get());
    if outcome == Outcome::Send {
        match below() {
            Ok(status) => result.set(status),
            Err(raise) => {
                operation.leave();
                return Err(raise);
            }
        }
        operation.data.IoStatus.Status.set(plain(result.get()));
        operation.data.IoStatus.Information.set(0);
    } else if result.get() == NtStatus::SUCCESS && call.Operation.get() != IRP_MJ_QUERY_OPEN {
        // Nothing below may take the locks that the filter says it has.
        result.set(NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY);
    }
    // Without an IRP nobody can hold it.
    completion::up(operation, Leg::DISPATCHER)?;
    if call.Operation.get() == IRP_MJ_QUERY_OPEN {
        result.set(operation.data.IoStatus.Status.get());
    }
    flt.frames.give(operation);
    Ok(result.get())
}

/// What callbacks see of a success that is meant for the layers between.
fn plain(status: NtStatus) -> NtStatus {
    if status == NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY { NtStatus::SUCCESS } else { status }
}

/// A file that a minifilter opened below itself is seen by the instances below that one.
fn first_below(file: *mut FILE_OBJECT, list: &[Node]) -> usize {
    let below = |opener: &Opener| {
        list.iter().position(|node| node.instance.altitude < opener.altitude).unwrap_or(list.len())
    };
    crate::pointer::file(file)
        .map_or(0, |file| generated::with_opener(file, |opener| opener.map_or(0, below)))
}

impl FsFilter for FilterManager {
    fn filter(
        &self,
        data: &FS_FILTER_CALLBACK_DATA,
        below: &dyn Fn() -> Result<NtStatus, Raise>,
    ) -> Result<NtStatus, Raise> {
        match crate::pointer::device(data.DeviceObject.get()).and_then(device_state::<Attachment>) {
            Some(Attachment::Volume(volume)) => run(&volume.borrow(), data, below),
            _ => below(),
        }
    }
}
