//! The file object and the section pointers that all file objects of a stream share.

use crate::{DEVICE_OBJECT, KEVENT, LIST_ENTRY, NtStatus, UNICODE_STRING, VPB};
use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, AtomicUsize};

crate::declare::layout! {
    /// How often a file is open, and for what.
    struct SHARE_ACCESS(0x1c) {
        0x0 OpenCount: Cell<u32>,
        0x4 Readers: Cell<u32>,
        0x8 Writers: Cell<u32>,
        0xc Deleters: Cell<u32>,
        0x10 SharedRead: Cell<u32>,
        0x14 SharedWrite: Cell<u32>,
        0x18 SharedDelete: Cell<u32>,
    }

    /// One open of a file, directory, volume or device.
    struct FILE_OBJECT(0xd8) {
        0x0 Type: Cell<u16>,
        0x2 Size: Cell<u16>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 DeviceObject: Cell<*mut DEVICE_OBJECT>,
        0x10 Vpb: Cell<*mut VPB>,
        0x18 FsContext: Cell<*mut c_void>,
        0x20 FsContext2: Cell<*mut c_void>,
        0x28 SectionObjectPointer: Cell<*mut SECTION_OBJECT_POINTERS>,
        0x30 PrivateCacheMap: Cell<*mut c_void>,
        0x38 FinalStatus: Cell<NtStatus>,
        0x3c _pad3c: [Cell<u8>; 4],
        0x40 RelatedFileObject: Cell<*mut FILE_OBJECT>,
        0x48 LockOperation: Cell<u8>,
        0x49 DeletePending: Cell<u8>,
        0x4a ReadAccess: Cell<u8>,
        0x4b WriteAccess: Cell<u8>,
        0x4c DeleteAccess: Cell<u8>,
        0x4d SharedRead: Cell<u8>,
        0x4e SharedWrite: Cell<u8>,
        0x4f SharedDelete: Cell<u8>,
        0x50 Flags: AtomicU32,
        0x54 _pad54: [Cell<u8>; 4],
        0x58 FileName: UNICODE_STRING,
        0x68 CurrentByteOffset: Cell<i64>,
        0x70 Waiters: AtomicU32,
        0x74 Busy: AtomicU32,
        0x78 LastLock: Cell<*mut c_void>,
        0x80 Lock: KEVENT,
        0x98 Event: KEVENT,
        0xb0 CompletionContext: Cell<*mut c_void>,
        0xb8 IrpListLock: AtomicUsize,
        0xc0 IrpList: LIST_ENTRY,
        0xd0 FileObjectExtension: Cell<*mut c_void>,
    }

    /// The sections and the cache map of a stream.
    struct SECTION_OBJECT_POINTERS(0x18) {
        0x0 DataSectionObject: Cell<*mut c_void>,
        0x8 SharedCacheMap: Cell<*mut c_void>,
        0x10 ImageSectionObject: Cell<*mut c_void>,
    }
}
