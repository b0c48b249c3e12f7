//! What a minifilter registers and what its callbacks receive: layouts only.
//!
//! Owns the `FLT_` structures except the parameters and the reparse data.

use crate::{
    FILE_OBJECT, FLT_PARAMETERS, FLT_TAG_DATA_BUFFER, IO_CSQ, IO_STATUS_BLOCK, LIST_ENTRY, NativeFn,
    UNICODE_STRING,
};
use core::cell::Cell;
use core::ffi::c_void;

crate::declare::layout! {
    /// One operation as the filter manager shows it to a minifilter.
    struct FLT_CALLBACK_DATA(0x58) {
        0x0 Flags: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Thread: Cell<*mut c_void>,
        0x10 Iopb: Cell<*mut FLT_IO_PARAMETER_BLOCK>,
        0x18 IoStatus: IO_STATUS_BLOCK,
        0x28 TagData: Cell<*mut FLT_TAG_DATA_BUFFER>,
        0x30 raw: [Cell<u64>; 4],
        0x50 RequestorMode: Cell<i8>,
        0x51 _pad51: [Cell<u8>; 7],
    }

    /// The operation's parameters, which a minifilter may change.
    struct FLT_IO_PARAMETER_BLOCK(0x48) {
        0x0 IrpFlags: Cell<u32>,
        0x4 MajorFunction: Cell<u8>,
        0x5 MinorFunction: Cell<u8>,
        0x6 OperationFlags: Cell<u8>,
        0x7 Reserved: Cell<u8>,
        0x8 TargetFileObject: Cell<*mut FILE_OBJECT>,
        0x10 TargetInstance: Cell<*mut c_void>,
        0x18 Parameters: FLT_PARAMETERS,
    }

    /// The objects that an operation touches.
    struct FLT_RELATED_OBJECTS(0x30) {
        0x0 Size: Cell<u16>,
        0x2 TransactionContext: Cell<u16>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Filter: Cell<*mut c_void>,
        0x10 Volume: Cell<*mut c_void>,
        0x18 Instance: Cell<*mut c_void>,
        0x20 FileObject: Cell<*mut FILE_OBJECT>,
        0x28 Transaction: Cell<*mut c_void>,
    }

    /// The contexts of an operation's objects.
    struct FLT_RELATED_CONTEXTS(0x30) {
        0x0 VolumeContext: Cell<*mut c_void>,
        0x8 InstanceContext: Cell<*mut c_void>,
        0x10 FileContext: Cell<*mut c_void>,
        0x18 StreamContext: Cell<*mut c_void>,
        0x20 StreamHandleContext: Cell<*mut c_void>,
        0x28 TransactionContext: Cell<*mut c_void>,
    }

    /// As `FLT_RELATED_CONTEXTS`, with the section context.
    struct FLT_RELATED_CONTEXTS_EX(0x38) {
        0x0 VolumeContext: Cell<*mut c_void>,
        0x8 InstanceContext: Cell<*mut c_void>,
        0x10 FileContext: Cell<*mut c_void>,
        0x18 StreamContext: Cell<*mut c_void>,
        0x20 StreamHandleContext: Cell<*mut c_void>,
        0x28 TransactionContext: Cell<*mut c_void>,
        0x30 SectionContext: Cell<*mut c_void>,
    }

    /// What a minifilter registers.
    struct FLT_REGISTRATION(0x70) {
        0x0 Size: Cell<u16>,
        0x2 Version: Cell<u16>,
        0x4 Flags: Cell<u32>,
        0x8 ContextRegistration: Cell<*mut FLT_CONTEXT_REGISTRATION>,
        0x10 OperationRegistration: Cell<*mut FLT_OPERATION_REGISTRATION>,
        0x18 FilterUnloadCallback: Cell<NativeFn>,
        0x20 InstanceSetupCallback: Cell<NativeFn>,
        0x28 InstanceQueryTeardownCallback: Cell<NativeFn>,
        0x30 InstanceTeardownStartCallback: Cell<NativeFn>,
        0x38 InstanceTeardownCompleteCallback: Cell<NativeFn>,
        0x40 GenerateFileNameCallback: Cell<NativeFn>,
        0x48 NormalizeNameComponentCallback: Cell<NativeFn>,
        0x50 NormalizeContextCleanupCallback: Cell<NativeFn>,
        0x58 TransactionNotificationCallback: Cell<NativeFn>,
        0x60 NormalizeNameComponentExCallback: Cell<NativeFn>,
        0x68 SectionNotificationCallback: Cell<NativeFn>,
    }

    /// The callbacks for one major function.
    struct FLT_OPERATION_REGISTRATION(0x20) {
        0x0 MajorFunction: Cell<u8>,
        0x1 _pad1: [Cell<u8>; 3],
        0x4 Flags: Cell<u32>,
        0x8 PreOperation: Cell<NativeFn>,
        0x10 PostOperation: Cell<NativeFn>,
        0x18 Reserved1: Cell<*mut c_void>,
    }

    /// One kind of context that a minifilter allocates.
    struct FLT_CONTEXT_REGISTRATION(0x38) {
        0x0 ContextType: Cell<u16>,
        0x2 Flags: Cell<u16>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 ContextCleanupCallback: Cell<NativeFn>,
        0x10 Size: Cell<usize>,
        0x18 PoolTag: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
        0x20 ContextAllocateCallback: Cell<NativeFn>,
        0x28 ContextFreeCallback: Cell<NativeFn>,
        0x30 Reserved1: Cell<*mut c_void>,
    }

    /// A file's name and its parts.
    struct FLT_FILE_NAME_INFORMATION(0x78) {
        0x0 Size: Cell<u16>,
        0x2 NamesParsed: Cell<u16>,
        0x4 Format: Cell<u32>,
        0x8 Name: UNICODE_STRING,
        0x18 Volume: UNICODE_STRING,
        0x28 Share: UNICODE_STRING,
        0x38 Extension: UNICODE_STRING,
        0x48 Stream: UNICODE_STRING,
        0x58 FinalComponent: UNICODE_STRING,
        0x68 ParentDir: UNICODE_STRING,
    }

    /// The name that a name provider fills in.
    struct FLT_NAME_CONTROL(0x10) {
        0x0 Name: UNICODE_STRING,
    }

    /// What is known of a volume; the names follow.
    struct FLT_VOLUME_PROPERTIES(0x48) {
        0x0 DeviceType: Cell<u32>,
        0x4 DeviceCharacteristics: Cell<u32>,
        0x8 DeviceObjectFlags: Cell<u32>,
        0xc AlignmentRequirement: Cell<u32>,
        0x10 SectorSize: Cell<u16>,
        0x12 Reserved0: Cell<u16>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 FileSystemDriverName: UNICODE_STRING,
        0x28 FileSystemDeviceName: UNICODE_STRING,
        0x38 RealDeviceName: UNICODE_STRING,
    }

    /// A cancel-safe queue of callback data.
    struct FLT_CALLBACK_DATA_QUEUE(0x80) {
        0x0 Csq: IO_CSQ,
        0x40 Flags: Cell<u32>,
        0x44 _pad44: [Cell<u8>; 4],
        0x48 Instance: Cell<*mut c_void>,
        0x50 InsertIo: Cell<NativeFn>,
        0x58 RemoveIo: Cell<NativeFn>,
        0x60 PeekNextIo: Cell<NativeFn>,
        0x68 Acquire: Cell<NativeFn>,
        0x70 Release: Cell<NativeFn>,
        0x78 CompleteCanceledIo: Cell<NativeFn>,
    }
}

crate::declare::views! {
    impl FLT_CALLBACK_DATA {
        /// The bytes at 0x30 as `QueueLinks`.
        0x30 QueueLinks: LIST_ENTRY,
        /// The bytes at 0x40 as `QueueContext`.
        0x40 QueueContext: [Cell<*mut c_void>; 2],
        /// The bytes at 0x30 as `FilterContext`.
        0x30 FilterContext: [Cell<*mut c_void>; 4],
    }
}
