//! Device objects: their stacks, their extensions, their end.
//!
//! ```text
//! object body:  DEVICE_OBJECT | driver's extension | Extension (DeviceObjectExtension points at it)
//! stack:        disk ◄─AttachedTo── filter ; disk ──AttachedDevice─► filter
//! ```

use std::any::Any;
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nt_abi::{
    Abi, DEVICE_OBJECT, DO_DEVICE_HAS_NAME, DO_DEVICE_INITIALIZING, DO_EXCLUSIVE, DRIVER_OBJECT, FILE_OBJECT,
    FO_DIRECT_DEVICE_OPEN, IO_TYPE_DEVICE, IO_TYPE_DEVICE_OBJECT_EXTENSION, NtStatus, VPB,
};
use nt_ke::{Raise, dispatcher};

use crate::objects;
use crate::pointer::{address, at, at_address, lasting, pointer};

/// State of any type that a Rust driver keeps with its device.
type State = Box<dyn Any + Send + Sync>;

struct Private {
    name: Vec<u16>,
    state: OnceLock<State>,
}

/// What `DeviceObjectExtension` points at; the head is what drivers know.
#[repr(C)]
pub(crate) struct Extension {
    kind: Cell<u16>,
    size: Cell<u16>,
    pad: Cell<u32>,
    device: Cell<*mut DEVICE_OBJECT>,
    /// Device below in the stack.
    pub attached_to: Cell<*mut DEVICE_OBJECT>,
    private: Cell<usize>,
    deleting: AtomicU32,
}

pub(crate) fn extension(device: &DEVICE_OBJECT) -> &'static Extension {
    at(device.DeviceObjectExtension.get().cast::<Extension>()).expect("devices are made by io_create_device")
}

fn private(device: &DEVICE_OBJECT) -> Option<&'static Private> {
    at_address(extension(device).private.get())
}

/// Makes a device of `driver`. The extension is zeroed and lies right behind the object.
///
/// Source:  IoCreateDevice
/// IRQL:    PASSIVE_LEVEL
/// Returns: the device; DO_DEVICE_INITIALIZING is set, the driver (or who loads it) clears it
/// Errors:  OBJECT_NAME_COLLISION · OBJECT_PATH_NOT_FOUND · INSUFFICIENT_RESOURCES
pub fn io_create_device(
    driver: &'static DRIVER_OBJECT,
    extension_size: u32,
    name: Option<&[u16]>,
    device_type: u32,
    characteristics: u32,
    exclusive: bool,
) -> Result<Result<&'static DEVICE_OBJECT, NtStatus>, Raise> {
    let io = crate::subsystem();
    let room = (extension_size as usize).next_multiple_of(16);
    let bytes = size_of::<DEVICE_OBJECT>() + room + size_of::<Extension>();
    let block = match objects::create(io.types().device, bytes) {
        Ok(block) => block,
        Err(status) => return Ok(Err(status)),
    };
    let device: &'static DEVICE_OBJECT = at_address(block).expect("a new object has a body");
    let ours: &'static Extension =
        at_address(block + size_of::<DEVICE_OBJECT>() + room).expect("the extension is inside the body");
    device.Type.set(IO_TYPE_DEVICE);
    device.Size.set((size_of::<DEVICE_OBJECT>() + extension_size as usize).min(0xFFFF) as u16);
    device.DriverObject.set(pointer(driver));
    device.DeviceType.set(device_type);
    device.Characteristics.set(characteristics);
    let mut flags = DO_DEVICE_INITIALIZING;
    if name.is_some() {
        flags |= DO_DEVICE_HAS_NAME;
    }
    if exclusive {
        flags |= DO_EXCLUSIVE;
    }
    device.Flags.set(flags);
    device.StackSize.set(1);
    if extension_size != 0 {
        device.DeviceExtension.set((block + size_of::<DEVICE_OBJECT>()) as *mut _);
    }
    device.DeviceObjectExtension.set(pointer(ours).cast());
    device.SectorSize.set(if crate::volume::has_vpb(device_type) { 512 } else { 0 });
    dispatcher::initialize_header(
        &device.DeviceLock.Header,
        dispatcher::object_type::SYNCHRONIZATION_EVENT,
        1,
    );
    dispatcher::initialize_list(&device.DeviceQueue.DeviceListHead);
    ours.kind.set(IO_TYPE_DEVICE_OBJECT_EXTENSION);
    ours.size.set(size_of::<Extension>() as u16);
    ours.device.set(pointer(device));
    let private = Private { name: name.unwrap_or_default().to_vec(), state: OnceLock::new() };
    ours.private.set(nt_ke::current_core().own(private) as usize);
    if crate::volume::has_vpb(device_type)
        && let Err(status) = crate::volume::create_vpb(device)
    {
        objects::dereference(block)?;
        return Ok(Err(status));
    }
    if let Some(name) = name
        && let Err(status) = objects::insert_named(block, name)?
    {
        objects::dereference(block)?;
        return Ok(Err(status));
    }
    // The device keeps its driver, and stands first in the driver's list.
    objects::reference(address(driver))?;
    let _database = io.database.lock();
    device.NextDevice.set(driver.DeviceObject.get());
    driver.DeviceObject.set(pointer(device));
    Ok(Ok(device))
}

