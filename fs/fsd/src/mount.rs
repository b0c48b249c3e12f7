//! Registration, mounting, and file system control.

use std::sync::Arc;

use boundary::Raise;
use nt_abi::{
    DEVICE_OBJECT, FSCTL_DELETE_REPARSE_POINT, FSCTL_GET_REPARSE_POINT, FSCTL_IS_VOLUME_MOUNTED,
    FSCTL_SET_REPARSE_POINT, IO_STACK_LOCATION, IRP, NtStatus, device_type, do_flags, irp_mn,
};

use crate::fcb::Volume;
use crate::{Answer, Done, Failure, Fsd, FsdMedium, reparse};

/// Name of the driver and its control device. Filters that look at the type take the volume for NTFS, whose
/// name rules, streams and statuses it follows.
pub const FILE_SYSTEM_NAME: &str = "\\FileSystem\\Ntfs";
const CONTROL_DEVICE_NAME: &str = "\\Ntfs";

/// Makes the driver and its control device, and tells the I/O manager. Once per machine.
///
/// Errors: names taken, no pool.
pub fn register() -> Result<Result<(), NtStatus>, Raise> {
    let name: Vec<u16> = FILE_SYSTEM_NAME.encode_utf16().collect();
    let driver = match nt_io::io_create_driver(&name, Arc::new(Fsd))? {
        Ok(driver) => driver,
        Err(status) => return Ok(Err(status)),
    };
    let control: Vec<u16> = CONTROL_DEVICE_NAME.encode_utf16().collect();
    let device = match nt_io::io_create_device(
        driver,
        0,
        Some(&control),
        device_type::FILE_DEVICE_DISK_FILE_SYSTEM,
        0,
        false,
    )? {
        Ok(device) => device,
        Err(status) => return Ok(Err(status)),
    };
    device.Flags.set(device.Flags.get() & !do_flags::DO_DEVICE_INITIALIZING);
    nt_io::io_register_file_system(device)?;
    Ok(Ok(()))
}

/// IRP_MJ_FILE_SYSTEM_CONTROL of the control device: mounts a disk whose medium is ours.
pub(crate) fn mount(control: &'static DEVICE_OBJECT, stack: &IO_STACK_LOCATION) -> Answer {
    if stack.MinorFunction.get() != irp_mn::IRP_MN_MOUNT_VOLUME {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    let parameters = stack.Parameters.MountVolume();
    // SAFETY: the I/O manager's VPB and disk device of this mount; both outlive the volume.
    let (vpb, disk) = unsafe { (&*parameters.Vpb.get(), &*parameters.DeviceObject.get()) };
    let Some(medium) = nt_io::medium_of(disk).and_then(|medium| medium.downcast::<FsdMedium>().ok()) else {
        return Err(NtStatus::UNRECOGNIZED_VOLUME.into());
    };
    let store = Arc::clone(&medium.0);
    let info = store.volume_info()?;
    // SAFETY: a device keeps its driver.
    let driver = unsafe { &*control.DriverObject.get() };
    let device =
        nt_io::io_create_device(driver, 0, None, device_type::FILE_DEVICE_DISK_FILE_SYSTEM, 0, false)??;
    device.StackSize.set(disk.StackSize.get() + 1);
    device.AlignmentRequirement.set(disk.AlignmentRequirement.get());
    device.SectorSize.set(info.sector_size as u16);
    let volume = Volume::new(store, vpb, info.sector_size)?;
    nt_io::set_device_state(device, volume);
    vpb.DeviceObject.set(std::ptr::from_ref(device).cast_mut());
    vpb.SerialNumber.set(info.serial);
    let label = &info.label[..info.label.len().min(32)];
    for (slot, unit) in vpb.VolumeLabel.iter().zip(label) {
        slot.set(*unit);
    }
    vpb.VolumeLabelLength.set((label.len() * 2) as u16);
    device.Flags.set(device.Flags.get() & !do_flags::DO_DEVICE_INITIALIZING);
    Ok(NtStatus::SUCCESS.into())
}

/// IRP_MJ_FILE_SYSTEM_CONTROL of a volume.
pub(crate) fn control(volume: &Volume, irp: &'static IRP, stack: &IO_STACK_LOCATION) -> Answer {
    match stack.MinorFunction.get() {
        irp_mn::IRP_MN_VERIFY_VOLUME => Ok(NtStatus::SUCCESS.into()),
        irp_mn::IRP_MN_USER_FS_REQUEST | irp_mn::IRP_MN_KERNEL_CALL => {
            match stack.Parameters.FileSystemControl().FsControlCode.get() {
                FSCTL_IS_VOLUME_MOUNTED => Ok(Done::new(NtStatus::SUCCESS, 0)),
                code @ (FSCTL_SET_REPARSE_POINT | FSCTL_GET_REPARSE_POINT | FSCTL_DELETE_REPARSE_POINT) => {
                    reparse::control(volume, irp, stack, code)
                }
                _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
            }
        }
        _ => Err(Failure::Status(NtStatus::INVALID_DEVICE_REQUEST)),
    }
}
