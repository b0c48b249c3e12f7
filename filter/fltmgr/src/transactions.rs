//! Transactions: contexts of instances, and what enlisted filters are told.
//!
//! ```text
//! FltSetTransactionContext ─► Host { contexts by instance }          goes with the transaction's end
//! FltEnlistInTransaction   ─► Enlistment ─► notification callback ─SUCCESS─► answered
//!                                                            └─PENDING─► Flt…Complete ─► answered
//! ```
//!
//! Files that were opened in a transaction name it in the objects of each callback. What the file system did to them is not
//! undone by a rollback: its volumes are not transactional. Statements: TXN-01 to TXN-07, CTX-35.

use std::ptr::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use boundary::{Raise, call};
use nt_abi::{FILE_OBJECT, FLT_RELATED_OBJECTS, FLT_TRANSACTION_CONTEXT, NtStatus};
use nt_ke::{Lock, Rank};
use nt_tm::{Participant, Transaction, notify, transaction_at};

use crate::altitude::Altitude;
use crate::anchor::Anchored;
use crate::contexts::block;
use crate::contexts::links::{Exchanged, Links};
use crate::generated::Opener;
use crate::instance::{Engaged, Instance};
use crate::{findings, flt};

/// `FLT_MAX_TRANSACTION_NOTIFICATIONS` and COMMIT_FINALIZE.
const LEGAL: u32 = 0xF | notify::COMMIT_FINALIZE;

/// A transaction as the manager knows it.
pub(crate) struct Host {
    contexts: Links,
    enlisted: Lock<Vec<Arc<Enlistment>>>,
}

/// An instance that takes part.
struct Enlistment {
    instance: Arc<Instance>,
    /// The transaction context, with a reference until the part is over; 0 afterwards.
    context: AtomicUsize,
    mask: u32,
    /// The notification that has no answer yet.
    pending: AtomicU32,
}

fn key(instance: &Instance) -> usize {
    instance.anchor().address()
}

fn known(object: usize) -> Option<Arc<Host>> {
    let hosts = flt().transactions.lock();
    hosts.iter().find(|(other, _)| *other == object).map(|(_, host)| Arc::clone(host))
}

/// Errors: INVALID_PARAMETER (no transaction) · TRANSACTION_NOT_ACTIVE
fn host(object: usize) -> Result<(Arc<Transaction>, Arc<Host>), NtStatus> {
    let transaction = transaction_at(object)?;
    if let Some(host) = known(object) {
        return Ok((transaction, host));
    }
    let host =
        Arc::new(Host { contexts: Links::default(), enlisted: Lock::new(Rank::FltObject, Vec::new()) });
    transaction.enlist(Arc::new(End))?;
    let mut hosts = flt().transactions.lock();
    if let Some((_, other)) = hosts.iter().find(|(other, _)| *other == object) {
        // Another thread was here first; the second End finds nothing to do.
        return Ok((transaction, Arc::clone(other)));
    }
    hosts.push((object, Arc::clone(&host)));
    drop(hosts);
    if !transaction.is_active() {
        // It may have ended before there was anything to take away.
        flt().transactions.lock().retain(|(_, other)| !Arc::ptr_eq(other, &host));
        return Err(NtStatus::TRANSACTION_NOT_ACTIVE);
    }
    Ok((transaction, host))
}

/// Takes part to hear of the end.
struct End;

impl Participant for End {
    fn mask(&self) -> u32 {
        0
    }
    fn notify(&self, _: &Arc<Transaction>, _: u32) -> Result<NtStatus, Raise> {
        Ok(NtStatus::SUCCESS)
    }
    fn ended(&self, transaction: &Arc<Transaction>) -> Result<(), Raise> {
        let host = {
            let mut hosts = flt().transactions.lock();
            let place = hosts.iter().position(|(object, _)| *object == transaction.object());
            place.map(|place| hosts.swap_remove(place).1)
        };
        host.map_or(Ok(()), |host| host.contexts.close())
    }
}

impl Participant for Enlistment {
    fn mask(&self) -> u32 {
        self.mask
    }

    fn notify(&self, transaction: &Arc<Transaction>, notification: u32) -> Result<NtStatus, Raise> {
        // Teardown waits for the callback, and takes the part away afterwards.
        let Some(_engaged) = Engaged::new(&self.instance) else { return Ok(NtStatus::SUCCESS) };
        let objects = FLT_RELATED_OBJECTS::default();
        self.instance.related_objects(&objects, std::ptr::null_mut());
        objects.Transaction.set(transaction.object() as *mut _);
        self.pending.store(notification, Ordering::Release);
        let callback = self.instance.filter.registration.transaction_notification;
        let context = self.context.load(Ordering::Acquire);
        let arguments = [from_ref(&objects) as u64, context as u64, u64::from(notification)];
        let answer = NtStatus(call(callback, arguments)? as u32 as i32);
        if answer == NtStatus::PENDING {
            return Ok(answer);
        }
        if self.pending.swap(0, Ordering::AcqRel) == 0 {
            let message = format!(
                "the transaction callback completed notification {notification:#x} and returned {answer}: it answers \
                 twice. Return STATUS_PENDING where a Complete routine answers"
            );
            findings::error("TXN-07", &self.instance.filter.label, message);
            return Ok(NtStatus::PENDING);
        }
        if answer != NtStatus::SUCCESS {
            let message = format!(
                "the transaction callback returned {answer} for notification {notification:#x}: only STATUS_SUCCESS and \
                 STATUS_PENDING are answers. Call FltRollbackEnlistment to make the transaction fail"
            );
            findings::error("TXN-07", &self.instance.filter.label, message);
        }
        Ok(NtStatus::SUCCESS)
    }

