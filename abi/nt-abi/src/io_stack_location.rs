//! One driver's part of an IRP: `IO_STACK_LOCATION` and an arm per major function.
//!
//! The structure is 8-aligned on x64, so fields marked pointer-aligned stand every 8 bytes.

use crate::{DEVICE_OBJECT, FILE_OBJECT, IO_SECURITY_CONTEXT, NativeFn, UNICODE_STRING, VPB};
use core::cell::Cell;
use core::ffi::c_void;

crate::declare::layout! {
    /// One driver's part of an IRP.
    struct IO_STACK_LOCATION(0x48) {
        0x0 MajorFunction: Cell<u8>,
        0x1 MinorFunction: Cell<u8>,
        0x2 Flags: Cell<u8>,
        0x3 Control: Cell<u8>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Parameters: IO_STACK_LOCATION_Parameters,
        0x28 DeviceObject: Cell<*mut DEVICE_OBJECT>,
        0x30 FileObject: Cell<*mut FILE_OBJECT>,
        0x38 CompletionRoutine: Cell<NativeFn>,
        0x40 Context: Cell<*mut c_void>,
    }

    /// `IO_STACK_LOCATION.Parameters`; one method per arm.
    struct IO_STACK_LOCATION_Parameters(0x20) {
        0x0 raw: [Cell<u64>; 4],
    }

    /// The `IO_STACK_LOCATION.Others` arm.
    struct IO_STACK_LOCATION_Others(0x20) {
        0x0 Argument1: Cell<*mut c_void>,
        0x8 Argument2: Cell<*mut c_void>,
        0x10 Argument3: Cell<*mut c_void>,
        0x18 Argument4: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.WMI` arm.
    struct IO_STACK_LOCATION_WMI(0x20) {
        0x0 ProviderId: Cell<usize>,
        0x8 DataPath: Cell<*mut c_void>,
        0x10 BufferSize: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 Buffer: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.StartDevice` arm.
    struct IO_STACK_LOCATION_StartDevice(0x10) {
        0x0 AllocatedResources: Cell<*mut c_void>,
        0x8 AllocatedResourcesTranslated: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.Power` arm.
    struct IO_STACK_LOCATION_Power(0x20) {
        0x0 SystemContext: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Type: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 State: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 ShutdownType: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.PowerSequence` arm.
    struct IO_STACK_LOCATION_PowerSequence(0x8) {
        0x0 PowerSequence: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.WaitWake` arm.
    struct IO_STACK_LOCATION_WaitWake(0x4) {
        0x0 PowerState: Cell<u32>,
    }

    /// The `IO_STACK_LOCATION.UsageNotification` arm.
    struct IO_STACK_LOCATION_UsageNotification(0x10) {
        0x0 InPath: Cell<u8>,
        0x1 Reserved: [Cell<u8>; 3],
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Type: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.QueryDeviceText` arm.
    struct IO_STACK_LOCATION_QueryDeviceText(0x10) {
        0x0 DeviceTextType: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 LocaleId: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.QueryId` arm.
    struct IO_STACK_LOCATION_QueryId(0x4) {
        0x0 IdType: Cell<u32>,
    }

    /// The `IO_STACK_LOCATION.SetLock` arm.
    struct IO_STACK_LOCATION_SetLock(0x1) {
        0x0 Lock: Cell<u8>,
    }

    /// The `IO_STACK_LOCATION.ReadWriteConfig` arm.
    struct IO_STACK_LOCATION_ReadWriteConfig(0x20) {
        0x0 WhichSpace: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Buffer: Cell<*mut c_void>,
        0x10 Offset: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 Length: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.FilterResourceRequirements` arm.
    struct IO_STACK_LOCATION_FilterResourceRequirements(0x8) {
        0x0 IoResourceRequirementList: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.DeviceCapabilities` arm.
    struct IO_STACK_LOCATION_DeviceCapabilities(0x8) {
        0x0 Capabilities: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.QueryInterface` arm.
    struct IO_STACK_LOCATION_QueryInterface(0x20) {
        0x0 InterfaceType: Cell<*mut c_void>,
        0x8 Size: Cell<u16>,
        0xa Version: Cell<u16>,
        0xc _padc: [Cell<u8>; 4],
        0x10 Interface: Cell<*mut c_void>,
        0x18 InterfaceSpecificData: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.QueryDeviceRelations` arm.
    struct IO_STACK_LOCATION_QueryDeviceRelations(0x4) {
        0x0 Type: Cell<u32>,
    }

    /// The `IO_STACK_LOCATION.SetQuota` arm.
    struct IO_STACK_LOCATION_SetQuota(0x4) {
        0x0 Length: Cell<u32>,
    }

    /// The `IO_STACK_LOCATION.QueryQuota` arm.
    struct IO_STACK_LOCATION_QueryQuota(0x20) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 StartSid: Cell<*mut c_void>,
        0x10 SidList: Cell<*mut c_void>,
        0x18 SidListLength: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.Scsi` arm.
    struct IO_STACK_LOCATION_Scsi(0x8) {
        0x0 Srb: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.VerifyVolume` arm.
    struct IO_STACK_LOCATION_VerifyVolume(0x10) {
        0x0 Vpb: Cell<*mut VPB>,
        0x8 DeviceObject: Cell<*mut DEVICE_OBJECT>,
    }

    /// The `IO_STACK_LOCATION.MountVolume` arm.
    struct IO_STACK_LOCATION_MountVolume(0x10) {
        0x0 Vpb: Cell<*mut VPB>,
        0x8 DeviceObject: Cell<*mut DEVICE_OBJECT>,
    }

    /// The `IO_STACK_LOCATION.SetSecurity` arm.
    struct IO_STACK_LOCATION_SetSecurity(0x10) {
        0x0 SecurityInformation: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 SecurityDescriptor: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.QuerySecurity` arm.
    struct IO_STACK_LOCATION_QuerySecurity(0x10) {
        0x0 SecurityInformation: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Length: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.DeviceIoControl` arm.
    struct IO_STACK_LOCATION_DeviceIoControl(0x20) {
        0x0 OutputBufferLength: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 InputBufferLength: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 IoControlCode: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 Type3InputBuffer: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.LockControl` arm.
    struct IO_STACK_LOCATION_LockControl(0x18) {
        0x0 Length: Cell<*mut i64>,
        0x8 Key: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 ByteOffset: Cell<i64>,
    }

    /// The `IO_STACK_LOCATION.FileSystemControl` arm.
    struct IO_STACK_LOCATION_FileSystemControl(0x20) {
        0x0 OutputBufferLength: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 InputBufferLength: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 FsControlCode: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 Type3InputBuffer: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.SetVolume` arm.
    struct IO_STACK_LOCATION_SetVolume(0x10) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 FsInformationClass: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.QueryVolume` arm.
    struct IO_STACK_LOCATION_QueryVolume(0x10) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 FsInformationClass: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.SetEa` arm.
    struct IO_STACK_LOCATION_SetEa(0x4) {
        0x0 Length: Cell<u32>,
    }

    /// The `IO_STACK_LOCATION.QueryEa` arm.
    struct IO_STACK_LOCATION_QueryEa(0x20) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 EaList: Cell<*mut c_void>,
        0x10 EaListLength: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 EaIndex: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.SetFile` arm.
    struct IO_STACK_LOCATION_SetFile(0x20) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 FileInformationClass: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 FileObject: Cell<*mut FILE_OBJECT>,
        0x18 ReplaceIfExists: Cell<u8>,
        0x19 AdvanceOnly: Cell<u8>,
        0x1a _pad1a: [Cell<u8>; 6],
    }

    /// The `IO_STACK_LOCATION.QueryFile` arm.
    struct IO_STACK_LOCATION_QueryFile(0x10) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 FileInformationClass: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.NotifyDirectoryEx` arm.
    struct IO_STACK_LOCATION_NotifyDirectoryEx(0x18) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 CompletionFilter: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 DirectoryNotifyInformationClass: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.NotifyDirectory` arm.
    struct IO_STACK_LOCATION_NotifyDirectory(0x10) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 CompletionFilter: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.QueryDirectory` arm.
    struct IO_STACK_LOCATION_QueryDirectory(0x20) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 FileName: Cell<*mut UNICODE_STRING>,
        0x10 FileInformationClass: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 FileIndex: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
    }

    /// The `IO_STACK_LOCATION.Write` arm.
    struct IO_STACK_LOCATION_Write(0x18) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Key: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 ByteOffset: Cell<i64>,
    }

    /// The `IO_STACK_LOCATION.Read` arm.
    struct IO_STACK_LOCATION_Read(0x18) {
        0x0 Length: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Key: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 ByteOffset: Cell<i64>,
    }

    /// The `IO_STACK_LOCATION.CreateMailslot` arm.
    struct IO_STACK_LOCATION_CreateMailslot(0x20) {
        0x0 SecurityContext: Cell<*mut IO_SECURITY_CONTEXT>,
        0x8 Options: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 Reserved: Cell<u16>,
        0x12 ShareAccess: Cell<u16>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 Parameters: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.CreatePipe` arm.
    struct IO_STACK_LOCATION_CreatePipe(0x20) {
        0x0 SecurityContext: Cell<*mut IO_SECURITY_CONTEXT>,
        0x8 Options: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 Reserved: Cell<u16>,
        0x12 ShareAccess: Cell<u16>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 Parameters: Cell<*mut c_void>,
    }

    /// The `IO_STACK_LOCATION.Create` arm.
    struct IO_STACK_LOCATION_Create(0x20) {
        0x0 SecurityContext: Cell<*mut IO_SECURITY_CONTEXT>,
        0x8 Options: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 FileAttributes: Cell<u16>,
        0x12 ShareAccess: Cell<u16>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 EaLength: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
    }
}

crate::declare::views! {
    impl IO_STACK_LOCATION_SetFile {
        /// The bytes at 0x18 as `ClusterCount`.
        0x18 ClusterCount: Cell<u32>,
        /// The bytes at 0x18 as `DeleteHandle`.
        0x18 DeleteHandle: Cell<*mut c_void>,
    }

    impl IO_STACK_LOCATION_Power {
        /// The bytes at 0x0 as `SystemPowerStateContext`.
        0x0 SystemPowerStateContext: Cell<u32>,
    }

    impl IO_STACK_LOCATION_Parameters {
        /// The bytes at 0x0 as `Create`.
        0x0 Create: IO_STACK_LOCATION_Create,
        /// The bytes at 0x0 as `CreatePipe`.
        0x0 CreatePipe: IO_STACK_LOCATION_CreatePipe,
        /// The bytes at 0x0 as `CreateMailslot`.
        0x0 CreateMailslot: IO_STACK_LOCATION_CreateMailslot,
        /// The bytes at 0x0 as `Read`.
        0x0 Read: IO_STACK_LOCATION_Read,
        /// The bytes at 0x0 as `Write`.
        0x0 Write: IO_STACK_LOCATION_Write,
        /// The bytes at 0x0 as `QueryDirectory`.
        0x0 QueryDirectory: IO_STACK_LOCATION_QueryDirectory,
        /// The bytes at 0x0 as `NotifyDirectory`.
        0x0 NotifyDirectory: IO_STACK_LOCATION_NotifyDirectory,
        /// The bytes at 0x0 as `NotifyDirectoryEx`.
        0x0 NotifyDirectoryEx: IO_STACK_LOCATION_NotifyDirectoryEx,
        /// The bytes at 0x0 as `QueryFile`.
        0x0 QueryFile: IO_STACK_LOCATION_QueryFile,
        /// The bytes at 0x0 as `SetFile`.
        0x0 SetFile: IO_STACK_LOCATION_SetFile,
        /// The bytes at 0x0 as `QueryEa`.
        0x0 QueryEa: IO_STACK_LOCATION_QueryEa,
        /// The bytes at 0x0 as `SetEa`.
        0x0 SetEa: IO_STACK_LOCATION_SetEa,
        /// The bytes at 0x0 as `QueryVolume`.
        0x0 QueryVolume: IO_STACK_LOCATION_QueryVolume,
        /// The bytes at 0x0 as `SetVolume`.
        0x0 SetVolume: IO_STACK_LOCATION_SetVolume,
        /// The bytes at 0x0 as `FileSystemControl`.
        0x0 FileSystemControl: IO_STACK_LOCATION_FileSystemControl,
        /// The bytes at 0x0 as `LockControl`.
        0x0 LockControl: IO_STACK_LOCATION_LockControl,
        /// The bytes at 0x0 as `DeviceIoControl`.
        0x0 DeviceIoControl: IO_STACK_LOCATION_DeviceIoControl,
        /// The bytes at 0x0 as `QuerySecurity`.
        0x0 QuerySecurity: IO_STACK_LOCATION_QuerySecurity,
        /// The bytes at 0x0 as `SetSecurity`.
        0x0 SetSecurity: IO_STACK_LOCATION_SetSecurity,
        /// The bytes at 0x0 as `MountVolume`.
        0x0 MountVolume: IO_STACK_LOCATION_MountVolume,
        /// The bytes at 0x0 as `VerifyVolume`.
        0x0 VerifyVolume: IO_STACK_LOCATION_VerifyVolume,
        /// The bytes at 0x0 as `Scsi`.
        0x0 Scsi: IO_STACK_LOCATION_Scsi,
        /// The bytes at 0x0 as `QueryQuota`.
        0x0 QueryQuota: IO_STACK_LOCATION_QueryQuota,
        /// The bytes at 0x0 as `SetQuota`.
        0x0 SetQuota: IO_STACK_LOCATION_SetQuota,
        /// The bytes at 0x0 as `QueryDeviceRelations`.
        0x0 QueryDeviceRelations: IO_STACK_LOCATION_QueryDeviceRelations,
        /// The bytes at 0x0 as `QueryInterface`.
        0x0 QueryInterface: IO_STACK_LOCATION_QueryInterface,
        /// The bytes at 0x0 as `DeviceCapabilities`.
        0x0 DeviceCapabilities: IO_STACK_LOCATION_DeviceCapabilities,
        /// The bytes at 0x0 as `FilterResourceRequirements`.
        0x0 FilterResourceRequirements: IO_STACK_LOCATION_FilterResourceRequirements,
        /// The bytes at 0x0 as `ReadWriteConfig`.
        0x0 ReadWriteConfig: IO_STACK_LOCATION_ReadWriteConfig,
        /// The bytes at 0x0 as `SetLock`.
        0x0 SetLock: IO_STACK_LOCATION_SetLock,
        /// The bytes at 0x0 as `QueryId`.
        0x0 QueryId: IO_STACK_LOCATION_QueryId,
        /// The bytes at 0x0 as `QueryDeviceText`.
        0x0 QueryDeviceText: IO_STACK_LOCATION_QueryDeviceText,
        /// The bytes at 0x0 as `UsageNotification`.
        0x0 UsageNotification: IO_STACK_LOCATION_UsageNotification,
        /// The bytes at 0x0 as `WaitWake`.
        0x0 WaitWake: IO_STACK_LOCATION_WaitWake,
        /// The bytes at 0x0 as `PowerSequence`.
        0x0 PowerSequence: IO_STACK_LOCATION_PowerSequence,
        /// The bytes at 0x0 as `Power`.
        0x0 Power: IO_STACK_LOCATION_Power,
        /// The bytes at 0x0 as `StartDevice`.
        0x0 StartDevice: IO_STACK_LOCATION_StartDevice,
        /// The bytes at 0x0 as `WMI`.
        0x0 WMI: IO_STACK_LOCATION_WMI,
        /// The bytes at 0x0 as `Others`.
        0x0 Others: IO_STACK_LOCATION_Others,
    }
}
