//! Calls from a driver into an export.
//!
//! ```text
//! driver: call Export ─► shim: return address → shadow stack; call body (stack arguments stay in place)
//!                         body: guarded Rust; a raise is stored, never thrown
//!                        shim: raise pending? → dispatch at the driver's frame, else return
//! ```
//!
//! The shim keeps the return address on a stack of its own, so that the body finds its stack arguments where
//! the driver put them, and so that every finding can name the driver's place.
//!
//! UNSAFETY: naked code. When the body has returned, all nonvolatile registers hold the driver's values again.

use std::arch::naked_asm;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use nt_abi::{NativeFn, NtStatus};

use crate::processor::{current, watch};
use crate::raise::{RAISE_NONE, RAISE_STATUS, RAISE_STOP, Raise, hooks};
use crate::traced::{Traced, Value};

/// One row of the export table.
#[derive(Clone, Copy)]
pub struct Export {
    /// Image that exports it: `ntoskrnl.exe`, `fltmgr.sys`, `hal.dll`.
    pub image: &'static str,
    /// Name as imported.
    pub name: &'static str,
    /// Address of the shim; 0 for data, which the loader places per machine.
    pub address: fn() -> usize,
    /// Crate in which the behaviour lives.
    pub home: &'static str,
    /// Whether every documented behaviour is there.
    pub done: bool,
    /// What is missing, or the statements that it follows.
    pub note: &'static str,
}

/// What an export does instead of its work when it was named as a fault: how a check of it is seen to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Does nothing and returns this.
    Refuses(u64),
    /// Does its work, and returns the result with these bits flipped.
    Flips(u64),
}

/// A result that fits `rax`.
pub trait NativeReturn {
    /// How an export with this result misbehaves: a status is UNSUCCESSFUL, a pointer NULL, nothing is done for no
    /// result, a number has its lowest bit flipped, and one of 64 bits the highest too.
    const MISBEHAVIOUR: Misbehaviour = Misbehaviour::Refuses(0);
    /// The register's value.
    fn into_raw(self) -> u64;
}

macro_rules! native_return {
    ($($t:ty),*) => { $(impl NativeReturn for $t {
        const MISBEHAVIOUR: Misbehaviour =
            Misbehaviour::Flips(if size_of::<$t>() == 8 { 1 << 63 | 1 } else { 1 });
        fn into_raw(self) -> u64 { self as u64 }
    })* };
}
native_return!(u8, u16, u32, u64, i8, i16, i32, i64, usize, isize);

impl NativeReturn for () {
    fn into_raw(self) -> u64 {
        0
    }
}
impl NativeReturn for bool {
    const MISBEHAVIOUR: Misbehaviour = Misbehaviour::Flips(1);
    fn into_raw(self) -> u64 {
        u64::from(self)
    }
}
impl NativeReturn for NtStatus {
    const MISBEHAVIOUR: Misbehaviour = Misbehaviour::Refuses(NtStatus::UNSUCCESSFUL.0 as u32 as u64);
    fn into_raw(self) -> u64 {
        u64::from(self.0 as u32)
    }
}
impl NativeReturn for NativeFn {
    fn into_raw(self) -> u64 {
        self.0 as u64
    }
}
impl<T> NativeReturn for *mut T {
    fn into_raw(self) -> u64 {
        self as u64
    }
}
impl<T> NativeReturn for *const T {
    fn into_raw(self) -> u64 {
        self as u64
    }
}

/// Where the driver called the export that is being executed, or 0 outside any.
pub fn caller_address() -> usize {
    crate::processor::try_current().map_or(0, crate::ProcessorBlock::export_caller)
}

/// Whether somebody observes the current thread.
#[inline(always)]
pub fn observed() -> bool {
    current().observed.load(Ordering::Relaxed) & watch::OBSERVED != 0
}

/// Tells the observer of a call.
#[cold]
pub fn called(export: &'static str, arguments: &[Value]) {
    hooks().export_called(current(), export, caller_address(), arguments);
}

/// Tells the observer of a result.
#[cold]
pub fn returned<R: Traced>(export: &'static str, result: u64) {
    let block = current();
    let pending = block.raise_pending.load(Ordering::Relaxed);
    let raised = (pending & RAISE_STATUS != 0).then(|| NtStatus(block.raise_status.get()));
    hooks().export_returned(block, export, R::of_register(result), raised);
}

/// Runs the body of an export: checks IRQL, stores a raise, turns a panic into a bug check.
pub fn guard<R: NativeReturn>(
    export: &'static str,
    max_irql: u8,
    body: impl FnOnce() -> Result<R, Raise>,
) -> u64 {
    let block = current();
    let result = catch_unwind(AssertUnwindSafe(|| {
        if block.irql.get() > max_irql {
            hooks().irql_too_high(block, export, max_irql, caller_address())?;
        }
        let watched = block.observed.load(Ordering::Relaxed);
        if watched & watch::SCHEDULED != 0 {
            hooks().schedule_point(block);
        }
        if watched & watch::APCS != 0 {
            hooks().apcs_wait(block)?;
        }
        assert!(block.shadow_left() >= 8, "exports and driver callbacks nest more than a thousand deep");
        if watched & watch::FAULTS != 0 && hooks().misbehaves(block, export) {
            return match R::MISBEHAVIOUR {
                Misbehaviour::Refuses(result) => Ok(result),
                Misbehaviour::Flips(bits) => body().map(|value| value.into_raw() ^ bits),
            };
        }
        body().map(R::into_raw)
    }));
    match result {
        Ok(Ok(value)) => value,
        Ok(Err(Raise::Status(status))) => {
            block.raise_status.set(status.0);
            block.raise_pending.fetch_or(RAISE_STATUS, Ordering::Relaxed);
            0
        }
        Ok(Err(Raise::Stop)) => {
            block.raise_pending.fetch_or(RAISE_STOP, Ordering::Relaxed);
            0
        }
        Err(payload) => {
            let message = payload
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| payload.downcast_ref::<&str>().copied())
                .unwrap_or("panic without a message");
            hooks().panicked(block, export, message);
            block.raise_pending.fetch_or(RAISE_STOP, Ordering::Relaxed);
            0
        }
    }
}

