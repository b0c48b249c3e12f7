//! What file systems share with the run-time library: stream headers, contexts, byte-range locks, tunnels, cache sizes.

use crate::{ERESOURCE, FAST_MUTEX, FILE_OBJECT, LIST_ENTRY, NativeFn, RTL_SPLAY_LINKS};
use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::AtomicUsize;

crate::declare::layout! {
    /// The common head of a stream's context.
    struct FSRTL_COMMON_FCB_HEADER(0x30) {
        0x0 NodeTypeCode: Cell<u16>,
        0x2 NodeByteSize: Cell<u16>,
        0x4 Flags: Cell<u8>,
        0x5 IsFastIoPossible: Cell<u8>,
        0x6 Flags2: Cell<u8>,
        0x7 Version: Cell<u8>,
        0x8 Resource: Cell<*mut ERESOURCE>,
        0x10 PagingIoResource: Cell<*mut ERESOURCE>,
        0x18 AllocationSize: Cell<i64>,
        0x20 FileSize: Cell<i64>,
        0x28 ValidDataLength: Cell<i64>,
    }

    /// The head of a stream's context with filter contexts.
    struct FSRTL_ADVANCED_FCB_HEADER(0x68) {
        0x0 NodeTypeCode: Cell<u16>,
        0x2 NodeByteSize: Cell<u16>,
        0x4 Flags: Cell<u8>,
        0x5 IsFastIoPossible: Cell<u8>,
        0x6 Flags2: Cell<u8>,
        0x7 Version: Cell<u8>,
        0x8 Resource: Cell<*mut ERESOURCE>,
        0x10 PagingIoResource: Cell<*mut ERESOURCE>,
        0x18 AllocationSize: Cell<i64>,
        0x20 FileSize: Cell<i64>,
        0x28 ValidDataLength: Cell<i64>,
        0x30 FastMutex: Cell<*mut FAST_MUTEX>,
        0x38 FilterContexts: LIST_ENTRY,
        0x48 PushLock: AtomicUsize,
        0x50 FileContextSupportPointer: Cell<*mut c_void>,
        0x58 Oplock: Cell<*mut c_void>,
        0x60 ReservedContext: Cell<*mut c_void>,
    }

    /// The three sizes of a stream, in bytes.
    struct CC_FILE_SIZES(0x18) {
        0x0 AllocationSize: Cell<i64>,
        0x8 FileSize: Cell<i64>,
        0x10 ValidDataLength: Cell<i64>,
    }

    /// How the cache manager takes a file system's locks.
    struct CACHE_MANAGER_CALLBACKS(0x20) {
        0x0 AcquireForLazyWrite: Cell<NativeFn>,
        0x8 ReleaseFromLazyWrite: Cell<NativeFn>,
        0x10 AcquireForReadAhead: Cell<NativeFn>,
        0x18 ReleaseFromReadAhead: Cell<NativeFn>,
    }

    /// The byte-range locks of a stream.
    struct FILE_LOCK(0x60) {
        0x0 CompleteLockIrpRoutine: Cell<NativeFn>,
        0x8 UnlockRoutine: Cell<NativeFn>,
        0x10 FastIoIsQuestionable: Cell<u8>,
        0x11 SpareC: [Cell<u8>; 3],
        0x14 _pad14: [Cell<u8>; 4],
        0x18 LockInformation: Cell<*mut c_void>,
        0x20 LastReturnedLockInfo: FILE_LOCK_INFO,
        0x50 LastReturnedLock: Cell<*mut c_void>,
        0x58 LockRequestsInProgress: Cell<u32>,
        0x5c _pad5c: [Cell<u8>; 4],
    }

    /// One byte-range lock.
    struct FILE_LOCK_INFO(0x30) {
        0x0 StartingByte: Cell<i64>,
        0x8 Length: Cell<i64>,
        0x10 ExclusiveLock: Cell<u8>,
        0x11 _pad11: [Cell<u8>; 3],
        0x14 Key: Cell<u32>,
        0x18 FileObject: Cell<*mut FILE_OBJECT>,
        0x20 ProcessId: Cell<*mut c_void>,
        0x28 EndingByte: Cell<i64>,
    }

    /// A tunnel cache.
    struct TUNNEL(0x58) {
        0x0 Mutex: FAST_MUTEX,
        0x38 Cache: Cell<*mut RTL_SPLAY_LINKS>,
        0x40 TimerQueue: LIST_ENTRY,
        0x50 NumEntries: Cell<u16>,
        0x52 _pad52: [Cell<u8>; 6],
    }

    /// A filter's context of a stream.
    struct FSRTL_PER_STREAM_CONTEXT(0x28) {
        0x0 Links: LIST_ENTRY,
        0x10 OwnerId: Cell<*mut c_void>,
        0x18 InstanceId: Cell<*mut c_void>,
        0x20 FreeCallback: Cell<NativeFn>,
    }

    /// A filter's context of a file.
    struct FSRTL_PER_FILE_CONTEXT(0x28) {
        0x0 Links: LIST_ENTRY,
        0x10 OwnerId: Cell<*mut c_void>,
        0x18 InstanceId: Cell<*mut c_void>,
        0x20 FreeCallback: Cell<NativeFn>,
    }

    /// A filter's context of a file object.
    struct FSRTL_PER_FILEOBJECT_CONTEXT(0x20) {
        0x0 Links: LIST_ENTRY,
        0x10 OwnerId: Cell<*mut c_void>,
        0x18 InstanceId: Cell<*mut c_void>,
    }
}

crate::declare::views! {
    impl FSRTL_ADVANCED_FCB_HEADER {
        /// The bytes at 0x58 as `ReservedForRemote`.
        0x58 ReservedForRemote: Cell<*mut c_void>,
    }
}
