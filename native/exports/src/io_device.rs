//! Io: devices, symbolic links, work items.

use boundary::{Raise, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{DEVICE_OBJECT, DRIVER_OBJECT, NativeFn, NtStatus, UNICODE_STRING};
use nt_ex::work::{self, WorkQueue};

use crate::argument::{arg, optional, rows, store, wrong};
use crate::flt_string::units;

rows! { "ntoskrnl.exe", "nt-io";
    IoCreateDevice done "";
    IoDeleteDevice done "";
    IoAttachDeviceToDeviceStack done "";
    IoAttachDeviceToDeviceStackSafe done "";
    IoDetachDevice done "";
    IoGetAttachedDevice done "";
    IoVolumeDeviceToDosName partial "drive letters only";
    IoVolumeDeviceToGuid done "";
    IoVolumeDeviceToGuidPath done "";
    IoCreateSymbolicLink done "";
    IoDeleteSymbolicLink done "";
    IoAllocateWorkItem done "EXEC-36";
    IoQueueWorkItem done "EXEC-36, EXEC-37";
    IoQueueWorkItemEx done "EXEC-36, EXEC-37";
    IoFreeWorkItem done "EXEC-37";
}

const TAG: u32 = u32::from_le_bytes(*b"AWrk");
const NAME_TAG: u32 = u32::from_le_bytes(*b"IoDn");
const IDLE: u32 = 0;
const QUEUED: u32 = 1;

/// `IO_WORKITEM`, which drivers see as opaque.
#[repr(C)]
struct WorkItem {
    device: std::sync::atomic::AtomicUsize,
    state: std::sync::atomic::AtomicU32,
}

// SAFETY: zero bytes are an idle item without a device, and there is nothing to drop.
unsafe impl nt_ex::pool::ZeroedInPool for WorkItem {}

fn item(address: usize, export: &str) -> Result<&'static WorkItem, Raise> {
    if nt_ex::pool::size_of_block(address as *const u8) != Some(size_of::<WorkItem>()) {
        return Err(wrong(
            export,
            "IoWorkItem",
            address as u64,
            "which is no work item: it was freed, or never allocated",
        ));
    }
    // SAFETY: a live pool block of this very size, made by `IoAllocateWorkItem`.
    Ok(unsafe { &*(address as *const WorkItem) })
}

/// Gives a name out in paged pool that the caller frees.
fn give_name(name: &[u16], out: &UNICODE_STRING) -> Result<NtStatus, Raise> {
    let bytes: Vec<u8> = name.iter().chain(&[0]).flat_map(|unit| unit.to_le_bytes()).collect();
    let Some(block) = nt_ex::pool::allocate(nt_ex::pool::PoolKind::Paged, bytes.len(), NAME_TAG, false)
    else {
        return Ok(NtStatus::INSUFFICIENT_RESOURCES);
    };
    boundary::copy::write(block.as_ptr() as usize, &bytes).map_err(crate::argument::fault)?;
    out.Length.set(bytes.len() as u16 - 2);
    out.MaximumLength.set(bytes.len() as u16);
    out.Buffer.set(block.as_ptr().cast());
    Ok(NtStatus::SUCCESS)
}

