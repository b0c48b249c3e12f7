//! Create dispositions: the high 8 bits of `Parameters.Create.Options`.

/// `FILE_SUPERSEDE`.
pub const FILE_SUPERSEDE: u32 = 0;
/// `FILE_OPEN`.
pub const FILE_OPEN: u32 = 1;
/// `FILE_CREATE`.
pub const FILE_CREATE: u32 = 2;
/// `FILE_OPEN_IF`.
pub const FILE_OPEN_IF: u32 = 3;
/// `FILE_OVERWRITE`.
pub const FILE_OVERWRITE: u32 = 4;
/// `FILE_OVERWRITE_IF`.
pub const FILE_OVERWRITE_IF: u32 = 5;
/// `FILE_MAXIMUM_DISPOSITION`.
pub const FILE_MAXIMUM_DISPOSITION: u32 = 5;
