//! Kernel transactions: objects that programs make, commit and roll back, and who is told of that.
//!
//! ```text
//! active ─commit─► preprepare ─► prepare ─► commit ─► committed
//!    │                 └────────────┴── somebody refuses ──┐
//!    └─roll back───────────────────────────────────────────┴─► roll back ─► aborted
//! ```
//!
//! Each participant is told of a step by one call at PASSIVE_LEVEL in the thread that commits or rolls back, in the order of
//! enlisting; it answers at once, or later by [`Transaction::done`]. The next step begins when all have answered.
//!
//! It refuses: transaction and resource managers as objects, logs, recovery, timeouts, distributed transactions. It keeps no
//! data: what a file system did inside a transaction that is rolled back is not undone by it. Statements: TXN-03, TXN-04.

#![forbid(unsafe_code)]

mod object;
mod services;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use boundary::Raise;
use nt_abi::NtStatus;
use nt_ke::core::index;
use nt_ke::{Core, Lock, Rank, Subsystem, current_core};
use nt_ob::ObjectType;

pub use object::{tm_create_transaction, transaction_at};
pub use services::{
    nt_commit_transaction, nt_create_transaction, nt_query_information_transaction, nt_rollback_transaction,
};

/// `TRANSACTION_NOTIFY_PREPREPARE` and those behind it.
pub mod notify {
    /// Before preparing.
    pub const PREPREPARE: u32 = 1;
    /// Make sure that committing cannot fail.
    pub const PREPARE: u32 = 2;
    /// It is committed.
    pub const COMMIT: u32 = 4;
    /// It is rolled back.
    pub const ROLLBACK: u32 = 8;
    /// All have committed.
    pub const COMMIT_FINALIZE: u32 = 0x4000_0000;
}

const ACTIVE: u32 = 0;
const PREPARING: u32 = 1;
const COMMITTED: u32 = 2;
const ABORTED: u32 = 3;

/// Who takes part in a transaction.
pub trait Participant: Send + Sync {
    /// The notifications that it wants.
    fn mask(&self) -> u32;
    /// Tells it of one. PENDING: it answers later by [`Transaction::done`].
    fn notify(&self, transaction: &Arc<Transaction>, notification: u32) -> Result<NtStatus, Raise>;
    /// The transaction has come to its end.
    fn ended(&self, transaction: &Arc<Transaction>) -> Result<(), Raise>;
}

/// A transaction.
pub struct Transaction {
    object: usize,
    /// Its identity.
    pub id: [u8; 16],
    state: AtomicU32,
    /// Somebody who takes part wants it to fail.
    refused: AtomicU32,
    participants: Lock<Vec<Arc<dyn Participant>>>,
    /// Answers that are still owed for the step that is under way.
    owed: AtomicU32,
}

impl Transaction {
    /// Address of its object: what drivers hold.
    pub fn object(&self) -> usize {
        self.object
    }

    /// Whether it is neither committed, nor rolled back, nor on its way there.
    pub fn is_active(&self) -> bool {
        self.state.load(Ordering::Acquire) == ACTIVE && self.refused.load(Ordering::Acquire) == 0
    }

    /// `TransactionOutcomeUndetermined` 1, `Committed` 2, `Aborted` 3.
    pub fn outcome(&self) -> u32 {
        match self.state.load(Ordering::Acquire) {
            COMMITTED => 2,
            ABORTED => 3,
            _ => 1,
        }
    }

    /// Whether it can still be refused.
    pub fn may_be_refused(&self) -> bool {
        matches!(self.state.load(Ordering::Acquire), ACTIVE | PREPARING)
    }

    /// Takes part from now on. Errors: TRANSACTION_NOT_ACTIVE.
    pub fn enlist(&self, participant: Arc<dyn Participant>) -> Result<(), NtStatus> {
        let mut participants = self.participants.lock();
        if !self.is_active() {
            return Err(NtStatus::TRANSACTION_NOT_ACTIVE);
        }
        participants.push(participant);
        Ok(())
    }

    /// Takes part no longer.
    pub fn leave(&self, participant: &Arc<dyn Participant>) {
        let is =
            |other: &Arc<dyn Participant>| std::ptr::addr_eq(Arc::as_ptr(other), Arc::as_ptr(participant));
        self.participants.lock().retain(|other| !is(other));
    }

    /// A participant that answered PENDING has done what it was told.
    pub fn done(&self) {
        self.owed.fetch_sub(1, Ordering::AcqRel);
    }

