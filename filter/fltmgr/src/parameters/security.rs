//! QUERY_SECURITY and SET_SECURITY: always neither buffered nor direct. Source: PARM-30.

use nt_abi::{FLT_PARAMETERS, IO_STACK_LOCATION, IRP, IRP_MJ_QUERY_SECURITY};

pub fn load(irp: &IRP, stack: &IO_STACK_LOCATION, parameters: &FLT_PARAMETERS) {
    if stack.MajorFunction.get() == IRP_MJ_QUERY_SECURITY {
        let (from, to) = (stack.Parameters.QuerySecurity(), parameters.QuerySecurity());
        to.SecurityInformation.set(from.SecurityInformation.get());
        to.Length.set(from.Length.get());
        to.SecurityBuffer.set(irp.UserBuffer.get());
        to.MdlAddress.set(irp.MdlAddress.get());
    } else {
        let (from, to) = (stack.Parameters.SetSecurity(), parameters.SetSecurity());
        to.SecurityInformation.set(from.SecurityInformation.get());
        to.SecurityDescriptor.set(from.SecurityDescriptor.get());
    }
}

pub fn store(parameters: &FLT_PARAMETERS, irp: &IRP, next: &IO_STACK_LOCATION) {
    if next.MajorFunction.get() == IRP_MJ_QUERY_SECURITY {
        let (from, to) = (parameters.QuerySecurity(), next.Parameters.QuerySecurity());
        to.SecurityInformation.set(from.SecurityInformation.get());
        to.Length.set(from.Length.get());
        irp.UserBuffer.set(from.SecurityBuffer.get());
        irp.MdlAddress.set(from.MdlAddress.get());
    } else {
        let (from, to) = (parameters.SetSecurity(), next.Parameters.SetSecurity());
        to.SecurityInformation.set(from.SecurityInformation.get());
        to.SecurityDescriptor.set(from.SecurityDescriptor.get());
    }
}
