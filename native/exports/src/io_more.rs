//! Io: building IRPs, share access, VPBs, file systems, stack room.

use boundary::{Raise, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{
    DEVICE_OBJECT, DRIVER_OBJECT, FILE_OBJECT, IO_STATUS_BLOCK, IRP, KEVENT, NativeFn, NtStatus,
    SHARE_ACCESS, UNICODE_STRING,
};
use nt_io::{self as io, ControlBuffers};
use nt_ke::current_thread;

use crate::argument::{arg, fault, load_if, optional, required, rows, store};
use crate::flt_string::units;
use crate::ps::thread;

rows! { "ntoskrnl.exe", "nt-io";
    IoBuildDeviceIoControlRequest done "";
    IoBuildSynchronousFsdRequest done "";
    IoBuildAsynchronousFsdRequest done "";
    IoMakeAssociatedIrp done "IO-30";
    IoInitializeIrp done "";
    IoReuseIrp done "";
    IoAcquireCancelSpinLock done "IO-20, IO-21";
    IoReleaseCancelSpinLock done "IO-20, IO-21";
    IoSetCancelRoutine done "IO-22";
    IoGetAttachedDeviceReference done "";
    IoGetLowerDeviceObject done "";
    IoGetDeviceAttachmentBaseRef done "";
    IoGetBaseFileSystemDeviceObject done "";
    IoGetDiskDeviceObject done "";
    IoGetDeviceObjectPointer done "";
    IoCheckEaBufferValidity done "";
    IoCheckShareAccess done "";
    IoSetShareAccess done "";
    IoUpdateShareAccess done "";
    IoRemoveShareAccess done "";
    IoRegisterFileSystem done "";
    IoUnregisterFileSystem done "";
    IoRegisterFsRegistrationChange done "";
    IoUnregisterFsRegistrationChange done "";
    IoCreateStreamFileObject done "";
    IoCreateStreamFileObjectLite done "";
    IoGetFileObjectGenericMapping done "";
    IoGetRequestorProcess done "";
    IoGetRequestorProcessId done "";
    IoIsSystemThread done "";
    IoGetInitialStack done "";
    IoGetRemainingStackSize done "";
    IoWithinStackLimits done "";
    IoGetTransactionParameterBlock done "";
}

fn address<T>(found: Option<&T>) -> usize {
    found.map_or(0, |found| std::ptr::from_ref(found) as usize)
}

/// Adds a reference to a device that is given to the driver.
fn referenced(device: &DEVICE_OBJECT) -> Result<usize, Raise> {
    let address = std::ptr::from_ref(device) as usize;
    nt_ob::ob_reference(address)?;
    Ok(address)
}

/// The thread that asked, if an IRP is of one.
fn requestor(irp: &IRP) -> Result<Option<&'static nt_ke::KTHREAD>, Raise> {
    match irp.Thread().get() as usize {
        0 => Ok(None),
        address => thread(address).map(Some),
    }
}

