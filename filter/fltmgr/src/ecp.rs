//! Extra create parameters of operations, and filters that drop some. Statements: ECP-01, ECP-02, ECP-09.

use nt_abi::{FILE_OBJECT, FLT_CALLBACK_DATA, FLTFL_CALLBACK_DATA_IRP_OPERATION, IRP_MJ_CREATE, NtStatus};
use nt_fsrtl::ecp;

use crate::anchor::Anchored;
use crate::filter::Filter;
use crate::{findings, pointer};

/// The file object of a create that is an IRP.
fn created(data: &FLT_CALLBACK_DATA) -> Option<&'static FILE_OBJECT> {
    let block = pointer::iopb(data);
    let is = data.Flags.get() & FLTFL_CALLBACK_DATA_IRP_OPERATION != 0
        && block.MajorFunction.get() == IRP_MJ_CREATE;
    pointer::file(block.TargetFileObject.get()).filter(|_| is)
}

/// The list of extra create parameters of a create; 0 when it has none.
///
/// Source:  FltGetEcpListFromCallbackData; ECP-01
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (no create, or no IRP)
pub fn flt_get_ecp_list_from_callback_data(data: &FLT_CALLBACK_DATA) -> Result<usize, NtStatus> {
    created(data).map(|file| ecp::list_of(file).get()).ok_or(NtStatus::INVALID_PARAMETER)
}

/// Attaches a list to a create, which it belongs to from then on.
///
/// Source:  FltSetEcpListIntoCallbackData; ECP-02
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER_2 (no create, or no IRP) · INVALID_PARAMETER_3 (it has a list)
pub fn flt_set_ecp_list_into_callback_data(data: &FLT_CALLBACK_DATA, list: usize) -> NtStatus {
    match created(data) {
        Some(file) => ecp::attach(file, list),
        None => NtStatus::INVALID_PARAMETER_2,
    }
}

/// Reports what a filter that goes has allocated and neither freed nor attached. Source: ECP-09.
pub(crate) fn report_dropped(filter: &Filter) {
    let dropped = ecp::outstanding(filter.anchor().address());
    if dropped != 0 {
        let message = format!(
            "the filter goes with {dropped} extra create parameter(s) or list(s) that it has allocated, or taken out of a \
             list, and neither freed nor attached to a create: nobody else frees them"
        );
        findings::error("ECP-09", &filter.label, message);
    }
}
