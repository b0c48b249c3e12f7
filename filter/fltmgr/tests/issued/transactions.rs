//! Transactions that an instance takes part in.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fltmgr::contexts::block::{flt_allocate_context, flt_release_context};
use fltmgr::transactions::*;
use nt_abi::*;
use nt_tm::{Transaction, notify, tm_create_transaction};

use crate::stage::*;

const ALL: u32 = 0xF | notify::COMMIT_FINALIZE;
const KEEP: u32 = 1;

/// What a notification callback does: transaction, notification; the answer.
type Answer = Box<dyn Fn(usize, u32) -> NtStatus>;

thread_local! {
    /// Transaction, context and notification.
    static TOLD: RefCell<Vec<(usize, usize, u32)>> = const { RefCell::new(Vec::new()) };
    /// Operations that passed: major, transaction, whether a filter issued it.
    static PASSED: RefCell<Vec<(u8, usize, bool)>> = const { RefCell::new(Vec::new()) };
    static ANSWER: RefCell<Option<Answer>> = const { RefCell::new(None) };
}

extern "win64" fn notified(objects: &FLT_RELATED_OBJECTS, context: usize, notification: u32) -> i32 {
    let transaction = objects.Transaction.get() as usize;
    assert!(objects.FileObject.get().is_null() && objects.TransactionContext.get() == 0);
    let instance = fltmgr::from_address::<fltmgr::Instance>(objects.Instance.get() as usize).unwrap();
    let of = (&instance.filter, &instance.volume);
    assert!(Arc::ptr_eq(&fltmgr::from_address(objects.Filter.get() as usize).unwrap(), of.0));
    assert!(Arc::ptr_eq(&fltmgr::from_address(objects.Volume.get() as usize).unwrap(), of.1));
    TOLD.with_borrow_mut(|told| told.push((transaction, context, notification)));
    ANSWER
        .with_borrow(|answer| {
            answer.as_ref().map_or(NtStatus::SUCCESS, |answer| answer(transaction, notification))
        })
        .0
}

extern "win64" fn passes(data: &FLT_CALLBACK_DATA, objects: &FLT_RELATED_OBJECTS, _: usize) -> i32 {
    let generated = data.Flags.get() & FLTFL_CALLBACK_DATA_GENERATED_IO != 0;
    let seen = (iopb(data).MajorFunction.get(), objects.Transaction.get() as usize, generated);
    PASSED.with_borrow_mut(|passed| passed.push(seen));
    FLT_PREOP_SUCCESS_NO_CALLBACK
}

struct Scene<'a> {
    stage: &'a Stage,
    filter: Arc<fltmgr::Filter>,
    instance: Arc<fltmgr::Instance>,
}

impl Scene<'_> {
    fn context(&self) -> usize {
        flt_allocate_context(&self.filter, FLT_TRANSACTION_CONTEXT, 16, 0).unwrap().unwrap()
    }

    fn enlist(&self, transaction: &Transaction, context: usize, mask: u32) -> NtStatus {
        flt_enlist_in_transaction(&self.instance, transaction.object(), context, mask).unwrap()
    }

    /// Takes part in a new transaction, and gives up its reference of the context.
    fn enlisted(&self, mask: u32) -> (Arc<Transaction>, usize) {
        let (transaction, context) = (tm_create_transaction().unwrap(), self.context());
        assert_eq!(self.enlist(&transaction, context, mask), NtStatus::SUCCESS);
        flt_release_context(context).unwrap();
        (transaction, context)
    }

    fn complete(&self, transaction: usize, notification: u32) -> NtStatus {
        flt_notification_complete(&self.instance, transaction, notification, "FltCommitComplete").unwrap()
    }
}

fn told() -> Vec<u32> {
    TOLD.take().into_iter().map(|(_, _, notification)| notification).collect()
}

