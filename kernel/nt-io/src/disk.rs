//! A disk: `\Device\HarddiskVolumeN`, a storage device whose bytes are behind an opaque medium.
//!
//! A file system that knows the medium's type mounts it. This version gives no raw bytes: reads and writes of
//! the device itself answer INVALID_DEVICE_REQUEST.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nt_abi::{
    DEVICE_OBJECT, DO_DEVICE_INITIALIZING, DO_DIRECT_IO, FILE_DEVICE_DISK, FILE_DEVICE_SECURE_OPEN, IRP,
    IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL, IRP_MJ_FLUSH_BUFFERS, IRP_MJ_PNP,
    IRP_MJ_POWER, IRP_MJ_SHUTDOWN, NtStatus,
};
use nt_ke::Raise;

use crate::completion::io_complete_with;
use crate::device::{device_state, io_create_device, set_device_state};
use crate::driver::{Dispatch, io_create_driver};
use crate::objects;
use crate::stack::io_current_stack;

const IOCTL_DISK_GET_DRIVE_GEOMETRY: u32 = 0x0007_0000;
const IOCTL_DISK_GET_DRIVE_GEOMETRY_EX: u32 = 0x0007_00A0;
const IOCTL_DISK_GET_PARTITION_INFO: u32 = 0x0007_4004;
const IOCTL_DISK_GET_LENGTH_INFO: u32 = 0x0007_405C;
const IOCTL_DISK_IS_WRITABLE: u32 = 0x0007_0024;
const IOCTL_DISK_CHECK_VERIFY: u32 = 0x0007_4800;
const IOCTL_STORAGE_CHECK_VERIFY: u32 = 0x002D_4800;
const IOCTL_STORAGE_CHECK_VERIFY2: u32 = 0x002D_0800;
const IOCTL_STORAGE_GET_DEVICE_NUMBER: u32 = 0x002D_1080;
const IOCTL_MOUNTDEV_QUERY_DEVICE_NAME: u32 = 0x004D_0008;
const IOCTL_VOLUME_ONLINE: u32 = 0x0056_C008;
const FIXED_MEDIA: u32 = 12;

/// State of a disk device.
pub struct Disk {
    number: u32,
    sector_size: u32,
    total_bytes: u64,
    read_only: AtomicBool,
    pub(crate) medium: Arc<dyn Any + Send + Sync>,
}

struct DiskDriver;

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// The GUID by which a volume is known, as its 16 bytes in memory: the same for a number in each machine.
///
/// Source:  IoVolumeDeviceToGuid
/// Errors:  INVALID_DEVICE_REQUEST (no disk of this driver)
pub fn volume_guid(device: &DEVICE_OBJECT) -> Result<[u8; 16], NtStatus> {
    let base = crate::device::io_get_device_attachment_base(device);
    let disk = device_state::<Disk>(base).ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
    Ok(guid_of(disk.number))
}

fn guid_of(number: u32) -> [u8; 16] {
    let mut guid = [0x41, 0x74, 0x6c, 0xa1, 0x65, 0x74, 0x72, 0x4e, 0x80, 0x6d, 0, 0, 0, 0, 0, 0];
    guid[12..].copy_from_slice(&number.to_be_bytes());
    guid
}

/// `\??\Volume{…}`, the name that the GUID of a volume makes.
pub fn volume_guid_name(guid: &[u8; 16]) -> Vec<u16> {
    units(&format!(r"\??\Volume{}", nt_rtl::guid::to_text(guid)))
}

/// Says that the medium takes no writes: IOCTL_DISK_IS_WRITABLE answers so.
pub fn set_read_only(device: &DEVICE_OBJECT) {
    if let Some(disk) = device_state::<Disk>(device) {
        disk.read_only.store(true, Ordering::Relaxed);
    }
}

/// Makes disk `number`, the link `\??\Volume{…}` to it and, with `letter`, the link `\??\X:`.
///
/// Units:   bytes
/// Returns: the storage device; nothing is mounted on it yet
/// Errors:  OBJECT_NAME_COLLISION, INSUFFICIENT_RESOURCES
pub fn create(
    number: u32,
    sector_size: u32,
    total_bytes: u64,
    medium: Arc<dyn Any + Send + Sync>,
    letter: Option<char>,
) -> Result<Result<&'static DEVICE_OBJECT, NtStatus>, Raise> {
    let io = crate::subsystem();
    let driver = match io.disk_driver.get() {
        Some(driver) => crate::pointer::at_address(*driver).expect("the disk driver stays"),
        None => match io_create_driver(&units(r"\Driver\Disk"), Arc::new(DiskDriver))? {
            Ok(driver) => {
                let _ = io.disk_driver.set(crate::pointer::address(driver));
                driver
            }
            Err(status) => return Ok(Err(status)),
        },
    };
    let name = units(&format!(r"\Device\HarddiskVolume{number}"));
    let device =
        match io_create_device(driver, 0, Some(&name), FILE_DEVICE_DISK, FILE_DEVICE_SECURE_OPEN, false)? {
            Ok(device) => device,
            Err(status) => return Ok(Err(status)),
        };
    device.SectorSize.set(sector_size as u16);
    device.AlignmentRequirement.set(0);
    set_device_state(
        device,
        Disk { number, sector_size, total_bytes, read_only: AtomicBool::new(false), medium },
    );
    device.Flags.set((device.Flags.get() | DO_DIRECT_IO) & !DO_DEVICE_INITIALIZING);
    io.disks.lock().push(crate::pointer::address(device));
    if let Err(status) = objects::create_link(&volume_guid_name(&guid_of(number)), &name)? {
        return Ok(Err(status));
    }
    if let Some(letter) = letter
        && let Err(status) = objects::create_link(&units(&format!(r"\??\{letter}:")), &name)?
    {
        return Ok(Err(status));
    }
    Ok(Ok(device))
}

