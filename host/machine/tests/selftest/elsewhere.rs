//! Exports that `kselftest` has no check of, each with who checks it, or why nobody can.

/// Whole prefixes: these need a mounted volume, files and other drivers around them.
const PREFIXES: &[(&str, &str, &str)] = &[
    ("fltmgr.sys", "Flt", "swaptest, iopbtest, attachtest, objtest, ownfcb and xorcrypt, in tests/native"),
    ("ntoskrnl.exe", "Cc", "ownfcb, in tests/native/caching.rs, and the tests of nt-cc and fsd"),
];

/// Single rows.
const ROWS: &[(&str, &str)] = &[
    ("DbgBreakPoint", "ends the machine"),
    ("DbgBreakPointWithStatus", "ends the machine"),
    ("DbgSetDebugFilterState", "answers NOT_SUPPORTED"),
    ("ExFreePool", "seen as a leak: faults::frees_that_do_nothing_are_leaks"),
    ("ExFreePool2", "partial; frees as ExFreePoolWithTag does"),
    ("ExFreePoolWithTag", "seen as a leak: faults::frees_that_do_nothing_are_leaks"),
    ("ExRaiseAccessViolation", "raises: sehtest"),
    ("ExRaiseDatatypeMisalignment", "raises: sehtest"),
    ("ExRaiseStatus", "raises: sehtest"),
    ("ExSystemExceptionFilter", "unwinding: sehtest"),
    ("ExFreeCacheAwareRundownProtection", "seen as a leak: faults::frees_that_do_nothing_are_leaks"),
    ("FsRtlCopyRead", "needs a cached file: ownfcb"),
    ("FsRtlCopyWrite", "needs a cached file: ownfcb"),
    ("FsRtlUninitializeLargeMcb", "seen as a leak: faults::frees_that_do_nothing_are_leaks"),
    ("IoFreeIrp", "seen as a leak of IRPs, which the machine does not count yet"),
    ("IoFreeMdl", "seen as a leak of MDLs, which the machine does not count yet"),
    ("IoFreeWorkItem", "seen as a leak of work items, which the machine does not count yet"),
    ("IoGetRelatedDeviceObject", "needs an open file: ownfcb"),
    ("IoReplaceFileObjectName", "needs a create under way: tests/native"),
    ("IoVolumeDeviceToDosName", "needs a mounted volume: tests/native"),
    ("IoVolumeDeviceToGuid", "needs a mounted volume: objtest, in tests/native/objects.rs"),
    ("IoVolumeDeviceToGuidPath", "needs a mounted volume: objtest, in tests/native/objects.rs"),
    ("KeAttachProcess", "needs a second process: tests/exports/processes.rs"),
    ("KeBugCheck", "ends the machine: badapples"),
    ("KeBugCheckEx", "ends the machine: badapples"),
    ("KeDetachProcess", "needs a second process: tests/exports/processes.rs"),
    ("KeRestoreExtendedProcessorState", "nothing to see: floating-point registers are the thread's own"),
    ("KeStackAttachProcess", "needs a second process: tests/exports/processes.rs"),
    ("KeUnstackDetachProcess", "needs a second process: tests/exports/processes.rs"),
    ("MmLockPagableSectionByHandle", "nothing to see: pageable sections stay in memory"),
    ("MmResetDriverPaging", "nothing to see: pageable sections stay in memory"),
    ("MmUnlockPagableImageSection", "nothing to see: pageable sections stay in memory"),
    ("ProbeForRead", "raises: sehtest"),
    ("ProbeForWrite", "raises: sehtest"),
    ("RtlAssert", "a finding: tests/exports/executive.rs"),
    ("RtlCaptureContext", "unwinding: sehtest"),
    ("RtlLookupFunctionEntry", "unwinding: sehtest"),
    ("RtlPcToFileHeader", "unwinding: sehtest"),
    ("RtlPrefetchMemoryNonTemporal", "nothing to see: a hint"),
    ("RtlRaiseException", "unwinding: sehtest"),
    ("RtlRaiseStatus", "unwinding: sehtest"),
    ("RtlRandom", "any number below 2^31 - 1 is right; RtlUniform is the same code"),
    ("RtlRandomEx", "any number below 2^31 - 1 is right; RtlUniform is the same code"),
    ("RtlRestoreContext", "unwinding: sehtest"),
    ("RtlUnwind", "unwinding: sehtest"),
    ("RtlUnwindEx", "unwinding: sehtest"),
    ("RtlVirtualUnwind", "unwinding: sehtest"),
    ("SeLockSubjectContext", "nothing to see: tokens never change"),
    ("SeUnlockSubjectContext", "nothing to see: tokens never change"),
    ("ZwQueryInformationByName", "needs a mounted volume: modwatch"),
    ("ZwTerminateProcess", "ends a process, and there is only System here"),
    ("__C_specific_handler", "called by the dispatcher of exceptions: sehtest"),
    ("__chkstk", "called by compilers, with arguments in no convention: every large frame"),
    ("_local_unwind", "unwinding: sehtest"),
];

/// Why an export has no check.
pub fn reason(image: &str, name: &str) -> Option<&'static str> {
    let prefix = PREFIXES.iter().find(|(home, prefix, _)| *home == image && name.starts_with(prefix));
    let row = ROWS.iter().find(|(known, _)| *known == name);
    row.map(|(_, reason)| *reason).or(prefix.map(|(_, _, reason)| *reason))
}

/// The exports of the single rows.
pub fn names<'a>() -> impl Iterator<Item = &'a str> {
    ROWS.iter().map(|(name, _)| *name)
}
