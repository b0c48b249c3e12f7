//! `FLT_PARAMETERS.Pnp`: its arms by minor function.

use core::cell::Cell;
use core::ffi::c_void;

crate::declare::layout! {
    /// The `FLT_PARAMETERS.Pnp` arm.
    struct FLT_PARAMETERS_Pnp(0x20) {
        0x0 raw: [Cell<u64>; 4],
    }

    /// The `FLT_PARAMETERS.Pnp.UsageNotification` arm.
    struct FLT_PARAMETERS_Pnp_UsageNotification(0x10) {
        0x0 InPath: Cell<u8>,
        0x1 Reserved: [Cell<u8>; 3],
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Type: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
    }

    /// The `FLT_PARAMETERS.Pnp.QueryDeviceText` arm.
    struct FLT_PARAMETERS_Pnp_QueryDeviceText(0x10) {
        0x0 DeviceTextType: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 LocaleId: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
    }

    /// The `FLT_PARAMETERS.Pnp.QueryId` arm.
    struct FLT_PARAMETERS_Pnp_QueryId(0x4) {
        0x0 IdType: Cell<u32>,
    }

    /// The `FLT_PARAMETERS.Pnp.SetLock` arm.
    struct FLT_PARAMETERS_Pnp_SetLock(0x1) {
        0x0 Lock: Cell<u8>,
    }

    /// The `FLT_PARAMETERS.Pnp.ReadWriteConfig` arm.
    struct FLT_PARAMETERS_Pnp_ReadWriteConfig(0x20) {
        0x0 WhichSpace: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Buffer: Cell<*mut c_void>,
        0x10 Offset: Cell<u32>,
        0x14 _pad14: [Cell<u8>; 4],
        0x18 Length: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
    }

    /// The `FLT_PARAMETERS.Pnp.FilterResourceRequirements` arm.
    struct FLT_PARAMETERS_Pnp_FilterResourceRequirements(0x8) {
        0x0 IoResourceRequirementList: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.Pnp.DeviceCapabilities` arm.
    struct FLT_PARAMETERS_Pnp_DeviceCapabilities(0x8) {
        0x0 Capabilities: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.Pnp.QueryInterface` arm.
    struct FLT_PARAMETERS_Pnp_QueryInterface(0x20) {
        0x0 InterfaceType: Cell<*mut c_void>,
        0x8 Size: Cell<u16>,
        0xa Version: Cell<u16>,
        0xc _padc: [Cell<u8>; 4],
        0x10 Interface: Cell<*mut c_void>,
        0x18 InterfaceSpecificData: Cell<*mut c_void>,
    }

    /// The `FLT_PARAMETERS.Pnp.QueryDeviceRelations` arm.
    struct FLT_PARAMETERS_Pnp_QueryDeviceRelations(0x4) {
        0x0 Type: Cell<u32>,
    }

    /// The `FLT_PARAMETERS.Pnp.StartDevice` arm.
    struct FLT_PARAMETERS_Pnp_StartDevice(0x10) {
        0x0 AllocatedResources: Cell<*mut c_void>,
        0x8 AllocatedResourcesTranslated: Cell<*mut c_void>,
    }
}

crate::declare::views! {
    impl FLT_PARAMETERS_Pnp {
        /// The bytes at 0x0 as `StartDevice`.
        0x0 StartDevice: FLT_PARAMETERS_Pnp_StartDevice,
        /// The bytes at 0x0 as `QueryDeviceRelations`.
        0x0 QueryDeviceRelations: FLT_PARAMETERS_Pnp_QueryDeviceRelations,
        /// The bytes at 0x0 as `QueryInterface`.
        0x0 QueryInterface: FLT_PARAMETERS_Pnp_QueryInterface,
        /// The bytes at 0x0 as `DeviceCapabilities`.
        0x0 DeviceCapabilities: FLT_PARAMETERS_Pnp_DeviceCapabilities,
        /// The bytes at 0x0 as `FilterResourceRequirements`.
        0x0 FilterResourceRequirements: FLT_PARAMETERS_Pnp_FilterResourceRequirements,
        /// The bytes at 0x0 as `ReadWriteConfig`.
        0x0 ReadWriteConfig: FLT_PARAMETERS_Pnp_ReadWriteConfig,
        /// The bytes at 0x0 as `SetLock`.
        0x0 SetLock: FLT_PARAMETERS_Pnp_SetLock,
        /// The bytes at 0x0 as `QueryId`.
        0x0 QueryId: FLT_PARAMETERS_Pnp_QueryId,
        /// The bytes at 0x0 as `QueryDeviceText`.
        0x0 QueryDeviceText: FLT_PARAMETERS_Pnp_QueryDeviceText,
        /// The bytes at 0x0 as `UsageNotification`.
        0x0 UsageNotification: FLT_PARAMETERS_Pnp_UsageNotification,
    }
}
