//! What a create did: `IoStatus.Information` after a successful create, or after `STATUS_REPARSE`.

/// `FILE_SUPERSEDED`.
pub const FILE_SUPERSEDED: usize = 0;
/// `FILE_OPENED`.
pub const FILE_OPENED: usize = 1;
/// `FILE_CREATED`.
pub const FILE_CREATED: usize = 2;
/// `FILE_OVERWRITTEN`.
pub const FILE_OVERWRITTEN: usize = 3;
/// `FILE_EXISTS`.
pub const FILE_EXISTS: usize = 4;
/// `FILE_DOES_NOT_EXIST`.
pub const FILE_DOES_NOT_EXIST: usize = 5;
/// `IO_REPARSE`.
pub const IO_REPARSE: usize = 0;
/// `IO_REMOUNT`.
pub const IO_REMOUNT: usize = 1;
