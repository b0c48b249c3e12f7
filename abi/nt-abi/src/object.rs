//! What names, opens and defers: object attributes, work items, the floating-point save area.

use crate::{LIST_ENTRY, NativeFn, UNICODE_STRING};
use core::cell::Cell;
use core::ffi::c_void;

crate::declare::layout! {
    /// An object's name; the characters follow.
    struct OBJECT_NAME_INFORMATION(0x10) {
        0x0 Name: UNICODE_STRING,
    }

    /// A handle's attributes and granted access.
    struct OBJECT_HANDLE_INFORMATION(0x8) {
        0x0 HandleAttributes: Cell<u32>,
        0x4 GrantedAccess: Cell<u32>,
    }

    /// A routine for a system worker thread.
    struct WORK_QUEUE_ITEM(0x20) {
        0x0 List: LIST_ENTRY,
        0x10 WorkerRoutine: Cell<NativeFn>,
        0x18 Parameter: Cell<*mut c_void>,
    }

    /// How an object is named and opened.
    struct OBJECT_ATTRIBUTES(0x30) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 RootDirectory: Cell<*mut c_void>,
        0x10 ObjectName: Cell<*mut UNICODE_STRING>,
        0x18 Attributes: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
        0x20 SecurityDescriptor: Cell<*mut c_void>,
        0x28 SecurityQualityOfService: Cell<*mut c_void>,
    }

    /// Saved floating-point state; empty on x64.
    struct KFLOATING_SAVE(0x4) {
        0x0 Dummy: Cell<u32>,
    }
}
