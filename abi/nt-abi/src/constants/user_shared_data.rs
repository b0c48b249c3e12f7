//! Where `KUSER_SHARED_DATA` lies and where in it the fields are that drivers read; bytes.

/// `KUSER_SHARED_DATA_ADDRESS`.
pub const KUSER_SHARED_DATA_ADDRESS: usize = 0xfffff78000000000;
/// `TickCountLowDeprecated_OFFSET`.
pub const TickCountLowDeprecated_OFFSET: usize = 0;
/// `TickCountMultiplier_OFFSET`.
pub const TickCountMultiplier_OFFSET: usize = 4;
/// `InterruptTime_OFFSET`.
pub const InterruptTime_OFFSET: usize = 8;
/// `SystemTime_OFFSET`.
pub const SystemTime_OFFSET: usize = 0x14;
/// `TimeZoneBias_OFFSET`.
pub const TimeZoneBias_OFFSET: usize = 0x20;
/// `NtSystemRoot_OFFSET`.
pub const NtSystemRoot_OFFSET: usize = 0x30;
/// `NtBuildNumber_OFFSET`.
pub const NtBuildNumber_OFFSET: usize = 0x260;
/// `NtProductType_OFFSET`.
pub const NtProductType_OFFSET: usize = 0x264;
/// `NtMajorVersion_OFFSET`.
pub const NtMajorVersion_OFFSET: usize = 0x26c;
/// `NtMinorVersion_OFFSET`.
pub const NtMinorVersion_OFFSET: usize = 0x270;
/// `TickCount_OFFSET`.
pub const TickCount_OFFSET: usize = 0x320;
