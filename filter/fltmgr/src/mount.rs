//! Volumes appear and go: file systems' control devices, mount requests, dismount.
//!
//! ```text
//! file system registers ─► our device above its control device ─► IRP_MN_MOUNT_VOLUME seen
//!   pre-mount callbacks ─► file system mounts ─► our device above its volume device ─► post-mount callbacks
//! ```
//!
//! Mount callbacks go to every started filter that registered IRP_MJ_VOLUME_MOUNT, by the altitude of its
//! default instance: there are no instances yet, so FltObjects->Instance is NULL. Statements: LIFE-07, PARM-03,
//! PARM-31, PRE-12, X-20.

use std::cell::Cell;
use std::ptr::from_ref;
use std::sync::Arc;

use boundary::{Raise, call};
use nt_abi::{
    DEVICE_OBJECT, DO_BUFFERED_IO, DO_DEVICE_INITIALIZING, DO_DIRECT_IO, FLT_CALLBACK_DATA, FLT_FSTYPE_FAT,
    FLT_FSTYPE_NTFS, FLT_FSTYPE_UNKNOWN, FLT_IO_PARAMETER_BLOCK, FLT_PREOP_COMPLETE,
    FLT_PREOP_SUCCESS_NO_CALLBACK, FLT_PREOP_SUCCESS_WITH_CALLBACK, FLT_PREOP_SYNCHRONIZE,
    FLT_RELATED_OBJECTS, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION, FLTFL_CALLBACK_DATA_POST_OPERATION,
    FLTFL_INSTANCE_TEARDOWN_VOLUME_DISMOUNT, IRP, IRP_MJ_VOLUME_MOUNT, NtStatus,
};
use nt_io::{
    io_attach_device, io_call_driver_and_wait, io_complete_request, io_create_device, io_current_stack,
    io_delete_device, io_detach_device, io_get_attached_device, io_get_disk_device, set_device_state,
};
use nt_ke::{Severity, current_core, current_thread};

use crate::anchor::Anchored;
use crate::device::{Attachment, VolumePointer};
use crate::filter::Filter;
use crate::situation::{self, Situation};
use crate::volume::Volume;
use crate::{attach, findings, flt, pointer, rows};

/// A file system came or went.
pub fn file_system_changed(control: &'static DEVICE_OBJECT, active: bool) -> Result<(), Raise> {
    if !active {
        return forget_control(control);
    }
    let Some(driver) = flt().driver() else { return Ok(()) };
    if let Ok(device) = io_create_device(driver, 0, None, control.DeviceType.get(), 0, false)? {
        set_device_state(device, Attachment::Control);
        let Some(lower) = io_attach_device(device, control) else {
            return io_delete_device(device);
        };
        flt().tables.lock().controls.push((device, lower));
        device.Flags.set(device.Flags.get() & !DO_DEVICE_INITIALIZING);
    }
    // Volumes that were mounted before.
    let Some(file_system) = pointer::driver(control.DriverObject.get()) else { return Ok(()) };
    for device in nt_io::driver_devices(file_system) {
        if std::ptr::eq(device, control) {
            continue;
        }
        let Ok(disk) = io_get_disk_device(device) else { continue };
        if flt().volume_of_disk(disk).is_some() {
            continue;
        }
        let Some(volume) = new_volume(disk, device.DeviceType.get(), false) else { continue };
        attach_device(&volume, device)?;
    }
    Ok(())
}

fn forget_control(control: &'static DEVICE_OBJECT) -> Result<(), Raise> {
    let found = {
        let mut tables = flt().tables.lock();
        let place = tables.controls.iter().position(|(_, lower)| std::ptr::eq(*lower, control));
        place.map(|place| tables.controls.remove(place))
    };
    match found {
        Some((device, lower)) => {
            io_detach_device(lower);
            io_delete_device(device)
        }
        None => Ok(()),
    }
}

fn new_volume(disk: &'static DEVICE_OBJECT, device_type: u32, newly_mounted: bool) -> Option<Arc<Volume>> {
    let name = nt_io::device_name(disk).unwrap_or_default();
    Volume::new(name, Some(disk), device_type, newly_mounted)
}