/// Deletes a device: off its driver's list and out of the namespace at once, its memory when nobody uses it.
///
/// Source:  IoDeleteDevice. The device must be detached.
/// IRQL:    PASSIVE_LEVEL
pub fn io_delete_device(device: &DEVICE_OBJECT) -> Result<(), Raise> {
    if extension(device).deleting.swap(1, Ordering::AcqRel) != 0 {
        return Ok(());
    }
    if let Some(driver) = at(device.DriverObject.get()) {
        let _database = crate::subsystem().database.lock();
        let mut link = &driver.DeviceObject;
        while let Some(next) = at(link.get()) {
            if std::ptr::eq(next, device) {
                link.set(device.NextDevice.get());
                break;
            }
            link = &next.NextDevice;
        }
    }
    crate::subsystem().disks.lock().retain(|disk| *disk != address(device));
    objects::make_temporary(address(device))?;
    objects::dereference(address(device))
}

/// What the object type calls when the last reference is gone.
pub(crate) fn deleted(block: usize) -> Result<(), Raise> {
    let Some(device) = at_address::<DEVICE_OBJECT>(block) else { return Ok(()) };
    if crate::volume::has_vpb(device.DeviceType.get()) {
        crate::volume::free_vpb(device)?;
    }
    drop_private(extension(device));
    // Only a device that came into its driver's list holds its driver.
    if extension(device).deleting.load(Ordering::Relaxed) != 0
        && let Some(driver) = at(device.DriverObject.get())
    {
        objects::dereference(address(driver))?;
    }
    Ok(())
}

fn drop_private(extension: &Extension) {
    let private = extension.private.replace(0);
    if private != 0 {
        nt_ke::current_core().disown(private as *const Private);
    }
}

/// Puts `source` on top of the stack that `target` belongs to.
///
/// Source:  IoAttachDeviceToDeviceStack
/// IRQL:    <= DISPATCH_LEVEL
/// Returns: the device that `source` was attached to; `None` when that one is being deleted or not ready
pub fn io_attach_device(source: &DEVICE_OBJECT, target: &DEVICE_OBJECT) -> Option<&'static DEVICE_OBJECT> {
    let _database = crate::subsystem().database.lock();
    let top = io_get_attached_device(target);
    if extension(top).deleting.load(Ordering::Relaxed) != 0 || top.Flags.get() & DO_DEVICE_INITIALIZING != 0 {
        return None;
    }
    source.StackSize.set(top.StackSize.get() + 1);
    source.AlignmentRequirement.set(top.AlignmentRequirement.get());
    source.SectorSize.set(top.SectorSize.get());
    extension(source).attached_to.set(pointer(top));
    top.AttachedDevice.set(pointer(source));
    Some(top)
}

