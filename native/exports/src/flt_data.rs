//! Callback data: dirty marks, decoding, predicates.

use boundary::export;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL};
use nt_abi::{FLT_CALLBACK_DATA, NativeFn, NtStatus};

use crate::argument::{arg, rows, store, store_if};

rows! { "fltmgr.sys", "fltmgr";
    FltSetCallbackDataDirty done "IOPB-14";
    FltClearCallbackDataDirty done "IOPB-14, IOPB-15";
    FltIsCallbackDataDirty done "IOPB-14";
    FltDecodeParameters done "SWAP-05 to SWAP-08";
    FltIsOperationSynchronous done "GIO-39";
    FltGetIrpName done "";
    FltGetRoutineAddress done "OBJ-26; NULL for what the table does not have";
    FltGetRequestorProcess done "GIO-40";
    FltGetRequestorProcessId done "OBJ-25";
    FltGetRequestorProcessIdEx done "OBJ-25";
    FltGetRequestorSessionId done "";
    FltGetSwappedBufferMdlAddress done "SWAP-17, SWAP-18";
    FltRetainSwappedBufferMdlAddress done "SWAP-20";
    FltGetNewSystemBufferAddress done "SWAP-25";
    FltLockUserBuffer done "SWAP-11 to SWAP-15";
    FltDoCompletionProcessingWhenSafe done "PEND-15 to PEND-19";
}

export! {
    /// Marks callback data as changed.
    pub fn FltSetCallbackDataDirty(data: *mut FLT_CALLBACK_DATA) -> () [irql <= HIGH_LEVEL] {
        arg!(FltSetCallbackDataDirty: data);
        fltmgr::flt_set_callback_data_dirty(data);
        Ok(())
    }

    /// Takes the mark back.
    pub fn FltClearCallbackDataDirty(data: *mut FLT_CALLBACK_DATA) -> () [irql <= HIGH_LEVEL] {
        arg!(FltClearCallbackDataDirty: data);
        fltmgr::flt_clear_callback_data_dirty(data);
        Ok(())
    }

    /// Whether the mark is set.
    pub fn FltIsCallbackDataDirty(data: *mut FLT_CALLBACK_DATA) -> bool [irql <= HIGH_LEVEL] {
        arg!(FltIsCallbackDataDirty: data);
        Ok(fltmgr::flt_is_callback_data_dirty(data))
    }

    /// Where the buffer parameters of an operation stand.
    pub fn FltDecodeParameters(data: *mut FLT_CALLBACK_DATA, mdl: *mut usize, buffer: *mut usize, length: *mut usize, access: *mut u32) -> NtStatus [irql <= HIGH_LEVEL] {
        arg!(FltDecodeParameters: data);
        match fltmgr::flt_decode_parameters(data) {
            Ok(decoded) => {
                store_if(mdl, decoded.mdl)?;
                store_if(buffer, decoded.buffer)?;
                store_if(length, decoded.length)?;
                store_if(access, decoded.access)?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// The name of a major function, as a zero-terminated string.
    pub fn FltGetIrpName(major: u8) -> usize [irql <= HIGH_LEVEL] {
        Ok(irp_name(major).as_ptr() as usize)
    }

    /// The address of a filter-manager export, or null.
    pub fn FltGetRoutineAddress(name: usize) -> usize [irql <= DISPATCH_LEVEL] {
        let name = nt_rtl::string::read_zero_terminated_bytes(name, 256).map_err(crate::argument::fault)?;
        let found = std::str::from_utf8(&name).ok().and_then(|name| crate::find("fltmgr.sys", name));
        Ok(found.map_or(0, |row| (row.address)()))
    }

    /// Whether the issuer waits.
    pub fn FltIsOperationSynchronous(data: *mut FLT_CALLBACK_DATA) -> bool [irql <= HIGH_LEVEL] {
        arg!(FltIsOperationSynchronous: data);
        Ok(fltmgr::flt_is_operation_synchronous(data))
    }

    /// The process that asked.
    pub fn FltGetRequestorProcess(data: *mut FLT_CALLBACK_DATA) -> usize [irql <= HIGH_LEVEL] {
        arg!(FltGetRequestorProcess: data);
        Ok(fltmgr::flt_get_requestor_process(data))
    }

    /// Its identity.
    pub fn FltGetRequestorProcessId(data: *mut FLT_CALLBACK_DATA) -> u32 [irql <= DISPATCH_LEVEL] {
        arg!(FltGetRequestorProcessId: data);
        fltmgr::requestor::flt_get_requestor_process_id(data)
    }

    /// Its identity, as a handle.
    pub fn FltGetRequestorProcessIdEx(data: *mut FLT_CALLBACK_DATA) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(FltGetRequestorProcessIdEx: data);
        fltmgr::requestor::flt_get_requestor_process_id_ex(data)
    }

    /// Its terminal session.
    pub fn FltGetRequestorSessionId(data: *mut FLT_CALLBACK_DATA, session: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltGetRequestorSessionId: data);
        match fltmgr::requestor::flt_get_requestor_session_id(data)? {
            Ok(found) => {
                store(session, found, "FltGetRequestorSessionId", "SessionId")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// The MDL of the buffer that the caller swapped in.
    pub fn FltGetSwappedBufferMdlAddress(data: usize) -> usize [irql <= HIGH_LEVEL] {
        Ok(fltmgr::flt_get_swapped_buffer_mdl_address(fltmgr::operation_from(data)?))
    }

    /// Keeps that MDL from being freed.
    pub fn FltRetainSwappedBufferMdlAddress(data: usize) -> () [irql <= HIGH_LEVEL] {
        fltmgr::flt_retain_swapped_buffer_mdl_address(fltmgr::operation_from(data)?);
        Ok(())
    }

    /// The system buffer that the file system made.
    pub fn FltGetNewSystemBufferAddress(data: usize) -> usize [irql <= DISPATCH_LEVEL] {
        Ok(fltmgr::flt_get_new_system_buffer_address(fltmgr::operation_from(data)?))
    }

    /// Locks the buffer of an operation.
    pub fn FltLockUserBuffer(data: usize) -> NtStatus [irql <= APC_LEVEL] {
        fltmgr::flt_lock_user_buffer(fltmgr::operation_from(data)?)
    }

    /// Calls back where pageable memory may be touched.
    pub fn FltDoCompletionProcessingWhenSafe(data: *mut FLT_CALLBACK_DATA, objects: usize, context: usize, flags: u32, callback: usize, answer: *mut u32) -> bool [irql <= HIGH_LEVEL] {
        arg!(FltDoCompletionProcessingWhenSafe: data);
        let (runs, result) = fltmgr::flt_do_completion_processing_when_safe(data, objects, context, flags, NativeFn(callback))?;
        store(answer, result, "FltDoCompletionProcessingWhenSafe", "RetPostOperationStatus")?;
        Ok(runs)
    }
}

/// Names of all major functions, zero-terminated, made once per process.
fn irp_name(major: u8) -> &'static std::ffi::CStr {
    static NAMES: std::sync::OnceLock<Vec<std::ffi::CString>> = std::sync::OnceLock::new();
    let names = NAMES.get_or_init(|| {
        (0..=u8::MAX)
            .map(|major| std::ffi::CString::new(fltmgr::flt_get_irp_name(major)).unwrap_or_default())
            .collect()
    });
    &names[usize::from(major)]
}
