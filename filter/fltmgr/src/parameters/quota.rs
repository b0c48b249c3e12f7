//! QUERY_QUOTA and SET_QUOTA. Source: PARM-29, SWAP-01.

use nt_abi::{FLT_PARAMETERS, IO_STACK_LOCATION, IRP, IRP_MJ_QUERY_QUOTA};

use super::{data_buffer, set_data_buffer};

pub fn load(irp: &IRP, stack: &IO_STACK_LOCATION, parameters: &FLT_PARAMETERS) {
    if stack.MajorFunction.get() == IRP_MJ_QUERY_QUOTA {
        let (from, to) = (stack.Parameters.QueryQuota(), parameters.QueryQuota());
        to.Length.set(from.Length.get());
        to.StartSid.set(from.StartSid.get());
        to.SidList.set(from.SidList.get());
        to.SidListLength.set(from.SidListLength.get());
        to.QuotaBuffer.set(data_buffer(irp));
        to.MdlAddress.set(irp.MdlAddress.get());
    } else {
        let (from, to) = (stack.Parameters.SetQuota(), parameters.SetQuota());
        to.Length.set(from.Length.get());
        to.QuotaBuffer.set(data_buffer(irp));
        to.MdlAddress.set(irp.MdlAddress.get());
    }
}

pub fn store(parameters: &FLT_PARAMETERS, irp: &IRP, next: &IO_STACK_LOCATION) {
    if next.MajorFunction.get() == IRP_MJ_QUERY_QUOTA {
        let (from, to) = (parameters.QueryQuota(), next.Parameters.QueryQuota());
        to.Length.set(from.Length.get());
        to.StartSid.set(from.StartSid.get());
        to.SidList.set(from.SidList.get());
        to.SidListLength.set(from.SidListLength.get());
        set_data_buffer(irp, from.QuotaBuffer.get());
        irp.MdlAddress.set(from.MdlAddress.get());
    } else {
        let (from, to) = (parameters.SetQuota(), next.Parameters.SetQuota());
        to.Length.set(from.Length.get());
        set_data_buffer(irp, from.QuotaBuffer.get());
        irp.MdlAddress.set(from.MdlAddress.get());
    }
}
