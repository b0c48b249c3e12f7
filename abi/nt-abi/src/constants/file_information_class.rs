//! File information classes.

/// `FileDirectoryInformation`.
pub const FileDirectoryInformation: u32 = 1;
/// `FileFullDirectoryInformation`.
pub const FileFullDirectoryInformation: u32 = 2;
/// `FileBothDirectoryInformation`.
pub const FileBothDirectoryInformation: u32 = 3;
/// `FileBasicInformation`.
pub const FileBasicInformation: u32 = 4;
/// `FileStandardInformation`.
pub const FileStandardInformation: u32 = 5;
/// `FileInternalInformation`.
pub const FileInternalInformation: u32 = 6;
/// `FileEaInformation`.
pub const FileEaInformation: u32 = 7;
/// `FileAccessInformation`.
pub const FileAccessInformation: u32 = 8;
/// `FileNameInformation`.
pub const FileNameInformation: u32 = 9;
/// `FileRenameInformation`.
pub const FileRenameInformation: u32 = 0xa;
/// `FileLinkInformation`.
pub const FileLinkInformation: u32 = 0xb;
/// `FileNamesInformation`.
pub const FileNamesInformation: u32 = 0xc;
/// `FileDispositionInformation`.
pub const FileDispositionInformation: u32 = 0xd;
/// `FilePositionInformation`.
pub const FilePositionInformation: u32 = 0xe;
/// `FileFullEaInformation`.
pub const FileFullEaInformation: u32 = 0xf;
/// `FileModeInformation`.
pub const FileModeInformation: u32 = 0x10;
/// `FileAlignmentInformation`.
pub const FileAlignmentInformation: u32 = 0x11;
/// `FileAllInformation`.
pub const FileAllInformation: u32 = 0x12;
/// `FileAllocationInformation`.
pub const FileAllocationInformation: u32 = 0x13;
/// `FileEndOfFileInformation`.
pub const FileEndOfFileInformation: u32 = 0x14;
/// `FileAlternateNameInformation`.
pub const FileAlternateNameInformation: u32 = 0x15;
/// `FileStreamInformation`.
pub const FileStreamInformation: u32 = 0x16;
/// `FilePipeInformation`.
pub const FilePipeInformation: u32 = 0x17;
/// `FilePipeLocalInformation`.
pub const FilePipeLocalInformation: u32 = 0x18;
/// `FilePipeRemoteInformation`.
pub const FilePipeRemoteInformation: u32 = 0x19;
/// `FileMailslotQueryInformation`.
pub const FileMailslotQueryInformation: u32 = 0x1a;
/// `FileMailslotSetInformation`.
pub const FileMailslotSetInformation: u32 = 0x1b;
/// `FileCompressionInformation`.
pub const FileCompressionInformation: u32 = 0x1c;
/// `FileObjectIdInformation`.
pub const FileObjectIdInformation: u32 = 0x1d;
/// `FileCompletionInformation`.
pub const FileCompletionInformation: u32 = 0x1e;
/// `FileMoveClusterInformation`.
pub const FileMoveClusterInformation: u32 = 0x1f;
/// `FileQuotaInformation`.
pub const FileQuotaInformation: u32 = 0x20;
/// `FileReparsePointInformation`.
pub const FileReparsePointInformation: u32 = 0x21;
/// `FileNetworkOpenInformation`.
pub const FileNetworkOpenInformation: u32 = 0x22;
/// `FileAttributeTagInformation`.
pub const FileAttributeTagInformation: u32 = 0x23;
/// `FileTrackingInformation`.
pub const FileTrackingInformation: u32 = 0x24;
/// `FileIdBothDirectoryInformation`.
pub const FileIdBothDirectoryInformation: u32 = 0x25;
/// `FileIdFullDirectoryInformation`.
pub const FileIdFullDirectoryInformation: u32 = 0x26;
/// `FileValidDataLengthInformation`.
pub const FileValidDataLengthInformation: u32 = 0x27;
/// `FileShortNameInformation`.
pub const FileShortNameInformation: u32 = 0x28;
/// `FileIoCompletionNotificationInformation`.
pub const FileIoCompletionNotificationInformation: u32 = 0x29;
/// `FileIoStatusBlockRangeInformation`.
pub const FileIoStatusBlockRangeInformation: u32 = 0x2a;
/// `FileIoPriorityHintInformation`.
pub const FileIoPriorityHintInformation: u32 = 0x2b;
/// `FileSfioReserveInformation`.
pub const FileSfioReserveInformation: u32 = 0x2c;
/// `FileSfioVolumeInformation`.
pub const FileSfioVolumeInformation: u32 = 0x2d;
/// `FileHardLinkInformation`.
pub const FileHardLinkInformation: u32 = 0x2e;
/// `FileProcessIdsUsingFileInformation`.
pub const FileProcessIdsUsingFileInformation: u32 = 0x2f;
/// `FileNormalizedNameInformation`.
pub const FileNormalizedNameInformation: u32 = 0x30;
/// `FileNetworkPhysicalNameInformation`.
pub const FileNetworkPhysicalNameInformation: u32 = 0x31;
/// `FileIdGlobalTxDirectoryInformation`.
pub const FileIdGlobalTxDirectoryInformation: u32 = 0x32;
/// `FileIsRemoteDeviceInformation`.
pub const FileIsRemoteDeviceInformation: u32 = 0x33;
/// `FileUnusedInformation`.
pub const FileUnusedInformation: u32 = 0x34;
/// `FileNumaNodeInformation`.
pub const FileNumaNodeInformation: u32 = 0x35;
/// `FileStandardLinkInformation`.
pub const FileStandardLinkInformation: u32 = 0x36;
/// `FileRemoteProtocolInformation`.
pub const FileRemoteProtocolInformation: u32 = 0x37;
/// `FileRenameInformationBypassAccessCheck`.
pub const FileRenameInformationBypassAccessCheck: u32 = 0x38;
/// `FileLinkInformationBypassAccessCheck`.
pub const FileLinkInformationBypassAccessCheck: u32 = 0x39;
/// `FileVolumeNameInformation`.
pub const FileVolumeNameInformation: u32 = 0x3a;
/// `FileIdInformation`.
pub const FileIdInformation: u32 = 0x3b;
/// `FileIdExtdDirectoryInformation`.
pub const FileIdExtdDirectoryInformation: u32 = 0x3c;
/// `FileReplaceCompletionInformation`.
pub const FileReplaceCompletionInformation: u32 = 0x3d;
/// `FileHardLinkFullIdInformation`.
pub const FileHardLinkFullIdInformation: u32 = 0x3e;
/// `FileIdExtdBothDirectoryInformation`.
pub const FileIdExtdBothDirectoryInformation: u32 = 0x3f;
/// `FileDispositionInformationEx`.
pub const FileDispositionInformationEx: u32 = 0x40;
/// `FileRenameInformationEx`.
pub const FileRenameInformationEx: u32 = 0x41;
/// `FileRenameInformationExBypassAccessCheck`.
pub const FileRenameInformationExBypassAccessCheck: u32 = 0x42;
/// `FileDesiredStorageClassInformation`.
pub const FileDesiredStorageClassInformation: u32 = 0x43;
/// `FileStatInformation`.
pub const FileStatInformation: u32 = 0x44;
/// `FileMemoryPartitionInformation`.
pub const FileMemoryPartitionInformation: u32 = 0x45;
/// `FileStatLxInformation`.
pub const FileStatLxInformation: u32 = 0x46;
/// `FileCaseSensitiveInformation`.
pub const FileCaseSensitiveInformation: u32 = 0x47;
/// `FileLinkInformationEx`.
pub const FileLinkInformationEx: u32 = 0x48;
/// `FileLinkInformationExBypassAccessCheck`.
pub const FileLinkInformationExBypassAccessCheck: u32 = 0x49;
/// `FileStorageReserveIdInformation`.
pub const FileStorageReserveIdInformation: u32 = 0x4a;
/// `FileCaseSensitiveInformationForceAccessCheck`.
pub const FileCaseSensitiveInformationForceAccessCheck: u32 = 0x4b;
/// `FileKnownFolderInformation`.
pub const FileKnownFolderInformation: u32 = 0x4c;
/// `FileMaximumInformation`.
pub const FileMaximumInformation: u32 = 0x4d;