/// Common tail of every shim: rax is the body's result.
///
/// # Safety
/// Jumped to by shims only, with their return address on top of the shadow stack.
#[unsafe(naked)]
pub unsafe extern "win64" fn shim_return() {
    naked_asm!(
        "mov r10, gs:[0x208]",
        "sub r10, 8",
        "mov gs:[0x208], r10",
        "mov r10, [r10]",
        "cmp dword ptr gs:[0x210], {none}",
        "jne {dispatch}",
        "push r10",
        "ret",
        none = const RAISE_NONE,
        dispatch = sym crate::exception::dispatch_raise,
    )
}

/// Defines an export: a naked shim named as NT names it and its guarded body.
///
/// ```text
/// export! {
///     pub fn FltSetCallbackDataDirty(data: *mut FLT_CALLBACK_DATA) -> () [irql <= HIGH_LEVEL] { ... Ok(()) }
/// }
/// ```
/// The body returns `Result<ret, Raise>`.
#[macro_export]
macro_rules! export {
    ($( $(#[$meta:meta])* pub fn $name:ident($($arg:ident : $ty:ty),* $(,)?) -> $ret:ty [irql <= $irql:expr] $body:block )*) => { $(
        $(#[$meta])*
        ///
        /// # Safety
        /// Called by native code only, on a thread that is attached to a machine.
        #[unsafe(naked)]
        #[allow(non_snake_case)]
        pub unsafe extern "win64" fn $name() {
            #[allow(clippy::too_many_arguments)]
            extern "win64" fn body($($arg: $ty),*) -> u64 {
                let observed = $crate::shim::observed();
                if observed {
                    $crate::shim::called(stringify!($name), &[$($crate::Traced::traced(&$arg)),*]);
                }
                let result = $crate::shim::guard::<$ret>(stringify!($name), $irql, move || $body);
                if observed {
                    $crate::shim::returned::<$ret>(stringify!($name), result);
                }
                result
            }
            ::std::arch::naked_asm!(
                "mov r10, gs:[0x208]",
                "pop qword ptr [r10]",
                "lea r10, [r10 + 8]",
                "mov gs:[0x208], r10",
                "call {body}",
                "jmp {tail}",
                body = sym body,
                tail = sym $crate::shim::shim_return,
            )
        }
    )* };
}

/// Defines a variadic export: the body gets the fixed arguments and the address of the variable ones.
///
/// `$fixed` is the number of fixed arguments (at most 3); the body's last parameter is a win64 `va_list`
/// (an address from which 8-byte slots are read).
#[macro_export]
macro_rules! export_variadic {
    ($( $(#[$meta:meta])* pub fn $name:ident($($arg:ident : $ty:ty),* ; $va:ident) -> $ret:ty [irql <= $irql:expr, fixed $fixed:tt] $body:block )*) => { $(
        $(#[$meta])*
        ///
        /// # Safety
        /// Called by native code only, on a thread that is attached to a machine.
        #[unsafe(naked)]
        #[allow(non_snake_case)]
        pub unsafe extern "win64" fn $name() {
            extern "win64" fn body($($arg: $ty,)* $va: *const u64) -> u64 {
                let observed = $crate::shim::observed();
                if observed {
                    $crate::shim::called(stringify!($name), &[$($crate::Traced::traced(&$arg)),*]);
                }
                let result = $crate::shim::guard::<$ret>(stringify!($name), $irql, move || $body);
                if observed {
                    $crate::shim::returned::<$ret>(stringify!($name), result);
                }
                result
            }
            ::std::arch::naked_asm!(
                "mov [rsp + 8], rcx",
                "mov [rsp + 16], rdx",
                "mov [rsp + 24], r8",
                "mov [rsp + 32], r9",
                $crate::va_register!($fixed),
                "mov r10, gs:[0x208]",
                "pop qword ptr [r10]",
                "lea r10, [r10 + 8]",
                "mov gs:[0x208], r10",
                "call {body}",
                "jmp {tail}",
                body = sym body,
                tail = sym $crate::shim::shim_return,
            )
        }
    )* };
}

/// The register that carries the `va_list` of [`export_variadic`].
#[macro_export]
#[doc(hidden)]
macro_rules! va_register {
    (1) => {
        "lea rdx, [rsp + 16]"
    };
    (2) => {
        "lea r8, [rsp + 24]"
    };
    (3) => {
        "lea r9, [rsp + 32]"
    };
}
