//! Pool types (`POOL_TYPE`) and pool flags (`POOL_FLAGS`).

// POOL_TYPE
/// `NonPagedPool`.
pub const NonPagedPool: u32 = 0;
/// `NonPagedPoolExecute`.
pub const NonPagedPoolExecute: u32 = 0;
/// `PagedPool`.
pub const PagedPool: u32 = 1;
/// `NonPagedPoolMustSucceed`.
pub const NonPagedPoolMustSucceed: u32 = 2;
/// `DontUseThisType`.
pub const DontUseThisType: u32 = 3;
/// `NonPagedPoolCacheAligned`.
pub const NonPagedPoolCacheAligned: u32 = 4;
/// `PagedPoolCacheAligned`.
pub const PagedPoolCacheAligned: u32 = 5;
/// `NonPagedPoolCacheAlignedMustS`.
pub const NonPagedPoolCacheAlignedMustS: u32 = 6;
/// `NonPagedPoolSession`.
pub const NonPagedPoolSession: u32 = 0x20;
/// `PagedPoolSession`.
pub const PagedPoolSession: u32 = 0x21;
/// `NonPagedPoolNx`.
pub const NonPagedPoolNx: u32 = 0x200;
/// `NonPagedPoolNxCacheAligned`.
pub const NonPagedPoolNxCacheAligned: u32 = 0x204;
/// `NonPagedPoolSessionNx`.
pub const NonPagedPoolSessionNx: u32 = 0x220;
/// `POOL_QUOTA_FAIL_INSTEAD_OF_RAISE`.
pub const POOL_QUOTA_FAIL_INSTEAD_OF_RAISE: u32 = 8;
/// `POOL_RAISE_IF_ALLOCATION_FAILURE`.
pub const POOL_RAISE_IF_ALLOCATION_FAILURE: u32 = 0x10;
/// `POOL_COLD_ALLOCATION`.
pub const POOL_COLD_ALLOCATION: u32 = 0x100;
/// `POOL_NX_ALLOCATION`.
pub const POOL_NX_ALLOCATION: u32 = 0x200;
/// `POOL_ZERO_ALLOCATION`.
pub const POOL_ZERO_ALLOCATION: u32 = 0x400;

// POOL_FLAGS
/// `POOL_FLAG_REQUIRED_START`.
pub const POOL_FLAG_REQUIRED_START: u64 = 1;
/// `POOL_FLAG_USE_QUOTA`.
pub const POOL_FLAG_USE_QUOTA: u64 = 1;
/// `POOL_FLAG_UNINITIALIZED`.
pub const POOL_FLAG_UNINITIALIZED: u64 = 2;
/// `POOL_FLAG_SESSION`.
pub const POOL_FLAG_SESSION: u64 = 4;
/// `POOL_FLAG_CACHE_ALIGNED`.
pub const POOL_FLAG_CACHE_ALIGNED: u64 = 8;
/// `POOL_FLAG_RESERVED1`.
pub const POOL_FLAG_RESERVED1: u64 = 0x10;
/// `POOL_FLAG_RAISE_ON_FAILURE`.
pub const POOL_FLAG_RAISE_ON_FAILURE: u64 = 0x20;
/// `POOL_FLAG_NON_PAGED`.
pub const POOL_FLAG_NON_PAGED: u64 = 0x40;
/// `POOL_FLAG_NON_PAGED_EXECUTE`.
pub const POOL_FLAG_NON_PAGED_EXECUTE: u64 = 0x80;
/// `POOL_FLAG_PAGED`.
pub const POOL_FLAG_PAGED: u64 = 0x100;
/// `POOL_FLAG_RESERVED2`.
pub const POOL_FLAG_RESERVED2: u64 = 0x200;
/// `POOL_FLAG_RESERVED3`.
pub const POOL_FLAG_RESERVED3: u64 = 0x400;
/// `POOL_FLAG_REQUIRED_END`.
pub const POOL_FLAG_REQUIRED_END: u64 = 0x80000000;
/// `POOL_FLAG_OPTIONAL_START`.
pub const POOL_FLAG_OPTIONAL_START: u64 = 0x100000000;
/// `POOL_FLAG_SPECIAL_POOL`.
pub const POOL_FLAG_SPECIAL_POOL: u64 = 0x100000000;
