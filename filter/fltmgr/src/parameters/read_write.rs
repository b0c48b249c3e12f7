//! READ and WRITE. The two arms of each union have one layout. Source: PARM-09, SWAP-01.

use nt_abi::{FLT_PARAMETERS, IO_STACK_LOCATION, IRP};

use super::{data_buffer, set_data_buffer};

pub fn load(irp: &IRP, stack: &IO_STACK_LOCATION, parameters: &FLT_PARAMETERS) {
    let (from, to) = (stack.Parameters.Read(), parameters.Read());
    to.Length.set(from.Length.get());
    to.Key.set(from.Key.get());
    to.ByteOffset.set(from.ByteOffset.get());
    to.ReadBuffer.set(data_buffer(irp));
    to.MdlAddress.set(irp.MdlAddress.get());
}

pub fn store(parameters: &FLT_PARAMETERS, irp: &IRP, next: &IO_STACK_LOCATION) {
    let (from, to) = (parameters.Read(), next.Parameters.Read());
    to.Length.set(from.Length.get());
    to.Key.set(from.Key.get());
    to.ByteOffset.set(from.ByteOffset.get());
    set_data_buffer(irp, from.ReadBuffer.get());
    irp.MdlAddress.set(from.MdlAddress.get());
}
