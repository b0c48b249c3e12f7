//! Transactions as objects: an opaque body that names the engine's.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use boundary::Raise;
use nt_abi::NtStatus;
use nt_ke::{Lock, Rank};
use nt_ob::{Mapping, TypeDescription, ob_create_object};

use crate::{ACTIVE, Tm, Transaction, tm_transaction_type};

/// Bytes of the body, which nobody looks into.
const BODY: usize = 64;

pub(crate) const DESCRIPTION: TypeDescription = TypeDescription {
    mapping: Mapping { read: 0x12_0001, write: 0x12_001E, execute: 0x12_0018, all: 0x1F_003F },
    valid_access: 0x1F_003F,
    delete: Some(deleted),
    ..TypeDescription::new("TmTx", *b"TmTx")
};

/// A new transaction; one reference to its object goes to the caller.
///
/// Source:  ZwCreateTransaction
/// Errors:  INSUFFICIENT_RESOURCES
pub fn tm_create_transaction() -> Result<Arc<Transaction>, NtStatus> {
    let object = ob_create_object(tm_transaction_type(), BODY)?;
    let transaction = Arc::new(Transaction {
        object,
        id: nt_ex::uuid::create(),
        state: AtomicU32::new(ACTIVE),
        refused: AtomicU32::new(0),
        participants: Lock::new(Rank::FltObject, Vec::new()),
        owed: AtomicU32::new(0),
    });
    nt_ke::subsystem::<Tm>().transactions.lock().insert(object, Arc::clone(&transaction));
    Ok(transaction)
}

/// The transaction whose object lies at `address`. Errors: INVALID_PARAMETER (there is none).
pub fn transaction_at(address: usize) -> Result<Arc<Transaction>, NtStatus> {
    let transactions = nt_ke::subsystem::<Tm>().transactions.lock();
    transactions.get(&address).cloned().ok_or(NtStatus::INVALID_PARAMETER)
}

/// The last reference is gone: what nobody has committed is rolled back.
fn deleted(object: usize) -> Result<(), Raise> {
    let Ok(transaction) = transaction_at(object) else { return Ok(()) };
    let rolled = transaction.roll_back();
    nt_ke::subsystem::<Tm>().transactions.lock().remove(&object);
    rolled.map(|_| ())
}
