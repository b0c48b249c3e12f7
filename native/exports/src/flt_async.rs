//! Operations that callbacks hold, and work items.

use boundary::export;
use fltmgr::work::{self, Kind};
use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::{NativeFn, NtStatus};

use crate::argument::rows;

rows! { "fltmgr.sys", "fltmgr";
    FltCompletePendedPreOperation done "PRE-09, PEND-01 to PEND-04, PEND-06";
    FltCompletePendedPostOperation done "POST-07, PEND-05, PEND-06, PEND-17";
    FltAllocateDeferredIoWorkItem done "PEND-07";
    FltFreeDeferredIoWorkItem done "PEND-07";
    FltQueueDeferredIoWorkItem done "PEND-08 to PEND-14";
    FltAllocateGenericWorkItem done "WORK-01";
    FltFreeGenericWorkItem done "WORK-04, WORK-05";
    FltQueueGenericWorkItem done "WORK-01 to WORK-03, WORK-05";
}

export! {
    /// Goes on with an operation that a pre callback holds.
    pub fn FltCompletePendedPreOperation(data: usize, answer: u32, context: usize) -> () [irql <= DISPATCH_LEVEL] {
        fltmgr::flt_complete_pended_pre_operation(fltmgr::operation_from(data)?, answer as i32, context)
    }

    /// Goes on with an operation that a post callback holds.
    pub fn FltCompletePendedPostOperation(data: usize) -> () [irql <= DISPATCH_LEVEL] {
        fltmgr::flt_complete_pended_post_operation(fltmgr::operation_from(data)?)
    }

    /// A work item for an operation.
    pub fn FltAllocateDeferredIoWorkItem() -> usize [irql <= DISPATCH_LEVEL] {
        Ok(work::flt_allocate_work_item(Kind::Deferred))
    }

    /// Frees it.
    pub fn FltFreeDeferredIoWorkItem(item: usize) -> () [irql <= DISPATCH_LEVEL] {
        work::flt_free_work_item(item, Kind::Deferred)
    }

    /// Queues the work for an operation.
    pub fn FltQueueDeferredIoWorkItem(item: usize, data: usize, routine: usize, queue: u32, context: usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        work::flt_queue_deferred_io_work_item(item, data, NativeFn(routine), queue, context)
    }

    /// A work item for anything.
    pub fn FltAllocateGenericWorkItem() -> usize [irql <= DISPATCH_LEVEL] {
        Ok(work::flt_allocate_work_item(Kind::Generic))
    }

    /// Frees it.
    pub fn FltFreeGenericWorkItem(item: usize) -> () [irql <= DISPATCH_LEVEL] {
        work::flt_free_work_item(item, Kind::Generic)
    }

    /// Queues work of a filter or instance.
    pub fn FltQueueGenericWorkItem(item: usize, object: usize, routine: usize, queue: u32, context: usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        work::flt_queue_generic_work_item(item, object, NativeFn(routine), queue, context)
    }
}
