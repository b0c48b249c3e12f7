//! How the structures are declared: two macros that assert what they declare.
//!
//! Owns: [`Abi`], the promise that a type may lie in memory that drivers share, and the macros that make it.
//! Refuses: padding that is not a `Cell`, plain fields, `&mut`, Rust unions. A union is raw storage plus one
//! view method per arm; the arm is read where it lies, through the same cells.
//!
//! UNSAFETY: `zeroed` and the views reinterpret bytes. Both rest on [`Abi`]: each bit pattern is a value, all
//! bytes lie in cells or atomics, and the macros assert offset, size and alignment when they compile.

use crate::{NativeFn, NtStatus};
use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize};

/// A type that may lie in memory which native drivers reach as well.
///
/// # Safety
/// Each bit pattern is a value, there is no drop glue, and no byte is outside a `Cell` or an atomic.
pub unsafe trait Abi {}

/// A plain value that may stand in a `Cell` of an ABI structure.
///
/// # Safety
/// Each bit pattern is a value and there are no padding bytes.
pub unsafe trait Plain: Copy {}

macro_rules! mark {
    ($marker:ident: $($t:ty),+ $(,)?) => {
        $(
            // SAFETY: integers and pointers take each bit pattern, and have no padding.
            unsafe impl $marker for $t {}
        )+
    };
}
mark!(Plain: u8, i8, u16, i16, u32, i32, u64, i64, usize, isize, NativeFn, NtStatus);
mark!(Abi: AtomicI32, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, AtomicPtr<c_void>);
// SAFETY: a raw pointer takes each bit pattern.
unsafe impl<T> Plain for *mut T {}
// SAFETY: the promise of `Plain`, inside a cell.
unsafe impl<T: Plain> Abi for Cell<T> {}
// SAFETY: an array adds no padding between elements.
unsafe impl<T: Abi, const N: usize> Abi for [T; N] {}

/// Compiles only for types that keep the promise of [`Abi`].
pub(crate) const fn assert_abi<T: Abi>() {}

/// Whether `size` bytes at `offset` lie inside `whole` bytes.
pub(crate) const fn fits(offset: usize, size: usize, whole: usize) -> bool {
    offset + size <= whole
}

/// Declares structures: `offset Name: Type`, each figure asserted; fields fill the whole structure.
macro_rules! layout {
    ($(
        $(#[$meta:meta])*
        struct $name:ident($size:literal) {
            $( $(#[$fmeta:meta])* $offset:literal $field:ident: $ty:ty, )*
        }
    )+) => {$(
        $(#[$meta])*
        #[repr(C)]
        pub struct $name {
            $( $(#[$fmeta])* pub $field: $ty, )*
        }

        const _: () = {
            assert!(size_of::<$name>() == $size);
            $( assert!(core::mem::offset_of!($name, $field) == $offset); )*
            $( crate::declare::assert_abi::<$ty>(); )*
            assert!(0 $( + size_of::<$ty>() )* == $size, "bytes outside the fields");
        };

        // SAFETY: asserted above: all fields are `Abi` and there is no padding between them.
        unsafe impl crate::declare::Abi for $name {}
        // SAFETY: the fields are cells and atomics under NT's own locking rules, as for the driver's accesses.
        unsafe impl Send for $name {}
        // SAFETY: as for `Send`.
        unsafe impl Sync for $name {}

        impl $name {
            /// A structure of zero bytes.
            pub const fn zeroed() -> Self {
                // SAFETY: `Abi`: each bit pattern is a value, so zero bytes are one.
                unsafe { core::mem::MaybeUninit::zeroed().assume_init() }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::zeroed()
            }
        }
    )+};
}
pub(crate) use layout;

/// Declares the arms of a union: a method per arm that lends the arm where it lies.
macro_rules! views {
    ($(
        impl $name:ident {
            $( $(#[$meta:meta])* $offset:literal $view:ident: $ty:ty, )*
        }
    )+) => {$(
        const _: () = {
            $( crate::declare::assert_abi::<$ty>(); )*
            $( assert!(crate::declare::fits($offset, size_of::<$ty>(), size_of::<$name>())); )*
            $( assert!(align_of::<$ty>() <= align_of::<$name>() && $offset % align_of::<$ty>() == 0); )*
        };

        impl $name {
            $(
                $(#[$meta])*
                pub const fn $view(&self) -> &$ty {
                    // SAFETY: asserted above: the arm lies inside the structure, aligned; `Abi`: both types take
                    // each bit pattern and consist of cells only, so sharing their bytes is allowed.
                    unsafe { &*core::ptr::from_ref(self).byte_add($offset).cast::<$ty>() }
                }
            )*
        }
    )+};
}
pub(crate) use views;
