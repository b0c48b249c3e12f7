//! What process, thread and image notifications receive.

use crate::{FILE_OBJECT, NtStatus, UNICODE_STRING};
use core::cell::Cell;
use core::ffi::c_void;

crate::declare::layout! {
    /// A thread and its process, by identifier.
    struct CLIENT_ID(0x10) {
        0x0 UniqueProcess: Cell<*mut c_void>,
        0x8 UniqueThread: Cell<*mut c_void>,
    }

    /// What a process notification receives.
    struct PS_CREATE_NOTIFY_INFO(0x48) {
        0x0 Size: Cell<usize>,
        0x8 Flags: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 ParentProcessId: Cell<usize>,
        0x18 CreatingThreadId: CLIENT_ID,
        0x28 FileObject: Cell<*mut FILE_OBJECT>,
        0x30 ImageFileName: Cell<*mut UNICODE_STRING>,
        0x38 CommandLine: Cell<*mut UNICODE_STRING>,
        0x40 CreationStatus: Cell<NtStatus>,
        0x44 _pad44: [Cell<u8>; 4],
    }

    /// What an image notification receives.
    struct IMAGE_INFO(0x28) {
        0x0 Properties: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 ImageBase: Cell<*mut c_void>,
        0x10 ImageSelector: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 ImageSize: Cell<usize>,
        0x20 ImageSectionNumber: Cell<u32>,
        0x24 _pad24: [Cell<u8>; 4],
    }
}
