//! FsRtl: extra create parameters, and what both spellings of their routines share.

use boundary::{Raise, export};
use nt_abi::irql::APC_LEVEL;
use nt_abi::{GENERAL_LOOKASIDE, IRP, NativeFn, NtStatus};
use nt_ex::lookaside;
use nt_fsrtl::ecp::{self, Guid, Wanted};

use crate::argument::{arg, load, rows, store, store_if};

const PAGED_POOL: u32 = 1;
const NON_PAGED_POOL_NX: u32 = 0x200;

rows! { "ntoskrnl.exe", "nt-fsrtl";
    FsRtlAllocateExtraCreateParameterList done "ECP-09";
    FsRtlFreeExtraCreateParameterList done "ECP-08";
    FsRtlAllocateExtraCreateParameter done "ECP-03";
    FsRtlFreeExtraCreateParameter done "";
    FsRtlInitExtraCreateParameterLookasideList done "";
    FsRtlDeleteExtraCreateParameterLookasideList done "";
    FsRtlAllocateExtraCreateParameterFromLookasideList done "ECP-03";
    FsRtlInsertExtraCreateParameter done "ECP-04";
    FsRtlFindExtraCreateParameter done "ECP-05";
    FsRtlGetNextExtraCreateParameter done "ECP-06";
    FsRtlRemoveExtraCreateParameter done "ECP-07";
    FsRtlAcknowledgeEcp done "ECP-10";
    FsRtlIsEcpAcknowledged done "ECP-10";
    FsRtlIsEcpFromUserMode done "ECP-11";
    FsRtlPrepareToReuseEcp done "";
    FsRtlGetEcpListFromIrp done "ECP-01";
    FsRtlSetEcpListIntoIrp done "ECP-02";
    IoGetIrpExtraCreateParameter done "ECP-01";
    IoSetIrpExtraCreateParameter done "ECP-02";
    IoClearIrpExtraCreateParameter done "";
}

pub(crate) fn guid(address: *mut Guid, export: &str) -> Result<Guid, Raise> {
    load(address, export, "EcpType")
}

/// Gives out what a search found; where it found nothing, the outputs are cleared.
pub(crate) fn given(
    found: Result<ecp::Found, NtStatus>,
    kind: *mut Guid,
    context: *mut usize,
    size: *mut u32,
) -> Result<NtStatus, Raise> {
    if let Ok(found) = found {
        store_if(kind, found.kind)?;
    }
    store_if(context, found.map_or(0, |found| found.context))?;
    store_if(size, found.map_or(0, |found| found.size))?;
    Ok(found.err().unwrap_or(NtStatus::SUCCESS))
}

/// Gives out what was allocated, or null.
pub(crate) fn allocated(
    made: Result<usize, NtStatus>,
    out: *mut usize,
    export: &str,
) -> Result<NtStatus, Raise> {
    store(out, made.unwrap_or(0), export, "the returned pointer")?;
    Ok(made.err().unwrap_or(NtStatus::SUCCESS))
}

/// Reports what is no context or no list, or a context that is still in a list.
pub(crate) fn freed(result: Result<(), NtStatus>, export: &str, address: usize) {
    if result.is_err() {
        nt_ke::current_core().report(nt_ke::Finding::error(
            "ECP-08",
            "",
            format!(
                "{export} was given {address:#x}, which is no list or context (any more), or is a context that is in a \
                 list: take it out first"
            ),
        ));
    }
}

/// Gives out the list of a create, or that it is none.
pub(crate) fn listed(
    list: Result<usize, NtStatus>,
    out: *mut usize,
    export: &str,
) -> Result<NtStatus, Raise> {
    match list {
        Ok(list) => {
            store(out, list, export, "EcpList")?;
            Ok(NtStatus::SUCCESS)
        }
        Err(status) => Ok(status),
    }
}

/// Prepares a lookaside list for contexts of `size` bytes.
pub(crate) fn initialize_lookaside(list: &GENERAL_LOOKASIDE, flags: u32, size: usize, tag: u32) {
    let pool_type = if flags & 2 != 0 { NON_PAGED_POOL_NX } else { PAGED_POOL };
    let parameters = lookaside::Parameters {
        allocate: crate::ex::default_allocate(NativeFn(0)),
        free: crate::ex::default_free(NativeFn(0)),
        pool_type,
        size: ecp::lookaside_size(size),
        tag,
        depth: 0,
    };
    lookaside::initialize(list, &parameters);
}

