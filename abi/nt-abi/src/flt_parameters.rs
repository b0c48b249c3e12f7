//! `FLT_PARAMETERS`: one arm per major function, over six machine words.
//!
//! Refuses to know which arm is valid: that is the major function's say, in the filter manager.

use crate::{
    DEVICE_OBJECT, ERESOURCE, FILE_NETWORK_OPEN_INFORMATION, FILE_OBJECT, FLT_PARAMETERS_Pnp,
    FS_FILTER_SECTION_SYNC_OUTPUT, IO_SECURITY_CONTEXT, IRP, MDL, UNICODE_STRING, VPB,
};
use core::cell::Cell;
use core::ffi::c_void;

crate::declare::layout! {
    /// The parameters by major function; one method per arm.
    struct FLT_PARAMETERS(0x30) {
        0x0 raw: [Cell<u64>; 6],
    }

    /// The `FLT_PARAMETERS.Others` arm.
    struct FLT_PARAMETERS_Others(0x30) {
        0x0 Argument1: Cell<*mut c_void>,
        0x8 Argument2: Cell<*mut c_void>,
        0x10 Argument3: Cell<*mut c_void>,
        0x18 Argument4: Cell<*mut c_void>,
        0x20 Argument5: Cell<*mut c_void>,
        0x28 Argument6: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.MountVolume` arm.
    struct FLT_PARAMETERS_MountVolume(0x4) {
        0x0 DeviceType: Cell<u32>,
    }

    /// The `FLT_PARAMETERS.MdlWriteComplete` arm.
    struct FLT_PARAMETERS_MdlWriteComplete(0x10) {
        0x0 FileOffset: Cell<i64>,
        0x8 MdlChain: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.PrepareMdlWrite` arm.
    struct FLT_PARAMETERS_PrepareMdlWrite(0x20) {
        0x0 FileOffset: Cell<i64>,
        0x8 Length: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 Key: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 MdlChain: Cell<*mut *mut MDL>,
    }

    /// The `FLT_PARAMETERS.MdlReadComplete` arm.
    struct FLT_PARAMETERS_MdlReadComplete(0x8) {
        0x0 MdlChain: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.MdlRead` arm.
    struct FLT_PARAMETERS_MdlRead(0x20) {
        0x0 FileOffset: Cell<i64>,
        0x8 Length: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 Key: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 MdlChain: Cell<*mut *mut MDL>,
    }

    /// The `FLT_PARAMETERS.NetworkQueryOpen` arm.
    struct FLT_PARAMETERS_NetworkQueryOpen(0x10) {
        0x0 Irp: Cell<*mut IRP>,
        0x8 NetworkInformation: Cell<*mut FILE_NETWORK_OPEN_INFORMATION>,
    }

    /// The `FLT_PARAMETERS.FastIoCheckIfPossible` arm.
    struct FLT_PARAMETERS_FastIoCheckIfPossible(0x20) {
        0x0 FileOffset: Cell<i64>,
        0x8 Length: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 LockKey: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 CheckForReadOperation: Cell<u8>,
        0x19 _pad19: [Cell<u8>; 7],
    }

    /// The `FLT_PARAMETERS.ReleaseForModifiedPageWriter` arm.
    struct FLT_PARAMETERS_ReleaseForModifiedPageWriter(0x8) {
        0x0 ResourceToRelease: Cell<*mut ERESOURCE>,
    }

    /// The `FLT_PARAMETERS.AcquireForModifiedPageWriter` arm.
    struct FLT_PARAMETERS_AcquireForModifiedPageWriter(0x10) {
        0x0 EndingOffset: Cell<*mut i64>,
        0x8 ResourceToRelease: Cell<*mut *mut ERESOURCE>,
    }

    /// The `FLT_PARAMETERS.QueryOpen` arm.
    struct FLT_PARAMETERS_QueryOpen(0x20) {
        0x0 Irp: Cell<*mut IRP>,
        0x8 FileInformation: Cell<*mut c_void>,
        0x10 Length: Cell<*mut u32>,
        0x18 FileInformationClass: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
    }

    /// The `FLT_PARAMETERS.AcquireForSectionSynchronization` arm.
    struct FLT_PARAMETERS_AcquireForSectionSynchronization(0x18) {
        0x0 SyncType: Cell<u32>,
        0x4 PageProtection: Cell<u32>,
        0x8 OutputInformation: Cell<*mut FS_FILTER_SECTION_SYNC_OUTPUT>,
        0x10 Flags: Cell<u32>,
        0x14 AllocationAttributes: Cell<u32>,
    }

    /// The `FLT_PARAMETERS.SetQuota` arm.
    struct FLT_PARAMETERS_SetQuota(0x18) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 QuotaBuffer: Cell<*mut c_void>,
        0x10 MdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.QueryQuota` arm.
    struct FLT_PARAMETERS_QueryQuota(0x30) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 StartSid: Cell<*mut c_void>,
        0x10 SidList: Cell<*mut c_void>,
        0x18 SidListLength: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
        0x20 QuotaBuffer: Cell<*mut c_void>,
        0x28 MdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.WMI` arm.
    struct FLT_PARAMETERS_WMI(0x20) {
        0x0 ProviderId: Cell<usize>,
        0x8 DataPath: Cell<*mut c_void>,
        0x10 BufferSize: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 Buffer: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.SetSecurity` arm.
    struct FLT_PARAMETERS_SetSecurity(0x10) {
        0x0 SecurityInformation: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 SecurityDescriptor: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.QuerySecurity` arm.
    struct FLT_PARAMETERS_QuerySecurity(0x20) {
        0x0 SecurityInformation: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Length: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 SecurityBuffer: Cell<*mut c_void>,
        0x18 MdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.LockControl` arm.
    struct FLT_PARAMETERS_LockControl(0x28) {
        0x0 Length: Cell<*mut i64>,
        0x8 Key: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 ByteOffset: Cell<i64>,
        0x18 ProcessId: Cell<*mut c_void>,
        0x20 FailImmediately: Cell<u8>,
        0x21 ExclusiveLock: Cell<u8>,
        0x22 _pad22: [Cell<u8>; 6],
    }

    /// The `FLT_PARAMETERS.DeviceIoControl` arm.
    struct FLT_PARAMETERS_DeviceIoControl(0x30) {
        0x0 raw: [Cell<u64>; 6],
    }

    /// The `FLT_PARAMETERS.DeviceIoControl.FastIo` arm.
    struct FLT_PARAMETERS_DeviceIoControl_FastIo(0x28) {
        0x0 OutputBufferLength: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 InputBufferLength: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 IoControlCode: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 InputBuffer: Cell<*mut c_void>,
        0x20 OutputBuffer: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.DeviceIoControl.Direct` arm.
    struct FLT_PARAMETERS_DeviceIoControl_Direct(0x30) {
        0x0 OutputBufferLength: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 InputBufferLength: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 IoControlCode: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 InputSystemBuffer: Cell<*mut c_void>,
        0x20 OutputBuffer: Cell<*mut c_void>,
        0x28 OutputMdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.DeviceIoControl.Buffered` arm.
    struct FLT_PARAMETERS_DeviceIoControl_Buffered(0x20) {
        0x0 OutputBufferLength: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 InputBufferLength: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 IoControlCode: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 SystemBuffer: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.DeviceIoControl.Neither` arm.
    struct FLT_PARAMETERS_DeviceIoControl_Neither(0x30) {
        0x0 OutputBufferLength: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 InputBufferLength: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 IoControlCode: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 InputBuffer: Cell<*mut c_void>,
        0x20 OutputBuffer: Cell<*mut c_void>,
        0x28 OutputMdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.DeviceIoControl.Common` arm.
    struct FLT_PARAMETERS_DeviceIoControl_Common(0x18) {
        0x0 OutputBufferLength: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 InputBufferLength: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 IoControlCode: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
    }

    /// The `FLT_PARAMETERS.FileSystemControl` arm.
    struct FLT_PARAMETERS_FileSystemControl(0x30) {
        0x0 raw: [Cell<u64>; 6],
    }

    /// The `FLT_PARAMETERS.FileSystemControl.Direct` arm.
    struct FLT_PARAMETERS_FileSystemControl_Direct(0x30) {
        0x0 OutputBufferLength: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 InputBufferLength: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 FsControlCode: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 InputSystemBuffer: Cell<*mut c_void>,
        0x20 OutputBuffer: Cell<*mut c_void>,
        0x28 OutputMdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.FileSystemControl.Buffered` arm.
    struct FLT_PARAMETERS_FileSystemControl_Buffered(0x20) {
        0x0 OutputBufferLength: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 InputBufferLength: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 FsControlCode: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 SystemBuffer: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.FileSystemControl.Neither` arm.
    struct FLT_PARAMETERS_FileSystemControl_Neither(0x30) {
        0x0 OutputBufferLength: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 InputBufferLength: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 FsControlCode: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 InputBuffer: Cell<*mut c_void>,
        0x20 OutputBuffer: Cell<*mut c_void>,
        0x28 OutputMdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.FileSystemControl.Common` arm.
    struct FLT_PARAMETERS_FileSystemControl_Common(0x18) {
        0x0 OutputBufferLength: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 InputBufferLength: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 FsControlCode: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
    }

    /// The `FLT_PARAMETERS.FileSystemControl.VerifyVolume` arm.
    struct FLT_PARAMETERS_FileSystemControl_VerifyVolume(0x10) {
        0x0 Vpb: Cell<*mut VPB>,
        0x8 DeviceObject: Cell<*mut DEVICE_OBJECT>,
    }

    /// The `FLT_PARAMETERS.DirectoryControl` arm.
    struct FLT_PARAMETERS_DirectoryControl(0x30) {
        0x0 raw: [Cell<u64>; 6],
    }

    /// The `FLT_PARAMETERS.DirectoryControl.NotifyDirectory` arm.
    struct FLT_PARAMETERS_DirectoryControl_NotifyDirectory(0x30) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 CompletionFilter: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 Spare1: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 Spare2: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
        0x20 DirectoryBuffer: Cell<*mut c_void>,
        0x28 MdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.DirectoryControl.QueryDirectory` arm.
    struct FLT_PARAMETERS_DirectoryControl_QueryDirectory(0x30) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 FileName: Cell<*mut UNICODE_STRING>,
        0x10 FileInformationClass: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 FileIndex: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
        0x20 DirectoryBuffer: Cell<*mut c_void>,
        0x28 MdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.SetVolumeInformation` arm.
    struct FLT_PARAMETERS_SetVolumeInformation(0x18) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 FsInformationClass: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 VolumeBuffer: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.QueryVolumeInformation` arm.
    struct FLT_PARAMETERS_QueryVolumeInformation(0x18) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 FsInformationClass: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 VolumeBuffer: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.SetEa` arm.
    struct FLT_PARAMETERS_SetEa(0x18) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 EaBuffer: Cell<*mut c_void>,
        0x10 MdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.QueryEa` arm.
    struct FLT_PARAMETERS_QueryEa(0x30) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 EaList: Cell<*mut c_void>,
        0x10 EaListLength: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 EaIndex: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
        0x20 EaBuffer: Cell<*mut c_void>,
        0x28 MdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.SetFileInformation` arm.
    struct FLT_PARAMETERS_SetFileInformation(0x28) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 FileInformationClass: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 ParentOfTarget: Cell<*mut FILE_OBJECT>,
        0x18 ReplaceIfExists: Cell<u8>,
        0x19 AdvanceOnly: Cell<u8>,
        0x1a _pad1a: [Cell<u8>; 6],
        0x20 InfoBuffer: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.QueryFileInformation` arm.
    struct FLT_PARAMETERS_QueryFileInformation(0x18) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 FileInformationClass: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 InfoBuffer: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.Write` arm.
    struct FLT_PARAMETERS_Write(0x28) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Key: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 ByteOffset: Cell<i64>,
        0x18 WriteBuffer: Cell<*mut c_void>,
        0x20 MdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.Read` arm.
    struct FLT_PARAMETERS_Read(0x28) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Key: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 ByteOffset: Cell<i64>,
        0x18 ReadBuffer: Cell<*mut c_void>,
        0x20 MdlAddress: Cell<*mut MDL>,
    }

    /// The `FLT_PARAMETERS.CreateMailslot` arm.
    struct FLT_PARAMETERS_CreateMailslot(0x20) {
        0x0 SecurityContext: Cell<*mut IO_SECURITY_CONTEXT>,
        0x8 Options: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 Reserved: Cell<u16>,
        0x12 ShareAccess: Cell<u16>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 Parameters: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.CreatePipe` arm.
    struct FLT_PARAMETERS_CreatePipe(0x20) {
        0x0 SecurityContext: Cell<*mut IO_SECURITY_CONTEXT>,
        0x8 Options: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 Reserved: Cell<u16>,
        0x12 ShareAccess: Cell<u16>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 Parameters: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.Create` arm.
    struct FLT_PARAMETERS_Create(0x30) {
        0x0 SecurityContext: Cell<*mut IO_SECURITY_CONTEXT>,
        0x8 Options: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 FileAttributes: Cell<u16>,
        0x12 ShareAccess: Cell<u16>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 EaLength: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
        0x20 EaBuffer: Cell<*mut c_void>,
        0x28 AllocationSize: Cell<i64>,
    }
}

crate::declare::views! {
    impl FLT_PARAMETERS_SetFileInformation {
        /// The bytes at 0x18 as `ClusterCount`.
        0x18 ClusterCount: Cell<u32>,
        /// The bytes at 0x18 as `DeleteHandle`.
        0x18 DeleteHandle: Cell<*mut c_void>,
    }

    impl FLT_PARAMETERS_DirectoryControl {
        /// The bytes at 0x0 as `QueryDirectory`.
        0x0 QueryDirectory: FLT_PARAMETERS_DirectoryControl_QueryDirectory,
        /// The bytes at 0x0 as `NotifyDirectory`.
        0x0 NotifyDirectory: FLT_PARAMETERS_DirectoryControl_NotifyDirectory,
    }

    impl FLT_PARAMETERS_FileSystemControl {
        /// The bytes at 0x0 as `VerifyVolume`.
        0x0 VerifyVolume: FLT_PARAMETERS_FileSystemControl_VerifyVolume,
        /// The bytes at 0x0 as `Common`.
        0x0 Common: FLT_PARAMETERS_FileSystemControl_Common,
        /// The bytes at 0x0 as `Neither`.
        0x0 Neither: FLT_PARAMETERS_FileSystemControl_Neither,
        /// The bytes at 0x0 as `Buffered`.
        0x0 Buffered: FLT_PARAMETERS_FileSystemControl_Buffered,
        /// The bytes at 0x0 as `Direct`.
        0x0 Direct: FLT_PARAMETERS_FileSystemControl_Direct,
    }

    impl FLT_PARAMETERS_DeviceIoControl {
        /// The bytes at 0x0 as `Common`.
        0x0 Common: FLT_PARAMETERS_DeviceIoControl_Common,
        /// The bytes at 0x0 as `Neither`.
        0x0 Neither: FLT_PARAMETERS_DeviceIoControl_Neither,
        /// The bytes at 0x0 as `Buffered`.
        0x0 Buffered: FLT_PARAMETERS_DeviceIoControl_Buffered,
        /// The bytes at 0x0 as `Direct`.
        0x0 Direct: FLT_PARAMETERS_DeviceIoControl_Direct,
        /// The bytes at 0x0 as `FastIo`.
        0x0 FastIo: FLT_PARAMETERS_DeviceIoControl_FastIo,
    }

    impl FLT_PARAMETERS {
        /// The bytes at 0x0 as `Create`.
        0x0 Create: FLT_PARAMETERS_Create,
        /// The bytes at 0x0 as `CreatePipe`.
        0x0 CreatePipe: FLT_PARAMETERS_CreatePipe,
        /// The bytes at 0x0 as `CreateMailslot`.
        0x0 CreateMailslot: FLT_PARAMETERS_CreateMailslot,
        /// The bytes at 0x0 as `Read`.
        0x0 Read: FLT_PARAMETERS_Read,
        /// The bytes at 0x0 as `Write`.
        0x0 Write: FLT_PARAMETERS_Write,
        /// The bytes at 0x0 as `QueryFileInformation`.
        0x0 QueryFileInformation: FLT_PARAMETERS_QueryFileInformation,
        /// The bytes at 0x0 as `SetFileInformation`.
        0x0 SetFileInformation: FLT_PARAMETERS_SetFileInformation,
        /// The bytes at 0x0 as `QueryEa`.
        0x0 QueryEa: FLT_PARAMETERS_QueryEa,
        /// The bytes at 0x0 as `SetEa`.
        0x0 SetEa: FLT_PARAMETERS_SetEa,
        /// The bytes at 0x0 as `QueryVolumeInformation`.
        0x0 QueryVolumeInformation: FLT_PARAMETERS_QueryVolumeInformation,
        /// The bytes at 0x0 as `SetVolumeInformation`.
        0x0 SetVolumeInformation: FLT_PARAMETERS_SetVolumeInformation,
        /// The bytes at 0x0 as `DirectoryControl`.
        0x0 DirectoryControl: FLT_PARAMETERS_DirectoryControl,
        /// The bytes at 0x0 as `FileSystemControl`.
        0x0 FileSystemControl: FLT_PARAMETERS_FileSystemControl,
        /// The bytes at 0x0 as `DeviceIoControl`.
        0x0 DeviceIoControl: FLT_PARAMETERS_DeviceIoControl,
        /// The bytes at 0x0 as `LockControl`.
        0x0 LockControl: FLT_PARAMETERS_LockControl,
        /// The bytes at 0x0 as `QuerySecurity`.
        0x0 QuerySecurity: FLT_PARAMETERS_QuerySecurity,
        /// The bytes at 0x0 as `SetSecurity`.
        0x0 SetSecurity: FLT_PARAMETERS_SetSecurity,
        /// The bytes at 0x0 as `WMI`.
        0x0 WMI: FLT_PARAMETERS_WMI,
        /// The bytes at 0x0 as `QueryQuota`.
        0x0 QueryQuota: FLT_PARAMETERS_QueryQuota,
        /// The bytes at 0x0 as `SetQuota`.
        0x0 SetQuota: FLT_PARAMETERS_SetQuota,
        /// The bytes at 0x0 as `Pnp`.
        0x0 Pnp: FLT_PARAMETERS_Pnp,
        /// The bytes at 0x0 as `AcquireForSectionSynchronization`.
        0x0 AcquireForSectionSynchronization: FLT_PARAMETERS_AcquireForSectionSynchronization,
        /// The bytes at 0x0 as `QueryOpen`.
        0x0 QueryOpen: FLT_PARAMETERS_QueryOpen,
        /// The bytes at 0x0 as `AcquireForModifiedPageWriter`.
        0x0 AcquireForModifiedPageWriter: FLT_PARAMETERS_AcquireForModifiedPageWriter,
        /// The bytes at 0x0 as `ReleaseForModifiedPageWriter`.
        0x0 ReleaseForModifiedPageWriter: FLT_PARAMETERS_ReleaseForModifiedPageWriter,
        /// The bytes at 0x0 as `FastIoCheckIfPossible`.
        0x0 FastIoCheckIfPossible: FLT_PARAMETERS_FastIoCheckIfPossible,
        /// The bytes at 0x0 as `NetworkQueryOpen`.
        0x0 NetworkQueryOpen: FLT_PARAMETERS_NetworkQueryOpen,
        /// The bytes at 0x0 as `MdlRead`.
        0x0 MdlRead: FLT_PARAMETERS_MdlRead,
        /// The bytes at 0x0 as `MdlReadComplete`.
        0x0 MdlReadComplete: FLT_PARAMETERS_MdlReadComplete,
        /// The bytes at 0x0 as `PrepareMdlWrite`.
        0x0 PrepareMdlWrite: FLT_PARAMETERS_PrepareMdlWrite,
        /// The bytes at 0x0 as `MdlWriteComplete`.
        0x0 MdlWriteComplete: FLT_PARAMETERS_MdlWriteComplete,
        /// The bytes at 0x0 as `MountVolume`.
        0x0 MountVolume: FLT_PARAMETERS_MountVolume,
        /// The bytes at 0x0 as `Others`.
        0x0 Others: FLT_PARAMETERS_Others,
        /// The bytes at 0x0 as `QueryDirectory`.
        0x0 QueryDirectory: FLT_PARAMETERS_DirectoryControl_QueryDirectory,
        /// The bytes at 0x0 as `NotifyDirectory`.
        0x0 NotifyDirectory: FLT_PARAMETERS_DirectoryControl_NotifyDirectory,
    }
}
