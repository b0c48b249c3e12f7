//! What those see who look at callbacks from outside: locks, references, observers, counters.

use std::sync::{Arc, Mutex};

use boundary::{Event, Observer};
use nt_abi::*;
use nt_ex::resource;
use nt_fsrtl::fs_filter;
use nt_ke::scheduler::Schedule;
use nt_ke::{Config, region};

use crate::harness::*;

thread_local! {
    static LOCK: std::cell::Cell<Option<&'static ERESOURCE>> = const { std::cell::Cell::new(None) };
}

fn lock() -> &'static ERESOURCE {
    LOCK.get().expect("a lock")
}

/// Runs an operation in which a callback of the middle filter takes a lock and keeps it.
fn found_about_a_lock(major: u8, in_post: bool, answer: i32) -> Vec<(String, Vec<usize>)> {
    let mut found = Vec::new();
    let config = Config { schedule: Schedule::Seeded(1), ..Config::default() };
    in_machine_of(config, |core| {
        let _filters = three(&[major]);
        let file = open('C');
        let made = nt_ex::pool::allocate_new::<Lock>(1).unwrap();
        resource::initialize(&made.0);
        LOCK.set(Some(&made.0));
        let take = || assert_eq!(resource::acquire_exclusive(lock(), true), Ok(true));
        on_pre(MIDDLE, move |_| {
            if !in_post {
                take();
            }
            answer
        });
        on_post(MIDDLE, move |_| {
            if in_post {
                take();
            }
            FLT_POSTOP_FINISHED_PROCESSING
        });
        // To the end of the machine.
        region::enter_critical();
        match major {
            IRP_MJ_ACQUIRE_FOR_CC_FLUSH => drop(fs_filter::acquire_for_cc_flush(file)),
            IRP_MJ_RELEASE_FOR_CC_FLUSH => drop(fs_filter::release_for_cc_flush(file)),
            _ => drop(send(file, major, |irp, _| irp.Flags.set(IRP_SYNCHRONOUS_API))),
        }
        resource::release(lock()).unwrap();
        found = core.findings().iter().map(|f| (f.rule.to_owned(), f.places.clone())).collect();
    });
    found
}

#[repr(C)]
#[derive(Default)]
struct Lock(ERESOURCE);

// SAFETY: cells and atomics, all good when zero.
unsafe impl nt_ex::pool::ZeroedInPool for Lock {}

#[test]
fn a_lock_that_a_callback_keeps_is_reported_when_nothing_follows() {
    // spec: PRE-24, PARM-27
    let (pre, post) = addresses(MIDDLE);
    for (major, in_post, answer, expected) in [
        (IRP_MJ_WRITE, false, FLT_PREOP_SUCCESS_NO_CALLBACK, Some("lock-held")),
        (IRP_MJ_WRITE, false, FLT_PREOP_COMPLETE, Some("lock-held")),
        (IRP_MJ_WRITE, false, FLT_PREOP_SYNCHRONIZE, Some("lock-held")),
        (IRP_MJ_WRITE, false, FLT_PREOP_SUCCESS_WITH_CALLBACK, None),
        (IRP_MJ_WRITE, true, FLT_PREOP_SUCCESS_WITH_CALLBACK, None),
        (IRP_MJ_ACQUIRE_FOR_CC_FLUSH, false, FLT_PREOP_SUCCESS_NO_CALLBACK, Some("PARM-27")),
        (IRP_MJ_ACQUIRE_FOR_CC_FLUSH, false, FLT_PREOP_SUCCESS_WITH_CALLBACK, Some("PARM-27")),
        (IRP_MJ_ACQUIRE_FOR_CC_FLUSH, true, FLT_PREOP_SUCCESS_WITH_CALLBACK, Some("PARM-27")),
        (IRP_MJ_RELEASE_FOR_CC_FLUSH, false, FLT_PREOP_SUCCESS_NO_CALLBACK, Some("lock-held")),
    ] {
        let found = found_about_a_lock(major, in_post, answer);
        let of: Vec<&str> =
            found.iter().map(|(rule, _)| rule.as_str()).filter(|rule| *rule != "lock-order").collect();
        assert_eq!(of, expected.into_iter().collect::<Vec<_>>(), "{major} {in_post} {answer}");
        if expected == Some("PARM-27") {
            assert_eq!(found[0].1, [if in_post { post } else { pre }]);
        }
    }
}

