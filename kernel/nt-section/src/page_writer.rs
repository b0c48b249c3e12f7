//! The mapped page writer: a system thread that writes what views stored.
//!
//! ```text
//! page writer's thread                          file system's thread
//! collect stores ─► acquire for mod write
//!   ─► paging write, asynchronous ───────────►  … through all filters … store ─► completion
//!   ─► next run (filters' callbacks …)                                             │
//!        ▲ special kernel APC at APC_LEVEL: release for mod write ◄────────────────┘
//! ```
//!
//! The release interrupts whatever the thread does next, also a filter's callback of the next write: that is where
//! Windows deadlocks when a filter holds a lock there that its release callback wants. A stream whose locks are busy is
//! left for later. Statements: SEED-MODW-03, SEED-MODW-07 to SEED-MODW-11, FSF-15 to FSF-18, FSF-29.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use boundary::Raise;
use nt_abi::{
    DISPATCHER_HEADER, ERESOURCE, FILE_OBJECT, FSRTL_MOD_WRITE_TOP_LEVEL_IRP, MDL, NtStatus, bugcheck,
};
use nt_cc::section::{ModifiedStream, RunUnderWay, anything_mapped, modified_streams};
use nt_fsrtl::fs_filter;
use nt_ke::dispatcher::{self, object_type};
use nt_ke::{BugCheck, Core, Finding, KTHREAD, apc, current_core, current_thread};

use crate::sections;

/// Bytes of one write.
const CLUSTER: usize = 64 << 10;
/// Writes that are under way at the same time.
const UNDER_WAY: usize = 4;
/// How long stores may lie, in 100 ns units: a second.
const PERIOD: i64 = 10_000_000;
/// How long a busy stream is left alone: 10 ms.
const RETRY: i64 = 100_000;

/// State of the page writer.
pub struct PageWriter {
    core: Weak<Core>,
    process: usize,
    started: AtomicBool,
    thread: AtomicUsize,
    /// Signaled when there is something to do at once.
    work: Box<DISPATCHER_HEADER>,
    /// Signaled when a write has arrived.
    landed: Box<DISPATCHER_HEADER>,
    /// Signaled after each sweep.
    swept: Box<DISPATCHER_HEADER>,
    under_way: AtomicUsize,
}

impl PageWriter {
    pub fn new(core: &Arc<Core>, process: usize) -> Self {
        let event = |kind| {
            let header = Box::new(DISPATCHER_HEADER::default());
            dispatcher::initialize_header(&header, kind, 0);
            header
        };
        Self {
            core: Arc::downgrade(core),
            process,
            started: AtomicBool::new(false),
            thread: AtomicUsize::new(0),
            work: event(object_type::SYNCHRONIZATION_EVENT),
            landed: event(object_type::NOTIFICATION_EVENT),
            swept: event(object_type::NOTIFICATION_EVENT),
            under_way: AtomicUsize::new(0),
        }
    }

    /// Starts the thread, once.
    pub fn start(&self) -> Result<(), Raise> {
        if self.started.load(Ordering::Relaxed) || self.started.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let note = |thread: &KTHREAD| {
            self.thread.store(std::ptr::from_ref(thread) as usize, Ordering::Release);
        };
        let started = self
            .core
            .upgrade()
            .is_some_and(|core| core.spawn("mapped page writer", self.process, note, run).is_ok());
        if started {
            return Ok(());
        }
        self.started.store(false, Ordering::Release);
        Err(Raise::Status(NtStatus::INSUFFICIENT_RESOURCES))
    }

    /// There is something to do at once.
    pub fn wake(&self) {
        dispatcher::set_event(&self.work);
    }
}

fn run() {
    let thread = current_thread();
    let writer = &sections().writer;
    let mut again = false;
    loop {
        let timeout = match (again, anything_mapped()) {
            (true, _) => Some(-RETRY),
            (_, true) => Some(-PERIOD),
            _ => None,
        };
        thread.set_background(true);
        thread.set_ticking(true);
        let woken = dispatcher::wait(&writer.work, false, timeout);
        thread.set_ticking(false);
        thread.set_background(false);
        if woken.is_err() || current_core().stopping() {
            return;
        }
        match sweep() {
            Ok(busy) => again = busy,
            Err(Raise::Stop) => return,
            Err(Raise::Status(status)) => {
                current_core().bug_check(BugCheck::new(
                    bugcheck::MEMORY_MANAGEMENT,
                    [u64::from(status.bits()), 0, 0, 0],
                    format!("{status} was raised on the mapped page writer's thread by a callback of a filter or file system"),
                ));
                return;
            }
        }
    }
}

/// Writes what views stored. Returns whether something is left for later.
fn sweep() -> Result<bool, Raise> {
    let writer = &sections().writer;
    let mut busy = false;
    for stream in modified_streams()? {
        busy |= write_stream(&stream)?;
    }
    wait_until_under_way(0)?;
    dispatcher::set_event(&writer.swept);
    Ok(busy)
}

