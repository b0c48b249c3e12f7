//! Driver objects: native ones with tables of addresses, and Rust ones with a [`Dispatch`].
//!
//! ```text
//! object body:  DRIVER_OBJECT | DRIVER_EXTENSION | our state (the Dispatch of a Rust driver)
//! ```
//!
//! A Rust driver's `MajorFunction` table holds one native thunk that comes back here, so that a native driver
//! may call through the table as filters of the old kind do.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nt_abi::{
    DEVICE_OBJECT, DRIVER_EXTENSION, DRIVER_OBJECT, FAST_IO_DISPATCH, FILE_OBJECT, IO_TYPE_DRIVER, IRP,
    NativeFn, NtStatus,
};
use nt_ke::Raise;

use crate::control::ControlBuffers;
use crate::fast::FastTransfer;
use crate::fs_filter::{FsFilter, NativeCallbacks};
use crate::issue::IoStatus;
use crate::objects;
use crate::pointer::{address, at, lasting, pointer};

const NAME_TAG: u32 = u32::from_le_bytes(*b"DrNm");

/// A driver in Rust.
pub trait Dispatch: Send + Sync {
    /// Handles `irp`, whose current stack location is this driver's: completes it, passes it on, or marks it
    /// pending and keeps it.
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise>;

    /// Its fast I/O routines, if it has some.
    fn fast_io(&self) -> Option<&dyn FastIo> {
        None
    }

    /// Its file system filter callbacks, if it has some.
    fn fs_filter(&self) -> Option<&dyn FsFilter> {
        None
    }
}

/// Fast I/O of a driver in Rust. Each routine may decline with `None`: the service then sends an IRP. Drivers are
/// asked by `io_fast_transfer` and `io_fast_query`.
#[allow(clippy::too_many_arguments, reason = "NT's argument lists")]
pub trait FastIo: Send + Sync {
    /// Reads into `buffer`.
    fn read(
        &self,
        _file: &'static FILE_OBJECT,
        _offset: i64,
        _length: u32,
        _wait: bool,
        _key: u32,
        _buffer: usize,
        _device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        Ok(None)
    }
    /// Writes from `buffer`.
    fn write(
        &self,
        _file: &'static FILE_OBJECT,
        _offset: i64,
        _length: u32,
        _wait: bool,
        _key: u32,
        _buffer: usize,
        _device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        Ok(None)
    }
    /// Fills a FILE_BASIC_INFORMATION at `buffer`.
    fn query_basic(
        &self,
        _file: &'static FILE_OBJECT,
        _wait: bool,
        _buffer: usize,
        _device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        Ok(None)
    }
    /// Fills a FILE_STANDARD_INFORMATION at `buffer`.
    fn query_standard(
        &self,
        _file: &'static FILE_OBJECT,
        _wait: bool,
        _buffer: usize,
        _device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        Ok(None)
    }
    /// Fills a FILE_NETWORK_OPEN_INFORMATION at `buffer`.
    fn query_network_open(
        &self,
        _file: &'static FILE_OBJECT,
        _wait: bool,
        _buffer: usize,
        _device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        Ok(None)
    }
    /// Whether a transfer that the file system is unsure of may be fast. Whoever has no opinion denies it.
    fn check(
        &self,
        _file: &'static FILE_OBJECT,
        _transfer: &FastTransfer,
        _wait: bool,
        _device: &'static DEVICE_OBJECT,
    ) -> Result<bool, Raise> {
        Ok(false)
    }
    /// Fills a FILE_NETWORK_OPEN_INFORMATION at `buffer` about the file that the create `irp` would open, without
    /// opening it. The IRP is not completed.
    fn query_open(
        &self,
        _irp: &'static IRP,
        _buffer: usize,
        _device: &'static DEVICE_OBJECT,
    ) -> Result<Option<NtStatus>, Raise> {
        Ok(None)
    }
    /// Carries out the device control `code`; the buffers are the caller's addresses, whatever method the code says.
    fn device_control(
        &self,
        _file: &'static FILE_OBJECT,
        _wait: bool,
        _code: u32,
        _buffers: ControlBuffers,
        _device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        Ok(None)
    }
}

/// Body of a driver object.
#[repr(C)]
pub(crate) struct DriverBody {
    pub object: DRIVER_OBJECT,
    pub extension: DRIVER_EXTENSION,
    /// Leaked box of the dispatch, 0 for a native driver.
    pub dispatch: Cell<usize>,
    /// Leaked box of a native driver's [`NativeCallbacks`], 0 without.
    pub filter_callbacks: AtomicUsize,
}