impl Disk {
    fn geometry(&self) -> Vec<u8> {
        let sectors_per_track = 63u32;
        let tracks = 255u32;
        let cylinder = u64::from(self.sector_size) * u64::from(sectors_per_track) * u64::from(tracks);
        let mut out = (self.total_bytes / cylinder).to_le_bytes().to_vec();
        for field in [FIXED_MEDIA, tracks, sectors_per_track, self.sector_size] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out
    }

    fn answer(&self, code: u32) -> Result<Vec<u8>, NtStatus> {
        Ok(match code {
            IOCTL_DISK_GET_DRIVE_GEOMETRY => self.geometry(),
            IOCTL_DISK_GET_DRIVE_GEOMETRY_EX => {
                let mut out = self.geometry();
                out.extend_from_slice(&self.total_bytes.to_le_bytes());
                out
            }
            IOCTL_DISK_GET_LENGTH_INFO => self.total_bytes.to_le_bytes().to_vec(),
            IOCTL_DISK_GET_PARTITION_INFO => {
                let mut out = 0u64.to_le_bytes().to_vec();
                out.extend_from_slice(&self.total_bytes.to_le_bytes());
                out.extend_from_slice(&0u32.to_le_bytes());
                out.extend_from_slice(&self.number.to_le_bytes());
                // Type IFS, not bootable, recognised, not to be rewritten; padding.
                out.extend_from_slice(&[7, 0, 1, 0, 0, 0, 0, 0]);
                out
            }
            IOCTL_STORAGE_GET_DEVICE_NUMBER => {
                let mut out = FILE_DEVICE_DISK.to_le_bytes().to_vec();
                out.extend_from_slice(&0u32.to_le_bytes());
                out.extend_from_slice(&self.number.to_le_bytes());
                out
            }
            IOCTL_MOUNTDEV_QUERY_DEVICE_NAME => {
                let name = units(&format!(r"\Device\HarddiskVolume{}", self.number));
                let mut out = ((name.len() * 2) as u16).to_le_bytes().to_vec();
                out.extend(name.iter().flat_map(|unit| unit.to_le_bytes()));
                out
            }
            IOCTL_DISK_IS_WRITABLE if self.read_only.load(Ordering::Relaxed) => {
                return Err(NtStatus::MEDIA_WRITE_PROTECTED);
            }
            IOCTL_DISK_IS_WRITABLE
            | IOCTL_DISK_CHECK_VERIFY
            | IOCTL_STORAGE_CHECK_VERIFY
            | IOCTL_STORAGE_CHECK_VERIFY2
            | IOCTL_VOLUME_ONLINE => Vec::new(),
            _ => return Err(NtStatus::INVALID_DEVICE_REQUEST),
        })
    }
}

fn control(device: &DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
    let arguments = io_current_stack(irp).Parameters.DeviceIoControl();
    let code = arguments.IoControlCode.get();
    let room = arguments.OutputBufferLength.get() as usize;
    let Some(disk) = device_state::<Disk>(device) else {
        return io_complete_with(irp, NtStatus::NO_SUCH_DEVICE, 0);
    };
    match disk.answer(code) {
        Ok(answer) if answer.len() <= room => {
            let buffer = irp.SystemBuffer().get() as usize;
            if !answer.is_empty() && boundary::copy::write(buffer, &answer).is_err() {
                return io_complete_with(irp, NtStatus::INVALID_USER_BUFFER, 0);
            }
            io_complete_with(irp, NtStatus::SUCCESS, answer.len())
        }
        // The name's length comes first, so that the caller can ask again.
        Ok(answer) if code == IOCTL_MOUNTDEV_QUERY_DEVICE_NAME && room >= 4 => {
            let buffer = irp.SystemBuffer().get() as usize;
            let _ = boundary::copy::write(buffer, &answer[..4]);
            io_complete_with(irp, NtStatus::BUFFER_OVERFLOW, 4)
        }
        Ok(_) => io_complete_with(irp, NtStatus::BUFFER_TOO_SMALL, 0),
        Err(status) => io_complete_with(irp, status, 0),
    }
}

impl Dispatch for DiskDriver {
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        match io_current_stack(irp).MajorFunction.get() {
            IRP_MJ_CREATE | IRP_MJ_CLEANUP | IRP_MJ_CLOSE | IRP_MJ_FLUSH_BUFFERS | IRP_MJ_SHUTDOWN => {
                io_complete_with(irp, NtStatus::SUCCESS, 0)
            }
            IRP_MJ_DEVICE_CONTROL => control(device, irp),
            IRP_MJ_PNP | IRP_MJ_POWER => io_complete_with(irp, NtStatus::NOT_SUPPORTED, 0),
            _ => io_complete_with(irp, NtStatus::INVALID_DEVICE_REQUEST, 0),
        }
    }
}
