//! What is known of a volume and its devices, and memory that its device can use.
//!
//! Statements: OBJ-15 to OBJ-18, OBJ-22, SEED-FWF-21.

use boundary::Raise;
use nt_abi::{DEVICE_OBJECT, DO_DAX_VOLUME, FLT_VOLUME_PROPERTIES, NtStatus};
use nt_ex::pool;

use crate::findings;
use crate::instance::Instance;
use crate::text::{bytes, wide};
use crate::volume::Volume;

/// `VOL_PROP_FL_DAX_VOLUME`.
const DAX_VOLUME: u32 = 1;
/// What every pool block is aligned to.
const POOL_ALIGNMENT: usize = 16;

/// Name of the file system's driver and of its control device.
fn file_system_names(lower: Option<&'static DEVICE_OBJECT>) -> (Vec<u16>, Vec<u16>) {
    let base = lower.map(nt_io::io_get_device_attachment_base);
    let driver = base.and_then(|device| crate::pointer::driver(device.DriverObject.get()));
    let Some(driver) = driver else { return (Vec::new(), Vec::new()) };
    let control = nt_io::driver_devices(driver).into_iter().find_map(nt_io::device_name);
    (wide(&nt_io::driver_name(driver)), control.unwrap_or_default())
}

/// Bytes of an `FLT_VOLUME_PROPERTIES` with its strings behind it, for the address where it will lie and a buffer
/// of `room` bytes there.
///
/// Source:  FltGetVolumeProperties; OBJ-15, OBJ-16, OBJ-17, OBJ-18
/// Returns: status (SUCCESS, BUFFER_OVERFLOW: fixed part only, BUFFER_TOO_SMALL: nothing), bytes to write,
///          value for LengthReturned
pub fn flt_get_volume_properties(volume: &Volume, address: usize, room: usize) -> (NtStatus, Vec<u8>, usize) {
    let fixed = size_of::<FLT_VOLUME_PROPERTIES>();
    let lower = volume.lower();
    let (driver, control) = file_system_names(lower);
    let strings = [driver, control, volume.name.clone()].map(|s| bytes(&s));
    let needed = fixed + strings.iter().map(Vec::len).sum::<usize>();
    if room < fixed {
        return (NtStatus::BUFFER_TOO_SMALL, Vec::new(), needed);
    }
    let flags = lower.map_or(0, |d| d.Flags.get());
    let mut image = Vec::with_capacity(needed);
    let word = |image: &mut Vec<u8>, value: u32| image.extend(value.to_le_bytes());
    word(&mut image, lower.map_or(volume.device_type, |d| d.DeviceType.get()));
    word(&mut image, lower.map_or(0, |d| d.Characteristics.get()));
    word(&mut image, flags);
    word(&mut image, alignment(volume) as u32 - 1);
    word(&mut image, u32::from(volume.disk.map_or(512, |d| d.SectorSize.get().max(512))));
    word(&mut image, if flags & DO_DAX_VOLUME != 0 { DAX_VOLUME } else { 0 });
    let whole = room >= needed;
    let mut place = address + fixed;
    for string in &strings {
        let length = if whole { string.len() as u16 } else { 0 };
        image.extend(length.to_le_bytes());
        image.extend(length.to_le_bytes());
        word(&mut image, 0);
        image.extend((if length == 0 { 0 } else { place as u64 }).to_le_bytes());
        place += usize::from(length);
    }
    if whole {
        strings.iter().for_each(|string| image.extend(string));
    }
    let status = if whole { NtStatus::SUCCESS } else { NtStatus::BUFFER_OVERFLOW };
    let written = image.len();
    (status, image, written)
}

/// What the volume's devices ask buffers to be aligned to, in bytes: a power of two.
fn alignment(volume: &Volume) -> usize {
    let of = |device: Option<&'static DEVICE_OBJECT>| device.map_or(0, |d| d.AlignmentRequirement.get());
    (of(volume.device()).max(of(volume.disk)) as usize + 1).next_power_of_two()
}

/// Allocates pool that the volume's device can use for noncached I/O.
///
/// Source:  FltAllocatePoolAlignedWithTag; SEED-FWF-21
/// IRQL:    <= APC_LEVEL for paged pool, else <= DISPATCH_LEVEL
/// Returns: null when there is none
pub fn flt_allocate_pool_aligned_with_tag(
    instance: &Instance,
    pool_type: u32,
    length: usize,
    tag: u32,
) -> Result<*mut u8, Raise> {
    let wanted = alignment(&instance.volume);
    if wanted <= POOL_ALIGNMENT {
        return pool::allocate_pool_with_tag(pool_type, length, tag);
    }
    // Blocks of whole pages begin with one.
    pool::allocate_pool_with_tag(pool_type, length.next_multiple_of(boundary::slot::PAGE_SIZE), tag)
}

/// Frees it.
///
/// Source:  FltFreePoolAlignedWithTag
/// IRQL:    as for the allocation
/// Errors:  memory that another volume's alignment was used for, or plain pool that happens not to be aligned, is a
///          finding; what is no pool is a bug check, another tag a finding
pub fn flt_free_pool_aligned_with_tag(instance: &Instance, address: usize, tag: u32) -> Result<(), Raise> {
    let wanted = alignment(&instance.volume);
    if !address.is_multiple_of(wanted) {
        findings::error(
            "SEED-FWF-21",
            &instance.filter.label,
            format!(
                "FltFreePoolAlignedWithTag was given {address:#x}, which is not aligned to the {wanted} bytes of \
                 the instance's volume: it was not allocated with FltAllocatePoolAlignedWithTag for this instance"
            ),
        );
    }
    pool::free_pool(address as *mut u8, Some(tag))
}

const IOCTL_DISK_IS_WRITABLE: u32 = 0x0007_0024;

/// Whether the volume's medium takes writes: asks its disk.
///
/// Source:  FltIsVolumeWritable; OBJ-22
/// IRQL:    PASSIVE_LEVEL
/// Errors:  INVALID_DEVICE_REQUEST (no disk, or one that cannot say) · what the disk answered
pub fn flt_is_volume_writable(volume: &Volume) -> Result<Result<bool, NtStatus>, Raise> {
    let Some(disk) = volume.disk else { return Ok(Err(NtStatus::INVALID_DEVICE_REQUEST)) };
    let storage = nt_io::io_get_attached_device(disk);
    Ok(match nt_io::io_send_device_control(storage, IOCTL_DISK_IS_WRITABLE)? {
        status if status.is_success() => Ok(true),
        NtStatus::MEDIA_WRITE_PROTECTED => Ok(false),
        status => Err(status),
    })
}
