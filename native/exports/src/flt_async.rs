//! Operations that callbacks hold: completing, queueing and cancelling them; work items.

use boundary::export;
use fltmgr::queue::{self, QueueCallbacks};
use fltmgr::work::{self, Kind};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL};
use nt_abi::{FLT_CALLBACK_DATA_QUEUE, IO_CSQ_IRP_CONTEXT, NativeFn, NtStatus};

use crate::argument::{arg, rows};
use crate::flt_filter::instance;

rows! { "fltmgr.sys", "fltmgr";
    FltCompletePendedPreOperation done "PRE-09, PEND-01 to PEND-04, PEND-06";
    FltCompletePendedPostOperation done "POST-07, PEND-05, PEND-06, PEND-17";
    FltAllocateDeferredIoWorkItem done "PEND-07";
    FltFreeDeferredIoWorkItem done "PEND-07";
    FltQueueDeferredIoWorkItem done "PEND-08 to PEND-14";
    FltAllocateGenericWorkItem done "WORK-01";
    FltFreeGenericWorkItem done "WORK-04, WORK-05";
    FltQueueGenericWorkItem done "WORK-01 to WORK-03, WORK-05";
    FltCancelIo done "CAN-01 to CAN-03";
    FltIsIoCanceled done "";
    FltRequestOperationStatusCallback done "";
    FltSetCancelCompletion done "CAN-04, CAN-05, CBDQ-14";
    FltClearCancelCompletion done "CAN-06";
    FltCbdqInitialize done "CBDQ-01";
    FltCbdqEnable done "CBDQ-04";
    FltCbdqDisable done "CBDQ-04";
    FltCbdqInsertIo done "CBDQ-02 to CBDQ-05, CBDQ-13, CBDQ-14";
    FltCbdqRemoveIo done "CBDQ-09, CBDQ-10";
    FltCbdqRemoveNextIo done "CBDQ-07, CBDQ-08";
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

    /// Cancels an operation that the caller issued.
    pub fn FltCancelIo(data: usize) -> bool [irql <= DISPATCH_LEVEL] {
        fltmgr::cancel::flt_cancel_io(data)
    }

    /// Whether an operation was cancelled.
    pub fn FltIsIoCanceled(data: usize) -> bool [irql <= HIGH_LEVEL] {
        Ok(fltmgr::cancel::flt_is_io_canceled(fltmgr::operation_from(data)?))
    }

    /// Whom to tell what the device below answers.
    pub fn FltRequestOperationStatusCallback(data: usize, callback: usize, context: usize) -> NtStatus [irql <= APC_LEVEL] {
        Ok(fltmgr::status::flt_request_operation_status_callback(fltmgr::operation_from(data)?, NativeFn(callback), context))
    }

    /// What to call when a held operation is cancelled.
    pub fn FltSetCancelCompletion(data: usize, callback: usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        Ok(fltmgr::cancel::flt_set_cancel_completion(fltmgr::operation_from(data)?, NativeFn(callback)))
    }

    /// Nothing any more.
    pub fn FltClearCancelCompletion(data: usize) -> NtStatus [irql <= HIGH_LEVEL] {
        Ok(fltmgr::cancel::flt_clear_cancel_completion(fltmgr::operation_from(data)?))
    }

    /// Prepares a queue.
    pub fn FltCbdqInitialize(address: usize, queue: *mut FLT_CALLBACK_DATA_QUEUE, insert: usize, remove: usize, peek: usize, acquire: usize, release: usize, complete_canceled: usize) -> NtStatus [irql <= HIGH_LEVEL] {
        arg!(FltCbdqInitialize: queue);
        let callbacks = QueueCallbacks {
            insert: NativeFn(insert),
            remove: NativeFn(remove),
            peek: NativeFn(peek),
            acquire: NativeFn(acquire),
            release: NativeFn(release),
            complete_canceled: NativeFn(complete_canceled),
        };
        queue::flt_cbdq_initialize(&*instance(address)?, queue, callbacks);
        Ok(NtStatus::SUCCESS)
    }

    /// Lets operations in.
    pub fn FltCbdqEnable(queue: *mut FLT_CALLBACK_DATA_QUEUE) -> () [irql <= HIGH_LEVEL] {
        arg!(FltCbdqEnable: queue);
        queue::flt_cbdq_enable(queue);
        Ok(())
    }

    /// Lets none in.
    pub fn FltCbdqDisable(queue: *mut FLT_CALLBACK_DATA_QUEUE) -> () [irql <= HIGH_LEVEL] {
        arg!(FltCbdqDisable: queue);
        queue::flt_cbdq_disable(queue);
        Ok(())
    }

    /// Puts an operation into a queue.
    pub fn FltCbdqInsertIo(queue: *mut FLT_CALLBACK_DATA_QUEUE, data: usize, context: *mut IO_CSQ_IRP_CONTEXT, insert_context: usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(FltCbdqInsertIo: queue);
        let operation = fltmgr::operation_from(data)?;
        if context.is_null() {
            return queue::flt_cbdq_insert_io(queue, operation, None, insert_context);
        }
        arg!(FltCbdqInsertIo: context);
        queue::flt_cbdq_insert_io(queue, operation, Some(context), insert_context)
    }

    /// Takes an operation out.
    pub fn FltCbdqRemoveIo(queue: *mut FLT_CALLBACK_DATA_QUEUE, context: *mut IO_CSQ_IRP_CONTEXT) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(FltCbdqRemoveIo: queue, context);
        queue::flt_cbdq_remove_io(queue, context)
    }

    /// Takes the next one out.
    pub fn FltCbdqRemoveNextIo(queue: *mut FLT_CALLBACK_DATA_QUEUE, peek_context: usize) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(FltCbdqRemoveNextIo: queue);
        queue::flt_cbdq_remove_next_io(queue, peek_context)
    }
}
