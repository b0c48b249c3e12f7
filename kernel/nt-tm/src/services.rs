//! Transactions by handle.

use std::sync::Arc;

use boundary::{Raise, copy};
use nt_abi::NtStatus;
use nt_ob::{ObjectAttributes, ob_insert_named, ob_reference_by_handle};

use crate::{Transaction, tm_create_transaction, tm_transaction_type, transaction_at};

const QUERY_INFORMATION: u32 = 1;
const COMMIT: u32 = 8;
const ROLLBACK: u32 = 0x10;
/// `TransactionBasicInformation`, and what it takes.
const BASIC: u32 = 0;
const BASIC_BYTES: usize = 24;

/// Makes a transaction and a handle to it.
///
/// Source:  ZwCreateTransaction
/// IRQL:    PASSIVE_LEVEL
/// Errors:  INSUFFICIENT_RESOURCES, and those of a name
pub fn nt_create_transaction(
    attributes: &ObjectAttributes,
    access: u32,
) -> Result<Result<usize, NtStatus>, Raise> {
    let transaction = match tm_create_transaction() {
        Ok(transaction) => transaction,
        Err(status) => return Ok(Err(status)),
    };
    let inserted = ob_insert_named(transaction.object(), attributes, tm_transaction_type().grant(access))?;
    nt_ob::ob_dereference(transaction.object())?;
    Ok(inserted.map(|(handle, _)| handle))
}

fn of_handle(handle: usize, access: u32, mode: u8) -> Result<(nt_ob::ObjectRef, Arc<Transaction>), NtStatus> {
    let found = ob_reference_by_handle(handle, access, Some(tm_transaction_type()), mode)?;
    let transaction = transaction_at(found.object.address())?;
    Ok((found.object, transaction))
}

/// Commits the transaction of a handle.
///
/// Source:  ZwCommitTransaction. IRQL: PASSIVE_LEVEL. Errors: as [`Transaction::commit`], and those of a handle.
pub fn nt_commit_transaction(handle: usize, mode: u8) -> Result<NtStatus, Raise> {
    match of_handle(handle, COMMIT, mode) {
        Ok((object, transaction)) => {
            let status = transaction.commit()?;
            drop(transaction);
            object.release()?;
            Ok(status)
        }
        Err(status) => Ok(status),
    }
}

/// Rolls the transaction of a handle back.
///
/// Source:  ZwRollbackTransaction. IRQL: PASSIVE_LEVEL. Errors: as [`Transaction::roll_back`], and those of a handle.
pub fn nt_rollback_transaction(handle: usize, mode: u8) -> Result<NtStatus, Raise> {
    match of_handle(handle, ROLLBACK, mode) {
        Ok((object, transaction)) => {
            let status = transaction.roll_back()?;
            drop(transaction);
            object.release()?;
            Ok(status)
        }
        Err(status) => Ok(status),
    }
}

/// What is known of a transaction: its identity, state and outcome.
///
/// Source:  ZwQueryInformationTransaction (TransactionBasicInformation)
/// Returns: status and bytes that it takes
/// Errors:  INVALID_INFO_CLASS · INFO_LENGTH_MISMATCH, and those of a handle
pub fn nt_query_information_transaction(
    handle: usize,
    class: u32,
    (buffer, length): (usize, u32),
    mode: u8,
) -> Result<(NtStatus, u32), Raise> {
    let (object, transaction) = match of_handle(handle, QUERY_INFORMATION, mode) {
        Ok(found) => found,
        Err(status) => return Ok((status, 0)),
    };
    let mut bytes = transaction.id.to_vec();
    // TransactionStateNormal 1, TransactionStateCommittedNotify 3.
    let state: u32 = if transaction.outcome() == 2 { 3 } else { 1 };
    bytes.extend(state.to_le_bytes());
    bytes.extend(transaction.outcome().to_le_bytes());
    object.release()?;
    if class != BASIC {
        return Ok((NtStatus::INVALID_INFO_CLASS, 0));
    }
    if (length as usize) < BASIC_BYTES {
        return Ok((NtStatus::INFO_LENGTH_MISMATCH, BASIC_BYTES as u32));
    }
    copy::write(buffer, &bytes)?;
    Ok((NtStatus::SUCCESS, BASIC_BYTES as u32))
}
