//! The I/O request packet, its result, and the cancel-safe queue over it.
//!
//! The tail's overlay can be reached from `IRP` itself by methods of the same name.

use crate::{
    FILE_OBJECT, IO_STACK_LOCATION, KAPC, KDEVICE_QUEUE_ENTRY, KEVENT, LIST_ENTRY, MDL, NativeFn, NtStatus,
};
use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU8, AtomicUsize};

crate::declare::layout! {
    /// Ties an IRP in a cancel-safe queue to its context.
    struct IO_CSQ_IRP_CONTEXT(0x18) {
        0x0 Type: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Irp: Cell<*mut IRP>,
        0x10 Csq: Cell<*mut IO_CSQ>,
    }

    /// A cancel-safe queue of IRPs.
    struct IO_CSQ(0x40) {
        0x0 Type: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 CsqInsertIrp: Cell<NativeFn>,
        0x10 CsqRemoveIrp: Cell<NativeFn>,
        0x18 CsqPeekNextIrp: Cell<NativeFn>,
        0x20 CsqAcquireLock: Cell<NativeFn>,
        0x28 CsqReleaseLock: Cell<NativeFn>,
        0x30 CsqCompleteCanceledIrp: Cell<NativeFn>,
        0x38 ReservePointer: Cell<*mut c_void>,
    }

    /// An I/O request packet; its stack locations follow it in memory.
    struct IRP(0xd0) {
        0x0 Type: Cell<u16>,
        0x2 Size: Cell<u16>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 MdlAddress: Cell<*mut MDL>,
        0x10 Flags: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 AssociatedIrp: IRP_AssociatedIrp,
        0x20 ThreadListEntry: LIST_ENTRY,
        0x30 IoStatus: IO_STATUS_BLOCK,
        0x40 RequestorMode: Cell<i8>,
        0x41 PendingReturned: Cell<u8>,
        0x42 StackCount: Cell<i8>,
        0x43 CurrentLocation: Cell<i8>,
        0x44 Cancel: AtomicU8,
        0x45 CancelIrql: Cell<u8>,
        0x46 ApcEnvironment: Cell<i8>,
        0x47 AllocationFlags: Cell<u8>,
        0x48 UserIosb: Cell<*mut IO_STATUS_BLOCK>,
        0x50 UserEvent: Cell<*mut KEVENT>,
        0x58 Overlay: IRP_Overlay,
        0x68 CancelRoutine: AtomicUsize,
        0x70 UserBuffer: Cell<*mut c_void>,
        0x78 Tail: IRP_Tail,
    }

    /// `IRP.Tail`.
    struct IRP_Tail(0x58) {
        0x0 raw: [Cell<u64>; 11],
    }

    /// `IRP.Tail.Overlay`.
    struct IRP_Tail_Overlay(0x50) {
        0x0 DriverContext: [Cell<*mut c_void>; 4],
        0x20 Thread: Cell<*mut c_void>,
        0x28 AuxiliaryBuffer: Cell<*mut c_void>,
        0x30 ListEntry: LIST_ENTRY,
        0x40 CurrentStackLocation: Cell<*mut IO_STACK_LOCATION>,
        0x48 OriginalFileObject: Cell<*mut FILE_OBJECT>,
    }

    /// `IRP.Overlay`.
    struct IRP_Overlay(0x10) {
        0x0 raw: [Cell<u64>; 2],
    }

    /// `IRP.Overlay.AsynchronousParameters`.
    struct IRP_Overlay_AsynchronousParameters(0x10) {
        0x0 UserApcRoutine: Cell<NativeFn>,
        0x8 UserApcContext: Cell<*mut c_void>,
    }

    /// `IRP.AssociatedIrp`.
    struct IRP_AssociatedIrp(0x8) {
        0x0 raw: [Cell<u64>; 1],
    }

    /// A request's status and information.
    struct IO_STATUS_BLOCK(0x10) {
        0x0 Status: Cell<NtStatus>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Information: Cell<usize>,
    }
}

crate::declare::views! {
    impl IRP_AssociatedIrp {
        /// The bytes at 0x0 as `MasterIrp`.
        0x0 MasterIrp: Cell<*mut IRP>,
        /// The bytes at 0x0 as `IrpCount`.
        0x0 IrpCount: Cell<u32>,
        /// The bytes at 0x0 as `SystemBuffer`.
        0x0 SystemBuffer: Cell<*mut c_void>,
    }

    impl IRP_Overlay_AsynchronousParameters {
        /// The bytes at 0x0 as `IssuingProcess`.
        0x0 IssuingProcess: Cell<*mut c_void>,
    }

    impl IRP_Overlay {
        /// The bytes at 0x0 as `AsynchronousParameters`.
        0x0 AsynchronousParameters: IRP_Overlay_AsynchronousParameters,
        /// The bytes at 0x0 as `AllocationSize`.
        0x0 AllocationSize: Cell<i64>,
    }

    impl IRP_Tail_Overlay {
        /// The bytes at 0x0 as `DeviceQueueEntry`.
        0x0 DeviceQueueEntry: KDEVICE_QUEUE_ENTRY,
        /// The bytes at 0x40 as `PacketType`.
        0x40 PacketType: Cell<u32>,
    }

    impl IRP_Tail {
        /// The bytes at 0x0 as `Overlay`.
        0x0 Overlay: IRP_Tail_Overlay,
        /// The bytes at 0x0 as `Apc`.
        0x0 Apc: KAPC,
        /// The bytes at 0x0 as `CompletionKey`.
        0x0 CompletionKey: Cell<usize>,
    }

    impl IRP {
        /// The bytes at 0x78 as `DriverContext`.
        0x78 DriverContext: [Cell<*mut c_void>; 4],
        /// The bytes at 0x98 as `Thread`.
        0x98 Thread: Cell<*mut c_void>,
        /// The bytes at 0xa0 as `AuxiliaryBuffer`.
        0xa0 AuxiliaryBuffer: Cell<*mut c_void>,
        /// The bytes at 0xa8 as `ListEntry`.
        0xa8 ListEntry: LIST_ENTRY,
        /// The bytes at 0xb8 as `CurrentStackLocation`.
        0xb8 CurrentStackLocation: Cell<*mut IO_STACK_LOCATION>,
        /// The bytes at 0xb8 as `PacketType`.
        0xb8 PacketType: Cell<u32>,
        /// The bytes at 0xc0 as `OriginalFileObject`.
        0xc0 OriginalFileObject: Cell<*mut FILE_OBJECT>,
        /// The bytes at 0x18 as `SystemBuffer`.
        0x18 SystemBuffer: Cell<*mut c_void>,
        /// The bytes at 0x18 as `MasterIrp`.
        0x18 MasterIrp: Cell<*mut IRP>,
    }

    impl IO_STATUS_BLOCK {
        /// The bytes at 0x0 as `Pointer`.
        0x0 Pointer: Cell<*mut c_void>,
    }
}
