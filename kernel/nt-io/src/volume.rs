//! Volumes: VPBs, registered file systems, mounting.
//!
//! ```text
//! disk device ──Vpb──► VPB { unmounted }
//!   first open that needs a file system: IRP_MN_MOUNT_VOLUME to each registered control device's stack
//!   a file system makes its volume device, sets Vpb.DeviceObject and answers SUCCESS ──► VPB_MOUNTED
//!   io_dismount_volume, no file open: back to unmounted
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;

use nt_abi::{
    DEVICE_OBJECT, DO_DEVICE_INITIALIZING, DO_LOW_PRIORITY_FILESYSTEM, DRIVER_OBJECT, FILE_DEVICE_CD_ROM,
    FILE_DEVICE_CD_ROM_FILE_SYSTEM, FILE_DEVICE_DISK, FILE_DEVICE_DISK_FILE_SYSTEM, FILE_DEVICE_TAPE,
    FILE_DEVICE_TAPE_FILE_SYSTEM, FILE_DEVICE_VIRTUAL_DISK, IO_TYPE_VPB, IRP_MJ_FILE_SYSTEM_CONTROL,
    IRP_MN_MOUNT_VOLUME, IRP_MOUNT_COMPLETION, IRP_SYNCHRONOUS_PAGING_IO, NtStatus, VPB, VPB_MOUNTED,
};
use nt_ke::Raise;

use crate::device::{device_state, io_get_attached_device};
use crate::issue::Request;
use crate::memory;
use crate::pointer::{address, at, at_address, pointer};

const TAG: u32 = u32::from_le_bytes(*b"Vpb ");

/// Told of each file system that comes (`true`) or goes (`false`), with its control device.
pub type FsNotify = Arc<dyn Fn(&'static DEVICE_OBJECT, bool) -> Result<(), Raise> + Send + Sync>;

/// Registered file systems and who wants to know.
#[derive(Default)]
pub(crate) struct FileSystems {
    /// Control devices, the next to be asked first.
    registered: Vec<usize>,
    notify: Vec<(usize, FsNotify)>,
}

/// Whether devices of this type carry a VPB.
pub(crate) fn has_vpb(device_type: u32) -> bool {
    matches!(device_type, FILE_DEVICE_DISK | FILE_DEVICE_CD_ROM | FILE_DEVICE_TAPE | FILE_DEVICE_VIRTUAL_DISK)
}

pub(crate) fn create_vpb(device: &DEVICE_OBJECT) -> Result<(), NtStatus> {
    let block = memory::allocate(size_of::<VPB>(), TAG).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
    let vpb: &'static VPB = at_address(block).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
    vpb.Type.set(IO_TYPE_VPB);
    vpb.Size.set(size_of::<VPB>() as u16);
    vpb.RealDevice.set(pointer(device));
    device.Vpb.set(pointer(vpb));
    Ok(())
}

pub(crate) fn free_vpb(device: &DEVICE_OBJECT) -> Result<(), Raise> {
    memory::free(device.Vpb.replace(std::ptr::null_mut()) as usize, TAG)
}

/// The VPB of a storage device.
pub fn vpb_of(disk: &DEVICE_OBJECT) -> Option<&'static VPB> {
    at(disk.Vpb.get())
}

fn is_mounted(vpb: &VPB) -> bool {
    vpb.Flags.get() & VPB_MOUNTED != 0
}

/// Makes a file system known: its control device gets mount requests, before those registered earlier
/// (after them if it is of low priority).
///
/// Source:  IoRegisterFileSystem
/// IRQL:    PASSIVE_LEVEL
pub fn io_register_file_system(control_device: &'static DEVICE_OBJECT) -> Result<(), Raise> {
    crate::objects::reference(address(control_device))?;
    control_device.Flags.set(control_device.Flags.get() & !DO_DEVICE_INITIALIZING);
    let notify = {
        let mut systems = crate::subsystem().file_systems.lock();
        if control_device.Flags.get() & DO_LOW_PRIORITY_FILESYSTEM != 0 {
            systems.registered.push(address(control_device));
        } else {
            systems.registered.insert(0, address(control_device));
        }
        systems.notify.clone()
    };
    for (_, callback) in notify {
        callback(control_device, true)?;
    }
    Ok(())
}

/// Takes a file system off the list. Source: IoUnregisterFileSystem.
pub fn io_unregister_file_system(control_device: &'static DEVICE_OBJECT) -> Result<(), Raise> {
    let notify = {
        let mut systems = crate::subsystem().file_systems.lock();
        let before = systems.registered.len();
        systems.registered.retain(|device| *device != address(control_device));
        if systems.registered.len() == before {
            return Ok(());
        }
        systems.notify.clone()
    };
    for (_, callback) in notify {
        callback(control_device, false)?;
    }
    crate::objects::dereference(address(control_device))
}

