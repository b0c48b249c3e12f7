//! Records of the file information classes. Names follow the fixed part in memory: `[_; 1]` is their first element.

use core::cell::Cell;
use core::ffi::c_void;

crate::declare::layout! {
    /// `FileDispositionInformation`.
    struct FILE_DISPOSITION_INFORMATION(0x1) {
        0x0 DeleteFile: Cell<u8>,
    }

    /// `FileDispositionInformationEx`.
    struct FILE_DISPOSITION_INFORMATION_EX(0x4) {
        0x0 Flags: Cell<u32>,
    }

    /// `FileEndOfFileInformation`; bytes.
    struct FILE_END_OF_FILE_INFORMATION(0x8) {
        0x0 EndOfFile: Cell<i64>,
    }

    /// `FileAllocationInformation`; bytes.
    struct FILE_ALLOCATION_INFORMATION(0x8) {
        0x0 AllocationSize: Cell<i64>,
    }

    /// `FileValidDataLengthInformation`; bytes.
    struct FILE_VALID_DATA_LENGTH_INFORMATION(0x8) {
        0x0 ValidDataLength: Cell<i64>,
    }

    /// `FilePositionInformation`; bytes.
    struct FILE_POSITION_INFORMATION(0x8) {
        0x0 CurrentByteOffset: Cell<i64>,
    }

    /// `FileInternalInformation`.
    struct FILE_INTERNAL_INFORMATION(0x8) {
        0x0 IndexNumber: Cell<i64>,
    }

    /// `FileEaInformation`; bytes.
    struct FILE_EA_INFORMATION(0x4) {
        0x0 EaSize: Cell<u32>,
    }

    /// `FileAccessInformation`.
    struct FILE_ACCESS_INFORMATION(0x4) {
        0x0 AccessFlags: Cell<u32>,
    }

    /// `FileModeInformation`.
    struct FILE_MODE_INFORMATION(0x4) {
        0x0 Mode: Cell<u32>,
    }

    /// `FileAlignmentInformation`; a mask.
    struct FILE_ALIGNMENT_INFORMATION(0x4) {
        0x0 AlignmentRequirement: Cell<u32>,
    }

    /// `FileAttributeTagInformation`.
    struct FILE_ATTRIBUTE_TAG_INFORMATION(0x8) {
        0x0 FileAttributes: Cell<u32>,
        0x4 ReparseTag: Cell<u32>,
    }

    /// `FileCompressionInformation`.
    struct FILE_COMPRESSION_INFORMATION(0x10) {
        0x0 CompressedFileSize: Cell<i64>,
        0x8 CompressionFormat: Cell<u16>,
        0xa CompressionUnitShift: Cell<u8>,
        0xb ChunkShift: Cell<u8>,
        0xc ClusterShift: Cell<u8>,
        0xd Reserved: [Cell<u8>; 3],
    }

    /// `FileIdInformation`.
    struct FILE_ID_INFORMATION(0x18) {
        0x0 VolumeSerialNumber: Cell<u64>,
        0x8 FileId: [Cell<u8>; 16],
    }

    /// One extended attribute; the value follows the name and its zero byte.
    struct FILE_FULL_EA_INFORMATION(0xc) {
        0x0 NextEntryOffset: Cell<u32>,
        0x4 Flags: Cell<u8>,
        0x5 EaNameLength: Cell<u8>,
        0x6 EaValueLength: Cell<u16>,
        0x8 EaName: [Cell<u8>; 1],
        0x9 _pad9: [Cell<u8>; 3],
    }

    /// One extended attribute asked for by name.
    struct FILE_GET_EA_INFORMATION(0x8) {
        0x0 NextEntryOffset: Cell<u32>,
        0x4 EaNameLength: Cell<u8>,
        0x5 EaName: [Cell<u8>; 1],
        0x6 _pad6: [Cell<u8>; 2],
    }

    /// `FileLinkInformation` and `FileLinkInformationEx`.
    struct FILE_LINK_INFORMATION(0x18) {
        0x0 Flags: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 RootDirectory: Cell<*mut c_void>,
        0x10 FileNameLength: Cell<u32>,
        0x14 FileName: [Cell<u16>; 1],
        0x16 _pad16: [Cell<u8>; 2],
    }

    /// `FileStatInformation`.
    struct FILE_STAT_INFORMATION(0x48) {
        0x0 FileId: Cell<i64>,
        0x8 CreationTime: Cell<i64>,
        0x10 LastAccessTime: Cell<i64>,
        0x18 LastWriteTime: Cell<i64>,
        0x20 ChangeTime: Cell<i64>,
        0x28 AllocationSize: Cell<i64>,
        0x30 EndOfFile: Cell<i64>,
        0x38 FileAttributes: Cell<u32>,
        0x3c ReparseTag: Cell<u32>,
        0x40 NumberOfLinks: Cell<u32>,
        0x44 EffectiveAccess: Cell<u32>,
    }

    /// `FileRenameInformation` and `FileRenameInformationEx`.
    struct FILE_RENAME_INFORMATION(0x18) {
        0x0 Flags: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 RootDirectory: Cell<*mut c_void>,
        0x10 FileNameLength: Cell<u32>,
        0x14 FileName: [Cell<u16>; 1],
        0x16 _pad16: [Cell<u8>; 2],
    }

    /// `FileBasicInformation`.
    struct FILE_BASIC_INFORMATION(0x28) {
        0x0 CreationTime: Cell<i64>,
        0x8 LastAccessTime: Cell<i64>,
        0x10 LastWriteTime: Cell<i64>,
        0x18 ChangeTime: Cell<i64>,
        0x20 FileAttributes: Cell<u32>,
        0x24 _pad24: [Cell<u8>; 4],
    }

    /// `FileStandardInformation`.
    struct FILE_STANDARD_INFORMATION(0x18) {
        0x0 AllocationSize: Cell<i64>,
        0x8 EndOfFile: Cell<i64>,
        0x10 NumberOfLinks: Cell<u32>,
        0x14 DeletePending: Cell<u8>,
        0x15 Directory: Cell<u8>,
        0x16 _pad16: [Cell<u8>; 2],
    }

    /// `FileNameInformation`.
    struct FILE_NAME_INFORMATION(0x8) {
        0x0 FileNameLength: Cell<u32>,
        0x4 FileName: [Cell<u16>; 1],
        0x6 _pad6: [Cell<u8>; 2],
    }

    /// `FileNetworkOpenInformation`.
    struct FILE_NETWORK_OPEN_INFORMATION(0x38) {
        0x0 CreationTime: Cell<i64>,
        0x8 LastAccessTime: Cell<i64>,
        0x10 LastWriteTime: Cell<i64>,
        0x18 ChangeTime: Cell<i64>,
        0x20 AllocationSize: Cell<i64>,
        0x28 EndOfFile: Cell<i64>,
        0x30 FileAttributes: Cell<u32>,
        0x34 _pad34: [Cell<u8>; 4],
    }

    /// `FileAllInformation`.
    struct FILE_ALL_INFORMATION(0x68) {
        0x0 BasicInformation: FILE_BASIC_INFORMATION,
        0x28 StandardInformation: FILE_STANDARD_INFORMATION,
        0x40 InternalInformation: FILE_INTERNAL_INFORMATION,
        0x48 EaInformation: FILE_EA_INFORMATION,
        0x4c AccessInformation: FILE_ACCESS_INFORMATION,
        0x50 PositionInformation: FILE_POSITION_INFORMATION,
        0x58 ModeInformation: FILE_MODE_INFORMATION,
        0x5c AlignmentInformation: FILE_ALIGNMENT_INFORMATION,
        0x60 NameInformation: FILE_NAME_INFORMATION,
    }

    /// One stream of a file.
    struct FILE_STREAM_INFORMATION(0x20) {
        0x0 NextEntryOffset: Cell<u32>,
        0x4 StreamNameLength: Cell<u32>,
        0x8 StreamSize: Cell<i64>,
        0x10 StreamAllocationSize: Cell<i64>,
        0x18 StreamName: [Cell<u16>; 1],
        0x1a _pad1a: [Cell<u8>; 6],
    }
}

crate::declare::views! {
    impl FILE_LINK_INFORMATION {
        /// The bytes at 0x0 as `ReplaceIfExists`.
        0x0 ReplaceIfExists: Cell<u8>,
    }

    impl FILE_RENAME_INFORMATION {
        /// The bytes at 0x0 as `ReplaceIfExists`.
        0x0 ReplaceIfExists: Cell<u8>,
    }
}
