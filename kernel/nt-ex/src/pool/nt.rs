//! The pool as NT's routines offer it: pool types and flags.

use std::ptr::null_mut;

use boundary::Raise;
use nt_abi::NtStatus;
use nt_abi::irql::DISPATCH_LEVEL;
use nt_ke::{Finding, current_core, irql};

use super::{PoolKind, allocate, free};

/// Bits of `POOL_TYPE` and of the flags of `ExAllocatePool2`.
mod bit {
    pub const PAGED_TYPE: u32 = 0x1;
    pub const NX_TYPE: u32 = 0x200;
    pub const RAISE_TYPE: u32 = 0x10;
    pub const ZERO_TYPE: u32 = 0x400;

    pub const UNINITIALIZED: u64 = 0x2;
    pub const RAISE_ON_FAILURE: u64 = 0x20;
    pub const NON_PAGED: u64 = 0x40;
    pub const NON_PAGED_EXECUTE: u64 = 0x80;
    pub const PAGED: u64 = 0x100;
    /// USE_QUOTA, SESSION, CACHE_ALIGNED and the two above: what the low half may have.
    pub const KNOWN_REQUIRED: u64 =
        0x1 | 0x4 | 0x8 | UNINITIALIZED | RAISE_ON_FAILURE | NON_PAGED | NON_PAGED_EXECUTE | PAGED;
}

fn kind_of_type(pool_type: u32) -> PoolKind {
    if pool_type & bit::PAGED_TYPE != 0 {
        PoolKind::Paged
    } else if pool_type & bit::NX_TYPE != 0 {
        PoolKind::NonPaged
    } else {
        PoolKind::NonPagedExecute
    }
}

fn check_irql(kind: PoolKind) {
    let level = irql::current();
    if kind == PoolKind::Paged && level >= DISPATCH_LEVEL {
        current_core().report(Finding::error(
            "EXEC-28",
            "",
            format!("paged pool was allocated or freed at IRQL {level}: use nonpaged pool at DISPATCH_LEVEL"),
        ));
    }
}

/// Allocates pool of a `POOL_TYPE`; 0x400 in it asks for zeroed memory.
///
/// Source:  ExAllocatePoolWithTag, ExAllocatePoolZero; EXEC-30, EXEC-33
/// IRQL:    <= DISPATCH_LEVEL; <= APC_LEVEL for paged pool
/// Returns: null when there is none, unless the type asks for a raise (0x10)
/// Errors:  raises INSUFFICIENT_RESOURCES
pub fn allocate_pool_with_tag(pool_type: u32, bytes: usize, tag: u32) -> Result<*mut u8, Raise> {
    let kind = kind_of_type(pool_type);
    check_irql(kind);
    match allocate(kind, bytes, tag, pool_type & bit::ZERO_TYPE != 0) {
        Some(block) => Ok(block.as_ptr()),
        None if pool_type & bit::RAISE_TYPE != 0 => Err(Raise::Status(NtStatus::INSUFFICIENT_RESOURCES)),
        None => Ok(null_mut()),
    }
}

/// The same, charged to the current process: raises on failure unless the type has 0x8
/// (POOL_QUOTA_FAIL_INSTEAD_OF_RAISE). Quota itself is not counted.
///
/// Source:  ExAllocatePoolWithQuotaTag
pub fn allocate_pool_with_quota_tag(pool_type: u32, bytes: usize, tag: u32) -> Result<*mut u8, Raise> {
    let kind = kind_of_type(pool_type);
    check_irql(kind);
    match allocate(kind, bytes, tag, pool_type & bit::ZERO_TYPE != 0) {
        Some(block) => Ok(block.as_ptr()),
        None if pool_type & 0x8 != 0 => Ok(null_mut()),
        None => Err(Raise::Status(NtStatus::INSUFFICIENT_RESOURCES)),
    }
}

/// Allocates pool by flags, zeroed unless they say otherwise.
///
/// Source:  ExAllocatePool2; EXEC-28, EXEC-29
/// IRQL:    <= DISPATCH_LEVEL; <= APC_LEVEL for paged pool
/// Returns: null for tag 0, no bytes, unknown flags in the low half, or when there is none
/// Errors:  with RAISE_ON_FAILURE raises INVALID_PARAMETER · INSUFFICIENT_RESOURCES instead
pub fn allocate_pool2(flags: u64, bytes: usize, tag: u32) -> Result<*mut u8, Raise> {
    let failure = |status: NtStatus| {
        if flags & bit::RAISE_ON_FAILURE != 0 { Err(Raise::Status(status)) } else { Ok(null_mut()) }
    };
    let kind = match flags & (bit::NON_PAGED | bit::NON_PAGED_EXECUTE | bit::PAGED) {
        bit::NON_PAGED => PoolKind::NonPaged,
        bit::NON_PAGED_EXECUTE => PoolKind::NonPagedExecute,
        bit::PAGED => PoolKind::Paged,
        _ => return failure(NtStatus::INVALID_PARAMETER),
    };
    if tag == 0 || bytes == 0 || flags & 0xFFFF_FFFF & !bit::KNOWN_REQUIRED != 0 {
        return failure(NtStatus::INVALID_PARAMETER);
    }
    check_irql(kind);
    match allocate(kind, bytes, tag, flags & bit::UNINITIALIZED == 0) {
        Some(block) => Ok(block.as_ptr()),
        None => failure(NtStatus::INSUFFICIENT_RESOURCES),
    }
}

/// Frees pool. Source: ExFreePool (`tag` `None`), ExFreePoolWithTag (`Some`; 0 matches any tag).
pub fn free_pool(address: *mut u8, tag: Option<u32>) -> Result<(), Raise> {
    free(address, tag.filter(|tag| *tag != 0))
}
