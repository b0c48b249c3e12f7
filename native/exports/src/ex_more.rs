//! Ex: cache-aware rundown protection, identifiers, processor features, pool.

use boundary::export;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL};
use nt_abi::{EX_RUNDOWN_REF, NtStatus};
use nt_ex::{pool, rundown, time, uuid};

use crate::argument::{arg, load, required, rows, store};

rows! { "ntoskrnl.exe", "nt-ex";
    ExUuidCreate done "time-based; there is no network card";
    ExIsProcessorFeaturePresent done "";
    ExAllocateCacheAwareRundownProtection done "one counter: nothing is spread over processors";
    ExFreeCacheAwareRundownProtection done "";
    ExInitializeRundownProtectionCacheAware done "as ExAllocateCacheAwareRundownProtection";
    ExSizeOfRundownProtectionCacheAware done "";
    ExReInitializeRundownProtectionCacheAware done "";
    ExAcquireRundownProtectionCacheAware done "EXEC-39";
    ExAcquireRundownProtectionCacheAwareEx done "EXEC-39";
    ExReleaseRundownProtectionCacheAware done "EXEC-40";
    ExReleaseRundownProtectionCacheAwareEx done "EXEC-40";
    ExWaitForRundownProtectionReleaseCacheAware done "EXEC-41";
    ExRundownCompletedCacheAware done "";
    ExAllocatePoolWithQuota partial "quota is not counted";
    ExAllocatePool3 partial "extended parameters other than the priority are refused";
    ExSetTimerResolution partial "the resolution stays as it is, and is returned";
    ExQueryTimerResolution done "";
}

/// RPC_NT_UUID_LOCAL_ONLY: unique on this machine.
const LOCAL_ONLY: NtStatus = NtStatus::from_bits(0x4002_0056);
/// PoolExtendedParameterPriority.
const PRIORITY: u8 = 1;

/// Whether the processor has a feature: the PF_* numbers.
fn feature(number: u32) -> bool {
    match number {
        // CMPXCHG8B, MMX, SSE, RDTSC, PAE, SSE2, NX, XMMI64, COMPARE64, CHANNELS, FASTFAIL of every x64 processor.
        2 | 3 | 6 | 8 | 9 | 10 | 12 | 23 => true,
        13 => std::is_x86_feature_detected!("sse3"),
        14 => std::is_x86_feature_detected!("cmpxchg16b"),
        17 => std::is_x86_feature_detected!("xsave"),
        28 => std::is_x86_feature_detected!("rdrand"),
        36 => std::is_x86_feature_detected!("ssse3"),
        37 => std::is_x86_feature_detected!("sse4.1"),
        38 => std::is_x86_feature_detected!("sse4.2"),
        39 => std::is_x86_feature_detected!("avx"),
        40 => std::is_x86_feature_detected!("avx2"),
        41 => std::is_x86_feature_detected!("avx512f"),
        _ => false,
    }
}

