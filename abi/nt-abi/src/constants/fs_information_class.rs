//! Volume information classes, and the attributes that `FileFsAttributeInformation` reports.

/// `FileFsVolumeInformation`.
pub const FileFsVolumeInformation: u32 = 1;
/// `FileFsLabelInformation`.
pub const FileFsLabelInformation: u32 = 2;
/// `FileFsSizeInformation`.
pub const FileFsSizeInformation: u32 = 3;
/// `FileFsDeviceInformation`.
pub const FileFsDeviceInformation: u32 = 4;
/// `FileFsAttributeInformation`.
pub const FileFsAttributeInformation: u32 = 5;
/// `FileFsControlInformation`.
pub const FileFsControlInformation: u32 = 6;
/// `FileFsFullSizeInformation`.
pub const FileFsFullSizeInformation: u32 = 7;
/// `FileFsObjectIdInformation`.
pub const FileFsObjectIdInformation: u32 = 8;
/// `FileFsDriverPathInformation`.
pub const FileFsDriverPathInformation: u32 = 9;
/// `FileFsVolumeFlagsInformation`.
pub const FileFsVolumeFlagsInformation: u32 = 0xa;
/// `FileFsSectorSizeInformation`.
pub const FileFsSectorSizeInformation: u32 = 0xb;
/// `FileFsDataCopyInformation`.
pub const FileFsDataCopyInformation: u32 = 0xc;
/// `FileFsMetadataSizeInformation`.
pub const FileFsMetadataSizeInformation: u32 = 0xd;
/// `FileFsFullSizeInformationEx`.
pub const FileFsFullSizeInformationEx: u32 = 0xe;
/// `FileFsMaximumInformation`.
pub const FileFsMaximumInformation: u32 = 0xf;

// FILE_FS_ATTRIBUTE_INFORMATION.FileSystemAttributes
/// `FILE_CASE_SENSITIVE_SEARCH`.
pub const FILE_CASE_SENSITIVE_SEARCH: u32 = 1;
/// `FILE_CASE_PRESERVED_NAMES`.
pub const FILE_CASE_PRESERVED_NAMES: u32 = 2;
/// `FILE_UNICODE_ON_DISK`.
pub const FILE_UNICODE_ON_DISK: u32 = 4;
/// `FILE_PERSISTENT_ACLS`.
pub const FILE_PERSISTENT_ACLS: u32 = 8;
/// `FILE_FILE_COMPRESSION`.
pub const FILE_FILE_COMPRESSION: u32 = 0x10;
/// `FILE_VOLUME_QUOTAS`.
pub const FILE_VOLUME_QUOTAS: u32 = 0x20;
/// `FILE_SUPPORTS_SPARSE_FILES`.
pub const FILE_SUPPORTS_SPARSE_FILES: u32 = 0x40;
/// `FILE_SUPPORTS_REPARSE_POINTS`.
pub const FILE_SUPPORTS_REPARSE_POINTS: u32 = 0x80;
/// `FILE_SUPPORTS_REMOTE_STORAGE`.
pub const FILE_SUPPORTS_REMOTE_STORAGE: u32 = 0x100;
/// `FILE_RETURNS_CLEANUP_RESULT_INFO`.
pub const FILE_RETURNS_CLEANUP_RESULT_INFO: u32 = 0x200;
/// `FILE_SUPPORTS_POSIX_UNLINK_RENAME`.
pub const FILE_SUPPORTS_POSIX_UNLINK_RENAME: u32 = 0x400;
/// `FILE_VOLUME_IS_COMPRESSED`.
pub const FILE_VOLUME_IS_COMPRESSED: u32 = 0x8000;
/// `FILE_SUPPORTS_OBJECT_IDS`.
pub const FILE_SUPPORTS_OBJECT_IDS: u32 = 0x10000;
/// `FILE_SUPPORTS_ENCRYPTION`.
pub const FILE_SUPPORTS_ENCRYPTION: u32 = 0x20000;
/// `FILE_NAMED_STREAMS`.
pub const FILE_NAMED_STREAMS: u32 = 0x40000;
/// `FILE_READ_ONLY_VOLUME`.
pub const FILE_READ_ONLY_VOLUME: u32 = 0x80000;
/// `FILE_SUPPORTS_TRANSACTIONS`.
pub const FILE_SUPPORTS_TRANSACTIONS: u32 = 0x200000;
/// `FILE_SUPPORTS_HARD_LINKS`.
pub const FILE_SUPPORTS_HARD_LINKS: u32 = 0x400000;
/// `FILE_SUPPORTS_EXTENDED_ATTRIBUTES`.
pub const FILE_SUPPORTS_EXTENDED_ATTRIBUTES: u32 = 0x800000;
/// `FILE_SUPPORTS_OPEN_BY_FILE_ID`.
pub const FILE_SUPPORTS_OPEN_BY_FILE_ID: u32 = 0x1000000;
/// `FILE_SUPPORTS_USN_JOURNAL`.
pub const FILE_SUPPORTS_USN_JOURNAL: u32 = 0x2000000;
