//! LOCK_CONTROL. Source: PARM-17.

use nt_abi::{FLT_PARAMETERS, IO_STACK_LOCATION, IRP, SL_EXCLUSIVE_LOCK, SL_FAIL_IMMEDIATELY};

pub fn load(irp: &IRP, stack: &IO_STACK_LOCATION, parameters: &FLT_PARAMETERS) {
    let (from, to) = (stack.Parameters.LockControl(), parameters.LockControl());
    to.Length.set(from.Length.get());
    to.Key.set(from.Key.get());
    to.ByteOffset.set(from.ByteOffset.get());
    to.ProcessId.set(crate::requestor::process_of_irp(irp) as *mut _);
    to.FailImmediately.set(u8::from(stack.Flags.get() & SL_FAIL_IMMEDIATELY != 0));
    to.ExclusiveLock.set(u8::from(stack.Flags.get() & SL_EXCLUSIVE_LOCK != 0));
}

pub fn store(parameters: &FLT_PARAMETERS, next: &IO_STACK_LOCATION) {
    let (from, to) = (parameters.LockControl(), next.Parameters.LockControl());
    to.Length.set(from.Length.get());
    to.Key.set(from.Key.get());
    to.ByteOffset.set(from.ByteOffset.get());
}
