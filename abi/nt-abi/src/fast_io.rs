//! The tables of calls that carry no IRP: fast I/O and file system filter callbacks.

use crate::{DEVICE_OBJECT, ERESOURCE, FILE_OBJECT, NativeFn};
use core::cell::Cell;
use core::ffi::c_void;

crate::declare::layout! {
    /// What a file system answers when a section is about to be created.
    struct FS_FILTER_SECTION_SYNC_OUTPUT(0x10) {
        0x0 StructureSize: Cell<u32>,
        0x4 SizeReturned: Cell<u32>,
        0x8 Flags: Cell<u32>,
        0xc DesiredReadAlignment: Cell<u32>,
    }

    /// One file system filter operation.
    struct FS_FILTER_CALLBACK_DATA(0x40) {
        0x0 SizeOfFsFilterCallbackData: Cell<u32>,
        0x4 Operation: Cell<u8>,
        0x5 Reserved: Cell<u8>,
        0x6 _pad6: [Cell<u8>; 2],
        0x8 DeviceObject: Cell<*mut DEVICE_OBJECT>,
        0x10 FileObject: Cell<*mut FILE_OBJECT>,
        0x18 Parameters: FS_FILTER_PARAMETERS,
    }

    /// The callbacks for file system filter operations.
    struct FS_FILTER_CALLBACKS(0x68) {
        0x0 SizeOfFsFilterCallbacks: Cell<u32>,
        0x4 Reserved: Cell<u32>,
        0x8 PreAcquireForSectionSynchronization: Cell<NativeFn>,
        0x10 PostAcquireForSectionSynchronization: Cell<NativeFn>,
        0x18 PreReleaseForSectionSynchronization: Cell<NativeFn>,
        0x20 PostReleaseForSectionSynchronization: Cell<NativeFn>,
        0x28 PreAcquireForCcFlush: Cell<NativeFn>,
        0x30 PostAcquireForCcFlush: Cell<NativeFn>,
        0x38 PreReleaseForCcFlush: Cell<NativeFn>,
        0x40 PostReleaseForCcFlush: Cell<NativeFn>,
        0x48 PreAcquireForModifiedPageWriter: Cell<NativeFn>,
        0x50 PostAcquireForModifiedPageWriter: Cell<NativeFn>,
        0x58 PreReleaseForModifiedPageWriter: Cell<NativeFn>,
        0x60 PostReleaseForModifiedPageWriter: Cell<NativeFn>,
    }

    /// The parameters of a file system filter operation; one method per arm.
    struct FS_FILTER_PARAMETERS(0x28) {
        0x0 raw: [Cell<u64>; 5],
    }

    /// The `FS_FILTER_PARAMETERS.Others` arm.
    struct FS_FILTER_PARAMETERS_Others(0x28) {
        0x0 Argument1: Cell<*mut c_void>,
        0x8 Argument2: Cell<*mut c_void>,
        0x10 Argument3: Cell<*mut c_void>,
        0x18 Argument4: Cell<*mut c_void>,
        0x20 Argument5: Cell<*mut c_void>,
    }

    /// The `FS_FILTER_PARAMETERS.NotifyStreamFileObject` arm.
    struct FS_FILTER_PARAMETERS_NotifyStreamFileObject(0x10) {
        0x0 NotificationType: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 SafeToRecurse: Cell<u8>,
        0x9 _pad9: [Cell<u8>; 7],
    }

    /// The `FS_FILTER_PARAMETERS.AcquireForSectionSynchronization` arm.
    struct FS_FILTER_PARAMETERS_AcquireForSectionSynchronization(0x18) {
        0x0 SyncType: Cell<u32>,
        0x4 PageProtection: Cell<u32>,
        0x8 OutputInformation: Cell<*mut FS_FILTER_SECTION_SYNC_OUTPUT>,
        0x10 Flags: Cell<u32>,
        0x14 AllocationAttributes: Cell<u32>,
    }

    /// The `FS_FILTER_PARAMETERS.ReleaseForModifiedPageWriter` arm.
    struct FS_FILTER_PARAMETERS_ReleaseForModifiedPageWriter(0x8) {
        0x0 ResourceToRelease: Cell<*mut ERESOURCE>,
    }

    /// The `FS_FILTER_PARAMETERS.AcquireForModifiedPageWriter` arm.
    struct FS_FILTER_PARAMETERS_AcquireForModifiedPageWriter(0x10) {
        0x0 EndingOffset: Cell<*mut i64>,
        0x8 ResourceToRelease: Cell<*mut *mut ERESOURCE>,
    }

    /// A driver's fast I/O routines.
    struct FAST_IO_DISPATCH(0xe0) {
        0x0 SizeOfFastIoDispatch: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 FastIoCheckIfPossible: Cell<NativeFn>,
        0x10 FastIoRead: Cell<NativeFn>,
        0x18 FastIoWrite: Cell<NativeFn>,
        0x20 FastIoQueryBasicInfo: Cell<NativeFn>,
        0x28 FastIoQueryStandardInfo: Cell<NativeFn>,
        0x30 FastIoLock: Cell<NativeFn>,
        0x38 FastIoUnlockSingle: Cell<NativeFn>,
        0x40 FastIoUnlockAll: Cell<NativeFn>,
        0x48 FastIoUnlockAllByKey: Cell<NativeFn>,
        0x50 FastIoDeviceControl: Cell<NativeFn>,
        0x58 AcquireFileForNtCreateSection: Cell<NativeFn>,
        0x60 ReleaseFileForNtCreateSection: Cell<NativeFn>,
        0x68 FastIoDetachDevice: Cell<NativeFn>,
        0x70 FastIoQueryNetworkOpenInfo: Cell<NativeFn>,
        0x78 AcquireForModWrite: Cell<NativeFn>,
        0x80 MdlRead: Cell<NativeFn>,
        0x88 MdlReadComplete: Cell<NativeFn>,
        0x90 PrepareMdlWrite: Cell<NativeFn>,
        0x98 MdlWriteComplete: Cell<NativeFn>,
        0xa0 FastIoReadCompressed: Cell<NativeFn>,
        0xa8 FastIoWriteCompressed: Cell<NativeFn>,
        0xb0 MdlReadCompleteCompressed: Cell<NativeFn>,
        0xb8 MdlWriteCompleteCompressed: Cell<NativeFn>,
        0xc0 FastIoQueryOpen: Cell<NativeFn>,
        0xc8 ReleaseForModWrite: Cell<NativeFn>,
        0xd0 AcquireForCcFlush: Cell<NativeFn>,
        0xd8 ReleaseForCcFlush: Cell<NativeFn>,
    }
}

crate::declare::views! {
    impl FS_FILTER_PARAMETERS {
        /// The bytes at 0x0 as `AcquireForModifiedPageWriter`.
        0x0 AcquireForModifiedPageWriter: FS_FILTER_PARAMETERS_AcquireForModifiedPageWriter,
        /// The bytes at 0x0 as `ReleaseForModifiedPageWriter`.
        0x0 ReleaseForModifiedPageWriter: FS_FILTER_PARAMETERS_ReleaseForModifiedPageWriter,
        /// The bytes at 0x0 as `AcquireForSectionSynchronization`.
        0x0 AcquireForSectionSynchronization: FS_FILTER_PARAMETERS_AcquireForSectionSynchronization,
        /// The bytes at 0x0 as `NotifyStreamFileObject`.
        0x0 NotifyStreamFileObject: FS_FILTER_PARAMETERS_NotifyStreamFileObject,
        /// The bytes at 0x0 as `Others`.
        0x0 Others: FS_FILTER_PARAMETERS_Others,
    }
}
