//! Flt: transactions, their contexts, and answers to their notifications.

use boundary::{Raise, export};
use fltmgr::transactions as txn;
use nt_abi::NtStatus;
use nt_abi::irql::{APC_LEVEL, PASSIVE_LEVEL};
use nt_tm::notify;

use crate::argument::{rows, store, store_if};
use crate::flt_filter::instance;

rows! { "fltmgr.sys", "fltmgr";
    FltSetTransactionContext done "CTX-26 to CTX-33, CTX-35";
    FltGetTransactionContext done "CTX-58";
    FltDeleteTransactionContext done "CTX-45 to CTX-48";
    FltEnlistInTransaction done "TXN-01 to TXN-04";
    FltRollbackEnlistment done "TXN-06";
    FltPrePrepareComplete done "TXN-04, TXN-05, TXN-07";
    FltPrepareComplete done "TXN-04, TXN-05, TXN-07";
    FltCommitComplete done "TXN-04, TXN-05, TXN-07";
    FltCommitFinalizeComplete done "TXN-04, TXN-05, TXN-07";
    FltRollbackComplete done "TXN-04, TXN-05, TXN-07";
}

fn complete(address: usize, transaction: usize, which: u32, export: &str) -> Result<NtStatus, Raise> {
    txn::flt_notification_complete(&*instance(address)?, transaction, which, export)
}

export! {
    /// Links a context of an instance to a transaction.
    pub fn FltSetTransactionContext(address: usize, transaction: usize, operation: u32, new: usize, old: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        let (status, context) =
            txn::flt_set_transaction_context(&*instance(address)?, transaction, operation, new, !old.is_null())?;
        store_if(old, context)?;
        Ok(status)
    }

    /// The instance's context of a transaction.
    pub fn FltGetTransactionContext(address: usize, transaction: usize, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        let found = txn::flt_get_transaction_context(&*instance(address)?, transaction);
        store(out, found.unwrap_or(0), "FltGetTransactionContext", "Context")?;
        Ok(found.err().unwrap_or(NtStatus::SUCCESS))
    }

    /// Unlinks it.
    pub fn FltDeleteTransactionContext(address: usize, transaction: usize, old: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        let (status, context) =
            txn::flt_delete_transaction_context(&*instance(address)?, transaction, !old.is_null())?;
        store_if(old, context)?;
        Ok(status)
    }

    /// Has the filter told of what becomes of a transaction.
    pub fn FltEnlistInTransaction(address: usize, transaction: usize, context: usize, mask: u32) -> NtStatus [irql <= APC_LEVEL] {
        txn::flt_enlist_in_transaction(&instance(address)?, transaction, context, mask)
    }

    /// Makes a transaction fail.
    pub fn FltRollbackEnlistment(address: usize, transaction: usize, _context: usize) -> NtStatus [irql <= APC_LEVEL] {
        txn::flt_rollback_enlistment(&*instance(address)?, transaction)
    }

    /// Answers TRANSACTION_NOTIFY_PREPREPARE.
    pub fn FltPrePrepareComplete(address: usize, transaction: usize, _context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        complete(address, transaction, notify::PREPREPARE, "FltPrePrepareComplete")
    }

    /// Answers TRANSACTION_NOTIFY_PREPARE.
    pub fn FltPrepareComplete(address: usize, transaction: usize, _context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        complete(address, transaction, notify::PREPARE, "FltPrepareComplete")
    }

    /// Answers TRANSACTION_NOTIFY_COMMIT.
    pub fn FltCommitComplete(address: usize, transaction: usize, _context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        complete(address, transaction, notify::COMMIT, "FltCommitComplete")
    }

    /// Answers TRANSACTION_NOTIFY_COMMIT_FINALIZE.
    pub fn FltCommitFinalizeComplete(address: usize, transaction: usize, _context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        complete(address, transaction, notify::COMMIT_FINALIZE, "FltCommitFinalizeComplete")
    }

    /// Answers TRANSACTION_NOTIFY_ROLLBACK.
    pub fn FltRollbackComplete(address: usize, transaction: usize, _context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        complete(address, transaction, notify::ROLLBACK, "FltRollbackComplete")
    }
}
