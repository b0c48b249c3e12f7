//! The C run-time library: printf and its relatives.

use boundary::{Raise, copy, export, export_variadic};
use nt_abi::irql::{HIGH_LEVEL, PASSIVE_LEVEL};
use nt_rtl::format;
use nt_rtl::string::write_units;

use crate::argument::{fault, rows};

rows! { "ntoskrnl.exe", "nt-rtl";
    sprintf done "no floating point";
    _snprintf done "no floating point";
    _snwprintf done "no floating point";
    swprintf done "no floating point";
    vsprintf done "no floating point";
    _vsnprintf done "no floating point";
    _vsnwprintf done "no floating point";
    sprintf_s done "an error empties the target";
    swprintf_s done "an error empties the target";
    vsprintf_s done "an error empties the target";
    vswprintf_s done "an error empties the target";
    _snprintf_s done "cuts with _TRUNCATE or a count, else empties the target";
    _snwprintf_s done "cuts with _TRUNCATE or a count, else empties the target";
    _vsnprintf_s done "cuts with _TRUNCATE or a count, else empties the target";
    _vsnwprintf_s done "cuts with _TRUNCATE or a count, else empties the target";
}

/// `_TRUNCATE`.
const TRUNCATE: usize = usize::MAX;

/// What printf produces: bytes or units.
trait Text: Sized + Copy + Default {
    fn format(format: usize, arguments: *const u64) -> Vec<Self>;
    fn write(to: usize, text: &[Self]) -> Result<(), copy::BadAddress>;
}

impl Text for u8 {
    fn format(format: usize, arguments: *const u64) -> Vec<Self> {
        format::narrow_at(format, arguments as usize)
    }
    fn write(to: usize, text: &[Self]) -> Result<(), copy::BadAddress> {
        copy::write(to, text)
    }
}

impl Text for u16 {
    fn format(format: usize, arguments: *const u64) -> Vec<Self> {
        format::wide_at(format, arguments as usize)
    }
    fn write(to: usize, text: &[Self]) -> Result<(), copy::BadAddress> {
        write_units(to, text)
    }
}

/// `_snprintf`: cut at `count` without a zero then; -1 when it did not fit. A null target counts.
fn counted<T: Text>(to: usize, count: usize, format: usize, arguments: *const u64) -> Result<i32, Raise> {
    let mut text = T::format(format, arguments);
    let length = text.len();
    if to == 0 && count == 0 {
        return Ok(length as i32);
    }
    text.push(T::default());
    text.truncate(count);
    T::write(to, &text).map_err(fault)?;
    Ok(if length > count { -1 } else { length as i32 })
}

/// `_snprintf_s`: always zero-terminated in `capacity`; at most `count` characters.
fn secure<T: Text>(
    to: usize,
    capacity: usize,
    count: usize,
    format: usize,
    arguments: *const u64,
) -> Result<i32, Raise> {
    if to == 0 || capacity == 0 {
        return Ok(-1);
    }
    let mut text = T::format(format, arguments);
    let mut cut = false;
    if count != TRUNCATE && count < capacity && text.len() > count {
        text.truncate(count);
        cut = true;
    } else if text.len() >= capacity {
        text.truncate(if count == TRUNCATE { capacity - 1 } else { 0 });
        cut = true;
    }
    let length = text.len();
    text.push(T::default());
    T::write(to, &text).map_err(fault)?;
    Ok(if cut { -1 } else { length as i32 })
}

/// `sprintf_s`: all of it or nothing.
const ALL: usize = usize::MAX - 1;

export_variadic! {
    /// Formats.
    pub fn sprintf(to: usize, format: usize; arguments) -> i32 [irql <= PASSIVE_LEVEL, fixed 2] {
        counted::<u8>(to, usize::MAX, format, arguments)
    }
    /// Formats at most `count` characters.
    pub fn _snprintf(to: usize, count: usize, format: usize; arguments) -> i32 [irql <= HIGH_LEVEL, fixed 3] {
        counted::<u8>(to, count, format, arguments)
    }
    /// Formats at most `count` characters.
    pub fn _snwprintf(to: usize, count: usize, format: usize; arguments) -> i32 [irql <= PASSIVE_LEVEL, fixed 3] {
        counted::<u16>(to, count, format, arguments)
    }
    /// Formats.
    pub fn swprintf(to: usize, format: usize; arguments) -> i32 [irql <= PASSIVE_LEVEL, fixed 2] {
        counted::<u16>(to, usize::MAX, format, arguments)
    }
    /// Formats into a buffer of known size.
    pub fn sprintf_s(to: usize, capacity: usize, format: usize; arguments) -> i32 [irql <= PASSIVE_LEVEL, fixed 3] {
        secure::<u8>(to, capacity, ALL, format, arguments)
    }
    /// Formats into a buffer of known size.
    pub fn swprintf_s(to: usize, capacity: usize, format: usize; arguments) -> i32 [irql <= PASSIVE_LEVEL, fixed 3] {
        secure::<u16>(to, capacity, ALL, format, arguments)
    }
}

