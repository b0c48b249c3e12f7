//! Extra create parameters, as minifilters call their routines.

use boundary::export;
use nt_abi::irql::APC_LEVEL;
use nt_abi::{FLT_CALLBACK_DATA, GENERAL_LOOKASIDE, NativeFn, NtStatus};
use nt_fsrtl::ecp::{self, Guid, Wanted};

use crate::argument::{arg, rows};
use crate::fsrtl_ecp::{allocated, freed, given, guid, initialize_lookaside, listed};

rows! { "fltmgr.sys", "fltmgr";
    FltAllocateExtraCreateParameterList done "ECP-09";
    FltFreeExtraCreateParameterList done "ECP-08";
    FltAllocateExtraCreateParameter done "ECP-03";
    FltFreeExtraCreateParameter done "";
    FltInitExtraCreateParameterLookasideList done "";
    FltDeleteExtraCreateParameterLookasideList done "";
    FltAllocateExtraCreateParameterFromLookasideList done "ECP-03";
    FltInsertExtraCreateParameter done "ECP-04";
    FltFindExtraCreateParameter done "ECP-05";
    FltGetNextExtraCreateParameter done "ECP-06";
    FltRemoveExtraCreateParameter done "ECP-07";
    FltAcknowledgeEcp done "ECP-10";
    FltIsEcpAcknowledged done "ECP-10";
    FltIsEcpFromUserMode done "ECP-11";
    FltPrepareToReuseEcp done "";
    FltGetEcpListFromCallbackData done "ECP-01";
    FltSetEcpListIntoCallbackData done "ECP-02";
}

export! {
    /// An empty list.
    pub fn FltAllocateExtraCreateParameterList(filter: usize, flags: u32, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        allocated(ecp::allocate_list(flags, filter), out, "FltAllocateExtraCreateParameterList")
    }

    /// Frees a list and what is in it.
    pub fn FltFreeExtraCreateParameterList(_filter: usize, list: usize) -> () [irql <= APC_LEVEL] {
        freed(ecp::free_list(list)?, "FltFreeExtraCreateParameterList", list);
        Ok(())
    }

    /// A context that is in no list.
    pub fn FltAllocateExtraCreateParameter(filter: usize, kind: *mut Guid, size: u32, flags: u32, cleanup: NativeFn, tag: u32, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        let kind = guid(kind, "FltAllocateExtraCreateParameter")?;
        let wanted = Wanted { kind, size, flags, cleanup, tag, owner: filter };
        allocated(ecp::allocate(&wanted), out, "FltAllocateExtraCreateParameter")
    }

    /// Frees a context that is in no list.
    pub fn FltFreeExtraCreateParameter(_filter: usize, context: usize) -> () [irql <= APC_LEVEL] {
        freed(ecp::free(context)?, "FltFreeExtraCreateParameter", context);
        Ok(())
    }

    /// Prepares a lookaside list of contexts.
    pub fn FltInitExtraCreateParameterLookasideList(_filter: usize, list: *mut GENERAL_LOOKASIDE, flags: u32, size: usize, tag: u32) -> () [irql <= APC_LEVEL] {
        arg!(FltInitExtraCreateParameterLookasideList: list);
        initialize_lookaside(list, flags, size, tag);
        Ok(())
    }

    /// Frees what it keeps.
    pub fn FltDeleteExtraCreateParameterLookasideList(_filter: usize, list: *mut GENERAL_LOOKASIDE, _flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(FltDeleteExtraCreateParameterLookasideList: list);
        nt_ex::lookaside::delete(list)
    }

    /// A context from it.
    pub fn FltAllocateExtraCreateParameterFromLookasideList(filter: usize, kind: *mut Guid, size: u32, flags: u32, cleanup: NativeFn, list: *mut GENERAL_LOOKASIDE, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltAllocateExtraCreateParameterFromLookasideList: list);
        let kind = guid(kind, "FltAllocateExtraCreateParameterFromLookasideList")?;
        let wanted = Wanted { kind, size, flags, cleanup, tag: list.Tag.get(), owner: filter };
        allocated(ecp::allocate_from(list, &wanted)?, out, "FltAllocateExtraCreateParameterFromLookasideList")
    }

    /// Puts a context into a list.
    pub fn FltInsertExtraCreateParameter(_filter: usize, list: usize, context: usize) -> NtStatus [irql <= APC_LEVEL] {
        Ok(ecp::insert(list, context))
    }

    /// The context of a GUID.
    pub fn FltFindExtraCreateParameter(_filter: usize, list: usize, kind: *mut Guid, context: *mut usize, size: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        given(ecp::find(list, &guid(kind, "FltFindExtraCreateParameter")?), std::ptr::null_mut(), context, size)
    }

    /// The context behind another one.
    pub fn FltGetNextExtraCreateParameter(_filter: usize, list: usize, current: usize, kind: *mut Guid, context: *mut usize, size: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        given(ecp::next(list, current), kind, context, size)
    }

    /// Takes the context of a GUID out.
    pub fn FltRemoveExtraCreateParameter(filter: usize, list: usize, kind: *mut Guid, context: *mut usize, size: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        let kind = guid(kind, "FltRemoveExtraCreateParameter")?;
        given(ecp::remove(list, &kind, filter), std::ptr::null_mut(), context, size)
    }

    /// Notes that a context was understood.
    pub fn FltAcknowledgeEcp(_filter: usize, context: usize) -> () [irql <= APC_LEVEL] {
        ecp::acknowledge(context);
        Ok(())
    }

    /// Whether somebody has noted that.
    pub fn FltIsEcpAcknowledged(_filter: usize, context: usize) -> bool [irql <= APC_LEVEL] {
        Ok(ecp::is_acknowledged(context))
    }

    /// Whether a program gave it.
    pub fn FltIsEcpFromUserMode(_filter: usize, context: usize) -> bool [irql <= APC_LEVEL] {
        Ok(ecp::is_from_user_mode(context))
    }

    /// Takes the note back.
    pub fn FltPrepareToReuseEcp(_filter: usize, context: usize) -> () [irql <= APC_LEVEL] {
        ecp::prepare_to_reuse(context);
        Ok(())
    }

    /// The list of a create.
    pub fn FltGetEcpListFromCallbackData(_filter: usize, data: *mut FLT_CALLBACK_DATA, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltGetEcpListFromCallbackData: data);
        listed(fltmgr::ecp::flt_get_ecp_list_from_callback_data(data), out, "FltGetEcpListFromCallbackData")
    }

    /// Attaches a list to a create.
    pub fn FltSetEcpListIntoCallbackData(_filter: usize, data: *mut FLT_CALLBACK_DATA, list: usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltSetEcpListIntoCallbackData: data);
        Ok(fltmgr::ecp::flt_set_ecp_list_into_callback_data(data, list))
    }
}
