//! Objects that a thread can wait for, and what carries a wait, a DPC or an APC.
//!
//! `SignalState` is the field where threads meet; the lists belong to the dispatcher lock.

use crate::{LIST_ENTRY, NativeFn};
use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::AtomicI32;

crate::declare::layout! {
    /// An event.
    struct KEVENT(0x18) {
        0x0 Header: DISPATCHER_HEADER,
    }

    /// The head of an object that a thread can wait for.
    struct DISPATCHER_HEADER(0x18) {
        0x0 Type: Cell<u8>,
        0x1 Signalling: Cell<u8>,
        0x2 Size: Cell<u8>,
        0x3 DpcActive: Cell<u8>,
        0x4 SignalState: AtomicI32,
        0x8 WaitListHead: LIST_ENTRY,
    }

    /// A semaphore.
    struct KSEMAPHORE(0x20) {
        0x0 Header: DISPATCHER_HEADER,
        0x18 Limit: Cell<i32>,
        0x1c _pad1c: [Cell<u8>; 4],
    }

    /// A mutex; the system also calls it a mutant.
    struct KMUTEX(0x38) {
        0x0 Header: DISPATCHER_HEADER,
        0x18 MutantListEntry: LIST_ENTRY,
        0x28 OwnerThread: Cell<*mut c_void>,
        0x30 Abandoned: Cell<u8>,
        0x31 ApcDisable: Cell<u8>,
        0x32 _pad32: [Cell<u8>; 6],
    }

    /// A timer.
    struct KTIMER(0x40) {
        0x0 Header: DISPATCHER_HEADER,
        0x18 DueTime: Cell<u64>,
        0x20 TimerListEntry: LIST_ENTRY,
        0x30 Dpc: Cell<*mut KDPC>,
        0x38 Processor: Cell<i32>,
        0x3c Period: Cell<i32>,
    }

    /// A deferred procedure call.
    struct KDPC(0x40) {
        0x0 Type: Cell<u8>,
        0x1 Importance: Cell<u8>,
        0x2 Number: Cell<u16>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 DpcListEntry: LIST_ENTRY,
        0x18 DeferredRoutine: Cell<NativeFn>,
        0x20 DeferredContext: Cell<*mut c_void>,
        0x28 SystemArgument1: Cell<*mut c_void>,
        0x30 SystemArgument2: Cell<*mut c_void>,
        0x38 DpcData: Cell<*mut c_void>,
    }

    /// An asynchronous procedure call; `Reserved` holds its kernel, rundown and normal routine.
    struct KAPC(0x58) {
        0x0 Type: Cell<u8>,
        0x1 SpareByte0: Cell<u8>,
        0x2 Size: Cell<u8>,
        0x3 SpareByte1: Cell<u8>,
        0x4 SpareLong0: Cell<u32>,
        0x8 Thread: Cell<*mut c_void>,
        0x10 ApcListEntry: LIST_ENTRY,
        0x20 Reserved: [Cell<NativeFn>; 3],
        0x38 NormalContext: Cell<*mut c_void>,
        0x40 SystemArgument1: Cell<*mut c_void>,
        0x48 SystemArgument2: Cell<*mut c_void>,
        0x50 ApcStateIndex: Cell<i8>,
        0x51 ApcMode: Cell<i8>,
        0x52 Inserted: Cell<u8>,
        0x53 _pad53: [Cell<u8>; 5],
    }

    /// A queue that threads wait on for entries.
    struct KQUEUE(0x40) {
        0x0 Header: DISPATCHER_HEADER,
        0x18 EntryListHead: LIST_ENTRY,
        0x28 CurrentCount: Cell<i32>,
        0x2c MaximumCount: Cell<i32>,
        0x30 ThreadListHead: LIST_ENTRY,
    }

    /// One thread's wait for one object.
    struct KWAIT_BLOCK(0x30) {
        0x0 WaitListEntry: LIST_ENTRY,
        0x10 WaitType: Cell<u8>,
        0x11 BlockState: Cell<u8>,
        0x12 WaitKey: Cell<u16>,
        0x14 SpareLong: Cell<u32>,
        0x18 Thread: Cell<*mut c_void>,
        0x20 Object: Cell<*mut c_void>,
        0x28 SparePtr: Cell<*mut c_void>,
    }
}

crate::declare::views! {
    impl DISPATCHER_HEADER {
        /// The bytes at 0x1 as `TimerControlFlags`.
        0x1 TimerControlFlags: Cell<u8>,
        /// The bytes at 0x1 as `Abandoned`.
        0x1 Abandoned: Cell<u8>,
        /// The bytes at 0x2 as `ThreadControlFlags`.
        0x2 ThreadControlFlags: Cell<u8>,
        /// The bytes at 0x2 as `Hand`.
        0x2 Hand: Cell<u8>,
        /// The bytes at 0x3 as `TimerMiscFlags`.
        0x3 TimerMiscFlags: Cell<u8>,
        /// The bytes at 0x3 as `DebugActive`.
        0x3 DebugActive: Cell<u8>,
        /// The bytes at 0x0 as `Lock`.
        0x0 Lock: Cell<i32>,
    }

    impl KWAIT_BLOCK {
        /// The bytes at 0x18 as `NotificationQueue`.
        0x18 NotificationQueue: Cell<*mut c_void>,
    }
}
