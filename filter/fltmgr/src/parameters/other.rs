//! PNP, SYSTEM_CONTROL and majors whose parameters are four words or none. Source: PARM-05.

use nt_abi::{FLT_PARAMETERS, IO_STACK_LOCATION, IRP_MJ_PNP, IRP_MJ_SYSTEM_CONTROL};

fn has_words(major: u8) -> bool {
    matches!(major, IRP_MJ_PNP | IRP_MJ_SYSTEM_CONTROL)
}

pub fn load(stack: &IO_STACK_LOCATION, parameters: &FLT_PARAMETERS) {
    if has_words(stack.MajorFunction.get()) {
        for (to, from) in parameters.raw.iter().zip(&stack.Parameters.raw) {
            to.set(from.get());
        }
    }
}

pub fn store(parameters: &FLT_PARAMETERS, next: &IO_STACK_LOCATION) {
    if has_words(next.MajorFunction.get()) {
        for (from, to) in parameters.raw.iter().zip(&next.Parameters.raw) {
            to.set(from.get());
        }
    }
}
