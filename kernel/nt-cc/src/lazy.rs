//! The lazy writer: a system thread that writes what has been dirty for a while, and takes maps apart whose last
//! file object is cleaned up.
//!
//! ```text
//! dirty ─► seen once ─► seen again, or memory is short, or nobody has it open: acquire, paging writes, release
//! ```
//!
//! Statements: CC-07, CC-08, CC-09, FSF-30.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use boundary::Raise;
use boundary::slot::PAGE_SIZE;
use nt_abi::{DISPATCHER_HEADER, FILE_OBJECT, NativeFn, NtStatus, VPB, bugcheck};
use nt_ke::dispatcher::{self, object_type};
use nt_ke::{BugCheck, Finding, Lock, Rank, current_core, current_thread};

use crate::map::{MapReference, SharedMap};
use crate::{cc, flush, initialize, purge};

/// Lazy writes of a stream that may fail one after the other before its data is given up.
const ATTEMPTS: u32 = 5;

/// What to call when there is room for a deferred write.
pub enum Deferred {
    /// A driver's routine, with two arguments.
    Native(NativeFn, usize, usize),
    /// The engine's.
    Rust(Box<dyn FnOnce() -> Result<(), Raise> + Send>),
}

/// State of the lazy writer.
pub struct LazyWriter {
    started: AtomicBool,
    /// Signaled when there is something to do at once.
    work: Box<DISPATCHER_HEADER>,
    /// Something became dirty since the thread went to sleep for good.
    noted: AtomicBool,
    /// Signaled after each sweep, for those who wait for room.
    swept: Box<DISPATCHER_HEADER>,
    /// Referenced file objects to let go of.
    departing: Lock<Vec<usize>>,
    deferred: Lock<Vec<(usize, Deferred)>>,
    sweeps: AtomicUsize,
}

impl LazyWriter {
    pub fn new() -> Self {
        let event = |kind| {
            let header = Box::new(DISPATCHER_HEADER::default());
            dispatcher::initialize_header(&header, kind, 0);
            header
        };
        Self {
            started: AtomicBool::new(false),
            work: event(object_type::SYNCHRONIZATION_EVENT),
            noted: AtomicBool::new(false),
            swept: event(object_type::NOTIFICATION_EVENT),
            departing: Lock::new(Rank::Leaf, Vec::new()),
            deferred: Lock::new(Rank::Leaf, Vec::new()),
            sweeps: AtomicUsize::new(0),
        }
    }

    /// Starts the thread, once.
    pub fn start(&self) -> Result<(), Raise> {
        if self.started.load(Ordering::Relaxed) || self.started.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let started = cc()
            .core
            .upgrade()
            .is_some_and(|core| core.spawn("lazy writer", cc().process, |_| {}, run).is_ok());
        if started {
            return Ok(());
        }
        self.started.store(false, Ordering::Release);
        Err(Raise::Status(NtStatus::INSUFFICIENT_RESOURCES))
    }

    /// Something became dirty: it is written after the delay.
    pub fn note_dirty(&self) {
        if !self.noted.load(Ordering::Relaxed) && !self.noted.swap(true, Ordering::AcqRel) {
            dispatcher::set_event(&self.work);
        }
    }

    /// There is something to do at once.
    pub fn wake(&self) {
        dispatcher::set_event(&self.work);
    }

    /// Lets the thread drop a reference of a map: the caller holds locks that CLOSE would need.
    pub fn let_go_later(&self, file: &'static FILE_OBJECT) {
        self.departing.lock().push(std::ptr::from_ref(file) as usize);
        self.wake();
    }
}

fn run() {
    let thread = current_thread();
    let lazy = &cc().lazy;
    loop {
        let idle = cc().dirty_pages.load(Ordering::Relaxed) == 0 && lazy.deferred.lock().is_empty();
        if idle {
            lazy.noted.store(false, Ordering::Release);
        }
        let timeout = (!idle).then(|| -(cc().limits.lazy_delay as i64));
        thread.set_background(true);
        let woken = dispatcher::wait(&lazy.work, false, timeout);
        thread.set_background(false);
        if woken.is_err() || current_core().stopping() {
            return;
        }
        match sweep(false) {
            Ok(()) => {}
            Err(Raise::Stop) => return,
            Err(Raise::Status(status)) => {
                current_core().bug_check(BugCheck::new(
                    bugcheck::CACHE_MANAGER,
                    [u64::from(status.bits()), 0, 0, 0],
                    format!("{status} was raised on the lazy writer's thread: by a CLOSE, or a callback of a file system"),
                ));
                return;
            }
        }
    }
}

/// Looks at every map once: writes what is due (`all`: everything dirty), takes apart what nobody needs.
pub fn sweep(all: bool) -> Result<(), Raise> {
    let lazy = &cc().lazy;
    let departing = std::mem::take(&mut *lazy.departing.lock());
    for file in departing {
        nt_ob::ob_dereference(file)?;
    }
    let short = cc().dirty_pages.load(Ordering::Relaxed) > cc().dirty_limit() / 2;
    let listed = SharedMap::listed(&cc().maps.lock(), |map| {
        map.dirty_pages.load(Ordering::Relaxed) != 0 || map.opens.load(Ordering::Relaxed) == 0
    });
    for map in listed {
        visit(map, all || short)?;
    }
    lazy.sweeps.fetch_add(1, Ordering::Relaxed);
    dispatcher::set_event(&lazy.swept);
    post_deferred()
}

fn visit(reference: MapReference, now: bool) -> Result<(), Raise> {
    let map = Arc::clone(&reference.0);
    if map.dirty_pages.load(Ordering::Relaxed) != 0 {
        let due = now || map.opens.load(Ordering::Relaxed) == 0 || map.aged.swap(1, Ordering::Relaxed) != 0;
        if due {
            map.aged.store(0, Ordering::Relaxed);
            write(&map)?;
        }
    }
    reference.give_up();
    initialize::take_apart(&map)?;
    Ok(())
}

