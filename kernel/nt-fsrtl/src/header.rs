//! Stream headers, file-system regions, expected statuses.

use nt_abi::{FAST_MUTEX, FSRTL_ADVANCED_FCB_HEADER, NtStatus};
use nt_ke::{dispatcher, region};

/// `FSRTL_FCB_HEADER_V1`: the version that has a push lock and a file context pointer.
pub const HEADER_VERSION: u8 = 1;
/// FSRTL_FLAG_ADVANCED_HEADER.
const ADVANCED_HEADER: u8 = nt_abi::FSRTL_FLAG_ADVANCED_HEADER;
const SUPPORTS_FILTER_CONTEXTS: u8 = nt_abi::FSRTL_FLAG2_SUPPORTS_FILTER_CONTEXTS;

/// Makes `header` an advanced one, with an empty list of filter contexts.
///
/// Source:  FsRtlSetupAdvancedHeader, FsRtlSetupAdvancedHeaderEx (`file_contexts` is its third argument)
/// IRQL:    <= APC_LEVEL
/// Shape:   the version stands in the upper four bits of its byte
pub fn setup_advanced_header(
    header: &FSRTL_ADVANCED_FCB_HEADER,
    mutex: Option<&FAST_MUTEX>,
    file_contexts: usize,
) {
    header.Flags.set(header.Flags.get() | ADVANCED_HEADER);
    header.Flags2.set(header.Flags2.get() | SUPPORTS_FILTER_CONTEXTS);
    header.Version.set((header.Version.get() & 0x0F) | (HEADER_VERSION << 4));
    dispatcher::initialize_list(&header.FilterContexts);
    if let Some(mutex) = mutex {
        header.FastMutex.set(std::ptr::from_ref(mutex).cast_mut());
    }
    header.PushLock.store(0, std::sync::atomic::Ordering::Relaxed);
    header.FileContextSupportPointer.set(file_contexts as *mut _);
}

/// Whether filters may attach contexts to the stream. Source: FsRtlSupportsPerStreamContexts.
pub fn supports_filter_contexts(header: &FSRTL_ADVANCED_FCB_HEADER) -> bool {
    header.Flags.get() & ADVANCED_HEADER != 0 && header.Flags2.get() & SUPPORTS_FILTER_CONTEXTS != 0
}

/// Holds normal kernel APCs off the thread. Source: FsRtlEnterFileSystem; EXEC-07. Nests.
pub fn enter_file_system() {
    region::enter_critical();
}

/// Ends one [`enter_file_system`] and delivers the APCs that it held off. Source: FsRtlExitFileSystem; EXEC-07.
pub fn exit_file_system() {
    // A `Stop` is seen at the next kernel call as well.
    let _ = region::leave_critical("FsRtlExitFileSystem");
}

/// Whether an exception filter may handle `status`: not the ones that mean a defect.
///
/// Source: FsRtlIsNtstatusExpected
pub fn is_ntstatus_expected(status: NtStatus) -> bool {
    !matches!(
        status,
        NtStatus::DATATYPE_MISALIGNMENT
            | NtStatus::ACCESS_VIOLATION
            | NtStatus::ILLEGAL_INSTRUCTION
            | NtStatus::INSTRUCTION_MISALIGNMENT
    )
}

/// `status` if it is expected, else `fallback`. Source: FsRtlNormalizeNtstatus
pub fn normalize_ntstatus(status: NtStatus, fallback: NtStatus) -> NtStatus {
    if is_ntstatus_expected(status) { status } else { fallback }
}

#[cfg(test)]
mod an_advanced_header {
    use super::*;

    #[test]
    fn has_its_flags_version_and_empty_list() {
        let header = FSRTL_ADVANCED_FCB_HEADER::default();
        assert!(!supports_filter_contexts(&header));
        setup_advanced_header(&header, None, 0);
        assert!(supports_filter_contexts(&header));
        assert_eq!(header.Version.get() >> 4, HEADER_VERSION);
        assert_eq!(header.FilterContexts.Flink.get().cast_const(), &raw const header.FilterContexts);
    }

    #[test]
    fn defects_are_not_expected() {
        assert!(!is_ntstatus_expected(NtStatus::ACCESS_VIOLATION));
        assert!(is_ntstatus_expected(NtStatus::DISK_FULL));
        assert_eq!(
            normalize_ntstatus(NtStatus::ACCESS_VIOLATION, NtStatus::INVALID_USER_BUFFER),
            NtStatus::INVALID_USER_BUFFER
        );
    }
}
