//! What thunks do with the arguments of drivers: pointers become references or end the machine with the export's name.
//!
//! Null and misaligned pointers are caught here. A pointer that is neither but points nowhere faults in the engine,
//! which the boundary reports as a bad argument of the export, with the driver's place.
//!
//! UNSAFETY: turns pointers of drivers into references to structures whose fields are all cells or atomics.

use boundary::{Raise, copy};
use nt_abi::{Abi, NtStatus, bugcheck};
use nt_ke::{BugCheck, current_core};

fn bad_pointer(address: usize, export: &str, argument: &str, what: &str) -> Raise {
    current_core().bug_check(BugCheck::new(
        bugcheck::KMODE_EXCEPTION_NOT_HANDLED,
        [u64::from(NtStatus::ACCESS_VIOLATION.bits()), boundary::caller_address() as u64, 0, address as u64],
        format!("{export} was called with argument {argument} = {address:#x}, {what}"),
    ))
}

/// The structure that a pointer must point at.
///
/// Errors: null or misaligned is a bug check that names `export` and `argument`.
pub(crate) fn required<T: Abi>(pointer: *mut T, export: &str, argument: &str) -> Result<&'static T, Raise> {
    if pointer.is_null() {
        return Err(bad_pointer(0, export, argument, "a null pointer"));
    }
    if !pointer.is_aligned() {
        let what = format!("which is not aligned to {} bytes", align_of::<T>());
        return Err(bad_pointer(pointer as usize, export, argument, &what));
    }
    // SAFETY: not null and aligned; `Abi` types take each bit pattern and have interior mutability throughout, and the
    // driver promises that the structure stays for the call. An address without memory faults, which ends the machine.
    Ok(unsafe { &*pointer })
}

/// The same, where null is allowed.
pub(crate) fn optional<T: Abi>(
    pointer: *mut T,
    export: &str,
    argument: &str,
) -> Result<Option<&'static T>, Raise> {
    if pointer.is_null() { Ok(None) } else { required(pointer, export, argument).map(Some) }
}

/// A bug check for an argument that makes no sense; `what` says why and what is allowed.
pub(crate) fn wrong(export: &str, argument: &str, value: u64, what: &str) -> Raise {
    bad_pointer(value as usize, export, argument, what)
}

/// What a fault on a driver's buffer becomes: raised for addresses a caller in user mode may have passed, else a bug
/// check, as on Windows, where no handler sees a fault on a kernel address.
pub(crate) fn fault(bad: copy::BadAddress) -> Raise {
    let core = current_core();
    if bad.0 < core.slot.system_range_start() {
        return Raise::Status(NtStatus::ACCESS_VIOLATION);
    }
    let block = boundary::current();
    let write = block.fault.get().write;
    let what = if write != 0 { "write" } else { "read" };
    core.bug_check(BugCheck::new(
        bugcheck::PAGE_FAULT_IN_NONPAGED_AREA,
        [bad.0 as u64, u64::from(write), boundary::caller_address() as u64, u64::from(block.irql.get())],
        format!("the driver asked an export to {what} address {:#x}, which is not accessible", bad.0),
    ))
}

/// Writes a plain value through an out pointer that must not be null.
pub(crate) fn store<T: Copy>(pointer: *mut T, value: T, export: &str, argument: &str) -> Result<(), Raise> {
    if pointer.is_null() {
        return Err(bad_pointer(0, export, argument, "a null pointer"));
    }
    copy::write_value(pointer as usize, value).map_err(fault)
}

/// Writes a plain value through an out pointer unless that is null.
pub(crate) fn store_if<T: Copy>(pointer: *mut T, value: T) -> Result<(), Raise> {
    if pointer.is_null() { Ok(()) } else { copy::write_value(pointer as usize, value).map_err(fault) }
}

/// Reads a plain value through a pointer that must not be null.
pub(crate) fn load<T: Copy + Default>(pointer: *mut T, export: &str, argument: &str) -> Result<T, Raise> {
    if pointer.is_null() {
        return Err(bad_pointer(0, export, argument, "a null pointer"));
    }
    copy::read_value(pointer as usize).map_err(fault)
}

/// Reads a plain value through a pointer that may be null.
pub(crate) fn load_if<T: Copy + Default>(pointer: *mut T) -> Result<Option<T>, Raise> {
    if pointer.is_null() { Ok(None) } else { copy::read_value(pointer as usize).map(Some).map_err(fault) }
}

/// `Ok(())` is SUCCESS.
pub(crate) fn status<T>(result: Result<T, NtStatus>) -> NtStatus {
    result.map_or_else(|status| status, |_| NtStatus::SUCCESS)
}

/// A helper's answer for routines without a status: ACCESS_VIOLATION is raised, other failures end the machine.
pub(crate) fn raised<T>(result: Result<T, NtStatus>) -> Result<T, Raise> {
    result.map_err(Raise::Status)
}

/// Replaces pointer arguments by references: `arg!(KeSetEvent: event)`.
macro_rules! arg {
    ($export:ident: $($name:ident),+) => {
        $( let $name = $crate::argument::required($name, stringify!($export), stringify!($name))?; )+
    };
}

/// Lists the exports of a file for the table: `rows! { "ntoskrnl.exe", "nt-ke"; KeSetEvent done "EXEC-19"; … }`.
macro_rules! rows {
    ($image:literal, $home:literal; $( $name:ident $state:ident $note:literal; )*) => {
        /// Rows of this file.
        pub(crate) const ROWS: &[::boundary::Export] = &[ $( ::boundary::Export {
            image: $image,
            name: stringify!($name),
            address: || $name as *const () as usize,
            home: $home,
            done: rows!(@ $state),
            note: $note,
        } ),* ];
    };
    (@ done) => { true };
    (@ partial) => { false };
}

pub(crate) use {arg, rows};