/// An export with four fixed arguments before the variable ones. These begin at the fifth argument, which lies where
/// the driver put it, since the shim takes the return address off the stack: the body finds its address there.
macro_rules! four_fixed {
    ($( $(#[$meta:meta])* $name:ident $kind:ty; )*) => { $(
        $(#[$meta])*
        ///
        /// # Safety
        /// Called by native code only, on a thread that is attached to a machine.
        #[unsafe(naked)]
        #[allow(non_snake_case)]
        pub unsafe extern "win64" fn $name() {
            extern "win64" fn body(home: *const FourFixed) -> u64 {
                boundary::shim::guard::<i32>(stringify!($name), PASSIVE_LEVEL, move || {
                    let [to, capacity, count, format] = copy::read_value::<[usize; 4]>(home as usize).map_err(fault)?;
                    secure::<$kind>(to, capacity, count, format, home.cast::<u64>().wrapping_add(4))
                })
            }
            std::arch::naked_asm!(
                "mov [rsp + 8], rcx",
                "mov [rsp + 16], rdx",
                "mov [rsp + 24], r8",
                "mov [rsp + 32], r9",
                "lea rcx, [rsp + 8]",
                "mov r10, gs:[0x208]",
                "pop qword ptr [r10]",
                "lea r10, [r10 + 8]",
                "mov gs:[0x208], r10",
                // The home space keeps the arguments, so the body gets one of its own; the stack stays aligned.
                "sub rsp, 32",
                "call {body}",
                "add rsp, 32",
                "jmp {tail}",
                body = sym body,
                tail = sym boundary::shim::shim_return,
            )
        }
    )* };
}

/// The home space of four register arguments, with the variable ones behind it.
type FourFixed = u64;

four_fixed! {
    /// Formats at most `count` characters into a buffer of known size.
    _snprintf_s u8;
    /// Formats at most `count` characters into a buffer of known size.
    _snwprintf_s u16;
}

export! {
    /// Formats with a `va_list`.
    pub fn vsprintf(to: usize, format: usize, arguments: *const u64) -> i32 [irql <= PASSIVE_LEVEL] {
        counted::<u8>(to, usize::MAX, format, arguments)
    }
    /// Formats at most `count` characters with a `va_list`.
    pub fn _vsnprintf(to: usize, count: usize, format: usize, arguments: *const u64) -> i32 [irql <= HIGH_LEVEL] {
        counted::<u8>(to, count, format, arguments)
    }
    /// Formats at most `count` characters with a `va_list`.
    pub fn _vsnwprintf(to: usize, count: usize, format: usize, arguments: *const u64) -> i32 [irql <= HIGH_LEVEL] {
        counted::<u16>(to, count, format, arguments)
    }
    /// Formats with a `va_list` into a buffer of known size.
    pub fn vsprintf_s(to: usize, capacity: usize, format: usize, arguments: *const u64) -> i32 [irql <= PASSIVE_LEVEL] {
        secure::<u8>(to, capacity, ALL, format, arguments)
    }
    /// Formats with a `va_list` into a buffer of known size.
    pub fn vswprintf_s(to: usize, capacity: usize, format: usize, arguments: *const u64) -> i32 [irql <= PASSIVE_LEVEL] {
        secure::<u16>(to, capacity, ALL, format, arguments)
    }
    /// Formats at most `count` characters with a `va_list` into a buffer of known size.
    pub fn _vsnprintf_s(to: usize, capacity: usize, count: usize, format: usize, arguments: *const u64) -> i32
        [irql <= PASSIVE_LEVEL] {
        secure::<u8>(to, capacity, count, format, arguments)
    }
    /// Formats at most `count` characters with a `va_list` into a buffer of known size.
    pub fn _vsnwprintf_s(to: usize, capacity: usize, count: usize, format: usize, arguments: *const u64) -> i32
        [irql <= PASSIVE_LEVEL] {
        secure::<u16>(to, capacity, count, format, arguments)
    }
}
