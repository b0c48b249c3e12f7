//! Locks that are no dispatcher objects: resources, fast mutexes, rundown protection, queued spin locks.

use crate::{KEVENT, LIST_ENTRY};
use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize};

crate::declare::layout! {
    /// A place in the queue for a queued spin lock.
    struct KSPIN_LOCK_QUEUE(0x10) {
        0x0 Next: Cell<*mut KSPIN_LOCK_QUEUE>,
        0x8 Lock: Cell<*mut c_void>,
    }

    /// A reader/writer lock.
    struct ERESOURCE(0x68) {
        0x0 SystemResourcesList: LIST_ENTRY,
        0x10 OwnerTable: Cell<*mut OWNER_ENTRY>,
        0x18 ActiveCount: Cell<u16>,
        0x1a Flag: Cell<u16>,
        0x1c _pad1c: [Cell<u8>; 4],
        0x20 SharedWaiters: Cell<*mut c_void>,
        0x28 ExclusiveWaiters: Cell<*mut c_void>,
        0x30 OwnerEntry: OWNER_ENTRY,
        0x40 ActiveEntries: Cell<u32>,
        0x44 ContentionCount: Cell<u32>,
        0x48 NumberOfSharedWaiters: Cell<u32>,
        0x4c NumberOfExclusiveWaiters: Cell<u32>,
        0x50 Reserved2: Cell<*mut c_void>,
        0x58 Address: Cell<*mut c_void>,
        0x60 SpinLock: AtomicUsize,
    }

    /// A fast mutex.
    struct FAST_MUTEX(0x38) {
        0x0 Count: AtomicI32,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Owner: Cell<*mut c_void>,
        0x10 Contention: AtomicU32,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 Event: KEVENT,
        0x30 OldIrql: Cell<u32>,
        0x34 _pad34: [Cell<u8>; 4],
    }

    /// A held in-stack queued spin lock.
    struct KLOCK_QUEUE_HANDLE(0x18) {
        0x0 LockQueue: KSPIN_LOCK_QUEUE,
        0x10 OldIrql: Cell<u8>,
        0x11 _pad11: [Cell<u8>; 7],
    }

    /// Rundown protection: two per holder, plus one when waited for.
    struct EX_RUNDOWN_REF(0x8) {
        0x0 Count: AtomicUsize,
    }

    /// A thread that holds a resource.
    struct OWNER_ENTRY(0x10) {
        0x0 OwnerThread: Cell<usize>,
        0x8 TableSize: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
    }
}

crate::declare::views! {
    impl ERESOURCE {
        /// The bytes at 0x58 as `CreatorBackTraceIndex`.
        0x58 CreatorBackTraceIndex: Cell<usize>,
    }

    impl EX_RUNDOWN_REF {
        /// The bytes at 0x0 as `Ptr`.
        0x0 Ptr: Cell<*mut c_void>,
    }
}
