//! Who asked for an operation, and whether it waits for it.
//!
//! UNSAFETY: reads the thread that an IRP or callback data names.

use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{
    FLT_CALLBACK_DATA, FLTFL_CALLBACK_DATA_IRP_OPERATION, FO_SYNCHRONOUS_IO, IRP, IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_QUERY_INFORMATION, IRP_MJ_READ,
    IRP_MJ_SET_INFORMATION, IRP_MJ_WRITE, IRP_PAGING_IO, IRP_SYNCHRONOUS_API, IRP_SYNCHRONOUS_PAGING_IO,
    NtStatus,
};
use nt_ke::KTHREAD;

use crate::pointer;

fn thread(address: usize) -> Option<&'static KTHREAD> {
    // SAFETY: threads stay while operations that they issued are on their way; null means none.
    unsafe { (address as *const KTHREAD).as_ref() }
}

/// The process that the issuing thread of `irp` runs in, or 0.
pub fn process_of_irp(irp: &IRP) -> usize {
    thread(irp.Thread().get() as usize).map_or(0, |thread| thread.process())
}

/// The process that the requesting thread is attached to now; 0 without a thread.
///
/// Source:  FltGetRequestorProcess; OBJ-25, GIO-40
/// IRQL:    <= DISPATCH_LEVEL
pub fn flt_get_requestor_process(data: &FLT_CALLBACK_DATA) -> usize {
    thread(data.Thread.get() as usize).map_or(0, |thread| thread.attached_process().get())
}

/// Its identifier; 0 without a thread. Source: FltGetRequestorProcessId; OBJ-25.
pub fn flt_get_requestor_process_id(data: &FLT_CALLBACK_DATA) -> Result<u32, Raise> {
    match flt_get_requestor_process(data) {
        0 => Ok(0),
        process => Ok(nt_ps::ps_process(process)?.id() as u32),
    }
}

/// Its whole identifier, as a handle. Source: FltGetRequestorProcessIdEx; OBJ-25.
pub fn flt_get_requestor_process_id_ex(data: &FLT_CALLBACK_DATA) -> Result<usize, Raise> {
    match flt_get_requestor_process(data) {
        0 => Ok(0),
        process => Ok(nt_ps::ps_process(process)?.id()),
    }
}

/// The terminal session of its process. Source: FltGetRequestorSessionId. Errors: UNSUCCESSFUL (no process).
pub fn flt_get_requestor_session_id(data: &FLT_CALLBACK_DATA) -> Result<Result<u32, NtStatus>, Raise> {
    match flt_get_requestor_process(data) {
        0 => Ok(Err(NtStatus::UNSUCCESSFUL)),
        process => Ok(Ok(nt_ps::ps_process(process)?.session())),
    }
}

/// Whether the bits mean paging for this operation. Source: SEED-IOPB-11.
pub fn is_paging(data: &FLT_CALLBACK_DATA) -> bool {
    let block = pointer::iopb(data);
    data.Flags.get() & FLTFL_CALLBACK_DATA_IRP_OPERATION != 0
        && block.IrpFlags.get() & IRP_PAGING_IO != 0
        && matches!(
            block.MajorFunction.get(),
            IRP_MJ_READ | IRP_MJ_WRITE | IRP_MJ_QUERY_INFORMATION | IRP_MJ_SET_INFORMATION
        )
}

/// Whether whoever issued the operation waits for it.
///
/// Source:  FltIsOperationSynchronous; GIO-39
/// IRQL:    any
pub fn flt_is_operation_synchronous(data: &FLT_CALLBACK_DATA) -> bool {
    if data.Flags.get() & FLTFL_CALLBACK_DATA_IRP_OPERATION == 0 {
        return true;
    }
    let block = pointer::iopb(data);
    if is_paging(data) {
        return block.IrpFlags.get() & IRP_SYNCHRONOUS_PAGING_IO != 0;
    }
    let synchronous_file = pointer::file(block.TargetFileObject.get())
        .is_some_and(|file| file.Flags.load(Ordering::Relaxed) & FO_SYNCHRONOUS_IO != 0);
    let control = matches!(
        block.MajorFunction.get(),
        IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL | IRP_MJ_FILE_SYSTEM_CONTROL
    );
    synchronous_file
        || block.IrpFlags.get() & IRP_SYNCHRONOUS_API != 0
        || (control && block.Parameters.DeviceIoControl().Common().IoControlCode.get() & 3 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nt_abi::{FILE_OBJECT, FLT_IO_PARAMETER_BLOCK, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION, IRP_MJ_CREATE};

    #[test]
    fn whether_an_operation_is_synchronous_is_asked_in_the_documented_order() {
        // spec: GIO-39, SEED-IOPB-09, SEED-IOPB-10, SEED-IOPB-11, IOPB-05
        let (data, block, file) =
            (FLT_CALLBACK_DATA::zeroed(), FLT_IO_PARAMETER_BLOCK::zeroed(), FILE_OBJECT::zeroed());
        data.Iopb.set(std::ptr::from_ref(&block).cast_mut());
        block.TargetFileObject.set(std::ptr::from_ref(&file).cast_mut());
        let ask = |flags, major, irp_flags, file_flags| {
            data.Flags.set(flags);
            block.MajorFunction.set(major);
            block.IrpFlags.set(irp_flags);
            file.Flags.store(file_flags, Ordering::Relaxed);
            flt_is_operation_synchronous(&data)
        };
        let irp = FLTFL_CALLBACK_DATA_IRP_OPERATION;
        assert!(ask(FLTFL_CALLBACK_DATA_FAST_IO_OPERATION, IRP_MJ_READ, 0, 0));
        assert!(!ask(irp, IRP_MJ_READ, 0, 0));
        assert!(
            !ask(irp, IRP_MJ_READ, IRP_PAGING_IO, FO_SYNCHRONOUS_IO),
            "asynchronous paging overrides the rest"
        );
        assert!(ask(irp, IRP_MJ_READ, IRP_PAGING_IO | IRP_SYNCHRONOUS_PAGING_IO, 0));
        assert!(ask(irp, IRP_MJ_WRITE, 0, FO_SYNCHRONOUS_IO));
        assert!(ask(irp, IRP_MJ_CREATE, IRP_SYNCHRONOUS_API, 0));
        assert!(!ask(irp, IRP_MJ_CREATE, IRP_PAGING_IO, 0), "bit 2 means paging for few majors only");
        let code = |code| block.Parameters.DeviceIoControl().Common().IoControlCode.set(code);
        code(0x9_0000);
        assert!(ask(irp, IRP_MJ_FILE_SYSTEM_CONTROL, 0, 0));
        code(0x9_0003);
        assert!(!ask(irp, IRP_MJ_FILE_SYSTEM_CONTROL, 0, 0));
    }
}