#[test]
fn callbacks_that_take_no_lock_are_not_reported() {
    let config = Config { schedule: Schedule::Seeded(1), ..Config::default() };
    in_machine_of(config, |core| {
        let _filters = three(&[IRP_MJ_WRITE, IRP_MJ_ACQUIRE_FOR_CC_FLUSH, IRP_MJ_RELEASE_FOR_CC_FLUSH]);
        let file = open('C');
        log();
        for answer in [FLT_PREOP_SUCCESS_WITH_CALLBACK, FLT_PREOP_SUCCESS_NO_CALLBACK] {
            on_pre(MIDDLE, move |_| answer);
            write(file, 0);
            assert_eq!(fs_filter::acquire_for_cc_flush(file), Ok(NtStatus::SUCCESS));
            fs_filter::release_for_cc_flush(file).unwrap();
        }
        assert_eq!(log().len(), 8 + 6 + 6 + 7 + 5 + 5);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Observer for Seen {
    fn event(&self, event: &Event<'_>) {
        let line = match event {
            Event::CallbackEntered { driver, altitude, operation, phase, minor, flags, file, parameters } => {
                format!(
                    "{driver} {altitude} {operation} {phase} {minor} {flags:#x} {} {parameters:?}",
                    *file != 0
                )
            }
            Event::CallbackReturned { driver, operation, phase, answer, status, nanoseconds } => {
                assert!(*nanoseconds < 1_000_000_000);
                format!("{driver} {operation} {phase} = {answer} {status:?}")
            }
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

#[test]
fn an_observer_hears_of_every_callback_before_and_after() {
    with_file(&[IRP_MJ_WRITE], |core, file| {
        let seen = Arc::new(Seen::default());
        core.set_observer(Some(Arc::clone(&seen) as Arc<dyn Observer>));
        on_pre(UPPER, |_| FLT_PREOP_SUCCESS_NO_CALLBACK);
        on_pre(MIDDLE, |call| {
            call.set_status(NtStatus::ACCESS_DENIED, 0);
            FLT_PREOP_COMPLETE
        });
        let send_one = || {
            send(file, IRP_MJ_WRITE, |irp, stack| {
                irp.Flags.set(0x43);
                stack.MinorFunction.set(2);
                stack.Parameters.Write().Length.set(8);
                stack.Parameters.Write().ByteOffset.set(512);
            });
            std::mem::take(&mut *seen.0.lock().unwrap())
        };
        let entered =
            |who: &str, phase: &str| format!("{who} IRP_MJ_WRITE {phase} 2 0x43 true [8, 0, 512, 0, 0, 0]");
        let success = "STATUS_SUCCESS (0x00000000)";
        assert_eq!(
            send_one(),
            [
                entered("upper 300", "pre"),
                format!("upper IRP_MJ_WRITE pre = 1 {success}"),
                entered("middle 200", "pre"),
                "middle IRP_MJ_WRITE pre = 4 STATUS_ACCESS_DENIED (0xC0000022)".to_owned(),
            ]
        );
        on_pre(MIDDLE, |_| FLT_PREOP_SUCCESS_NO_CALLBACK);
        assert_eq!(
            send_one()[4..],
            [
                entered("lower 100", "pre"),
                format!("lower IRP_MJ_WRITE pre = 0 {success}"),
                entered("lower 100", "post"),
                format!("lower IRP_MJ_WRITE post = 0 {success}"),
            ]
        );
        core.set_observer(None);
        assert_eq!(send_one(), Vec::<String>::new());
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn post_callbacks_at_dispatch_level_wait_for_an_operation_that_pends_below() {
    // spec: POST-03
    with_file(&[IRP_MJ_WRITE], |core, file| {
        thread_local! {
            static BELOW: std::cell::Cell<Option<&'static IRP>> = const { std::cell::Cell::new(None) };
        }
        let seen = Arc::new(Seen::default());
        core.set_observer(Some(Arc::clone(&seen) as Arc<dyn Observer>));
        fltmgr::flt().set_post_at_dispatch(true);
        on_fs(|irp| {
            BELOW.set(Some(irp));
            None
        });
        write(file, 0);
        assert_eq!(log()[3..], ["fs WRITE 0", "pending"]);
        let posts = || seen.0.lock().unwrap().iter().filter(|line| line.contains(" post = 0")).count();
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert_eq!(posts(), 0, "the file system has not answered");
        nt_io::io_complete_with(BELOW.get().unwrap(), NtStatus::SUCCESS, 8).unwrap();
        while posts() != 3 {
            std::thread::yield_now();
        }
        assert_eq!(log(), Vec::<String>::new(), "in another thread");
        core.set_observer(None);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn counters_count_while_they_are_on_also_what_is_drained() {
    in_machine(|core| {
        let [_upper, middle, _lower] = three(&[IRP_MJ_WRITE]);
        let file = open('C');
        write(file, 0);
        let counts = || -> Vec<_> {
            let statistics = fltmgr::flt().statistics();
            statistics
                .iter()
                .filter(|of| of.volume == statistics[0].volume)
                .map(|of| {
                    (
                        of.filter.clone(),
                        of.operations.iter().map(|o| (o.operation, o.pre, o.post)).collect::<Vec<_>>(),
                    )
                })
                .collect()
        };
        assert!(counts().iter().all(|(_, operations)| operations.is_empty()), "they were off");
        fltmgr::flt().set_statistics(true);
        on_fs(|_| None);
        write(file, 0);
        write(file, 0);
        let writes = |pre, post| vec![("IRP_MJ_WRITE", pre, post)];
        assert_eq!(counts(), ["upper", "middle", "lower"].map(|name| (name.to_owned(), writes(2, 0))));
        fltmgr::flt_unregister_filter(&middle).unwrap();
        assert_eq!(counts()[0], ("middle".to_owned(), writes(2, 2)), "drained");
        fltmgr::flt().set_statistics(false);
        write(file, 0);
        assert_eq!(counts()[1], ("upper".to_owned(), writes(2, 0)), "they are off");
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}