/// Puts the manager's device above the file system's volume device, and makes the volume known.
fn attach_device(volume: &Arc<Volume>, target: &'static DEVICE_OBJECT) -> Result<NtStatus, Raise> {
    let Some(driver) = flt().driver() else { return Ok(NtStatus::FLT_NOT_INITIALIZED) };
    let device = match io_create_device(
        driver,
        0,
        None,
        target.DeviceType.get(),
        target.Characteristics.get(),
        false,
    )? {
        Ok(device) => device,
        Err(status) => return Ok(status),
    };
    set_device_state(device, Attachment::Volume(VolumePointer::new(volume)));
    let top = io_get_attached_device(target);
    device.Flags.set(device.Flags.get() | top.Flags.get() & (DO_BUFFERED_IO | DO_DIRECT_IO));
    volume.set_file_system(file_system_type(target));
    // The device below is known before operations can arrive.
    volume.set_devices(None, Some(top));
    let Some(lower) = io_attach_device(device, target) else {
        io_delete_device(device)?;
        return Ok(NtStatus::NO_SUCH_DEVICE);
    };
    // The file system's own size may still grow by the storage stack below it.
    let storage = volume.disk.map_or(0, |disk| io_get_attached_device(disk).StackSize.get());
    device.StackSize.set(device.StackSize.get().max(storage + 2));
    device.SectorSize.set(target.SectorSize.get());
    device.AlignmentRequirement.set(target.AlignmentRequirement.get());
    volume.set_devices(Some(device), Some(lower));
    flt().tables.lock().volumes.push(Arc::clone(volume));
    device.Flags.set(device.Flags.get() & !DO_DEVICE_INITIALIZING);
    Ok(NtStatus::SUCCESS)
}

fn file_system_type(device: &DEVICE_OBJECT) -> u32 {
    let name = pointer::driver(device.DriverObject.get()).map(nt_io::driver_name).unwrap_or_default();
    match name.to_ascii_lowercase().rsplit('\\').next() {
        Some("ntfs") => FLT_FSTYPE_NTFS,
        Some("fastfat") => FLT_FSTYPE_FAT,
        _ => FLT_FSTYPE_UNKNOWN,
    }
}

/// A mount request at a control device.
pub fn mount(lower: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
    let stack = io_current_stack(irp);
    let vpb = pointer::vpb(stack.Parameters.MountVolume().Vpb.get());
    let disk = vpb.and_then(|vpb| pointer::device(vpb.RealDevice.get()));
    let volume = disk.and_then(|disk| new_volume(disk, lower.DeviceType.get(), true));
    let (Some(disk), Some(volume)) = (disk, volume) else {
        nt_io::io_skip_current(irp);
        return nt_io::io_call_driver(lower, irp);
    };
    let mut call = MountCall::new(&volume);
    let status = match call.before()? {
        Some(status) => {
            irp.IoStatus.Status.set(status);
            irp.IoStatus.Information.set(0);
            status
        }
        None => io_call_driver_and_wait(lower, irp)?,
    };
    if status.is_success() {
        // The request may have switched the VPB: the disk names the current one.
        let mounted = pointer::vpb(disk.Vpb.get()).and_then(|vpb| pointer::device(vpb.DeviceObject.get()));
        if let Some(target) = mounted {
            let attached = attach_device(&volume, target)?;
            if !attached.is_success() {
                irp.IoStatus.Status.set(attached);
            }
        }
    }
    call.after(irp)?;
    let status = irp.IoStatus.Status.get();
    io_complete_request(irp, 0)?;
    Ok(status)
}

/// The mount callbacks of one mount.
struct MountCall {
    volume: Arc<Volume>,
    owed: Vec<(Arc<Filter>, usize)>,
}

impl MountCall {
    fn new(volume: &Arc<Volume>) -> Self {
        Self { volume: Arc::clone(volume), owed: Vec::new() }
    }

    fn fill(&self, data: &FLT_CALLBACK_DATA, block: &FLT_IO_PARAMETER_BLOCK, flags: u32) {
        data.Flags.set(FLTFL_CALLBACK_DATA_FAST_IO_OPERATION | flags);
        data.Thread.set(from_ref(current_thread()).cast_mut().cast());
        data.Iopb.set(from_ref(block).cast_mut());
        block.MajorFunction.set(IRP_MJ_VOLUME_MOUNT);
        block.Parameters.MountVolume().DeviceType.set(self.volume.device_type);
    }

    fn objects(&self, filter: &Filter) -> FLT_RELATED_OBJECTS {
        let objects = FLT_RELATED_OBJECTS::default();
        objects.Size.set(size_of::<FLT_RELATED_OBJECTS>() as u16);
        objects.Filter.set(filter.anchor().address() as *mut _);
        objects.Volume.set(self.volume.anchor().address() as *mut _);
        objects
    }

