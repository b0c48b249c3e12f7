//! Io: devices, IRPs, top-level marks; and the dispatch routines that drivers see in Rust drivers' tables.

use boundary::export;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL};
use nt_abi::{DEVICE_OBJECT, FILE_OBJECT, IRP, MDL, NativeFn, NtStatus};
use nt_io as io;
use nt_ke::current_thread;

use crate::argument::{arg, optional, rows, store};

rows! { "ntoskrnl.exe", "nt-io";
    IofCallDriver done "IO-15 to IO-18";
    IofCompleteRequest done "IO-13";
    IoAllocateIrp done "";
    IoFreeIrp done "";
    IoCancelIrp done "IO-20";
    IoAllocateMdl done "";
    IoFreeMdl done "";
    IoGetTopLevelIrp done "";
    IoSetTopLevelIrp done "";
    IoGetRelatedDeviceObject done "";
    IoGetStackLimits done "";
    IoIsOperationSynchronous done "SEED-IOPB-09";
    IoReplaceFileObjectName done "";
}

export! {
    /// Sends an IRP to a device.
    pub fn IofCallDriver(device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(IofCallDriver: device, irp);
        io::io_call_driver(device, irp)
    }

    /// Completes an IRP.
    pub fn IofCompleteRequest(irp: *mut IRP, boost: u8) -> () [irql <= DISPATCH_LEVEL] {
        arg!(IofCompleteRequest: irp);
        io::io_complete_request(irp, boost)
    }

    /// A new IRP, or null.
    pub fn IoAllocateIrp(stack_size: u8, _quota: u8) -> usize [irql <= DISPATCH_LEVEL] {
        Ok(io::io_allocate_irp(stack_size).map_or(0, |irp| std::ptr::from_ref(irp) as usize))
    }

    /// Frees an IRP.
    pub fn IoFreeIrp(irp: *mut IRP) -> () [irql <= DISPATCH_LEVEL] {
        arg!(IoFreeIrp: irp);
        io::io_free_irp(irp)
    }

    /// Cancels an IRP.
    pub fn IoCancelIrp(irp: *mut IRP) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(IoCancelIrp: irp);
        io::io_cancel_irp(irp)
    }

    /// A new MDL, or null.
    pub fn IoAllocateMdl(address: usize, bytes: u32, secondary: u8, _quota: u8, irp: *mut IRP) -> usize [irql <= DISPATCH_LEVEL] {
        let irp = optional(irp, "IoAllocateMdl", "Irp")?;
        Ok(io::io_allocate_mdl(address, bytes, secondary != 0, irp).map_or(0, |mdl| std::ptr::from_ref(mdl) as usize))
    }

    /// Frees an MDL.
    pub fn IoFreeMdl(mdl: *mut MDL) -> () [irql <= DISPATCH_LEVEL] {
        arg!(IoFreeMdl: mdl);
        if fltmgr::swap::refuses_to_free(mdl) { Ok(()) } else { io::io_free_mdl(mdl) }
    }

    /// The thread's top-level IRP.
    pub fn IoGetTopLevelIrp() -> usize [irql <= DISPATCH_LEVEL] {
        Ok(io::io_get_top_level_irp())
    }

    /// Sets the thread's top-level IRP.
    pub fn IoSetTopLevelIrp(irp: usize) -> () [irql <= DISPATCH_LEVEL] {
        io::io_set_top_level_irp(irp);
        Ok(())
    }

    /// The top device for a file.
    pub fn IoGetRelatedDeviceObject(file: *mut FILE_OBJECT) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(IoGetRelatedDeviceObject: file);
        Ok(std::ptr::from_ref(io::io_get_related_device(file)) as usize)
    }

    /// Where the thread's stack lies.
    pub fn IoGetStackLimits(low: *mut usize, high: *mut usize) -> () [irql <= HIGH_LEVEL] {
        let limits = current_thread().stack_limits();
        store(low, limits.0, "IoGetStackLimits", "LowLimit")?;
        store(high, limits.1, "IoGetStackLimits", "HighLimit")
    }

    /// Whether the issuer waits.
    pub fn IoIsOperationSynchronous(irp: *mut IRP) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(IoIsOperationSynchronous: irp);
        Ok(io::io_is_operation_synchronous(irp))
    }

    /// Gives a file another name, for a reparse.
    pub fn IoReplaceFileObjectName(file: *mut FILE_OBJECT, name: usize, bytes: u16) -> NtStatus [irql <= APC_LEVEL] {
        arg!(IoReplaceFileObjectName: file);
        let name = nt_rtl::string::read_units(name, usize::from(bytes) / 2).map_err(crate::argument::fault)?;
        Ok(io::io_replace_file_object_name(file, &name))
    }

    /// What fresh drivers' tables hold.
    pub fn invalid_device_request(device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(invalid_device_request: device, irp);
        io::invalid_device_request(device, irp)
    }

    /// What Rust drivers' tables hold, for native callers.
    pub fn rust_dispatch(device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(rust_dispatch: device, irp);
        io::rust_dispatch(device, irp)
    }
}

/// Tells the I/O manager the native addresses of its dispatch routines.
pub(crate) fn initialize(io: &io::Io) {
    io.set_default_dispatch(NativeFn(invalid_device_request as *const () as usize));
    io.set_rust_dispatch(NativeFn(rust_dispatch as *const () as usize));
}