fn with_transactions(f: impl FnOnce(&Scene<'_>)) {
    on_stage(USUAL, |stage| {
        let definition = FLT_CONTEXT_REGISTRATION::default();
        definition.ContextType.set(FLT_TRANSACTION_CONTEXT);
        definition.Size.set(16);
        definition.PoolTag.set(u32::from_le_bytes(*b"Txnc"));
        let end = FLT_CONTEXT_REGISTRATION::default();
        end.ContextType.set(FLT_CONTEXT_END);
        register_contexts(vec![definition, end]);
        register_more(|registration| {
            registration.TransactionNotificationCallback.set(NativeFn(notified as *const () as usize));
        });
        let filter = filter("scribe", "300", passes as *const () as usize, 0);
        register_contexts(Vec::new());
        let instance = fltmgr::flt().instances_of(&filter).remove(0);
        ANSWER.replace(None);
        f(&Scene { stage, filter, instance });
    });
}

#[test]
fn who_enlists_is_told_of_what_it_asked_for() {
    // spec: TXN-01, TXN-02, TXN-03
    with_transactions(|scene| {
        let (transaction, context) = (tm_create_transaction().unwrap(), scene.context());
        for mask in [0, 0x10, ALL | 0x20, 0x8000_0000] {
            assert_eq!(scene.enlist(&transaction, context, mask), NtStatus::INVALID_PARAMETER_4, "{mask:#x}");
        }
        assert_eq!(scene.enlist(&transaction, context, ALL), NtStatus::SUCCESS);
        assert_eq!(scene.enlist(&transaction, context, ALL), NtStatus::FLT_ALREADY_ENLISTED);
        assert_eq!(
            flt_get_transaction_context(&scene.instance, transaction.object()),
            Ok(context),
            "it is linked"
        );
        (0..2).for_each(|_| flt_release_context(context).unwrap());
        let (other, others) = scene.enlisted(notify::COMMIT);
        assert_eq!(transaction.commit(), Ok(NtStatus::SUCCESS));
        let object = transaction.object();
        let all = [notify::PREPREPARE, notify::PREPARE, notify::COMMIT, notify::COMMIT_FINALIZE];
        assert_eq!(TOLD.take(), all.map(|notification| (object, context, notification)));
        assert_eq!(flt_get_transaction_context(&scene.instance, object), Err(NtStatus::NOT_FOUND));
        assert_eq!(
            flt_get_transaction_context(&scene.instance, other.object()),
            Ok(others),
            "another one's stays"
        );
        flt_release_context(others).unwrap();
        assert_eq!(other.commit(), Ok(NtStatus::SUCCESS));
        assert_eq!(TOLD.take(), [(other.object(), others, notify::COMMIT)]);
        let (rolled_back, _) = scene.enlisted(ALL);
        assert_eq!(rolled_back.roll_back(), Ok(NtStatus::SUCCESS));
        assert_eq!((told(), blocks(b"Txnc")), (vec![notify::ROLLBACK], 0));
        assert_eq!(scene.stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn a_notification_is_answered_once() {
    // spec: TXN-04, TXN-05, TXN-07
    with_transactions(|scene| {
        let instance = Arc::clone(&scene.instance);
        let complete = move |transaction, notification| {
            flt_notification_complete(&instance, transaction, notification, "FltPrepareComplete").unwrap()
        };
        let again = complete.clone();
        ANSWER.replace(Some(Box::new(move |transaction, notification| {
            assert_eq!(complete(transaction, notification), NtStatus::SUCCESS);
            NtStatus::PENDING
        })));
        let (transaction, _) = scene.enlisted(ALL);
        assert_eq!(transaction.commit(), Ok(NtStatus::SUCCESS), "answered early");
        assert_eq!((told().len(), scene.stage.rules()), (4, vec![]));
        // Another notification than the one that waits, and a second answer.
        ANSWER.replace(Some(Box::new(move |transaction, notification| {
            assert_eq!(again(transaction, notify::ROLLBACK), NtStatus::TRANSACTION_REQUEST_NOT_VALID);
            assert_eq!(again(transaction, notification), NtStatus::SUCCESS);
            assert_eq!(again(transaction, notification), NtStatus::TRANSACTION_REQUEST_NOT_VALID);
            NtStatus::PENDING
        })));
        let (transaction, _) = scene.enlisted(notify::COMMIT);
        assert_eq!(transaction.commit(), Ok(NtStatus::SUCCESS));
        assert_eq!(scene.stage.rules(), ["TXN-07", "TXN-07"]);
        assert!(scene.stage.core.findings().iter().all(|finding| finding.driver == "scribe"
            && finding.message.starts_with("FltPrepareComplete was called")));
        assert_eq!(scene.complete(transaction.object(), notify::COMMIT), NtStatus::NOT_FOUND, "it has ended");
        ANSWER.replace(Some(Box::new(|_, _| NtStatus::ACCESS_DENIED)));
        let (transaction, _) = scene.enlisted(notify::COMMIT);
        assert_eq!(transaction.commit(), Ok(NtStatus::SUCCESS), "this is no way to refuse");
        assert_eq!(scene.stage.rules(), ["TXN-07"; 3]);
        let instance = Arc::clone(&scene.instance);
        ANSWER.replace(Some(Box::new(move |transaction, notification| {
            flt_notification_complete(&instance, transaction, notification, "FltCommitComplete").unwrap();
            NtStatus::SUCCESS
        })));
        let (transaction, _) = scene.enlisted(notify::COMMIT);
        assert_eq!(transaction.commit(), Ok(NtStatus::SUCCESS));
        assert_eq!(scene.stage.rules(), ["TXN-07"; 4]);
        assert!(scene.stage.core.findings()[3].message.contains("answers twice"));
    });
}

#[test]
fn who_takes_part_can_make_a_transaction_fail() {
    // spec: TXN-06
    with_transactions(|scene| {
        let instance = Arc::clone(&scene.instance);
        ANSWER.replace(Some(Box::new(move |transaction, notification| {
            if notification == notify::PREPARE {
                assert_eq!(flt_rollback_enlistment(&instance, transaction), Ok(NtStatus::SUCCESS));
            }
            NtStatus::SUCCESS
        })));
        let (transaction, _) = scene.enlisted(0xF);
        assert!(transaction.commit().is_ok_and(|status| !status.is_success()));
        assert_eq!(told(), [notify::PREPREPARE, notify::PREPARE, notify::ROLLBACK]);
        let other = tm_create_transaction().unwrap();
        assert_eq!(flt_rollback_enlistment(&scene.instance, other.object()), Ok(NtStatus::NOT_FOUND));
        let context = scene.context();
        let set = flt_set_transaction_context(&scene.instance, other.object(), KEEP, context, false);
        assert_eq!(set, Ok((NtStatus::SUCCESS, 0)));
        let refused = flt_rollback_enlistment(&scene.instance, other.object());
        assert_eq!(refused, Ok(NtStatus::TRANSACTION_REQUEST_NOT_VALID), "it only has a context there");
        flt_release_context(context).unwrap();
        assert_eq!(other.commit(), Ok(NtStatus::SUCCESS));
        assert_eq!((told().len(), blocks(b"Txnc"), scene.stage.rules()), (0, 0, vec![]));
    });
}

#[test]
fn an_instance_that_goes_takes_part_in_nothing_any_more() {
    // spec: CTX-49
    with_transactions(|scene| {
        let (first, _) = scene.enlisted(ALL);
        let (second, _) = scene.enlisted(ALL);
        fltmgr::flt_unregister_filter(&scene.filter).unwrap();
        assert_eq!((first.commit(), second.roll_back()), (Ok(NtStatus::SUCCESS), Ok(NtStatus::SUCCESS)));
        assert_eq!((told(), blocks(b"Txnc"), scene.stage.rules()), (vec![], 0, vec![]));
    });
    // Also when it owes an answer.
    with_transactions(|scene| {
        let (filter, core) = (Arc::clone(&scene.filter), Arc::clone(&scene.stage.core));
        let asked = Arc::new(AtomicBool::new(false));
        let asks = Arc::clone(&asked);
        ANSWER.replace(Some(Box::new(move |_, notification| {
            assert_eq!(notification, notify::PREPREPARE);
            asks.store(true, Ordering::Release);
            NtStatus::PENDING
        })));
        let (transaction, _) = scene.enlisted(ALL);
        let goes = std::thread::spawn(move || {
            while !asked.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            core.attach(0, || fltmgr::flt_unregister_filter(&filter)).expect("a thread").expect("no raise");
        });
        assert_eq!(transaction.commit(), Ok(NtStatus::SUCCESS));
        goes.join().expect("the filter is gone");
        assert_eq!((told(), blocks(b"Txnc")), (vec![notify::PREPREPARE], 0));
    });
}

#[test]
fn the_operations_of_a_file_name_the_transaction_that_it_was_opened_in() {
    with_transactions(|scene| {
        let name = units(r"\??\C:\in");
        let transaction = tm_create_transaction().unwrap();
        for object in [transaction.object(), 0] {
            PASSED.take();
            let parameters = nt_io::CreateParameters {
                transaction: object,
                ..parameters(&name, FILE_SYNCHRONOUS_IO_NONALERT)
            };
            let opened = nt_io::io_create_file(&parameters).unwrap();
            assert_eq!(opened.status, NtStatus::SUCCESS);
            nt_io::nt_flush_buffers_file(opened.handle, 0).unwrap();
            nt_io::nt_close(opened.handle).unwrap();
            let majors = [IRP_MJ_CREATE, IRP_MJ_FLUSH_BUFFERS, IRP_MJ_CLEANUP, IRP_MJ_CLOSE];
            assert_eq!(PASSED.take(), majors.map(|major| (major, object, false)));
        }
        assert_eq!(transaction.commit(), Ok(NtStatus::SUCCESS));
        assert_eq!(scene.stage.rules(), Vec::<&str>::new());
    });
}
