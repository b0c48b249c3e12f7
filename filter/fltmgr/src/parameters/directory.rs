//! DIRECTORY_CONTROL: query and notify. Source: PARM-13, SWAP-01.

use nt_abi::{FLT_PARAMETERS, IO_STACK_LOCATION, IRP, IRP_MN_QUERY_DIRECTORY};

use super::{data_buffer, set_data_buffer};

pub fn load(irp: &IRP, stack: &IO_STACK_LOCATION, parameters: &FLT_PARAMETERS) {
    let to = parameters.QueryDirectory();
    if stack.MinorFunction.get() == IRP_MN_QUERY_DIRECTORY {
        let from = stack.Parameters.QueryDirectory();
        to.Length.set(from.Length.get());
        to.FileName.set(from.FileName.get());
        to.FileInformationClass.set(from.FileInformationClass.get());
        to.FileIndex.set(from.FileIndex.get());
    } else {
        let (from, notify) = (stack.Parameters.NotifyDirectoryEx(), parameters.NotifyDirectory());
        notify.Length.set(from.Length.get());
        notify.CompletionFilter.set(from.CompletionFilter.get());
        notify.Spare1.set(from.DirectoryNotifyInformationClass.get());
    }
    // Buffer and MDL stand at the same place in both forms.
    to.DirectoryBuffer.set(data_buffer(irp));
    to.MdlAddress.set(irp.MdlAddress.get());
}

pub fn store(parameters: &FLT_PARAMETERS, irp: &IRP, next: &IO_STACK_LOCATION) {
    let from = parameters.QueryDirectory();
    if next.MinorFunction.get() == IRP_MN_QUERY_DIRECTORY {
        let to = next.Parameters.QueryDirectory();
        to.Length.set(from.Length.get());
        to.FileName.set(from.FileName.get());
        to.FileInformationClass.set(from.FileInformationClass.get());
        to.FileIndex.set(from.FileIndex.get());
    } else {
        let (notify, to) = (parameters.NotifyDirectory(), next.Parameters.NotifyDirectoryEx());
        to.Length.set(notify.Length.get());
        to.CompletionFilter.set(notify.CompletionFilter.get());
        to.DirectoryNotifyInformationClass.set(notify.Spare1.get());
    }
    set_data_buffer(irp, from.DirectoryBuffer.get());
    irp.MdlAddress.set(from.MdlAddress.get());
}