    /// Pre callbacks. `Some` when a filter answers the mount.
    fn before(&mut self) -> Result<Option<NtStatus>, Raise> {
        let Some(row) = rows::row(IRP_MJ_VOLUME_MOUNT) else { return Ok(None) };
        for filter in flt().filters_by_altitude() {
            let Some(callbacks) = filter.operation(row).copied() else { continue };
            if !filter.is_filtering() {
                continue;
            }
            if callbacks.pre.is_null() {
                self.owed.push((filter, 0));
                continue;
            }
            let (data, block) = (FLT_CALLBACK_DATA::default(), FLT_IO_PARAMETER_BLOCK::default());
            self.fill(&data, &block, 0);
            let objects = self.objects(&filter);
            let context = Cell::new(0usize);
            let arguments = [from_ref(&data) as u64, from_ref(&objects) as u64, from_ref(&context) as u64];
            let inside = situation::enter(Situation::Mount);
            let answer = call(callbacks.pre, arguments)? as u32 as i32;
            drop(inside);
            match answer {
                FLT_PREOP_SUCCESS_WITH_CALLBACK | FLT_PREOP_SYNCHRONIZE => {
                    self.owed.push((filter, context.get()))
                }
                FLT_PREOP_SUCCESS_NO_CALLBACK => {}
                FLT_PREOP_COMPLETE => return Ok(Some(data.IoStatus.Status.get())),
                other => findings::callback(
                    if other == nt_abi::FLT_PREOP_PENDING { "PRE-10" } else { "PRE-12" },
                    Severity::Error,
                    &filter.label,
                    IRP_MJ_VOLUME_MOUNT,
                    callbacks.pre,
                    format!(
                        "the pre-mount callback returned {other}, which is not legal for a mount; treated as no callback"
                    ),
                ),
            }
        }
        Ok(None)
    }

    /// Post callbacks, lowest first. The result may be changed.
    fn after(&self, irp: &IRP) -> Result<(), Raise> {
        let Some(row) = rows::row(IRP_MJ_VOLUME_MOUNT) else { return Ok(()) };
        for (filter, context) in self.owed.iter().rev() {
            let Some(callbacks) = filter.operation(row).filter(|c| !c.post.is_null()) else { continue };
            let (data, block) = (FLT_CALLBACK_DATA::default(), FLT_IO_PARAMETER_BLOCK::default());
            self.fill(&data, &block, FLTFL_CALLBACK_DATA_POST_OPERATION);
            data.IoStatus.Status.set(irp.IoStatus.Status.get());
            let objects = self.objects(filter);
            let _inside = situation::enter(Situation::Mount);
            call(callbacks.post, [from_ref(&data) as u64, from_ref(&objects) as u64, *context as u64, 0])?;
        }
        Ok(())
    }
}

/// The volume of `disk` is gone, or about to: instances are torn down, the manager's device goes.
///
/// The I/O manager has no message for it: who dismounts a volume calls this first.
///
/// Source:  LIFE-12 to LIFE-14 (reason VOLUME_DISMOUNT)
/// IRQL:    PASSIVE_LEVEL
pub fn flt_dismount_volume(disk: &DEVICE_OBJECT) -> Result<(), Raise> {
    let Some(volume) = flt().volume_of_disk(disk) else { return Ok(()) };
    volume.anchor().mark_deleting();
    for instance in volume.instances() {
        attach::tear_down(&instance, FLTFL_INSTANCE_TEARDOWN_VOLUME_DISMOUNT)?;
    }
    volume.contexts.close()?;
    volume.names.clear()?;
    flt().tables.lock().volumes.retain(|other| !Arc::ptr_eq(other, &volume));
    if let (Some(device), Some(lower)) = (volume.device(), volume.lower()) {
        io_detach_device(lower);
        volume.set_devices(None, None);
        io_delete_device(device)?;
    }
    // Operations that are leaving may still look at it.
    let core = current_core();
    core.epochs.retire(core, move || drop(volume));
    Ok(())
}

impl crate::Flt {
    /// The mounted volume on `disk`.
    pub fn volume_of_disk(&self, disk: &DEVICE_OBJECT) -> Option<Arc<Volume>> {
        let tables = self.tables.lock();
        tables.volumes.iter().find(|v| v.disk.is_some_and(|d| std::ptr::eq(d, disk))).cloned()
    }

    /// All volumes, in the order of mounting.
    pub fn volumes(&self) -> Vec<Arc<Volume>> {
        self.tables.lock().volumes.clone()
    }
}