export! {
    /// A control request, which the I/O manager completes.
    pub fn IoBuildDeviceIoControlRequest(code: u32, device: *mut DEVICE_OBJECT, input: usize, input_length: u32, output: usize, output_length: u32, internal: u8, event: *mut KEVENT, block: *mut IO_STATUS_BLOCK) -> usize [irql <= PASSIVE_LEVEL] {
        arg!(IoBuildDeviceIoControlRequest: device, event, block);
        let buffers = ControlBuffers { input, input_length, output, output_length };
        Ok(address(io::io_build_device_io_control_request(code, device, buffers, internal != 0, event, block)?))
    }

    /// A read, write, flush or shutdown, which the I/O manager completes.
    pub fn IoBuildSynchronousFsdRequest(major: u32, device: *mut DEVICE_OBJECT, buffer: usize, length: u32, offset: *mut i64, event: *mut KEVENT, block: *mut IO_STATUS_BLOCK) -> usize [irql <= PASSIVE_LEVEL] {
        arg!(IoBuildSynchronousFsdRequest: device, event, block);
        let offset = load_if(offset)?.unwrap_or(0);
        Ok(address(io::io_build_fsd_request(major as u8, device, (buffer, length), offset, Some(event), Some(block))?))
    }

    /// A read, write, flush or shutdown, which the driver frees.
    pub fn IoBuildAsynchronousFsdRequest(major: u32, device: *mut DEVICE_OBJECT, buffer: usize, length: u32, offset: *mut i64, block: *mut IO_STATUS_BLOCK) -> usize [irql <= APC_LEVEL] {
        arg!(IoBuildAsynchronousFsdRequest: device);
        let block = optional(block, "IoBuildAsynchronousFsdRequest", "IoStatusBlock")?;
        let offset = load_if(offset)?.unwrap_or(0);
        Ok(address(io::io_build_fsd_request(major as u8, device, (buffer, length), offset, None, block)?))
    }

    /// An IRP that belongs to another.
    pub fn IoMakeAssociatedIrp(master: *mut IRP, stack_size: u8) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(IoMakeAssociatedIrp: master);
        Ok(address(io::io_make_associated_irp(master, stack_size)))
    }

    /// Prepares an IRP in the driver's own memory.
    pub fn IoInitializeIrp(irp: *mut IRP, bytes: u16, stack_size: u8) -> () [irql <= DISPATCH_LEVEL] {
        arg!(IoInitializeIrp: irp);
        io::io_initialize_irp(irp, bytes, stack_size);
        Ok(())
    }

    /// Prepares an IRP that was used.
    pub fn IoReuseIrp(irp: *mut IRP, status: NtStatus) -> () [irql <= DISPATCH_LEVEL] {
        arg!(IoReuseIrp: irp);
        io::io_reuse_irp(irp, status);
        Ok(())
    }

    /// Takes the lock of cancellation.
    pub fn IoAcquireCancelSpinLock(old: *mut u8) -> () [irql <= DISPATCH_LEVEL] {
        store(old, io::io_acquire_cancel_spin_lock()?, "IoAcquireCancelSpinLock", "Irql")
    }

    /// Gives it back.
    pub fn IoReleaseCancelSpinLock(old: u8) -> () [irql <= DISPATCH_LEVEL] { io::io_release_cancel_spin_lock(old) }

    /// Changes an IRP's cancel routine; the one before.
    pub fn IoSetCancelRoutine(irp: *mut IRP, routine: NativeFn) -> NativeFn [irql <= HIGH_LEVEL] {
        arg!(IoSetCancelRoutine: irp);
        Ok(io::io_set_cancel_routine(irp, routine))
    }

    /// The top of a stack, referenced.
    pub fn IoGetAttachedDeviceReference(device: *mut DEVICE_OBJECT) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(IoGetAttachedDeviceReference: device);
        referenced(io::io_get_attached_device(device))
    }

    /// The device below, referenced; null at the bottom.
    pub fn IoGetLowerDeviceObject(device: *mut DEVICE_OBJECT) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(IoGetLowerDeviceObject: device);
        io::io_get_lower_device(device).map_or(Ok(0), referenced)
    }

    /// The bottom of a stack, referenced.
    pub fn IoGetDeviceAttachmentBaseRef(device: *mut DEVICE_OBJECT) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(IoGetDeviceAttachmentBaseRef: device);
        referenced(io::io_get_device_attachment_base(device))
    }

    /// The file system's own device for a file.
    pub fn IoGetBaseFileSystemDeviceObject(file: *mut FILE_OBJECT) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(IoGetBaseFileSystemDeviceObject: file);
        Ok(std::ptr::from_ref(io::io_get_base_file_system_device(file)) as usize)
    }

    /// The disk below a file system's volume, referenced.
    pub fn IoGetDiskDeviceObject(volume: *mut DEVICE_OBJECT, out: *mut usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(IoGetDiskDeviceObject: volume);
        match io::io_get_disk_device(volume) {
            Ok(disk) => {
                store(out, referenced(disk)?, "IoGetDiskDeviceObject", "DiskDeviceObject")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// The top device behind a name, and a file object on it, referenced.
    pub fn IoGetDeviceObjectPointer(name: *mut UNICODE_STRING, access: u32, file: *mut usize, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(IoGetDeviceObjectPointer: name);
        match io::io_get_device_object_pointer(&units(name)?, access)? {
            Ok((object, device)) => {
                store(file, std::ptr::from_ref(object) as usize, "IoGetDeviceObjectPointer", "FileObject")?;
                store(out, std::ptr::from_ref(device) as usize, "IoGetDeviceObjectPointer", "DeviceObject")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Whether extended attributes hang together; where not.
    pub fn IoCheckEaBufferValidity(list: usize, length: u32, offset: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        let mut bytes = Vec::new();
        boundary::copy::append(&mut bytes, list, length as usize).map_err(fault)?;
        match io::io_check_ea_list(&bytes) {
            Ok(()) => Ok(NtStatus::SUCCESS),
            Err(at) => {
                store(offset, at as u32, "IoCheckEaBufferValidity", "ErrorOffset")?;
                Ok(NtStatus::EA_LIST_INCONSISTENT)
            }
        }
    }

    /// Whether an open agrees with those before.
    pub fn IoCheckShareAccess(access: u32, share: u32, file: *mut FILE_OBJECT, shared: *mut SHARE_ACCESS, update: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(IoCheckShareAccess: file, shared);
        Ok(io::io_check_share_access(access, share, file, shared, update != 0))
    }

    /// Notes the first open.
    pub fn IoSetShareAccess(access: u32, share: u32, file: *mut FILE_OBJECT, shared: *mut SHARE_ACCESS) -> () [irql <= PASSIVE_LEVEL] {
        arg!(IoSetShareAccess: file, shared);
        io::io_set_share_access(access, share, file, shared);
        Ok(())
    }

    /// Notes another open.
    pub fn IoUpdateShareAccess(file: *mut FILE_OBJECT, shared: *mut SHARE_ACCESS) -> () [irql <= PASSIVE_LEVEL] {
        arg!(IoUpdateShareAccess: file, shared);
        io::io_update_share_access(file, shared);
        Ok(())
    }

    /// Forgets an open.
    pub fn IoRemoveShareAccess(file: *mut FILE_OBJECT, shared: *mut SHARE_ACCESS) -> () [irql <= PASSIVE_LEVEL] {
        arg!(IoRemoveShareAccess: file, shared);
        io::io_remove_share_access(file, shared);
        Ok(())
    }

    /// Offers a file system's control device for mounts.
    pub fn IoRegisterFileSystem(device: *mut DEVICE_OBJECT) -> () [irql <= PASSIVE_LEVEL] {
        arg!(IoRegisterFileSystem: device);
        io::io_register_file_system(device)
    }

    /// Takes it back.
    pub fn IoUnregisterFileSystem(device: *mut DEVICE_OBJECT) -> () [irql <= PASSIVE_LEVEL] {
        arg!(IoUnregisterFileSystem: device);
        io::io_unregister_file_system(device)
    }

    /// Has a driver told of file systems that come and go, and of those that are there.
    pub fn IoRegisterFsRegistrationChange(driver: *mut DRIVER_OBJECT, routine: NativeFn) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(IoRegisterFsRegistrationChange: driver);
        let callback = move |device: &'static DEVICE_OBJECT, active| {
            boundary::call(routine, [std::ptr::from_ref(device) as u64, u64::from(active)]).map(|_| ())
        };
        io::io_register_fs_registration_change(driver, std::sync::Arc::new(callback))
    }

    /// Ends that.
    pub fn IoUnregisterFsRegistrationChange(driver: *mut DRIVER_OBJECT, _routine: NativeFn) -> () [irql <= PASSIVE_LEVEL] {
        arg!(IoUnregisterFsRegistrationChange: driver);
        io::io_unregister_fs_registration_change(driver);
        Ok(())
    }

    /// A file object for a file system's own use; CLEANUP has been sent.
    pub fn IoCreateStreamFileObject(file: *mut FILE_OBJECT, device: *mut DEVICE_OBJECT) -> usize [irql <= PASSIVE_LEVEL] {
        stream("IoCreateStreamFileObject", file, device, false)
    }

    /// The same without a handle and a CLEANUP.
    pub fn IoCreateStreamFileObjectLite(file: *mut FILE_OBJECT, device: *mut DEVICE_OBJECT) -> usize [irql <= PASSIVE_LEVEL] {
        stream("IoCreateStreamFileObjectLite", file, device, true)
    }

    /// What generic rights mean for files.
    pub fn IoGetFileObjectGenericMapping() -> usize [irql <= DISPATCH_LEVEL] {
        static FILES: [u32; 4] = [0x12_0089, 0x12_0116, 0x12_00A0, 0x1F_01FF];
        Ok(FILES.as_ptr() as usize)
    }

    /// The process that asked; null when no thread did.
    pub fn IoGetRequestorProcess(irp: *mut IRP) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(IoGetRequestorProcess: irp);
        Ok(requestor(irp)?.map_or(0, nt_ps::ps_thread_process))
    }

    /// Identity of the process that asked; 0 when no thread did.
    pub fn IoGetRequestorProcessId(irp: *mut IRP) -> u32 [irql <= DISPATCH_LEVEL] {
        arg!(IoGetRequestorProcessId: irp);
        requestor(irp)?.map_or(Ok(0), |thread| nt_ps::ps_thread_process_id(thread).map(|id| id as u32))
    }

    /// Whether a thread is the system's.
    pub fn IoIsSystemThread(address: usize) -> bool [irql <= DISPATCH_LEVEL] { Ok(nt_ps::ps_is_system_thread(thread(address)?)) }

    /// Where the thread's stack begins.
    pub fn IoGetInitialStack() -> usize [irql <= HIGH_LEVEL] { Ok(current_thread().stack_limits().1) }

    /// How much of the thread's stack is left.
    pub fn IoGetRemainingStackSize() -> usize [irql <= HIGH_LEVEL] {
        let here = 0u8;
        Ok((std::ptr::from_ref(&here) as usize).saturating_sub(current_thread().stack_limits().0))
    }

    /// Whether a region lies within the thread's stack.
    pub fn IoWithinStackLimits(region: usize, bytes: usize) -> u32 [irql <= HIGH_LEVEL] {
        let (low, high) = current_thread().stack_limits();
        Ok(u32::from(region >= low && region.checked_add(bytes).is_some_and(|end| end <= high)))
    }

    /// A file's transaction.
    pub fn IoGetTransactionParameterBlock(file: *mut FILE_OBJECT) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(IoGetTransactionParameterBlock: file);
        Ok(io::io_get_transaction_parameter_block(file))
    }
}

fn stream(
    export: &str,
    file: *mut FILE_OBJECT,
    device: *mut DEVICE_OBJECT,
    lite: bool,
) -> Result<usize, Raise> {
    let file = optional(file, export, "FileObject")?;
    let device = match (optional(device, export, "DeviceObject")?, file) {
        (Some(device), _) => device,
        (None, Some(file)) => required(file.DeviceObject.get(), export, "FileObject->DeviceObject")?,
        (None, None) => {
            return Err(crate::argument::wrong(
                export,
                "DeviceObject",
                0,
                "null, and there is no file object either",
            ));
        }
    };
    Ok(std::ptr::from_ref(io::io_create_stream_file_object(file, device, lite)?) as usize)
}