/// Waits until at most `most` writes are under way: their releases come while the thread waits.
fn wait_until_under_way(most: usize) -> Result<(), Raise> {
    let writer = &sections().writer;
    loop {
        dispatcher::reset_event(&writer.landed);
        if writer.under_way.load(Ordering::Acquire) <= most {
            return Ok(());
        }
        dispatcher::wait(&writer.landed, false, None)?;
    }
}

fn write_stream(stream: &ModifiedStream) -> Result<bool, Raise> {
    let mut from = 0;
    while let Some(run) = stream.next_run(from, CLUSTER) {
        wait_until_under_way(UNDER_WAY - 1)?;
        let end = run.offset() + run.bytes() as i64;
        let acquired = as_top_level(|| fs_filter::acquire_for_mod_write(stream.file(), end))?;
        let Ok(resource) = acquired else { return Ok(true) };
        let valid = stream.valid_data();
        if run.offset() > valid && end > valid {
            stream.fill_gap()?;
        }
        let first = if run.offset() > valid { stream.next_run(valid, CLUSTER) } else { Some(run) };
        if first != Some(run) {
            // What lies in front of it comes first.
            fs_filter::release_for_mod_write(stream.file(), resource)?;
            from = valid;
            continue;
        }
        from = end;
        match stream.begin(run) {
            Some(under_way) => write(stream.file(), under_way, resource)?,
            None => fs_filter::release_for_mod_write(stream.file(), resource)?,
        }
    }
    Ok(false)
}

fn as_top_level<T>(f: impl FnOnce() -> Result<T, Raise>) -> Result<T, Raise> {
    nt_io::io_set_top_level_irp(FSRTL_MOD_WRITE_TOP_LEVEL_IRP);
    let result = f();
    nt_io::io_set_top_level_irp(0);
    result
}

fn write(
    file: &'static FILE_OBJECT,
    under_way: RunUnderWay,
    resource: Option<&'static ERESOURCE>,
) -> Result<(), Raise> {
    let run = under_way.run();
    let Some(mdl) = nt_ex::mdl::allocate_engine(under_way.address(), run.bytes()) else {
        under_way.end(true);
        return fs_filter::release_for_mod_write(file, resource);
    };
    nt_mm::mdl::lock_resident(mdl, false);
    sections().writer.under_way.fetch_add(1, Ordering::AcqRel);
    let thread = current_thread();
    let landing = Landing { file, under_way, resource, mdl };
    let written = Box::new(move |result: nt_io::IoStatus| {
        let failed = result.status.is_error();
        apc::insert_special(thread, move || landing.land(failed));
        Ok(())
    });
    as_top_level(|| nt_io::io_page_write_asynchronously(file, mdl, run.offset(), written))
}

/// What is given back when a write has arrived.
struct Landing {
    file: &'static FILE_OBJECT,
    under_way: RunUnderWay,
    resource: Option<&'static ERESOURCE>,
    mdl: &'static MDL,
}

impl Landing {
    /// In the page writer's thread, at APC_LEVEL.
    fn land(self, failed: bool) -> Result<(), Raise> {
        nt_mm::mdl::unlock_pages(self.mdl)?;
        nt_ex::mdl::free(self.mdl)?;
        let result = fs_filter::release_for_mod_write(self.file, self.resource);
        if self.under_way.end(failed) {
            let name = String::from_utf16_lossy(&nt_io::file_name(self.file));
            current_core().report(Finding::error(
                "lost-mapped-write",
                "",
                format!(
                    "the mapped page writer gives up what programs stored into views of {name}: its paging writes failed \
                     time after time. A filter that fails paging writes, or a full disk, loses what programs have written"
                ),
            ));
        }
        let writer = &sections().writer;
        writer.under_way.fetch_sub(1, Ordering::AcqRel);
        dispatcher::set_event(&writer.landed);
        result
    }
}

/// Writes everything that views stored so far, through the filters: how a machine ends its work.
///
/// IRQL:    PASSIVE_LEVEL
/// Locks:   none held
/// Returns: pages that could not be written
pub fn flush_all() -> Result<usize, Raise> {
    if nt_ke::current_core().try_get::<crate::Sections>().is_none() {
        return Ok(0);
    }
    let writer = &sections().writer;
    if !writer.started.load(Ordering::Acquire) {
        return Ok(0);
    }
    for _ in 0..64 {
        if modified_streams()?.is_empty() {
            return Ok(0);
        }
        dispatcher::reset_event(&writer.swept);
        writer.wake();
        dispatcher::wait(&writer.swept, false, Some(-RETRY))?;
    }
    Ok(modified_streams()?.iter().map(ModifiedStream::modified_pages).sum())
}