/// Leaked in a driver object, taken back when it is deleted.
struct Holder(Arc<dyn Dispatch>);

fn body(driver: &DRIVER_OBJECT) -> &'static DriverBody {
    at(pointer(driver).cast::<DriverBody>()).expect("a reference is not null")
}

fn holder(driver: &DRIVER_OBJECT) -> Option<&'static Holder> {
    crate::pointer::at_address(body(driver).dispatch.get())
}

fn create(name: &[u16], registry_path: &[u16]) -> Result<Result<&'static DriverBody, NtStatus>, Raise> {
    let io = crate::subsystem();
    let block = match objects::create(io.types().driver, size_of::<DriverBody>()) {
        Ok(block) => block,
        Err(status) => return Ok(Err(status)),
    };
    let body: &'static DriverBody = crate::pointer::at_address(block).expect("a new object has a body");
    let driver = &body.object;
    driver.Type.set(IO_TYPE_DRIVER);
    driver.Size.set(size_of::<DRIVER_OBJECT>() as u16);
    driver.DriverExtension.set(pointer(&body.extension));
    body.extension.DriverObject.set(pointer(driver));
    for entry in &driver.MajorFunction {
        entry.set(io.default_dispatch());
    }
    objects::set_string(&driver.DriverName, name, NAME_TAG);
    let key = registry_path.rsplit(|unit| *unit == u16::from(b'\\')).next().unwrap_or_default();
    objects::set_string(&body.extension.ServiceKeyName, key, NAME_TAG);
    if let Err(status) = objects::insert_named(address(driver), name)? {
        objects::dereference(address(driver))?;
        return Ok(Err(status));
    }
    Ok(Ok(body))
}

/// Makes a driver in Rust. `name` is a whole path, such as `\FileSystem\Ntfs`.
///
/// Source:  IoCreateDriver
/// IRQL:    PASSIVE_LEVEL
/// Errors:  OBJECT_NAME_COLLISION, INSUFFICIENT_RESOURCES
pub fn io_create_driver(
    name: &[u16],
    dispatch: Arc<dyn Dispatch>,
) -> Result<Result<&'static DRIVER_OBJECT, NtStatus>, Raise> {
    let body = match create(name, name)? {
        Ok(body) => body,
        Err(status) => return Ok(Err(status)),
    };
    let native = crate::subsystem().rust_dispatch();
    for entry in &body.object.MajorFunction {
        entry.set(native);
    }
    body.dispatch.set(nt_ke::current_core().own(Holder(dispatch)) as usize);
    Ok(Ok(&body.object))
}

/// Makes the object of a loaded image. Its `MajorFunction` entries answer INVALID_DEVICE_REQUEST until its
/// entry point sets them.
pub fn io_create_native_driver(
    name: &[u16],
    image_base: usize,
    image_size: u32,
    registry_path: &[u16],
) -> Result<Result<&'static DRIVER_OBJECT, NtStatus>, Raise> {
    let body = match create(name, registry_path)? {
        Ok(body) => body,
        Err(status) => return Ok(Err(status)),
    };
    body.object.DriverStart.set(image_base as *mut _);
    body.object.DriverSize.set(image_size);
    Ok(Ok(&body.object))
}

/// Gives the driver object up: its name goes at once, its memory with the last reference.
///
/// Source: IoDeleteDriver. Its devices must be deleted first.
pub fn io_delete_driver(driver: &DRIVER_OBJECT) -> Result<(), Raise> {
    objects::make_temporary(address(driver))?;
    objects::dereference(address(driver))
}

/// What the object type calls when the last reference is gone.
pub(crate) fn deleted(block: usize) -> Result<(), Raise> {
    let Some(body) = crate::pointer::at_address::<DriverBody>(block) else { return Ok(()) };
    objects::free_string(&body.object.DriverName, NAME_TAG)?;
    objects::free_string(&body.extension.ServiceKeyName, NAME_TAG)?;
    take_holder(body);
    let callbacks = body.filter_callbacks.swap(0, Ordering::AcqRel);
    if callbacks != 0 {
        nt_ke::current_core().disown(callbacks as *const NativeCallbacks);
    }
    Ok(())
}

fn take_holder(body: &DriverBody) {
    let holder = body.dispatch.replace(0);
    if holder != 0 {
        nt_ke::current_core().disown(holder as *const Holder);
    }
}

