//! Codes of our own, in fields where NT leaves room.

/// In `IO_STACK_LOCATION.Control`: the completion routine is a Rust function. Drivers that set a routine
/// clear the whole byte first.
pub(crate) const CONTROL_RUST: u8 = 0x08;

/// In `IRP.AllocationFlags`: a tail follows the stack locations.
pub(crate) const ALLOCATION_ISSUED: u8 = 0x40;
