//! The file system driver: NT semantics over a [`store::Store`].
//!
//! ```text
//! control device ──IRP_MN_MOUNT_VOLUME──► volume device ──► Volume { store, control blocks }
//!                                                            Fcb  one per open stream, in machine memory
//!                                                            Ccb  one per file object
//! ```
//!
//! One file per major function; `transfer` is what reads and writes share. It owns share access, delete states,
//! names, positions and sizes; cached bytes are the cache manager's, the others the store's. Locks, outermost first:
//! the volume's resource (exclusive for what changes names or opens), a stream's main resource (shared to read and to
//! write inside valid data, exclusive to change a size), its paging resource (shared for paging I/O).
//!
//! It refuses, with a status and no pretence: byte-range locks, change
//! notification, hard links, quotas.
//!
//! UNSAFETY: `Fcb` and `Ccb` are found through the context pointers of file objects, which drivers can reach;
//! each carries a node type that is checked first.

mod buffer;
mod by_name;
mod cleanup;
mod close;
mod create;
mod directory;
mod ea;
mod fast;
mod fcb;
mod fs_filter;
mod mount;
mod name;
mod query;
mod query_volume;
mod read;
mod rename;
mod reparse;
mod security;
mod set;
mod short;
mod status;
mod times;
mod transfer;
mod tunnel;
mod write;

use std::sync::Arc;

use boundary::Raise;
use nt_abi::{DEVICE_OBJECT, IRP, NtStatus, irp_mj};
use nt_ex::work::{self, WorkQueue};
use nt_io::{Dispatch, io_complete_with, io_current_stack, io_mark_pending};
use store::Store;

pub use mount::{FILE_SYSTEM_NAME, register};

use fcb::Volume;

/// What a disk device carries for this file system: its bytes.
#[derive(Clone)]
pub struct FsdMedium(pub Arc<dyn Store>);

/// The driver: one per machine.
pub struct Fsd;

/// What an operation came to.
pub(crate) struct Done {
    status: NtStatus,
    information: usize,
}

impl Done {
    pub(crate) fn new(status: NtStatus, information: usize) -> Self {
        Self { status, information }
    }
}

impl From<NtStatus> for Done {
    fn from(status: NtStatus) -> Self {
        Self { status, information: 0 }
    }
}

/// A failure inside an operation: a status for the caller, or a raise that leaves the driver.
pub(crate) enum Failure {
    Status(NtStatus),
    Raise(Raise),
}

impl From<Raise> for Failure {
    fn from(raise: Raise) -> Self {
        Self::Raise(raise)
    }
}
impl From<NtStatus> for Failure {
    fn from(status: NtStatus) -> Self {
        Self::Status(status)
    }
}
impl From<store::StoreError> for Failure {
    fn from(error: store::StoreError) -> Self {
        Self::Status(status::of(&error))
    }
}
impl From<boundary::copy::BadAddress> for Failure {
    fn from(bad: boundary::copy::BadAddress) -> Self {
        buffer::report_overrun(bad.0);
        Self::Status(NtStatus::INVALID_USER_BUFFER)
    }
}

pub(crate) type Answer = Result<Done, Failure>;

impl Dispatch for Fsd {
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        if write::is_asynchronous_paging(irp, io_current_stack(irp)) {
            io_mark_pending(irp);
            let top = nt_io::io_get_top_level_irp();
            // A queue where nobody waits for locks of files.
            work::queue(WorkQueue::HyperCritical, move || {
                nt_io::io_set_top_level_irp(top);
                let result = carry_out(device, irp);
                nt_io::io_set_top_level_irp(0);
                result.map(|_| ())
            });
            return Ok(NtStatus::PENDING);
        }
        carry_out(device, irp)
    }

    fn fast_io(&self) -> Option<&dyn nt_io::FastIo> {
        Some(self)
    }

    fn fs_filter(&self) -> Option<&dyn nt_io::FsFilter> {
        Some(self)
    }
}

/// Carries an operation out in this thread, and completes it.
fn carry_out(device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
    let answer = match nt_io::device_state::<Volume>(device) {
        Some(volume) => on_volume(volume, irp),
        None => on_control_device(device, irp),
    };
    match answer {
        Ok(done) => io_complete_with(irp, done.status, done.information),
        Err(Failure::Status(status)) => io_complete_with(irp, status, 0),
        Err(Failure::Raise(Raise::Status(status))) => io_complete_with(irp, status, 0),
        Err(Failure::Raise(raise)) => Err(raise),
    }
}

/// Dispatch table of a mounted volume.
fn on_volume(volume: &Volume, irp: &'static IRP) -> Answer {
    let stack = io_current_stack(irp);
    match stack.MajorFunction.get() {
        irp_mj::IRP_MJ_CREATE => create::create(volume, irp, stack),
        irp_mj::IRP_MJ_CLEANUP => cleanup::cleanup(volume, stack),
        irp_mj::IRP_MJ_CLOSE => close::close(volume, stack),
        irp_mj::IRP_MJ_READ => read::read(volume, irp, stack),
        irp_mj::IRP_MJ_WRITE => write::write(volume, irp, stack),
        irp_mj::IRP_MJ_QUERY_INFORMATION => query::query(volume, irp, stack),
        irp_mj::IRP_MJ_SET_INFORMATION => set::set(volume, irp, stack),
        irp_mj::IRP_MJ_DIRECTORY_CONTROL => directory::control(volume, irp, stack),
        irp_mj::IRP_MJ_QUERY_VOLUME_INFORMATION => query_volume::query(volume, irp, stack),
        irp_mj::IRP_MJ_SET_VOLUME_INFORMATION => query_volume::set(volume, irp, stack),
        irp_mj::IRP_MJ_FLUSH_BUFFERS => write::flush(volume, stack),
        irp_mj::IRP_MJ_FILE_SYSTEM_CONTROL => mount::control(volume, irp, stack),
        irp_mj::IRP_MJ_SHUTDOWN => write::shut_down(volume),
        irp_mj::IRP_MJ_QUERY_EA => ea::query(volume, irp, stack),
        irp_mj::IRP_MJ_SET_EA => ea::set(volume, irp, stack),
        irp_mj::IRP_MJ_QUERY_SECURITY => security::query(volume, irp, stack),
        irp_mj::IRP_MJ_SET_SECURITY => security::set(volume, stack),
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
}

/// Dispatch table of the control device: opens of the driver itself, and mounts.
fn on_control_device(device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Answer {
    let stack = io_current_stack(irp);
    match stack.MajorFunction.get() {
        irp_mj::IRP_MJ_CREATE => Ok(Done::new(NtStatus::SUCCESS, nt_abi::create_information::FILE_OPENED)),
        irp_mj::IRP_MJ_CLEANUP | irp_mj::IRP_MJ_CLOSE => Ok(NtStatus::SUCCESS.into()),
        irp_mj::IRP_MJ_FILE_SYSTEM_CONTROL => mount::mount(device, stack),
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
}
