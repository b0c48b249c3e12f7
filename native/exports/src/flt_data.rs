//! Callback data: dirty marks, decoding, predicates.

use boundary::export;
use nt_abi::irql::{APC_LEVEL, HIGH_LEVEL};
use nt_abi::{FLT_CALLBACK_DATA, NtStatus};

use crate::argument::{arg, rows, store_if};

rows! { "fltmgr.sys", "fltmgr";
    FltSetCallbackDataDirty done "IOPB-14";
    FltClearCallbackDataDirty done "IOPB-14, IOPB-15";
    FltIsCallbackDataDirty done "IOPB-14";
    FltDecodeParameters done "SWAP-05 to SWAP-08";
    FltIsOperationSynchronous done "GIO-39";
    FltGetRequestorProcess done "GIO-40";
    FltGetRequestorProcessId done "OBJ-25";
    FltGetSwappedBufferMdlAddress done "SWAP-17, SWAP-18";
    FltRetainSwappedBufferMdlAddress done "SWAP-20";
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
    pub fn FltGetRequestorProcessId(data: *mut FLT_CALLBACK_DATA) -> u32 [irql <= APC_LEVEL] {
        arg!(FltGetRequestorProcessId: data);
        fltmgr::requestor::flt_get_requestor_process_id(data)
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
}
