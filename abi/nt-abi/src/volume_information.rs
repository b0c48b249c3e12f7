//! Records of the volume information classes.

use core::cell::Cell;

crate::declare::layout! {
    /// `FileFsDeviceInformation`.
    struct FILE_FS_DEVICE_INFORMATION(0x8) {
        0x0 DeviceType: Cell<u32>,
        0x4 Characteristics: Cell<u32>,
    }

    /// `FileFsFullSizeInformation`; allocation units.
    struct FILE_FS_FULL_SIZE_INFORMATION(0x20) {
        0x0 TotalAllocationUnits: Cell<i64>,
        0x8 CallerAvailableAllocationUnits: Cell<i64>,
        0x10 ActualAvailableAllocationUnits: Cell<i64>,
        0x18 SectorsPerAllocationUnit: Cell<u32>,
        0x1c BytesPerSector: Cell<u32>,
    }

    /// `FileFsLabelInformation`.
    struct FILE_FS_LABEL_INFORMATION(0x8) {
        0x0 VolumeLabelLength: Cell<u32>,
        0x4 VolumeLabel: [Cell<u16>; 1],
        0x6 _pad6: [Cell<u8>; 2],
    }

    /// `FileFsSectorSizeInformation`; bytes.
    struct FILE_FS_SECTOR_SIZE_INFORMATION(0x1c) {
        0x0 LogicalBytesPerSector: Cell<u32>,
        0x4 PhysicalBytesPerSectorForAtomicity: Cell<u32>,
        0x8 PhysicalBytesPerSectorForPerformance: Cell<u32>,
        0xc FileSystemEffectivePhysicalBytesPerSectorForAtomicity: Cell<u32>,
        0x10 Flags: Cell<u32>,
        0x14 ByteOffsetForSectorAlignment: Cell<u32>,
        0x18 ByteOffsetForPartitionAlignment: Cell<u32>,
    }

    /// `FileFsSizeInformation`; allocation units.
    struct FILE_FS_SIZE_INFORMATION(0x18) {
        0x0 TotalAllocationUnits: Cell<i64>,
        0x8 AvailableAllocationUnits: Cell<i64>,
        0x10 SectorsPerAllocationUnit: Cell<u32>,
        0x14 BytesPerSector: Cell<u32>,
    }

    /// `FileFsVolumeInformation`.
    struct FILE_FS_VOLUME_INFORMATION(0x18) {
        0x0 VolumeCreationTime: Cell<i64>,
        0x8 VolumeSerialNumber: Cell<u32>,
        0xc VolumeLabelLength: Cell<u32>,
        0x10 SupportsObjects: Cell<u8>,
        0x11 _pad11: [Cell<u8>; 1],
        0x12 VolumeLabel: [Cell<u16>; 1],
        0x14 _pad14: [Cell<u8>; 4],
    }

    /// `FileFsAttributeInformation`.
    struct FILE_FS_ATTRIBUTE_INFORMATION(0x10) {
        0x0 FileSystemAttributes: Cell<u32>,
        0x4 MaximumComponentNameLength: Cell<u32>,
        0x8 FileSystemNameLength: Cell<u32>,
        0xc FileSystemName: [Cell<u16>; 1],
        0xe _pade: [Cell<u8>; 2],
    }
}