/// Has `callback` called for each file system that registers or leaves; at once for those that are there.
///
/// Source:  IoRegisterFsRegistrationChange
/// Errors:  DEVICE_ALREADY_ATTACHED when the driver registered already
pub fn io_register_fs_registration_change(
    driver: &DRIVER_OBJECT,
    callback: FsNotify,
) -> Result<NtStatus, Raise> {
    let registered = {
        let mut systems = crate::subsystem().file_systems.lock();
        if systems.notify.iter().any(|(owner, _)| *owner == address(driver)) {
            return Ok(NtStatus::DEVICE_ALREADY_ATTACHED);
        }
        systems.notify.push((address(driver), Arc::clone(&callback)));
        systems.registered.clone()
    };
    for device in registered.into_iter().rev() {
        if let Some(device) = at_address(device) {
            callback(device, true)?;
        }
    }
    Ok(NtStatus::SUCCESS)
}

/// Ends it. Source: IoUnregisterFsRegistrationChange.
pub fn io_unregister_fs_registration_change(driver: &DRIVER_OBJECT) {
    crate::subsystem().file_systems.lock().notify.retain(|(owner, _)| *owner != address(driver));
}

/// Which kind of file system serves a kind of storage.
fn file_system_type(device_type: u32) -> u32 {
    match device_type {
        FILE_DEVICE_CD_ROM => FILE_DEVICE_CD_ROM_FILE_SYSTEM,
        FILE_DEVICE_TAPE => FILE_DEVICE_TAPE_FILE_SYSTEM,
        _ => FILE_DEVICE_DISK_FILE_SYSTEM,
    }
}

/// Mounts a file system on `disk` unless one is mounted: what the first open does.
///
/// IRQL:    PASSIVE_LEVEL
/// Returns: SUCCESS, or what the last file system that knew the volume answered; UNRECOGNIZED_VOLUME when none did
pub fn io_mount_volume(disk: &'static DEVICE_OBJECT) -> Result<NtStatus, Raise> {
    let Some(vpb) = vpb_of(disk) else { return Ok(NtStatus::INVALID_DEVICE_REQUEST) };
    if is_mounted(vpb) {
        return Ok(NtStatus::SUCCESS);
    }
    // The device's lock: one mount at a time.
    {
        let _waiting = nt_ke::locks::waiting_for("another thread's mount of the volume");
        nt_ke::dispatcher::wait(&disk.DeviceLock.Header, false, None)?;
    }
    let result = if is_mounted(vpb) { Ok(NtStatus::SUCCESS) } else { mount_locked(disk, vpb) };
    nt_ke::dispatcher::set_event(&disk.DeviceLock.Header);
    result
}

fn mount_locked(disk: &'static DEVICE_OBJECT, vpb: &'static VPB) -> Result<NtStatus, Raise> {
    let wanted = file_system_type(disk.DeviceType.get());
    let systems = crate::subsystem().file_systems.lock().registered.clone();
    let storage = io_get_attached_device(disk);
    for control in systems {
        let Some(control) = at_address::<DEVICE_OBJECT>(control) else { continue };
        if control.DeviceType.get() != wanted {
            continue;
        }
        let target = io_get_attached_device(control);
        // The file system sends requests of its own to the storage stack: room for both.
        let request = match Request::with_stack(
            None,
            target,
            target.StackSize.get() as u8 + storage.StackSize.get() as u8,
        ) {
            Ok(request) => request,
            Err(status) => return Ok(status),
        };
        request.irp.Flags.set(IRP_MOUNT_COMPLETION | IRP_SYNCHRONOUS_PAGING_IO);
        request.irp.RequestorMode.set(0);
        request.stack.MajorFunction.set(IRP_MJ_FILE_SYSTEM_CONTROL);
        request.stack.MinorFunction.set(IRP_MN_MOUNT_VOLUME);
        let mount = request.stack.Parameters.MountVolume();
        mount.Vpb.set(pointer(vpb));
        mount.DeviceObject.set(pointer(storage));
        let status = request.send_synchronous()?.status;
        if status.is_success() {
            return Ok(mounted(vpb));
        }
        if status != NtStatus::UNRECOGNIZED_VOLUME {
            return Ok(status);
        }
    }
    Ok(NtStatus::UNRECOGNIZED_VOLUME)
}