export! {
    /// A new identifier.
    pub fn ExUuidCreate(out: *mut [u8; 16]) -> NtStatus [irql <= APC_LEVEL] {
        store(out, uuid::create(), "ExUuidCreate", "Uuid")?;
        Ok(LOCAL_ONLY)
    }

    /// Whether the processor can do something.
    pub fn ExIsProcessorFeaturePresent(number: u32) -> bool [irql <= HIGH_LEVEL] { Ok(feature(number)) }

    /// Rundown protection in pool.
    pub fn ExAllocateCacheAwareRundownProtection(kind: u32, tag: u32) -> *mut u8 [irql <= APC_LEVEL] {
        let block = pool::allocate_pool_with_tag(kind, size_of::<EX_RUNDOWN_REF>(), tag)?;
        if !block.is_null() {
            rundown::initialize(required(block.cast(), "ExAllocateCacheAwareRundownProtection", "block")?);
        }
        Ok(block)
    }

    /// Gives it back.
    pub fn ExFreeCacheAwareRundownProtection(protection: *mut EX_RUNDOWN_REF) -> () [irql <= APC_LEVEL] {
        pool::free_pool(protection.cast(), None)
    }

    /// Prepares rundown protection in the driver's memory.
    pub fn ExInitializeRundownProtectionCacheAware(protection: *mut EX_RUNDOWN_REF, bytes: usize) -> () [irql <= HIGH_LEVEL] {
        arg!(ExInitializeRundownProtectionCacheAware: protection);
        if bytes < size_of::<EX_RUNDOWN_REF>() {
            return Err(crate::argument::wrong("ExInitializeRundownProtectionCacheAware", "RunRefSize", bytes as u64, "which is less than ExSizeOfRundownProtectionCacheAware answers"));
        }
        rundown::initialize(protection);
        Ok(())
    }

    /// How much memory it takes.
    pub fn ExSizeOfRundownProtectionCacheAware() -> usize [irql <= HIGH_LEVEL] { Ok(size_of::<EX_RUNDOWN_REF>()) }

    /// Prepares it again.
    pub fn ExReInitializeRundownProtectionCacheAware(protection: *mut EX_RUNDOWN_REF) -> () [irql <= HIGH_LEVEL] {
        arg!(ExReInitializeRundownProtectionCacheAware: protection);
        rundown::initialize(protection);
        Ok(())
    }

    /// Takes a hold.
    pub fn ExAcquireRundownProtectionCacheAware(protection: *mut EX_RUNDOWN_REF) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(ExAcquireRundownProtectionCacheAware: protection);
        Ok(rundown::acquire(protection, 1))
    }

    /// Takes holds.
    pub fn ExAcquireRundownProtectionCacheAwareEx(protection: *mut EX_RUNDOWN_REF, count: u32) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(ExAcquireRundownProtectionCacheAwareEx: protection);
        Ok(rundown::acquire(protection, count))
    }

    /// Gives a hold back.
    pub fn ExReleaseRundownProtectionCacheAware(protection: *mut EX_RUNDOWN_REF) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExReleaseRundownProtectionCacheAware: protection);
        rundown::release(protection, 1)
    }

    /// Gives holds back.
    pub fn ExReleaseRundownProtectionCacheAwareEx(protection: *mut EX_RUNDOWN_REF, count: u32) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExReleaseRundownProtectionCacheAwareEx: protection);
        rundown::release(protection, count)
    }

    /// Waits until nobody holds it.
    pub fn ExWaitForRundownProtectionReleaseCacheAware(protection: *mut EX_RUNDOWN_REF) -> () [irql <= APC_LEVEL] {
        arg!(ExWaitForRundownProtectionReleaseCacheAware: protection);
        rundown::wait(protection)
    }

    /// Marks it as run down.
    pub fn ExRundownCompletedCacheAware(protection: *mut EX_RUNDOWN_REF) -> () [irql <= HIGH_LEVEL] {
        arg!(ExRundownCompletedCacheAware: protection);
        rundown::completed(protection);
        Ok(())
    }

    /// Allocates pool without a tag, on the account of the current process; raises when there is none.
    pub fn ExAllocatePoolWithQuota(kind: u32, bytes: usize) -> *mut u8 [irql <= DISPATCH_LEVEL] {
        pool::allocate_pool_with_quota_tag(kind, bytes, u32::from_le_bytes(*b"None"))
    }

    /// Allocates pool by `POOL_FLAGS`, with further wishes.
    pub fn ExAllocatePool3(flags: u64, bytes: usize, tag: u32, wishes: *mut u64, count: u32) -> *mut u8 [irql <= DISPATCH_LEVEL] {
        for index in 0..count as usize {
            let head = load(wishes.wrapping_add(2 * index), "ExAllocatePool3", "ExtendedParameters")?;
            let (kind, optional) = (head as u8, head >> 8 & 1 != 0);
            if kind != PRIORITY && !optional {
                return Ok(std::ptr::null_mut());
            }
        }
        pool::allocate_pool2(flags, bytes, tag)
    }

    /// Asks for another resolution of the clock; what it is.
    pub fn ExSetTimerResolution(_wanted: u32, _set: u8) -> u32 [irql <= APC_LEVEL] { Ok(time::TIME_INCREMENT) }

    /// The resolutions of the clock.
    pub fn ExQueryTimerResolution(coarsest: *mut u32, finest: *mut u32, current: *mut u32) -> () [irql <= APC_LEVEL] {
        for place in [coarsest, finest, current] {
            store(place, time::TIME_INCREMENT, "ExQueryTimerResolution", "Resolution")?;
        }
        Ok(())
    }
}
