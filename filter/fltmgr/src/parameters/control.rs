//! FILE_SYSTEM_CONTROL and the two DEVICE_CONTROLs: the form follows the control code's method, or the minor
//! function for mounts. Source: PARM-14, PARM-15.

use nt_abi::{
    FLT_PARAMETERS, IO_STACK_LOCATION, IRP, IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MN_KERNEL_CALL,
    IRP_MN_USER_FS_REQUEST,
};

const METHOD_BUFFERED: u32 = 0;
const METHOD_NEITHER: u32 = 3;

/// Whether the parameters are a control code with its buffers.
fn has_code(stack: &IO_STACK_LOCATION) -> bool {
    stack.MajorFunction.get() != IRP_MJ_FILE_SYSTEM_CONTROL
        || matches!(stack.MinorFunction.get(), IRP_MN_USER_FS_REQUEST | IRP_MN_KERNEL_CALL)
}

pub fn is_buffered(stack: &IO_STACK_LOCATION) -> bool {
    has_code(stack) && stack.Parameters.DeviceIoControl().IoControlCode.get() & 3 == METHOD_BUFFERED
}

pub fn load(irp: &IRP, stack: &IO_STACK_LOCATION, parameters: &FLT_PARAMETERS) {
    if !has_code(stack) {
        let (from, to) = (stack.Parameters.VerifyVolume(), parameters.FileSystemControl().VerifyVolume());
        to.Vpb.set(from.Vpb.get());
        to.DeviceObject.set(from.DeviceObject.get());
        return;
    }
    let (from, to) = (stack.Parameters.DeviceIoControl(), parameters.DeviceIoControl());
    let common = to.Common();
    common.OutputBufferLength.set(from.OutputBufferLength.get());
    common.InputBufferLength.set(from.InputBufferLength.get());
    common.IoControlCode.set(from.IoControlCode.get());
    match from.IoControlCode.get() & 3 {
        METHOD_BUFFERED => to.Buffered().SystemBuffer.set(irp.SystemBuffer().get()),
        METHOD_NEITHER => {
            to.Neither().InputBuffer.set(from.Type3InputBuffer.get());
            to.Neither().OutputBuffer.set(irp.UserBuffer.get());
            to.Neither().OutputMdlAddress.set(irp.MdlAddress.get());
        }
        _ => {
            to.Direct().InputSystemBuffer.set(irp.SystemBuffer().get());
            to.Direct().OutputBuffer.set(irp.UserBuffer.get());
            to.Direct().OutputMdlAddress.set(irp.MdlAddress.get());
        }
    }
}

pub fn store(parameters: &FLT_PARAMETERS, irp: &IRP, next: &IO_STACK_LOCATION) {
    if !has_code(next) {
        let (from, to) = (parameters.FileSystemControl().VerifyVolume(), next.Parameters.VerifyVolume());
        to.Vpb.set(from.Vpb.get());
        to.DeviceObject.set(from.DeviceObject.get());
        return;
    }
    let (from, to) = (parameters.DeviceIoControl(), next.Parameters.DeviceIoControl());
    let common = from.Common();
    to.OutputBufferLength.set(common.OutputBufferLength.get());
    to.InputBufferLength.set(common.InputBufferLength.get());
    to.IoControlCode.set(common.IoControlCode.get());
    match common.IoControlCode.get() & 3 {
        METHOD_BUFFERED => irp.SystemBuffer().set(from.Buffered().SystemBuffer.get()),
        METHOD_NEITHER => {
            to.Type3InputBuffer.set(from.Neither().InputBuffer.get());
            irp.UserBuffer.set(from.Neither().OutputBuffer.get());
            irp.MdlAddress.set(from.Neither().OutputMdlAddress.get());
        }
        _ => {
            irp.SystemBuffer().set(from.Direct().InputSystemBuffer.get());
            irp.UserBuffer.set(from.Direct().OutputBuffer.get());
            irp.MdlAddress.set(from.Direct().OutputMdlAddress.get());
        }
    }
}
