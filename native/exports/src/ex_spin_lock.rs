//! Ex: reader-writer spin locks.

use std::sync::atomic::AtomicU32;

use boundary::export;
use nt_abi::irql::{DISPATCH_LEVEL, HIGH_LEVEL};
use nt_ex::spin_lock;
use nt_ke::irql;

use crate::argument::{arg, rows};

rows! { "ntoskrnl.exe", "nt-ex";
    ExAcquireSpinLockExclusive done "";
    ExAcquireSpinLockExclusiveAtDpcLevel done "";
    ExTryAcquireSpinLockExclusiveAtDpcLevel done "";
    ExReleaseSpinLockExclusive done "";
    ExReleaseSpinLockExclusiveFromDpcLevel done "";
    ExAcquireSpinLockShared done "";
    ExAcquireSpinLockSharedAtDpcLevel done "";
    ExTryAcquireSpinLockSharedAtDpcLevel done "";
    ExReleaseSpinLockShared done "";
    ExReleaseSpinLockSharedFromDpcLevel done "";
    ExTryConvertSharedSpinLockExclusive done "";
}

export! {
    /// Raises to DISPATCH_LEVEL and acquires for writing; the level before.
    pub fn ExAcquireSpinLockExclusive(lock: *mut AtomicU32) -> u8 [irql <= DISPATCH_LEVEL] {
        arg!(ExAcquireSpinLockExclusive: lock);
        let old = irql::raise(DISPATCH_LEVEL);
        spin_lock::acquire_exclusive(lock)?;
        Ok(old)
    }

    /// Acquires for writing.
    pub fn ExAcquireSpinLockExclusiveAtDpcLevel(lock: *mut AtomicU32) -> () [irql <= HIGH_LEVEL] {
        arg!(ExAcquireSpinLockExclusiveAtDpcLevel: lock);
        spin_lock::acquire_exclusive(lock)
    }

    /// Acquires for writing if it is free.
    pub fn ExTryAcquireSpinLockExclusiveAtDpcLevel(lock: *mut AtomicU32) -> bool [irql <= HIGH_LEVEL] {
        arg!(ExTryAcquireSpinLockExclusiveAtDpcLevel: lock);
        Ok(spin_lock::try_acquire_exclusive(lock))
    }

    /// Releases after writing and lowers the level.
    pub fn ExReleaseSpinLockExclusive(lock: *mut AtomicU32, old: u8) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExReleaseSpinLockExclusive: lock);
        spin_lock::release_exclusive(lock)?;
        irql::lower(old);
        Ok(())
    }

    /// Releases after writing.
    pub fn ExReleaseSpinLockExclusiveFromDpcLevel(lock: *mut AtomicU32) -> () [irql <= HIGH_LEVEL] {
        arg!(ExReleaseSpinLockExclusiveFromDpcLevel: lock);
        spin_lock::release_exclusive(lock)
    }

    /// Raises to DISPATCH_LEVEL and acquires for reading; the level before.
    pub fn ExAcquireSpinLockShared(lock: *mut AtomicU32) -> u8 [irql <= DISPATCH_LEVEL] {
        arg!(ExAcquireSpinLockShared: lock);
        let old = irql::raise(DISPATCH_LEVEL);
        spin_lock::acquire_shared(lock)?;
        Ok(old)
    }

    /// Acquires for reading.
    pub fn ExAcquireSpinLockSharedAtDpcLevel(lock: *mut AtomicU32) -> () [irql <= HIGH_LEVEL] {
        arg!(ExAcquireSpinLockSharedAtDpcLevel: lock);
        spin_lock::acquire_shared(lock)
    }

    /// Acquires for reading if it can.
    pub fn ExTryAcquireSpinLockSharedAtDpcLevel(lock: *mut AtomicU32) -> bool [irql <= HIGH_LEVEL] {
        arg!(ExTryAcquireSpinLockSharedAtDpcLevel: lock);
        Ok(spin_lock::try_acquire_shared(lock))
    }

    /// Releases after reading and lowers the level.
    pub fn ExReleaseSpinLockShared(lock: *mut AtomicU32, old: u8) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExReleaseSpinLockShared: lock);
        spin_lock::release_shared(lock)?;
        irql::lower(old);
        Ok(())
    }

    /// Releases after reading.
    pub fn ExReleaseSpinLockSharedFromDpcLevel(lock: *mut AtomicU32) -> () [irql <= HIGH_LEVEL] {
        arg!(ExReleaseSpinLockSharedFromDpcLevel: lock);
        spin_lock::release_shared(lock)
    }

    /// Makes the only reader the writer.
    pub fn ExTryConvertSharedSpinLockExclusive(lock: *mut AtomicU32) -> u32 [irql <= HIGH_LEVEL] {
        arg!(ExTryConvertSharedSpinLockExclusive: lock);
        Ok(u32::from(spin_lock::try_convert(lock)))
    }
}
