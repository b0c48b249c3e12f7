//! Drivers, devices and volume parameter blocks.

use crate::{FAST_IO_DISPATCH, IRP, KDPC, KEVENT, LIST_ENTRY, NativeFn, UNICODE_STRING};
use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize};

crate::declare::layout! {
    /// A device.
    struct DEVICE_OBJECT(0x150) {
        0x0 Type: Cell<u16>,
        0x2 Size: Cell<u16>,
        0x4 ReferenceCount: AtomicI32,
        0x8 DriverObject: Cell<*mut DRIVER_OBJECT>,
        0x10 NextDevice: Cell<*mut DEVICE_OBJECT>,
        0x18 AttachedDevice: Cell<*mut DEVICE_OBJECT>,
        0x20 CurrentIrp: Cell<*mut IRP>,
        0x28 Timer: Cell<*mut c_void>,
        0x30 Flags: Cell<u32>,
        0x34 Characteristics: Cell<u32>,
        0x38 Vpb: Cell<*mut VPB>,
        0x40 DeviceExtension: Cell<*mut c_void>,
        0x48 DeviceType: Cell<u32>,
        0x4c StackSize: Cell<i8>,
        0x4d _pad4d: [Cell<u8>; 3],
        0x50 Queue: DEVICE_OBJECT_Queue,
        0x98 AlignmentRequirement: Cell<u32>,
        0x9c _pad9c: [Cell<u8>; 4],
        0xa0 DeviceQueue: KDEVICE_QUEUE,
        0xc8 Dpc: KDPC,
        0x108 ActiveThreadCount: Cell<u32>,
        0x10c _pad10c: [Cell<u8>; 4],
        0x110 SecurityDescriptor: Cell<*mut c_void>,
        0x118 DeviceLock: KEVENT,
        0x130 SectorSize: Cell<u16>,
        0x132 Spare1: Cell<u16>,
        0x134 _pad134: [Cell<u8>; 4],
        0x138 DeviceObjectExtension: Cell<*mut c_void>,
        0x140 Reserved: Cell<*mut c_void>,
        0x148 _pad148: [Cell<u8>; 8],
    }

    /// `DEVICE_OBJECT.Queue`.
    struct DEVICE_OBJECT_Queue(0x48) {
        0x0 raw: [Cell<u64>; 9],
    }

    /// A driver.
    struct DRIVER_OBJECT(0x150) {
        0x0 Type: Cell<u16>,
        0x2 Size: Cell<u16>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 DeviceObject: Cell<*mut DEVICE_OBJECT>,
        0x10 Flags: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 DriverStart: Cell<*mut c_void>,
        0x20 DriverSize: Cell<u32>,
        0x24 _pad24: [Cell<u8>; 4],
        0x28 DriverSection: Cell<*mut c_void>,
        0x30 DriverExtension: Cell<*mut DRIVER_EXTENSION>,
        0x38 DriverName: UNICODE_STRING,
        0x48 HardwareDatabase: Cell<*mut UNICODE_STRING>,
        0x50 FastIoDispatch: Cell<*mut FAST_IO_DISPATCH>,
        0x58 DriverInit: Cell<NativeFn>,
        0x60 DriverStartIo: Cell<NativeFn>,
        0x68 DriverUnload: Cell<NativeFn>,
        0x70 MajorFunction: [Cell<NativeFn>; 28],
    }

    /// The part of a driver object that is allocated behind it.
    struct DRIVER_EXTENSION(0x28) {
        0x0 DriverObject: Cell<*mut DRIVER_OBJECT>,
        0x8 AddDevice: Cell<NativeFn>,
        0x10 Count: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 ServiceKeyName: UNICODE_STRING,
    }

    /// Ties a file system's volume device to the storage device below it.
    struct VPB(0x60) {
        0x0 Type: Cell<u16>,
        0x2 Size: Cell<u16>,
        0x4 Flags: Cell<u16>,
        0x6 VolumeLabelLength: Cell<u16>,
        0x8 DeviceObject: Cell<*mut DEVICE_OBJECT>,
        0x10 RealDevice: Cell<*mut DEVICE_OBJECT>,
        0x18 SerialNumber: Cell<u32>,
        0x1c ReferenceCount: AtomicU32,
        0x20 VolumeLabel: [Cell<u16>; 32],
    }

    /// A device's wait for an adapter.
    struct WAIT_CONTEXT_BLOCK(0x48) {
        0x0 WaitQueueEntry: KDEVICE_QUEUE_ENTRY,
        0x18 DeviceRoutine: Cell<NativeFn>,
        0x20 DeviceContext: Cell<*mut c_void>,
        0x28 NumberOfMapRegisters: Cell<u32>,
        0x2c _pad2c: [Cell<u8>; 4],
        0x30 DeviceObject: Cell<*mut DEVICE_OBJECT>,
        0x38 CurrentIrp: Cell<*mut IRP>,
        0x40 BufferChainingDpc: Cell<*mut KDPC>,
    }

    /// A device's queue of requests.
    struct KDEVICE_QUEUE(0x28) {
        0x0 Type: Cell<u16>,
        0x2 Size: Cell<u16>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 DeviceListHead: LIST_ENTRY,
        0x18 Lock: AtomicUsize,
        0x20 Busy: Cell<u8>,
        0x21 _pad21: [Cell<u8>; 7],
    }

    /// A place in a device queue.
    struct KDEVICE_QUEUE_ENTRY(0x18) {
        0x0 DeviceListEntry: LIST_ENTRY,
        0x10 SortKey: Cell<u32>,
        0x14 Inserted: Cell<u8>,
        0x15 _pad15: [Cell<u8>; 3],
    }
}

crate::declare::views! {
    impl DEVICE_OBJECT_Queue {
        /// The bytes at 0x0 as `ListEntry`.
        0x0 ListEntry: LIST_ENTRY,
        /// The bytes at 0x0 as `Wcb`.
        0x0 Wcb: WAIT_CONTEXT_BLOCK,
    }
}