/// Takes off what is attached to `lower`. Source: IoDetachDevice. IRQL: PASSIVE_LEVEL.
pub fn io_detach_device(lower: &DEVICE_OBJECT) {
    let _database = crate::subsystem().database.lock();
    if let Some(upper) = at(lower.AttachedDevice.replace(std::ptr::null_mut())) {
        extension(upper).attached_to.set(std::ptr::null_mut());
    }
}

/// The top of the stack. Source: IoGetAttachedDevice. No reference is taken.
#[inline]
pub fn io_get_attached_device(device: &DEVICE_OBJECT) -> &'static DEVICE_OBJECT {
    let mut top = lasting(device);
    while let Some(upper) = at(top.AttachedDevice.get()) {
        top = upper;
    }
    top
}

/// The device below. Source: IoGetLowerDeviceObject, without its reference.
pub fn io_get_lower_device(device: &DEVICE_OBJECT) -> Option<&'static DEVICE_OBJECT> {
    at(extension(device).attached_to.get())
}

/// The bottom of the stack. Source: IoGetDeviceAttachmentBaseRef, without its reference.
pub fn io_get_device_attachment_base(device: &DEVICE_OBJECT) -> &'static DEVICE_OBJECT {
    let mut base = lasting(device);
    while let Some(lower) = io_get_lower_device(base) {
        base = lower;
    }
    base
}

/// The device at which a file object's requests start, before what is attached to it.
///
/// Source: IoGetBaseFileSystemDeviceObject
pub fn io_get_base_file_system_device(file: &FILE_OBJECT) -> &'static DEVICE_OBJECT {
    if let Some(vpb) = at(file.Vpb.get())
        && let Some(device) = at(vpb.DeviceObject.get())
    {
        return device;
    }
    let device = at(file.DeviceObject.get()).expect("a file object names its device");
    if file.Flags.load(Ordering::Relaxed) & FO_DIRECT_DEVICE_OPEN == 0
        && let Some(vpb) = at::<VPB>(device.Vpb.get())
        && let Some(volume) = at(vpb.DeviceObject.get())
    {
        return volume;
    }
    device
}

/// The device that gets a file object's requests: the top of its stack, or where its create started.
///
/// Source: IoGetRelatedDeviceObject
#[inline]
pub fn io_get_related_device(file: &FILE_OBJECT) -> &'static DEVICE_OBJECT {
    match crate::file::start_device(file) {
        Some(device) => device,
        None => io_get_attached_device(io_get_base_file_system_device(file)),
    }
}

/// The driver's own part of a device, as the structure that it keeps there. Fresh devices have zeros.
pub fn device_extension<T: Abi>(device: &DEVICE_OBJECT) -> &'static T {
    at(device.DeviceExtension.get().cast::<T>()).expect("the device was made with an extension")
}

/// Gives a device of a Rust driver its state, once. It is dropped with the device.
pub fn set_device_state<T: Any + Send + Sync>(device: &DEVICE_OBJECT, state: T) {
    if let Some(private) = private(device) {
        let _ = private.state.set(Box::new(state));
    }
}

/// The state of a device, if it has one of this type. Good as long as the device.
pub fn device_state<T: Any + Send + Sync>(device: &DEVICE_OBJECT) -> Option<&'static T> {
    private(device)?.state.get()?.downcast_ref::<T>()
}

/// The device's name, if it was made with one.
pub fn device_name(device: &DEVICE_OBJECT) -> Option<Vec<u16>> {
    private(device).map(|private| private.name.clone()).filter(|name| !name.is_empty())
}

/// The devices of a driver, newest first.
pub fn driver_devices(driver: &DRIVER_OBJECT) -> Vec<&'static DEVICE_OBJECT> {
    let _database = crate::subsystem().database.lock();
    let mut devices = Vec::new();
    let mut next = at(driver.DeviceObject.get());
    while let Some(device) = next {
        devices.push(device);
        next = at(device.NextDevice.get());
    }
    devices
}

/// The driver of a device.
pub fn device_driver(device: &DEVICE_OBJECT) -> &'static DRIVER_OBJECT {
    at(device.DriverObject.get()).expect("devices are made by io_create_device")
}