/// The dispatch of a Rust driver; `None` for a native one.
pub fn driver_dispatch(driver: &DRIVER_OBJECT) -> Option<Arc<dyn Dispatch>> {
    holder(driver).map(|holder| Arc::clone(&holder.0))
}

/// Who carries out fast I/O at a device.
pub(crate) enum FastRoutines {
    /// A driver in Rust.
    Rust(&'static dyn FastIo),
    /// A native driver's table.
    Native(&'static FAST_IO_DISPATCH),
}

/// The fast I/O routines of the driver of `device`, if it has some.
#[inline]
pub(crate) fn fast_routines(device: &DEVICE_OBJECT) -> Option<FastRoutines> {
    let driver = at(device.DriverObject.get())?;
    match holder(driver) {
        Some(holder) => holder.0.fast_io().map(FastRoutines::Rust),
        None => at(driver.FastIoDispatch.get()).map(FastRoutines::Native),
    }
}

/// Who carries out file system filter operations at a device.
pub enum FilterRoutines {
    /// A driver in Rust.
    Rust(&'static dyn FsFilter),
    /// A native driver's callbacks.
    Native(&'static NativeCallbacks),
}

/// The file system filter callbacks of the driver of `device`, if it has some.
#[inline]
pub fn filter_routines(device: &DEVICE_OBJECT) -> Option<FilterRoutines> {
    let driver = at(device.DriverObject.get())?;
    match holder(driver) {
        Some(holder) => holder.0.fs_filter().map(FilterRoutines::Rust),
        None => crate::pointer::at_address(body(driver).filter_callbacks.load(Ordering::Acquire))
            .map(FilterRoutines::Native),
    }
}

/// Gives a native driver its file system filter callbacks, in place of those that it had.
pub fn set_filter_callbacks(driver: &DRIVER_OBJECT, callbacks: NativeCallbacks) {
    // Replaced ones stay until the machine goes: an operation may be inside them.
    let address = nt_ke::current_core().own(callbacks) as usize;
    body(driver).filter_callbacks.store(address, Ordering::Release);
}

/// The fast I/O table of a native driver. A driver in Rust has none that others could read.
pub fn native_fast_io(device: &DEVICE_OBJECT) -> Option<&'static FAST_IO_DISPATCH> {
    match fast_routines(device) {
        Some(FastRoutines::Native(table)) => Some(table),
        _ => None,
    }
}

/// Its name as text.
pub fn driver_name(driver: &DRIVER_OBJECT) -> String {
    String::from_utf16_lossy(&objects::string(&driver.DriverName))
}

/// Name of the driver that owns `irp` now, for findings.
pub(crate) fn name_of_current(irp: &IRP) -> String {
    at(irp.CurrentStackLocation().get())
        .and_then(|stack| at(stack.DeviceObject.get()))
        .and_then(|device| at(device.DriverObject.get()))
        .map(driver_name)
        .unwrap_or_default()
}

/// Calls the dispatch routine for `major` of the driver of `device`.
#[inline]
pub(crate) fn call_dispatch(
    device: &'static DEVICE_OBJECT,
    irp: &'static IRP,
    major: u8,
) -> Result<NtStatus, Raise> {
    let Some(driver) = at(device.DriverObject.get()) else {
        return crate::completion::io_complete_with(irp, NtStatus::NO_SUCH_DEVICE, 0);
    };
    if let Some(holder) = holder(driver) {
        return holder.0.dispatch(device, irp);
    }
    let routine = driver.MajorFunction.get(major as usize).map_or(NativeFn::NULL, Cell::get);
    if routine.is_null() {
        return invalid_device_request(device, irp);
    }
    Ok(NtStatus(boundary::call(routine, [address(device) as u64, address(irp) as u64])? as u32 as i32))
}

/// What a driver's table holds for what it does not support: completes with INVALID_DEVICE_REQUEST.
pub fn invalid_device_request(_device: &DEVICE_OBJECT, irp: &IRP) -> Result<NtStatus, Raise> {
    crate::completion::io_complete_with(lasting(irp), NtStatus::INVALID_DEVICE_REQUEST, 0)
}

/// What the native thunk in a Rust driver's table calls.
pub fn rust_dispatch(device: &DEVICE_OBJECT, irp: &IRP) -> Result<NtStatus, Raise> {
    match at(device.DriverObject.get()).and_then(holder) {
        Some(holder) => holder.0.dispatch(lasting(device), lasting(irp)),
        None => invalid_device_request(device, irp),
    }
}