    /// Tells all who want to know, and waits for their answers.
    fn step(self: &Arc<Self>, notification: u32) -> Result<(), Raise> {
        let participants = self.participants.lock().clone();
        for participant in participants {
            if participant.mask() & notification == 0 {
                continue;
            }
            self.owed.fetch_add(1, Ordering::AcqRel);
            if participant.notify(self, notification)? != NtStatus::PENDING {
                self.done();
            }
        }
        let _waiting = nt_ke::locks::waiting_for("the answers of those who take part in a transaction");
        while self.owed.load(Ordering::Acquire) != 0 {
            if current_core().stopping() {
                return Err(Raise::Stop);
            }
            current_core().scheduler().pause();
        }
        Ok(())
    }

    fn end(self: &Arc<Self>) -> Result<(), Raise> {
        let participants = std::mem::take(&mut *self.participants.lock());
        participants.iter().try_for_each(|participant| participant.ended(self))
    }

    /// Commits it, unless somebody refuses.
    ///
    /// Source:  ZwCommitTransaction, TmCommitTransaction; TXN-03, TXN-04
    /// IRQL:    PASSIVE_LEVEL
    /// Errors:  TRANSACTION_ALREADY_COMMITTED · TRANSACTION_ALREADY_ABORTED · TRANSACTION_ABORTED (somebody refused)
    pub fn commit(self: &Arc<Self>) -> Result<NtStatus, Raise> {
        match self.state.compare_exchange(ACTIVE, PREPARING, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {}
            Err(COMMITTED) => return Ok(NtStatus::TRANSACTION_ALREADY_COMMITTED),
            Err(ABORTED) => return Ok(NtStatus::TRANSACTION_ALREADY_ABORTED),
            Err(_) => return Ok(NtStatus::TRANSACTION_REQUEST_NOT_VALID),
        }
        for step in [notify::PREPREPARE, notify::PREPARE] {
            if self.refused.load(Ordering::Acquire) == 0 {
                self.step(step)?;
            }
        }
        if self.refused.load(Ordering::Acquire) != 0 {
            self.abort()?;
            return Ok(NtStatus::TRANSACTION_ABORTED);
        }
        self.state.store(COMMITTED, Ordering::Release);
        self.step(notify::COMMIT)?;
        self.step(notify::COMMIT_FINALIZE)?;
        self.end()?;
        Ok(NtStatus::SUCCESS)
    }

    fn abort(self: &Arc<Self>) -> Result<(), Raise> {
        self.state.store(ABORTED, Ordering::Release);
        self.step(notify::ROLLBACK)?;
        self.end()
    }

    /// Rolls it back.
    ///
    /// Source:  ZwRollbackTransaction, TmRollbackTransaction
    /// IRQL:    PASSIVE_LEVEL
    /// Errors:  TRANSACTION_ALREADY_COMMITTED · TRANSACTION_ALREADY_ABORTED
    pub fn roll_back(self: &Arc<Self>) -> Result<NtStatus, Raise> {
        match self.state.compare_exchange(ACTIVE, ABORTED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                self.abort()?;
                Ok(NtStatus::SUCCESS)
            }
            Err(COMMITTED) => Ok(NtStatus::TRANSACTION_ALREADY_COMMITTED),
            Err(ABORTED) => Ok(NtStatus::TRANSACTION_ALREADY_ABORTED),
            Err(_) => Ok(NtStatus::TRANSACTION_REQUEST_NOT_VALID),
        }
    }

    /// Somebody who takes part wants it rolled back: an active one is, by a worker; one that is being committed will be.
    ///
    /// Errors: TRANSACTION_REQUEST_NOT_VALID (it is committed, or rolled back already)
    pub fn refuse(self: &Arc<Self>) -> NtStatus {
        if !self.may_be_refused() || self.refused.swap(1, Ordering::AcqRel) != 0 {
            return NtStatus::TRANSACTION_REQUEST_NOT_VALID;
        }
        if self.state.load(Ordering::Acquire) == ACTIVE {
            let transaction = Arc::clone(self);
            nt_ex::work::queue(nt_ex::work::WorkQueue::Delayed, move || transaction.roll_back().map(|_| ()));
        }
        NtStatus::SUCCESS
    }
}

/// The transactions of one machine.
pub struct Tm {
    kind: &'static ObjectType,
    transactions: Lock<BTreeMap<usize, Arc<Transaction>>>,
}

impl Subsystem for Tm {
    const INDEX: usize = index::TM;
}

impl Tm {
    /// Makes the type of transactions, and installs the manager into the core. On an attached thread, behind processes.
    ///
    /// Errors: those of making a type
    pub fn boot(core: &Core) -> Result<Result<(), NtStatus>, Raise> {
        Ok(nt_ob::ob_create_type(object::DESCRIPTION).map(|kind| {
            core.install(Box::new(Self { kind, transactions: Lock::new(Rank::Leaf, BTreeMap::new()) }));
        }))
    }
}

/// The type of transactions.
pub fn tm_transaction_type() -> &'static ObjectType {
    nt_ke::subsystem::<Tm>().kind
}
