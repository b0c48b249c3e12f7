//! QUERY and SET_INFORMATION, QUERY and SET_VOLUME_INFORMATION: always buffered. Source: PARM-10, PARM-11, PARM-30.
//!
//! The query arms and both volume arms have one layout: length, class, buffer.

use nt_abi::{FLT_PARAMETERS, IO_STACK_LOCATION, IRP};

pub fn load_query(irp: &IRP, stack: &IO_STACK_LOCATION, parameters: &FLT_PARAMETERS) {
    let (from, to) = (stack.Parameters.QueryFile(), parameters.QueryFileInformation());
    to.Length.set(from.Length.get());
    to.FileInformationClass.set(from.FileInformationClass.get());
    to.InfoBuffer.set(irp.SystemBuffer().get());
}

pub fn store_query(parameters: &FLT_PARAMETERS, irp: &IRP, next: &IO_STACK_LOCATION) {
    let (from, to) = (parameters.QueryFileInformation(), next.Parameters.QueryFile());
    to.Length.set(from.Length.get());
    to.FileInformationClass.set(from.FileInformationClass.get());
    irp.SystemBuffer().set(from.InfoBuffer.get());
}

pub fn load_set(irp: &IRP, stack: &IO_STACK_LOCATION, parameters: &FLT_PARAMETERS) {
    let (from, to) = (stack.Parameters.SetFile(), parameters.SetFileInformation());
    to.Length.set(from.Length.get());
    to.FileInformationClass.set(from.FileInformationClass.get());
    to.ParentOfTarget.set(from.FileObject.get());
    // The flags share their words with ClusterCount and DeleteHandle: take the words whole.
    to.DeleteHandle().set(from.DeleteHandle().get());
    to.InfoBuffer.set(irp.SystemBuffer().get());
}

pub fn store_set(parameters: &FLT_PARAMETERS, irp: &IRP, next: &IO_STACK_LOCATION) {
    let (from, to) = (parameters.SetFileInformation(), next.Parameters.SetFile());
    to.Length.set(from.Length.get());
    to.FileInformationClass.set(from.FileInformationClass.get());
    to.FileObject.set(from.ParentOfTarget.get());
    to.DeleteHandle().set(from.DeleteHandle().get());
    irp.SystemBuffer().set(from.InfoBuffer.get());
}
