//! QUERY_EA and SET_EA. Source: PARM-29, SWAP-01.

use nt_abi::{FLT_PARAMETERS, IO_STACK_LOCATION, IRP, IRP_MJ_QUERY_EA};

use super::{data_buffer, set_data_buffer};

pub fn load(irp: &IRP, stack: &IO_STACK_LOCATION, parameters: &FLT_PARAMETERS) {
    if stack.MajorFunction.get() == IRP_MJ_QUERY_EA {
        let (from, to) = (stack.Parameters.QueryEa(), parameters.QueryEa());
        to.Length.set(from.Length.get());
        to.EaList.set(from.EaList.get());
        to.EaListLength.set(from.EaListLength.get());
        to.EaIndex.set(from.EaIndex.get());
        to.EaBuffer.set(data_buffer(irp));
        to.MdlAddress.set(irp.MdlAddress.get());
    } else {
        let (from, to) = (stack.Parameters.SetEa(), parameters.SetEa());
        to.Length.set(from.Length.get());
        to.EaBuffer.set(data_buffer(irp));
        to.MdlAddress.set(irp.MdlAddress.get());
    }
}

pub fn store(parameters: &FLT_PARAMETERS, irp: &IRP, next: &IO_STACK_LOCATION) {
    if next.MajorFunction.get() == IRP_MJ_QUERY_EA {
        let (from, to) = (parameters.QueryEa(), next.Parameters.QueryEa());
        to.Length.set(from.Length.get());
        to.EaList.set(from.EaList.get());
        to.EaListLength.set(from.EaListLength.get());
        to.EaIndex.set(from.EaIndex.get());
        set_data_buffer(irp, from.EaBuffer.get());
        irp.MdlAddress.set(from.MdlAddress.get());
    } else {
        let (from, to) = (parameters.SetEa(), next.Parameters.SetEa());
        to.Length.set(from.Length.get());
        set_data_buffer(irp, from.EaBuffer.get());
        irp.MdlAddress.set(from.MdlAddress.get());
    }
}
