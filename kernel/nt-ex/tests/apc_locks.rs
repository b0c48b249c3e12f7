//! What a special kernel APC may wait for that the code it interrupts holds: only a resource, as that code holds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nt_abi::{ERESOURCE, FAST_MUTEX, KEVENT};
use nt_ex::{Ex, fast_mutex, pool, push_lock, resource};
use nt_ke::bugcheck::{DEADLOCK, HANG};
use nt_ke::dispatcher::{self, object_type};
use nt_ke::scheduler::Schedule;
use nt_ke::{BugCheck, Config, Core, Raise, apc, current_thread, region};
use nt_mm::Mm;

/// How a thread that holds something by `before` fares when a special kernel APC runs `inside`, and then gives it back by
/// `after`: the bug check, and whether the APC came to its end.
fn interrupted(
    before: impl Fn() -> Result<(), Raise> + Sync,
    inside: impl Fn() -> Result<(), Raise> + Send + Sync + 'static,
    after: impl Fn() -> Result<(), Raise> + Sync,
) -> (Option<BugCheck>, bool) {
    let config = Config { schedule: Schedule::Seeded(1), detect_hangs: true, ..Config::default() };
    let core: Arc<Core> = Core::new(config).expect("a machine");
    core.install(Box::new(Mm::new(&core).expect("memory")));
    core.install(Box::new(Ex::new(&core)));
    let (done, inside) = (Arc::new(AtomicBool::new(false)), Arc::new(inside));
    core.attach(0, || {
        let body = |_| {
            let (ended, inside) = (Arc::clone(&done), Arc::clone(&inside));
            let _ = before().and_then(|()| {
                apc::insert_special(current_thread(), move || {
                    inside()?;
                    ended.store(true, Ordering::Relaxed);
                    Ok(())
                });
                apc::deliver()?;
                after()
            });
        };
        core.run_threads(0, "page writer", 1, &body).expect("a thread");
    })
    .expect("a thread");
    core.stop();
    (core.bug_checked().cloned(), done.load(Ordering::Relaxed))
}

/// The machine ends because the thread waits for what it holds itself.
#[track_caller]
fn waits_for_itself((check, ended): (Option<BugCheck>, bool)) {
    let check = check.expect("a bug check");
    assert!(matches!(check.code, DEADLOCK | HANG), "{check:?}");
    assert!(!ended);
}

#[track_caller]
fn goes_on((check, ended): (Option<BugCheck>, bool)) {
    assert!(check.is_none(), "{check:?}");
    assert!(ended, "the APC ran to its end");
}

/// A resource that is made by the first thread that asks.
struct Made(AtomicUsize);

impl Made {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(0)))
    }

    fn get(&self) -> &'static ERESOURCE {
        if self.0.load(Ordering::Relaxed) == 0 {
            let resource = pool::allocate_new::<ERESOURCE>(1).expect("pool");
            resource::initialize(resource);
            self.0.store(std::ptr::from_ref(resource) as usize, Ordering::Relaxed);
        }
        // SAFETY: made above in the pool of the machine, which outlives the threads that ask.
        unsafe { &*(self.0.load(Ordering::Relaxed) as *const ERESOURCE) }
    }
}

/// A thread holds a resource, exclusively or not, and the APC acquires it so.
fn resource_cell(held_exclusive: bool, wanted_exclusive: bool) -> (Option<BugCheck>, bool) {
    let take = |made: &Made, exclusive| {
        let got = if exclusive {
            resource::acquire_exclusive(made.get(), true)
        } else {
            resource::acquire_shared(made.get(), true)
        };
        got.map(|_| ())
    };
    let made = Made::new();
    let inner = Arc::clone(&made);
    interrupted(
        || {
            region::enter_critical();
            take(&made, held_exclusive)
        },
        move || {
            take(&inner, wanted_exclusive)?;
            resource::release(inner.get())
        },
        || {
            resource::release(made.get())?;
            region::leave_critical("test")
        },
    )
}

#[test]
fn a_resource_is_recursive_but_not_upgraded() {
    // spec: SEED-MODW-13
    goes_on(resource_cell(true, true));
    goes_on(resource_cell(false, false));
    goes_on(resource_cell(true, false));
    waits_for_itself(resource_cell(false, true));
}

/// Holds a lock inside a critical region, which does not hold special kernel APCs off, and takes it again in the APC.
fn lock_cell<L: Send + Sync + 'static>(
    lock: L,
    take: fn(&L) -> Result<(), Raise>,
    give: fn(&L) -> Result<(), Raise>,
) -> (Option<BugCheck>, bool) {
    let lock = Arc::new(lock);
    let inner = Arc::clone(&lock);
    interrupted(
        || {
            region::enter_critical();
            take(&lock)
        },
        move || {
            take(&inner)?;
            give(&inner)
        },
        || {
            give(&lock)?;
            region::leave_critical("test")
        },
    )
}

/// Its fields are changed by their owner only.
struct Shared<T>(T);
// SAFETY: as above.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

fn mutex() -> Shared<FAST_MUTEX> {
    // Nobody moves it between threads: it lies behind an `Arc`.
    Shared(FAST_MUTEX::default())
}

fn take_unsafe(mutex: &Shared<FAST_MUTEX>) -> Result<(), Raise> {
    prepare(&mutex.0);
    fast_mutex::acquire_unsafe(&mutex.0)
}

fn take(mutex: &Shared<FAST_MUTEX>) -> Result<(), Raise> {
    prepare(&mutex.0);
    fast_mutex::acquire(&mutex.0)
}

/// Initialises it where it lies now, once.
fn prepare(mutex: &FAST_MUTEX) {
    if mutex.Event.Header.WaitListHead.Flink.get().is_null() {
        fast_mutex::initialize(mutex);
    }
}

#[test]
fn mutexes_and_push_locks_are_waited_for_without_end() {
    // spec: SEED-MODW-13
    waits_for_itself(lock_cell(mutex(), take_unsafe, |mutex| fast_mutex::release_unsafe(&mutex.0)));
    // Fast and guarded mutexes raise to APC_LEVEL, so the APC comes when they are given back.
    let held_off = lock_cell(mutex(), take, |mutex| fast_mutex::release(&mutex.0));
    goes_on(held_off);
    for exclusive in [true, false] {
        let (take, give): (fn(&AtomicUsize) -> _, fn(&AtomicUsize) -> _) = if exclusive {
            (|lock| push_lock::acquire(lock, true), |lock| push_lock::release(lock, true))
        } else {
            // Shared is upgraded by the APC.
            (|lock| push_lock::acquire(lock, false), |lock| push_lock::release(lock, false))
        };
        let lock = Arc::new(AtomicUsize::new(0));
        let inner = Arc::clone(&lock);
        waits_for_itself(interrupted(
            || {
                region::enter_critical();
                take(&lock)
            },
            move || push_lock::acquire(&inner, true),
            || {
                give(&lock)?;
                region::leave_critical("test")
            },
        ));
    }
}

#[test]
fn an_event_that_the_interrupted_code_would_set_is_never_set() {
    // spec: SEED-MODW-13
    let event = Arc::new(Shared(KEVENT::default()));
    let (inner, outer) = (Arc::clone(&event), Arc::clone(&event));
    waits_for_itself(interrupted(
        move || {
            dispatcher::initialize_header(&event.0.Header, object_type::SYNCHRONIZATION_EVENT, 0);
            Ok(())
        },
        move || dispatcher::wait(&inner.0.Header, false, None).map(|_| ()),
        move || {
            dispatcher::set_event(&outer.0.Header);
            Ok(())
        },
    ));
}