export! {
    /// Makes a device.
    pub fn IoCreateDevice(driver: *mut DRIVER_OBJECT, extension: u32, name: *mut UNICODE_STRING, kind: u32, characteristics: u32, exclusive: u8, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(IoCreateDevice: driver);
        let name = optional(name, "IoCreateDevice", "DeviceName")?.map(units).transpose()?;
        match nt_io::io_create_device(driver, extension, name.as_deref(), kind, characteristics, exclusive != 0)? {
            Ok(device) => {
                store(out, std::ptr::from_ref(device) as usize, "IoCreateDevice", "DeviceObject")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Deletes a device.
    pub fn IoDeleteDevice(device: *mut DEVICE_OBJECT) -> () [irql <= APC_LEVEL] {
        arg!(IoDeleteDevice: device);
        nt_io::io_delete_device(device)
    }

    /// Puts a device on top of a stack; returns the one below it, or null.
    pub fn IoAttachDeviceToDeviceStack(source: *mut DEVICE_OBJECT, target: *mut DEVICE_OBJECT) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(IoAttachDeviceToDeviceStack: source, target);
        Ok(nt_io::io_attach_device(source, target).map_or(0, |lower| std::ptr::from_ref(lower) as usize))
    }

    /// The same; the device below is stored where `lower` says.
    pub fn IoAttachDeviceToDeviceStackSafe(source: *mut DEVICE_OBJECT, target: *mut DEVICE_OBJECT, lower: *mut usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(IoAttachDeviceToDeviceStackSafe: source, target);
        // Requests may arrive as soon as the device is attached.
        store(lower, std::ptr::from_ref(nt_io::io_get_attached_device(target)) as usize, "IoAttachDeviceToDeviceStackSafe", "the device below")?;
        let below = nt_io::io_attach_device(source, target).map_or(0, |lower| std::ptr::from_ref(lower) as usize);
        store(lower, below, "IoAttachDeviceToDeviceStackSafe", "the device below")?;
        Ok(if below == 0 { NtStatus::NO_SUCH_DEVICE } else { NtStatus::SUCCESS })
    }

    /// Takes the device above `lower` off the stack.
    pub fn IoDetachDevice(lower: *mut DEVICE_OBJECT) -> () [irql <= DISPATCH_LEVEL] {
        arg!(IoDetachDevice: lower);
        nt_io::io_detach_device(lower);
        Ok(())
    }

    /// The top of a stack.
    pub fn IoGetAttachedDevice(device: *mut DEVICE_OBJECT) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(IoGetAttachedDevice: device);
        Ok(std::ptr::from_ref(nt_io::io_get_attached_device(device)) as usize)
    }

    /// The GUID of a volume's storage device.
    pub fn IoVolumeDeviceToGuid(device: *mut DEVICE_OBJECT, out: *mut [u8; 16]) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(IoVolumeDeviceToGuid: device);
        match nt_io::disk::volume_guid(device) {
            Ok(guid) => {
                store(out, guid, "IoVolumeDeviceToGuid", "GUID")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// `\\??\\Volume{…}` of a volume's storage device, in paged pool that the caller frees.
    pub fn IoVolumeDeviceToGuidPath(device: *mut DEVICE_OBJECT, out: *mut UNICODE_STRING) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(IoVolumeDeviceToGuidPath: device, out);
        match nt_io::disk::volume_guid(device) {
            Ok(guid) => give_name(&nt_io::disk::volume_guid_name(&guid), out),
            Err(status) => Ok(status),
        }
    }

    /// The drive letter of a storage device, in paged pool that the caller frees.
    pub fn IoVolumeDeviceToDosName(device: *mut DEVICE_OBJECT, out: *mut UNICODE_STRING) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(IoVolumeDeviceToDosName: device, out);
        let name = match nt_io::io_volume_device_to_dos_name(device)? {
            Ok(name) => name,
            Err(status) => return Ok(status),
        };
        give_name(&name, out)
    }

    /// Makes a symbolic link.
    pub fn IoCreateSymbolicLink(name: *mut UNICODE_STRING, target: *mut UNICODE_STRING) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(IoCreateSymbolicLink: name, target);
        match nt_ob::ob_create_symbolic_link(&units(name)?, &units(target)?)? {
            Ok(()) => Ok(NtStatus::SUCCESS),
            Err(status) => Ok(status),
        }
    }

    /// Deletes a symbolic link.
    pub fn IoDeleteSymbolicLink(name: *mut UNICODE_STRING) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(IoDeleteSymbolicLink: name);
        match nt_ob::ob_delete_symbolic_link(&units(name)?)? {
            Ok(()) => Ok(NtStatus::SUCCESS),
            Err(status) => Ok(status),
        }
    }

    /// A work item, or null.
    pub fn IoAllocateWorkItem(device: usize) -> usize [irql <= DISPATCH_LEVEL] {
        Ok(match nt_ex::pool::allocate_new::<WorkItem>(TAG) {
            Ok(item) => {
                item.device.store(device, std::sync::atomic::Ordering::Relaxed);
                std::ptr::from_ref(item) as usize
            }
            Err(_) => 0,
        })
    }

    /// Runs `routine` in a system thread. The device is referenced until it has returned.
    pub fn IoQueueWorkItem(address: usize, routine: NativeFn, queue: u32, context: u64) -> () [irql <= DISPATCH_LEVEL] {
        let item = item(address, "IoQueueWorkItem")?;
        if item.state.swap(QUEUED, std::sync::atomic::Ordering::AcqRel) != IDLE {
            return Err(wrong("IoQueueWorkItem", "IoWorkItem", address as u64, "which is queued already (EXEC-37)"));
        }
        let device = item.device.load(std::sync::atomic::Ordering::Relaxed);
        nt_ob::ob_reference(device)?;
        work::queue(WorkQueue::from_type(queue), move || {
            item.state.store(IDLE, std::sync::atomic::Ordering::Release);
            boundary::call(routine, [device as u64, context])?;
            nt_ob::ob_dereference(device)
        });
        Ok(())
    }

    /// Runs `routine` in a system thread; it gets the item too. The device is referenced until it has returned.
    pub fn IoQueueWorkItemEx(address: usize, routine: NativeFn, queue: u32, context: u64) -> () [irql <= DISPATCH_LEVEL] {
        let item = item(address, "IoQueueWorkItemEx")?;
        if item.state.swap(QUEUED, std::sync::atomic::Ordering::AcqRel) != IDLE {
            return Err(wrong("IoQueueWorkItemEx", "IoWorkItem", address as u64, "which is queued already (EXEC-37)"));
        }
        let device = item.device.load(std::sync::atomic::Ordering::Relaxed);
        nt_ob::ob_reference(device)?;
        work::queue(WorkQueue::from_type(queue), move || {
            item.state.store(IDLE, std::sync::atomic::Ordering::Release);
            boundary::call(routine, [device as u64, context, address as u64])?;
            nt_ob::ob_dereference(device)
        });
        Ok(())
    }

    /// Frees a work item.
    pub fn IoFreeWorkItem(address: usize) -> () [irql <= DISPATCH_LEVEL] {
        let item = item(address, "IoFreeWorkItem")?;
        if item.state.load(std::sync::atomic::Ordering::Acquire) != IDLE {
            return Err(wrong("IoFreeWorkItem", "IoWorkItem", address as u64, "which is queued (EXEC-37)"));
        }
        nt_ex::pool::free(address as *const u8, Some(TAG))
    }
}
