//! Thread objects: KTHREADs with an object header in front.
//!
//! UNSAFETY: finds threads by their address: as a live thread, or by a reference to its object.

use std::sync::{Arc, Weak};

use boundary::Raise;
use nt_abi::NtStatus;
use nt_ke::thread::ThreadNotify;
use nt_ke::{Core, KTHREAD, current_core, current_thread};
use nt_ob::{
    Mapping, ObjectRef, ObjectType, TypeDescription, ob_adopt_object, ob_dereference, ob_reference,
    ob_reference_safe, ob_validate,
};

use crate::notify;
use crate::process::ps_process;
use crate::subsystem::{Ps, ps};

pub(crate) const THREAD: TypeDescription = TypeDescription {
    mapping: Mapping { read: 0x2_0048, write: 0x2_0437, execute: 0x12_0800, all: 0x1F_FFFF },
    valid_access: 0x1F_FFFF,
    wait_offset: Some(0),
    delete: Some(delete),
    ..TypeDescription::new("Thread", *b"Thre")
};

/// Told by the kernel when threads come and go.
pub(crate) struct Notify {
    core: Weak<Core>,
}

impl Notify {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::downgrade(core) }
    }
}

fn adopt(ps: &Ps, thread: &KTHREAD) {
    if thread.process() == 0 {
        thread.set_process(ps.system_process());
    }
    ob_adopt_object(ps.thread_type(), std::ptr::from_ref(thread) as usize);
    // The object keeps the chunk and the process.
    thread.reference();
    let _ = ob_reference(thread.process());
}

/// Adopts a thread that was there before the process layer, unless it came just after.
pub(crate) fn adopt_early(address: usize, system: usize) -> Result<(), Raise> {
    // SAFETY: only threads that boot itself made are there: they live on.
    let thread = unsafe { &*(address as *const KTHREAD) };
    if thread.process() == 0 {
        thread.set_process(system);
        adopt(ps(), thread);
    }
    Ok(())
}

impl ThreadNotify for Notify {
    // May run in a host thread that is in no machine.
    fn created(&self, thread: &KTHREAD) {
        if let Some(core) = self.core.upgrade() {
            adopt(core.get::<Ps>(), thread);
        }
    }

    fn ended(&self, thread: &KTHREAD) {
        let _ = notify::thread_ended(thread);
        nt_ex::resource::thread_ended(thread);
        let token = thread.impersonation().replace(0);
        if token != 0 {
            let _ = ob_dereference(token);
        }
        let _ = ob_dereference(std::ptr::from_ref(thread) as usize);
    }
}

fn delete(address: usize) -> Result<(), Raise> {
    // SAFETY: the object's own reference still keeps the chunk.
    let thread = unsafe { &*(address as *const KTHREAD) };
    let process = thread.process();
    thread.dereference(current_core());
    ob_dereference(process)
}

/// The type of threads.
pub fn ps_thread_type() -> &'static ObjectType {
    ps().thread_type()
}

/// Thread ID. Source: PsGetThreadId
pub fn ps_thread_id(thread: &KTHREAD) -> usize {
    // System is process 4, so threads begin at 8.
    (thread.number() as usize + 1) * 4
}

/// ID of the current thread. Source: PsGetCurrentThreadId
pub fn ps_current_thread_id() -> usize {
    ps_thread_id(current_thread())
}

/// The thread's own process. Source: PsGetThreadProcess
pub fn ps_thread_process(thread: &KTHREAD) -> usize {
    thread.process()
}

/// ID of the thread's own process. Source: PsGetThreadProcessId
pub fn ps_thread_process_id(thread: &KTHREAD) -> Result<usize, Raise> {
    Ok(ps_process(thread.process())?.id())
}

/// Whether a thread is a system thread: one of the System process. Source: PsIsSystemThread
pub fn ps_is_system_thread(thread: &KTHREAD) -> bool {
    thread.is_system() || thread.process() == ps().system_process()
}

/// The thread with an ID, referenced. Source: PsLookupThreadByThreadId. Errors: InvalidCid
pub fn ps_lookup_thread(id: usize) -> Result<ObjectRef, NtStatus> {
    let mut found = None;
    current_core().for_each_thread(|thread| {
        let address = std::ptr::from_ref(thread) as usize;
        if ps_thread_id(thread) == id
            && thread.Header.SignalState.load(std::sync::atomic::Ordering::Relaxed) == 0
            && ob_reference_safe(address)
        {
            found = Some(ObjectRef::from_raw(address));
        }
    });
    found.ok_or(NtStatus::INVALID_CID)
}

/// Tells thread notify routines of the current thread. The kernel cannot call drivers when a host thread
/// attaches; whoever attaches one calls this inside, where drivers are to see it come.
///
/// Source: PsSetCreateThreadNotifyRoutine
pub fn ps_thread_started() -> Result<(), Raise> {
    let thread = current_thread();
    ob_validate(std::ptr::from_ref(thread) as usize, Some(ps_thread_type()))?;
    notify::thread_created(thread)
}
