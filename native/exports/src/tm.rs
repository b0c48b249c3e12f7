//! Tm and Zw: kernel transactions.

use boundary::{Raise, export};
use nt_abi::NtStatus;
use nt_abi::irql::{APC_LEVEL, PASSIVE_LEVEL};
use nt_ob::ObjectAttributes;
use nt_tm::{Transaction, transaction_at};
use std::sync::Arc;

use crate::argument::{rows, store, store_if, wrong};
use crate::zw_file::kernel;

rows! { "ntoskrnl.exe", "nt-tm";
    TmCommitTransaction partial "always waits";
    TmRollbackTransaction partial "always waits";
    TmIsTransactionActive done "";
    TmGetTransactionId done "";
    ZwCreateTransaction partial "no transaction managers, timeouts or descriptions";
    ZwCommitTransaction partial "always waits";
    ZwRollbackTransaction partial "always waits";
    ZwQueryInformationTransaction partial "TransactionBasicInformation only";
}

fn transaction(address: usize, export: &str) -> Result<Arc<Transaction>, Raise> {
    transaction_at(address)
        .map_err(|_| wrong(export, "Transaction", address as u64, "which is no transaction"))
}

export! {
    /// Commits a transaction.
    pub fn TmCommitTransaction(address: usize, _wait: bool) -> NtStatus [irql <= PASSIVE_LEVEL] {
        transaction(address, "TmCommitTransaction")?.commit()
    }

    /// Rolls a transaction back.
    pub fn TmRollbackTransaction(address: usize, _wait: bool) -> NtStatus [irql <= PASSIVE_LEVEL] {
        transaction(address, "TmRollbackTransaction")?.roll_back()
    }

    /// Whether it is neither committed nor rolled back.
    pub fn TmIsTransactionActive(address: usize) -> bool [irql <= APC_LEVEL] {
        Ok(transaction(address, "TmIsTransactionActive")?.is_active())
    }

    /// Its identity.
    pub fn TmGetTransactionId(address: usize, out: *mut [u8; 16]) -> () [irql <= APC_LEVEL] {
        store(out, transaction(address, "TmGetTransactionId")?.id, "TmGetTransactionId", "TransactionId")
    }

    /// Makes a transaction and a handle to it.
    pub fn ZwCreateTransaction(handle: *mut usize, access: u32, attributes: usize, _unit: usize, _manager: usize, _options: u32, _isolation: u32, _flags: u32, _timeout: usize, _description: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let attributes = match attributes {
            0 => ObjectAttributes::default(),
            given => match ObjectAttributes::capture(given)? {
                Ok(attributes) => attributes,
                Err(status) => return Ok(status),
            },
        };
        match kernel(|| nt_tm::nt_create_transaction(&attributes, access))? {
            Ok(made) => {
                store(handle, made, "ZwCreateTransaction", "TransactionHandle")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Commits the transaction of a handle.
    pub fn ZwCommitTransaction(handle: usize, _wait: bool) -> NtStatus [irql <= PASSIVE_LEVEL] {
        nt_tm::nt_commit_transaction(handle, 0)
    }

    /// Rolls the transaction of a handle back.
    pub fn ZwRollbackTransaction(handle: usize, _wait: bool) -> NtStatus [irql <= PASSIVE_LEVEL] {
        nt_tm::nt_rollback_transaction(handle, 0)
    }

    /// What is known of the transaction of a handle.
    pub fn ZwQueryInformationTransaction(handle: usize, class: u32, buffer: usize, length: u32, needed: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let (status, bytes) = nt_tm::nt_query_information_transaction(handle, class, (buffer, length), 0)?;
        store_if(needed, bytes)?;
        Ok(status)
    }
}
