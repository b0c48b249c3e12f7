//! Arguments and results of exports as values that can be shown: what an observer is told of a call.

use nt_abi::{NativeFn, NtStatus};

/// An argument or a result. Pointers are not followed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// No result.
    Nothing,
    /// A number, or whatever else fits a register.
    Number(u64),
    /// A number below 0.
    Signed(i64),
    /// TRUE or FALSE.
    Bool(bool),
    /// A status.
    Status(NtStatus),
    /// An address.
    Pointer(usize),
    /// The address of a `UNICODE_STRING`.
    Text(usize),
}

/// A type of an argument or a result.
pub trait Traced {
    /// The value.
    fn traced(&self) -> Value;
    /// A result, from the register that holds it.
    fn of_register(raw: u64) -> Value;
}

macro_rules! numbers {
    ($($unsigned:ty, $signed:ty);*) => { $(
        impl Traced for $unsigned {
            fn traced(&self) -> Value { Value::Number(*self as u64) }
            fn of_register(raw: u64) -> Value { Value::Number(raw as $unsigned as u64) }
        }
        impl Traced for $signed {
            fn traced(&self) -> Value {
                if *self < 0 { Value::Signed(*self as i64) } else { Value::Number(*self as u64) }
            }
            fn of_register(raw: u64) -> Value { (raw as $signed).traced() }
        }
    )* };
}
numbers!(u8, i8; u16, i16; u32, i32; u64, i64; usize, isize);

impl Traced for () {
    fn traced(&self) -> Value {
        Value::Nothing
    }
    fn of_register(_: u64) -> Value {
        Value::Nothing
    }
}

impl Traced for bool {
    fn traced(&self) -> Value {
        Value::Bool(*self)
    }
    fn of_register(raw: u64) -> Value {
        Value::Bool(raw as u8 != 0)
    }
}

impl Traced for NtStatus {
    fn traced(&self) -> Value {
        Value::Status(*self)
    }
    fn of_register(raw: u64) -> Value {
        Value::Status(Self(raw as i32))
    }
}

impl Traced for NativeFn {
    fn traced(&self) -> Value {
        Value::Pointer(self.0)
    }
    fn of_register(raw: u64) -> Value {
        Value::Pointer(raw as usize)
    }
}

impl<T> Traced for *mut T {
    fn traced(&self) -> Value {
        if std::any::type_name::<T>().ends_with("::UNICODE_STRING") {
            Value::Text(*self as usize)
        } else {
            Value::Pointer(*self as usize)
        }
    }
    fn of_register(raw: u64) -> Value {
        Value::Pointer(raw as usize)
    }
}

impl<T> Traced for *const T {
    fn traced(&self) -> Value {
        self.cast_mut().traced()
    }
    fn of_register(raw: u64) -> Value {
        Value::Pointer(raw as usize)
    }
}