fn mounted(vpb: &'static VPB) -> NtStatus {
    let Some(volume) = at(vpb.DeviceObject.get()) else {
        return NtStatus::UNRECOGNIZED_VOLUME;
    };
    vpb.Flags.set(vpb.Flags.get() | VPB_MOUNTED);
    // The volume's requests pass the storage stack below it, too.
    if let Some(real) = at(vpb.RealDevice.get()) {
        let storage = io_get_attached_device(real);
        let wanted = storage.StackSize.get() + 1;
        if volume.StackSize.get() < wanted {
            volume.StackSize.set(wanted);
        }
    }
    NtStatus::SUCCESS
}

/// Counts an open on a mounted volume. `None` when it is not mounted (any more).
pub(crate) fn reference_vpb(disk: &DEVICE_OBJECT) -> Option<&'static VPB> {
    let _database = crate::subsystem().database.lock();
    let vpb = vpb_of(disk)?;
    if !is_mounted(vpb) {
        return None;
    }
    vpb.ReferenceCount.fetch_add(1, Ordering::Relaxed);
    Some(vpb)
}

pub(crate) fn dereference_vpb(vpb: &VPB) {
    let _database = crate::subsystem().database.lock();
    vpb.ReferenceCount.fetch_sub(1, Ordering::Relaxed);
}

/// Takes the file system off a volume that nobody has open; the next open mounts again.
///
/// The file system's volume device stays its own business: it has to be told by other means (an FSCTL) if it
/// keeps state.
///
/// Returns: SUCCESS · ACCESS_DENIED while files are open · VOLUME_DISMOUNTED when nothing is mounted
pub fn io_dismount_volume(disk: &'static DEVICE_OBJECT) -> Result<NtStatus, Raise> {
    let _database = crate::subsystem().database.lock();
    let Some(vpb) = vpb_of(disk) else { return Ok(NtStatus::INVALID_DEVICE_REQUEST) };
    if !is_mounted(vpb) {
        return Ok(NtStatus::VOLUME_DISMOUNTED);
    }
    if vpb.ReferenceCount.load(Ordering::Relaxed) != 0 {
        return Ok(NtStatus::ACCESS_DENIED);
    }
    vpb.Flags.set(vpb.Flags.get() & !VPB_MOUNTED);
    vpb.DeviceObject.set(std::ptr::null_mut());
    Ok(NtStatus::SUCCESS)
}

/// The storage device under a file system's volume device, or under what is attached to it.
///
/// Source:  IoGetDiskDeviceObject. Errors: INVALID_PARAMETER for a device with a VPB of its own (a disk) ·
/// VOLUME_DISMOUNTED
pub fn io_get_disk_device(volume: &DEVICE_OBJECT) -> Result<&'static DEVICE_OBJECT, NtStatus> {
    if vpb_of(volume).is_some() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let base = crate::device::io_get_device_attachment_base(volume);
    let io = crate::subsystem();
    let disks = io.disks.lock().clone();
    disks
        .into_iter()
        .filter_map(at_address::<DEVICE_OBJECT>)
        .find(|disk| vpb_of(disk).is_some_and(|vpb| vpb.DeviceObject.get() == pointer(base)))
        .ok_or(NtStatus::VOLUME_DISMOUNTED)
}

/// What a disk carries, for the file system that mounts it. See [`crate::disk::create`].
pub fn medium_of(disk: &DEVICE_OBJECT) -> Option<Arc<dyn std::any::Any + Send + Sync>> {
    let base = crate::device::io_get_device_attachment_base(disk);
    device_state::<crate::disk::Disk>(base).map(|disk| Arc::clone(&disk.medium))
}

/// The file system's device that is mounted on `disk`, if one is.
pub fn mounted_device(disk: &DEVICE_OBJECT) -> Option<&'static DEVICE_OBJECT> {
    vpb_of(disk).filter(|vpb| is_mounted(vpb)).and_then(|vpb| at(vpb.DeviceObject.get()))
}

/// The drive letter of a storage device, as `C:`.
///
/// Source:  IoVolumeDeviceToDosName
/// IRQL:    PASSIVE_LEVEL
/// Errors:  OBJECT_NAME_NOT_FOUND (no letter names the device; there is no mount manager to give another name)
pub fn io_volume_device_to_dos_name(device: &DEVICE_OBJECT) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
    let Some(name) = crate::device::device_name(device) else {
        return Ok(Err(NtStatus::OBJECT_NAME_NOT_FOUND));
    };
    for letter in 'A'..='Z' {
        let link: Vec<u16> = format!("\\??\\{letter}:").encode_utf16().collect();
        if nt_ob::ob_query_symbolic_link(&link)?.is_ok_and(|target| target == name) {
            return Ok(Ok(link[4..].to_vec()));
        }
    }
    Ok(Err(NtStatus::OBJECT_NAME_NOT_FOUND))
}