    fn ended(&self, _: &Arc<Transaction>) -> Result<(), Raise> {
        self.release()
    }
}

impl Enlistment {
    /// Gives the context up.
    fn release(&self) -> Result<(), Raise> {
        match self.context.swap(0, Ordering::AcqRel) {
            0 => Ok(()),
            context => block::flt_release_context(context),
        }
    }
}

/// Links a transaction context: one for each instance.
///
/// Source:  FltSetTransactionContext; CTX-26 to CTX-33, CTX-35
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (operation, no transaction context of the filter, no transaction) ·
///          TRANSACTION_NOT_ACTIVE · FLT_CONTEXT_ALREADY_DEFINED · FLT_CONTEXT_ALREADY_LINKED · FLT_DELETING_OBJECT
pub fn flt_set_transaction_context(
    instance: &Instance,
    transaction: usize,
    operation: u32,
    new: usize,
    wanted: bool,
) -> Exchanged {
    let context = block::expect(new, "FltSetTransactionContext").filter(|context| {
        context.kind() == FLT_TRANSACTION_CONTEXT
            && std::ptr::eq(context.filter(), Arc::as_ptr(&instance.filter))
    });
    let Some(context) = context else { return Ok((NtStatus::INVALID_PARAMETER, 0)) };
    match host(transaction) {
        Ok((_, host)) => {
            host.contexts.set(key(instance), operation, context, wanted, || instance.anchor().is_deleting())
        }
        Err(status) => Ok((status, 0)),
    }
}

/// Source: FltGetTransactionContext; CTX-58. IRQL: <= APC_LEVEL. Errors: NOT_FOUND.
pub fn flt_get_transaction_context(instance: &Instance, transaction: usize) -> Result<usize, NtStatus> {
    known(transaction).and_then(|host| host.contexts.get(key(instance))).ok_or(NtStatus::NOT_FOUND)
}

/// Source: FltDeleteTransactionContext; CTX-45, CTX-47, CTX-48. IRQL: <= APC_LEVEL. Errors: NOT_FOUND.
pub fn flt_delete_transaction_context(instance: &Instance, transaction: usize, wanted: bool) -> Exchanged {
    match known(transaction) {
        Some(host) => host.contexts.delete(key(instance), wanted),
        None => Ok((NtStatus::NOT_FOUND, 0)),
    }
}

