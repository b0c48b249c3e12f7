//! CREATE, CREATE_NAMED_PIPE, CREATE_MAILSLOT. Source: PARM-07, PARM-08.

use nt_abi::{FLT_PARAMETERS, IO_STACK_LOCATION, IRP};

pub fn load(irp: &IRP, stack: &IO_STACK_LOCATION, parameters: &FLT_PARAMETERS) {
    let (from, to) = (stack.Parameters.Create(), parameters.Create());
    to.SecurityContext.set(from.SecurityContext.get());
    to.Options.set(from.Options.get());
    to.FileAttributes.set(from.FileAttributes.get());
    to.ShareAccess.set(from.ShareAccess.get());
    to.EaLength.set(from.EaLength.get());
    to.EaBuffer.set(irp.SystemBuffer().get());
    to.AllocationSize.set(irp.Overlay.AllocationSize().get());
}

pub fn store(parameters: &FLT_PARAMETERS, irp: &IRP, next: &IO_STACK_LOCATION) {
    let (from, to) = (parameters.Create(), next.Parameters.Create());
    to.SecurityContext.set(from.SecurityContext.get());
    to.Options.set(from.Options.get());
    to.FileAttributes.set(from.FileAttributes.get());
    to.ShareAccess.set(from.ShareAccess.get());
    to.EaLength.set(from.EaLength.get());
    irp.SystemBuffer().set(from.EaBuffer.get());
    irp.Overlay.AllocationSize().set(from.AllocationSize.get());
}

pub fn load_pipe(stack: &IO_STACK_LOCATION, parameters: &FLT_PARAMETERS) {
    let (from, to) = (stack.Parameters.CreatePipe(), parameters.CreatePipe());
    to.SecurityContext.set(from.SecurityContext.get());
    to.Options.set(from.Options.get());
    to.Reserved.set(from.Reserved.get());
    to.ShareAccess.set(from.ShareAccess.get());
    to.Parameters.set(from.Parameters.get());
}

pub fn store_pipe(parameters: &FLT_PARAMETERS, next: &IO_STACK_LOCATION) {
    let (from, to) = (parameters.CreatePipe(), next.Parameters.CreatePipe());
    to.SecurityContext.set(from.SecurityContext.get());
    to.Options.set(from.Options.get());
    to.ShareAccess.set(from.ShareAccess.get());
    to.Parameters.set(from.Parameters.get());
}