fn write(map: &Arc<SharedMap>) -> Result<(), Raise> {
    let Some((callbacks, context)) = map.callbacks() else { return Ok(()) };
    if !callbacks.acquire_for_lazy_write(context)? {
        return Ok(());
    }
    let result = flush::cached(map);
    callbacks.release_from_lazy_write(context)?;
    let status = match result {
        Ok(result) => result.status,
        Err(Raise::Status(status)) => status,
        Err(stop) => return Err(stop),
    };
    if !status.is_error() {
        map.failures.store(0, Ordering::Relaxed);
        return Ok(());
    }
    let again = matches!(status, NtStatus::FILE_LOCK_CONFLICT | NtStatus::CANT_WAIT);
    if again || map.failures.fetch_add(1, Ordering::Relaxed) + 1 < ATTEMPTS {
        return Ok(());
    }
    map.failures.store(0, Ordering::Relaxed);
    let name = String::from_utf16_lossy(&nt_io::file_name(map.file()));
    let pages = map.dirty_pages.load(Ordering::Relaxed);
    current_core().report(Finding::error(
        "lost-delayed-write",
        "",
        format!(
            "the lazy writer gives up {} KiB of {name}: {ATTEMPTS} paging writes in a row failed, the last with \
             {status}. A filter that fails paging writes, or a full disk, loses what programs have written",
            pages * PAGE_SIZE / 1024
        ),
    ));
    purge::drop_range(map, 0, u64::MAX, purge::Going::Forgotten)
}

fn fits(pages: usize) -> bool {
    cc().dirty_pages.load(Ordering::Relaxed) + pages <= cc().dirty_limit()
}

fn post_deferred() -> Result<(), Raise> {
    loop {
        let next = {
            let mut deferred = cc().lazy.deferred.lock();
            match deferred.first() {
                Some((pages, _)) if fits(*pages) || cc().dirty_pages.load(Ordering::Relaxed) == 0 => {
                    Some(deferred.remove(0).1)
                }
                _ => None,
            }
        };
        match next {
            Some(routine) => call(routine)?,
            None => return Ok(()),
        }
    }
}

fn call(routine: Deferred) -> Result<(), Raise> {
    match routine {
        Deferred::Native(routine, first, second) => {
            boundary::call(routine, [first as u64, second as u64]).map(|_| ())
        }
        Deferred::Rust(routine) => routine(),
    }
}

/// Whether a cached write of `bytes` bytes may be made now. With `wait` it waits for room first.
///
/// Source:  CcCanIWrite; CC-07, CC-09
/// IRQL:    <= APC_LEVEL
/// Locks:   with `wait`, none that paging writes of any stream need
/// Returns: `false`: defer the write. A write that is larger than all room is let through once nothing else is dirty:
///          it writes its own data as it goes
pub fn cc_can_i_write(_file: &FILE_OBJECT, bytes: u32, wait: bool, _retrying: bool) -> Result<bool, Raise> {
    let pages = (bytes as usize).div_ceil(PAGE_SIZE) + 1;
    if fits(pages) {
        return Ok(true);
    }
    if !wait {
        cc().lazy.wake();
        return Ok(false);
    }
    let lazy = &cc().lazy;
    // A few sweeps make room unless writing fails; then the writer itself meets the failure.
    for _ in 0..8 {
        dispatcher::reset_event(&lazy.swept);
        if fits(pages) || cc().dirty_pages.load(Ordering::Relaxed) == 0 {
            break;
        }
        lazy.wake();
        dispatcher::wait(&lazy.swept, false, Some(-1_000_000))?;
    }
    Ok(true)
}

/// Calls `routine` as soon as a cached write of `bytes` bytes may be made: now, or from the lazy writer's thread.
///
/// Source:  CcDeferWrite; CC-08
/// IRQL:    <= APC_LEVEL
pub fn cc_defer_write(bytes: u32, routine: Deferred) -> Result<(), Raise> {
    let pages = (bytes as usize).div_ceil(PAGE_SIZE) + 1;
    if fits(pages) || cc().dirty_pages.load(Ordering::Relaxed) == 0 {
        return call(routine);
    }
    cc().lazy.deferred.lock().push((pages, routine));
    cc().lazy.wake();
    Ok(())
}

/// Whether a volume has data in the cache that is not written yet. Source: CcIsThereDirtyData.
pub fn cc_is_there_dirty_data(vpb: &VPB) -> bool {
    let maps = cc().maps.lock();
    maps.values().any(|map| {
        map.dirty_pages.load(Ordering::Relaxed) != 0 && std::ptr::eq(map.file().Vpb.get().cast_const(), vpb)
    })
}

/// Waits until the lazy writer has gone over everything that is dirty now.
///
/// Source: CcWaitForCurrentLazyWriterActivity. IRQL: PASSIVE_LEVEL. Locks: none that paging writes need.
pub fn cc_wait_for_current_lazy_writer_activity() -> Result<NtStatus, Raise> {
    let lazy = &cc().lazy;
    // One sweep may be under way already, and data is written when it is seen the second time.
    let until = lazy.sweeps.load(Ordering::Relaxed) + 3;
    while cc().dirty_pages.load(Ordering::Relaxed) != 0 && lazy.sweeps.load(Ordering::Relaxed) < until {
        dispatcher::reset_event(&lazy.swept);
        lazy.wake();
        dispatcher::wait(&lazy.swept, false, Some(-1_000_000))?;
    }
    Ok(NtStatus::SUCCESS)
}