/// Has the filter's callback called for what becomes of a transaction.
///
/// Source:  FltEnlistInTransaction; TXN-01, TXN-02, TXN-03
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (no callback, no transaction, no transaction context) · INVALID_PARAMETER_4 (mask) ·
///          FLT_ALREADY_ENLISTED · FLT_DELETING_OBJECT · TRANSACTION_NOT_ACTIVE
pub fn flt_enlist_in_transaction(
    instance: &Arc<Instance>,
    object: usize,
    context: usize,
    mask: u32,
) -> Result<NtStatus, Raise> {
    if instance.filter.registration.transaction_notification.is_null() {
        return Ok(NtStatus::INVALID_PARAMETER);
    }
    if mask == 0 || mask & !LEGAL != 0 {
        return Ok(NtStatus::INVALID_PARAMETER_4);
    }
    if instance.anchor().is_deleting() {
        return Ok(NtStatus::FLT_DELETING_OBJECT);
    }
    let (transaction, host) = match host(object) {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    let enlistment = Arc::new(Enlistment {
        instance: Arc::clone(instance),
        context: AtomicUsize::new(0),
        mask,
        pending: AtomicU32::new(0),
    });
    {
        let mut enlisted = host.enlisted.lock();
        if enlisted.iter().any(|other| Arc::ptr_eq(&other.instance, instance)) {
            return Ok(NtStatus::FLT_ALREADY_ENLISTED);
        }
        enlisted.push(Arc::clone(&enlistment));
    }
    let status = take_part(&enlistment, &transaction, context)?;
    if !status.is_success() {
        host.enlisted.lock().retain(|other| !Arc::ptr_eq(other, &enlistment));
        enlistment.release()?;
    }
    Ok(status)
}

/// Links the context, unless the filter has, and has the transaction tell of itself.
fn take_part(
    enlistment: &Arc<Enlistment>,
    transaction: &Transaction,
    context: usize,
) -> Result<NtStatus, Raise> {
    let (instance, object) = (&enlistment.instance, transaction.object());
    match flt_set_transaction_context(instance, object, 1, context, false)?.0 {
        NtStatus::SUCCESS | NtStatus::FLT_CONTEXT_ALREADY_LINKED | NtStatus::FLT_CONTEXT_ALREADY_DEFINED => {}
        status => return Ok(status),
    }
    // The one that hangs there, which need not be the caller's.
    match flt_get_transaction_context(instance, object) {
        Ok(linked) => enlistment.context.store(linked, Ordering::Release),
        Err(status) => return Ok(status),
    }
    let part = Arc::clone(enlistment) as Arc<dyn Participant>;
    Ok(transaction.enlist(part).err().unwrap_or(NtStatus::SUCCESS))
}

fn enlistment(instance: &Instance, object: usize) -> Option<Arc<Enlistment>> {
    let host = known(object)?;
    let enlisted = host.enlisted.lock();
    enlisted.iter().find(|other| std::ptr::eq(Arc::as_ptr(&other.instance), instance)).cloned()
}

/// Answers a notification that the callback answered with PENDING.
///
/// Source:  FltPrePrepareComplete, FltPrepareComplete, FltCommitComplete, FltCommitFinalizeComplete,
///          FltRollbackComplete; TXN-04, TXN-05, TXN-07
/// IRQL:    PASSIVE_LEVEL
/// Errors:  NOT_FOUND (the instance has no context there) · TRANSACTION_REQUEST_NOT_VALID (it waits for no such answer:
///          also a finding)
pub fn flt_notification_complete(
    instance: &Instance,
    object: usize,
    notification: u32,
    routine: &str,
) -> Result<NtStatus, Raise> {
    let Some(enlistment) = enlistment(instance, object) else { return Ok(NtStatus::NOT_FOUND) };
    let Ok(transaction) = transaction_at(object) else { return Ok(NtStatus::NOT_FOUND) };
    let owed =
        enlistment.pending.compare_exchange(notification, 0, Ordering::AcqRel, Ordering::Acquire).is_ok();
    if !owed {
        let message = format!(
            "{routine} was called where no notification {notification:#x} waits for an answer: each is answered once, by \
             the routine of its name, and only after the callback returned STATUS_PENDING or while it runs"
        );
        findings::error("TXN-07", &instance.filter.label, message);
        return Ok(NtStatus::TRANSACTION_REQUEST_NOT_VALID);
    }
    transaction.done();
    Ok(NtStatus::SUCCESS)
}

/// Makes a transaction fail in which the instance takes part.
///
/// Source:  FltRollbackEnlistment; TXN-06
/// IRQL:    <= APC_LEVEL
/// Errors:  NOT_FOUND (the instance has no context there) · TRANSACTION_REQUEST_NOT_VALID (not enlisted, or too late)
pub fn flt_rollback_enlistment(instance: &Instance, object: usize) -> Result<NtStatus, Raise> {
    let Ok(context) = flt_get_transaction_context(instance, object) else { return Ok(NtStatus::NOT_FOUND) };
    block::flt_release_context(context)?;
    match (enlistment(instance, object), transaction_at(object)) {
        (Some(_), Ok(transaction)) => Ok(transaction.refuse()),
        _ => Ok(NtStatus::TRANSACTION_REQUEST_NOT_VALID),
    }
}

/// The instance goes: it takes part in nothing any more, and owes no answers.
pub(crate) fn forget_instance(instance: &Instance) -> Result<(), Raise> {
    let hosts: Vec<_> = flt().transactions.lock().clone();
    for (object, host) in hosts {
        let gone: Vec<_> = {
            let mut enlisted = host.enlisted.lock();
            let (gone, kept) = std::mem::take(&mut *enlisted)
                .into_iter()
                .partition(|other| std::ptr::eq(Arc::as_ptr(&other.instance), instance));
            *enlisted = kept;
            gone
        };
        for enlistment in gone {
            enlistment.release()?;
            let Ok(transaction) = transaction_at(object) else { continue };
            if enlistment.pending.swap(0, Ordering::AcqRel) != 0 {
                transaction.done();
            }
            transaction.leave(&(enlistment as Arc<dyn Participant>));
        }
    }
    Ok(())
}

/// For files that were opened in a transaction by nobody's instance: seen by all.
pub(crate) fn opener(file: &FILE_OBJECT) -> Option<Arc<Opener>> {
    let transaction = nt_io::file_transaction(file);
    if transaction == 0 {
        return None;
    }
    let mut openers = flt().transacted.lock();
    // They live as long as the machine, since file objects name them: one for each transaction.
    if let Some(opener) = openers.iter().find(|opener| opener.transaction == transaction) {
        return Some(Arc::clone(opener));
    }
    let altitude = Altitude::parse_wide(&[u16::from(b'9'); 64]).ok()?;
    let opener = Arc::new(Opener { altitude, generated: false, files: None, transaction });
    openers.push(Arc::clone(&opener));
    Some(opener)
}