export! {
    /// An empty list.
    pub fn FsRtlAllocateExtraCreateParameterList(flags: u32, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        allocated(ecp::allocate_list(flags, 0), out, "FsRtlAllocateExtraCreateParameterList")
    }

    /// Frees a list and what is in it.
    pub fn FsRtlFreeExtraCreateParameterList(list: usize) -> () [irql <= APC_LEVEL] {
        freed(ecp::free_list(list)?, "FsRtlFreeExtraCreateParameterList", list);
        Ok(())
    }

    /// A context that is in no list.
    pub fn FsRtlAllocateExtraCreateParameter(kind: *mut Guid, size: u32, flags: u32, cleanup: NativeFn, tag: u32, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        let kind = guid(kind, "FsRtlAllocateExtraCreateParameter")?;
        let wanted = Wanted { kind, size, flags, cleanup, tag, owner: 0 };
        allocated(ecp::allocate(&wanted), out, "FsRtlAllocateExtraCreateParameter")
    }

    /// Frees a context that is in no list.
    pub fn FsRtlFreeExtraCreateParameter(context: usize) -> () [irql <= APC_LEVEL] {
        freed(ecp::free(context)?, "FsRtlFreeExtraCreateParameter", context);
        Ok(())
    }

    /// Prepares a lookaside list of contexts.
    pub fn FsRtlInitExtraCreateParameterLookasideList(list: *mut GENERAL_LOOKASIDE, flags: u32, size: usize, tag: u32) -> () [irql <= APC_LEVEL] {
        arg!(FsRtlInitExtraCreateParameterLookasideList: list);
        initialize_lookaside(list, flags, size, tag);
        Ok(())
    }

    /// Frees what it keeps.
    pub fn FsRtlDeleteExtraCreateParameterLookasideList(list: *mut GENERAL_LOOKASIDE, _flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(FsRtlDeleteExtraCreateParameterLookasideList: list);
        nt_ex::lookaside::delete(list)
    }

    /// A context from it.
    pub fn FsRtlAllocateExtraCreateParameterFromLookasideList(kind: *mut Guid, size: u32, flags: u32, cleanup: NativeFn, list: *mut GENERAL_LOOKASIDE, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FsRtlAllocateExtraCreateParameterFromLookasideList: list);
        let kind = guid(kind, "FsRtlAllocateExtraCreateParameterFromLookasideList")?;
        let wanted = Wanted { kind, size, flags, cleanup, tag: list.Tag.get(), owner: 0 };
        allocated(ecp::allocate_from(list, &wanted)?, out, "FsRtlAllocateExtraCreateParameterFromLookasideList")
    }

    /// Puts a context into a list.
    pub fn FsRtlInsertExtraCreateParameter(list: usize, context: usize) -> NtStatus [irql <= APC_LEVEL] {
        Ok(ecp::insert(list, context))
    }

    /// The context of a GUID.
    pub fn FsRtlFindExtraCreateParameter(list: usize, kind: *mut Guid, context: *mut usize, size: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        given(ecp::find(list, &guid(kind, "FsRtlFindExtraCreateParameter")?), std::ptr::null_mut(), context, size)
    }

    /// The context behind another one.
    pub fn FsRtlGetNextExtraCreateParameter(list: usize, current: usize, kind: *mut Guid, context: *mut usize, size: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        given(ecp::next(list, current), kind, context, size)
    }

    /// Takes the context of a GUID out.
    pub fn FsRtlRemoveExtraCreateParameter(list: usize, kind: *mut Guid, context: *mut usize, size: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        let kind = guid(kind, "FsRtlRemoveExtraCreateParameter")?;
        given(ecp::remove(list, &kind, 0), std::ptr::null_mut(), context, size)
    }

    /// Notes that a context was understood.
    pub fn FsRtlAcknowledgeEcp(context: usize) -> () [irql <= APC_LEVEL] {
        ecp::acknowledge(context);
        Ok(())
    }

    /// Whether somebody has noted that.
    pub fn FsRtlIsEcpAcknowledged(context: usize) -> bool [irql <= APC_LEVEL] {
        Ok(ecp::is_acknowledged(context))
    }

    /// Whether a program gave it.
    pub fn FsRtlIsEcpFromUserMode(context: usize) -> bool [irql <= APC_LEVEL] {
        Ok(ecp::is_from_user_mode(context))
    }

    /// Takes the note back.
    pub fn FsRtlPrepareToReuseEcp(context: usize) -> () [irql <= APC_LEVEL] {
        ecp::prepare_to_reuse(context);
        Ok(())
    }

    /// The list of a create.
    pub fn FsRtlGetEcpListFromIrp(irp: *mut IRP, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FsRtlGetEcpListFromIrp: irp);
        listed(ecp::list_from_irp(irp), out, "FsRtlGetEcpListFromIrp")
    }

    /// Attaches a list to a create.
    pub fn FsRtlSetEcpListIntoIrp(irp: *mut IRP, list: usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FsRtlSetEcpListIntoIrp: irp);
        Ok(ecp::set_list_into_irp(irp, list))
    }

    /// The list of a create.
    pub fn IoGetIrpExtraCreateParameter(irp: *mut IRP, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(IoGetIrpExtraCreateParameter: irp);
        listed(ecp::list_from_irp(irp), out, "IoGetIrpExtraCreateParameter")
    }

    /// Attaches a list to a create.
    pub fn IoSetIrpExtraCreateParameter(irp: *mut IRP, list: usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(IoSetIrpExtraCreateParameter: irp);
        Ok(ecp::set_list_into_irp(irp, list))
    }

    /// Takes the list off a create.
    pub fn IoClearIrpExtraCreateParameter(irp: *mut IRP) -> () [irql <= APC_LEVEL] {
        arg!(IoClearIrpExtraCreateParameter: irp);
        ecp::detach(irp);
        Ok(())
    }
}
