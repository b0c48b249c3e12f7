//! What a store's errors are called in NT.

use nt_abi::NtStatus;
use store::StoreError;

/// The status for `error`.
pub(crate) fn of(error: &StoreError) -> NtStatus {
    match error {
        StoreError::NotFound(_) => NtStatus::OBJECT_NAME_NOT_FOUND,
        StoreError::AlreadyExists(_) => NtStatus::OBJECT_NAME_COLLISION,
        StoreError::NotADirectory(_) => NtStatus::NOT_A_DIRECTORY,
        StoreError::IsADirectory(_) => NtStatus::FILE_IS_A_DIRECTORY,
        StoreError::NotEmpty(_) => NtStatus::DIRECTORY_NOT_EMPTY,
        StoreError::NoSpace(_) => NtStatus::DISK_FULL,
        StoreError::NameInvalid { .. } => NtStatus::OBJECT_NAME_INVALID,
        StoreError::NameTooLong(_) => NtStatus::NAME_TOO_LONG,
        StoreError::ReadOnly(_) => NtStatus::MEDIA_WRITE_PROTECTED,
        StoreError::AccessDenied(_) => NtStatus::ACCESS_DENIED,
        StoreError::TooLarge(_) => NtStatus::DISK_FULL,
        StoreError::InvalidParameter(_) => NtStatus::INVALID_PARAMETER,
        StoreError::Unsupported(_) => NtStatus::NOT_SUPPORTED,
        StoreError::Io { .. } => NtStatus::UNEXPECTED_IO_ERROR,
    }
}
