//! Records of the directory enumeration classes and of change notification; chained by `NextEntryOffset`, in bytes.

use core::cell::Cell;

crate::declare::layout! {
    /// `FileIdFullDirectoryInformation`.
    struct FILE_ID_FULL_DIR_INFORMATION(0x58) {
        0x0 NextEntryOffset: Cell<u32>,
        0x4 FileIndex: Cell<u32>,
        0x8 CreationTime: Cell<i64>,
        0x10 LastAccessTime: Cell<i64>,
        0x18 LastWriteTime: Cell<i64>,
        0x20 ChangeTime: Cell<i64>,
        0x28 EndOfFile: Cell<i64>,
        0x30 AllocationSize: Cell<i64>,
        0x38 FileAttributes: Cell<u32>,
        0x3c FileNameLength: Cell<u32>,
        0x40 EaSize: Cell<u32>,
        0x44 _pad44: [Cell<u8>; 4],
        0x48 FileId: Cell<i64>,
        0x50 FileName: [Cell<u16>; 1],
        0x52 _pad52: [Cell<u8>; 6],
    }

    /// `FileBothDirectoryInformation`.
    struct FILE_BOTH_DIR_INFORMATION(0x60) {
        0x0 NextEntryOffset: Cell<u32>,
        0x4 FileIndex: Cell<u32>,
        0x8 CreationTime: Cell<i64>,
        0x10 LastAccessTime: Cell<i64>,
        0x18 LastWriteTime: Cell<i64>,
        0x20 ChangeTime: Cell<i64>,
        0x28 EndOfFile: Cell<i64>,
        0x30 AllocationSize: Cell<i64>,
        0x38 FileAttributes: Cell<u32>,
        0x3c FileNameLength: Cell<u32>,
        0x40 EaSize: Cell<u32>,
        0x44 ShortNameLength: Cell<u8>,
        0x45 _pad45: [Cell<u8>; 1],
        0x46 ShortName: [Cell<u16>; 12],
        0x5e FileName: [Cell<u16>; 1],
    }

    /// `FileIdBothDirectoryInformation`.
    struct FILE_ID_BOTH_DIR_INFORMATION(0x70) {
        0x0 NextEntryOffset: Cell<u32>,
        0x4 FileIndex: Cell<u32>,
        0x8 CreationTime: Cell<i64>,
        0x10 LastAccessTime: Cell<i64>,
        0x18 LastWriteTime: Cell<i64>,
        0x20 ChangeTime: Cell<i64>,
        0x28 EndOfFile: Cell<i64>,
        0x30 AllocationSize: Cell<i64>,
        0x38 FileAttributes: Cell<u32>,
        0x3c FileNameLength: Cell<u32>,
        0x40 EaSize: Cell<u32>,
        0x44 ShortNameLength: Cell<u8>,
        0x45 _pad45: [Cell<u8>; 1],
        0x46 ShortName: [Cell<u16>; 12],
        0x5e _pad5e: [Cell<u8>; 2],
        0x60 FileId: Cell<i64>,
        0x68 FileName: [Cell<u16>; 1],
        0x6a _pad6a: [Cell<u8>; 6],
    }

    /// `FileFullDirectoryInformation`.
    struct FILE_FULL_DIR_INFORMATION(0x48) {
        0x0 NextEntryOffset: Cell<u32>,
        0x4 FileIndex: Cell<u32>,
        0x8 CreationTime: Cell<i64>,
        0x10 LastAccessTime: Cell<i64>,
        0x18 LastWriteTime: Cell<i64>,
        0x20 ChangeTime: Cell<i64>,
        0x28 EndOfFile: Cell<i64>,
        0x30 AllocationSize: Cell<i64>,
        0x38 FileAttributes: Cell<u32>,
        0x3c FileNameLength: Cell<u32>,
        0x40 EaSize: Cell<u32>,
        0x44 FileName: [Cell<u16>; 1],
        0x46 _pad46: [Cell<u8>; 2],
    }

    /// `FileDirectoryInformation`.
    struct FILE_DIRECTORY_INFORMATION(0x48) {
        0x0 NextEntryOffset: Cell<u32>,
        0x4 FileIndex: Cell<u32>,
        0x8 CreationTime: Cell<i64>,
        0x10 LastAccessTime: Cell<i64>,
        0x18 LastWriteTime: Cell<i64>,
        0x20 ChangeTime: Cell<i64>,
        0x28 EndOfFile: Cell<i64>,
        0x30 AllocationSize: Cell<i64>,
        0x38 FileAttributes: Cell<u32>,
        0x3c FileNameLength: Cell<u32>,
        0x40 FileName: [Cell<u16>; 1],
        0x42 _pad42: [Cell<u8>; 6],
    }

    /// `FileNamesInformation`.
    struct FILE_NAMES_INFORMATION(0x10) {
        0x0 NextEntryOffset: Cell<u32>,
        0x4 FileIndex: Cell<u32>,
        0x8 FileNameLength: Cell<u32>,
        0xc FileName: [Cell<u16>; 1],
        0xe _pade: [Cell<u8>; 2],
    }

    /// One change in a watched directory.
    struct FILE_NOTIFY_INFORMATION(0x10) {
        0x0 NextEntryOffset: Cell<u32>,
        0x4 Action: Cell<u32>,
        0x8 FileNameLength: Cell<u32>,
        0xc FileName: [Cell<u16>; 1],
        0xe _pade: [Cell<u8>; 2],
    }
}
