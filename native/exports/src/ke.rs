//! Ke: dispatcher objects and waits.

use std::ptr::null_mut;
use std::sync::atomic::Ordering;

use boundary::{Raise, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL};
use nt_abi::{DISPATCHER_HEADER, KEVENT, KMUTEX, KSEMAPHORE, NtStatus, bugcheck};
use nt_ke::dispatcher::{self, WAIT_OBJECTS, WaitMode, object_type};
use nt_ke::{BugCheck, Finding, current_core, locks};

use crate::argument::{arg, load, load_if, rows, wrong};

rows! { "ntoskrnl.exe", "nt-ke";
    KeInitializeEvent done "EXEC-19";
    KeSetEvent done "EXEC-19; Increment and Wait change no scheduling";
    KeResetEvent done "EXEC-19";
    KeClearEvent done "EXEC-19";
    KePulseEvent done "";
    KeReadStateEvent done "";
    KeInitializeMutex done "EXEC-18; Level is ignored, as documented";
    KeReleaseMutex done "EXEC-18; raises MUTANT_NOT_OWNED";
    KeReadStateMutex done "";
    KeInitializeSemaphore done "";
    KeReleaseSemaphore done "raises SEMAPHORE_LIMIT_EXCEEDED";
    KeReadStateSemaphore done "";
    KeWaitForSingleObject done "EXEC-11 to EXEC-17";
    KeWaitForMutexObject done "as KeWaitForSingleObject";
    KeWaitForMultipleObjects done "EXEC-11 to EXEC-17";
    KeDelayExecutionThread done "EXEC-16";
}

/// Threads have room for this many wait blocks of their own.
const THREAD_WAIT_OBJECTS: u32 = 3;
pub(crate) const WAIT_ALL: u32 = 0;

fn key<T>(object: &T) -> usize {
    std::ptr::from_ref(object) as usize
}

export! {
    /// Prepares an event. Type 0 is a notification event, 1 a synchronization event.
    pub fn KeInitializeEvent(event: *mut KEVENT, kind: u32, state: u8) -> () [irql <= HIGH_LEVEL] {
        arg!(KeInitializeEvent: event);
        locks::object_initialised(key(event));
        let kind = match kind {
            0 => object_type::NOTIFICATION_EVENT,
            1 => object_type::SYNCHRONIZATION_EVENT,
            other => return Err(wrong("KeInitializeEvent", "kind", other.into(), "which is no EVENT_TYPE (0 or 1)")),
        };
        dispatcher::initialize_header(&event.Header, kind, i32::from(state != 0));
        event.Header.Size.set((size_of::<KEVENT>() / 4) as u8);
        Ok(())
    }

    /// Sets an event and returns its previous state.
    pub fn KeSetEvent(event: *mut KEVENT, _increment: i32, _wait: u8) -> i32 [irql <= DISPATCH_LEVEL] {
        arg!(KeSetEvent: event);
        locks::signalled(key(event), "set");
        Ok(dispatcher::set_event(&event.Header))
    }

    /// Resets an event and returns its previous state.
    pub fn KeResetEvent(event: *mut KEVENT) -> i32 [irql <= DISPATCH_LEVEL] {
        arg!(KeResetEvent: event);
        locks::signalled(key(event), "cleared");
        Ok(dispatcher::reset_event(&event.Header))
    }

    /// Resets an event.
    pub fn KeClearEvent(event: *mut KEVENT) -> () [irql <= DISPATCH_LEVEL] {
        arg!(KeClearEvent: event);
        locks::signalled(key(event), "cleared");
        dispatcher::reset_event(&event.Header);
        Ok(())
    }

    /// Sets an event for those who wait now.
    pub fn KePulseEvent(event: *mut KEVENT, _increment: i32, _wait: u8) -> i32 [irql <= DISPATCH_LEVEL] {
        arg!(KePulseEvent: event);
        locks::signalled(key(event), "pulsed");
        Ok(dispatcher::pulse_event(&event.Header))
    }

    /// State of an event.
    pub fn KeReadStateEvent(event: *mut KEVENT) -> i32 [irql <= DISPATCH_LEVEL] {
        arg!(KeReadStateEvent: event);
        Ok(event.Header.SignalState.load(Ordering::Acquire))
    }

    /// Prepares a free mutex.
    pub fn KeInitializeMutex(mutex: *mut KMUTEX, _level: u32) -> () [irql <= HIGH_LEVEL] {
        arg!(KeInitializeMutex: mutex);
        locks::initialised(key(mutex));
        dispatcher::initialize_header(&mutex.Header, object_type::MUTANT, 1);
        mutex.Header.Size.set((size_of::<KMUTEX>() / 4) as u8);
        dispatcher::initialize_list(&mutex.MutantListEntry);
        mutex.OwnerThread.set(null_mut());
        mutex.Abandoned.set(0);
        mutex.ApcDisable.set(1);
        Ok(())
    }

    /// Releases a mutex; 0 means that it is free now.
    pub fn KeReleaseMutex(mutex: *mut KMUTEX, _wait: u8) -> i32 [irql <= DISPATCH_LEVEL] {
        arg!(KeReleaseMutex: mutex);
        let before = dispatcher::release_mutex(mutex)?;
        // Owning it held normal kernel APCs off.
        nt_ke::apc::deliver()?;
        Ok(before)
    }

    /// State of a mutex: 1 is free.
    pub fn KeReadStateMutex(mutex: *mut KMUTEX) -> i32 [irql <= DISPATCH_LEVEL] {
        arg!(KeReadStateMutex: mutex);
        Ok(mutex.Header.SignalState.load(Ordering::Acquire))
    }

    /// Prepares a semaphore.
    pub fn KeInitializeSemaphore(semaphore: *mut KSEMAPHORE, count: i32, limit: i32) -> () [irql <= HIGH_LEVEL] {
        arg!(KeInitializeSemaphore: semaphore);
        locks::object_initialised(key(semaphore));
        dispatcher::initialize_header(&semaphore.Header, object_type::SEMAPHORE, count);
        semaphore.Header.Size.set((size_of::<KSEMAPHORE>() / 4) as u8);
        semaphore.Limit.set(limit);
        Ok(())
    }

    /// Adds to a semaphore and returns its previous count.
    pub fn KeReleaseSemaphore(semaphore: *mut KSEMAPHORE, _increment: i32, adjustment: i32, _wait: u8) -> i32
        [irql <= DISPATCH_LEVEL] {
        arg!(KeReleaseSemaphore: semaphore);
        locks::signalled(key(semaphore), "released");
        dispatcher::release_semaphore(semaphore, adjustment)
    }

    /// Count of a semaphore.
    pub fn KeReadStateSemaphore(semaphore: *mut KSEMAPHORE) -> i32 [irql <= DISPATCH_LEVEL] {
        arg!(KeReadStateSemaphore: semaphore);
        Ok(semaphore.Header.SignalState.load(Ordering::Acquire))
    }

    /// Waits for one object.
    pub fn KeWaitForSingleObject(object: *mut DISPATCHER_HEADER, _reason: u32, mode: u8, alertable: u8, timeout: *mut i64)
        -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(KeWaitForSingleObject: object);
        wait(&[object], false, wait_mode(mode, alertable), load_if(timeout)?)
    }

    /// Waits for one object: the old name for mutexes.
    pub fn KeWaitForMutexObject(object: *mut DISPATCHER_HEADER, _reason: u32, mode: u8, alertable: u8, timeout: *mut i64)
        -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(KeWaitForMutexObject: object);
        wait(&[object], false, wait_mode(mode, alertable), load_if(timeout)?)
    }

    /// Waits for any or all of some objects.
    pub fn KeWaitForMultipleObjects(
        count: u32, objects: *mut usize, wait_type: u32, _reason: u32, mode: u8, alertable: u8, timeout: *mut i64,
        wait_blocks: usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        let headers = waited_for(count, objects, wait_blocks, "KeWaitForMultipleObjects")?;
        wait(&headers, wait_type == WAIT_ALL, wait_mode(mode, alertable), load_if(timeout)?)
    }

    /// Suspends the thread for a time.
    pub fn KeDelayExecutionThread(mode: u8, alertable: u8, interval: *mut i64) -> NtStatus [irql <= APC_LEVEL] {
        let interval = load(interval, "KeDelayExecutionThread", "interval")?;
        dispatcher::delay_as(interval, wait_mode(mode, alertable))
    }
}

/// The objects of a wait for several.
pub(crate) fn waited_for(
    count: u32,
    objects: *mut usize,
    wait_blocks: usize,
    export: &str,
) -> Result<Vec<&'static DISPATCHER_HEADER>, Raise> {
    let allowed = if wait_blocks == 0 { THREAD_WAIT_OBJECTS } else { WAIT_OBJECTS as u32 };
    if count > allowed {
        return Err(too_many(count, allowed));
    }
    let mut headers = Vec::with_capacity(count as usize);
    for index in 0..count as usize {
        let object = load(objects.wrapping_add(index), export, "objects")?;
        headers.push(crate::argument::required(object as *mut DISPATCHER_HEADER, export, "objects[]")?);
    }
    Ok(headers)
}

/// Waits, and reports what must not be waited for in user mode: the stack may be paged out meanwhile, and a mutex would
/// be owned by a thread that can be ended.
///
/// Source: EXEC-17
fn wait(
    objects: &[&DISPATCHER_HEADER],
    all: bool,
    mode: WaitMode,
    timeout: Option<i64>,
) -> Result<NtStatus, Raise> {
    let (low, high) = if mode.user { nt_ke::current_thread().stack_limits() } else { (0, 0) };
    for object in objects.iter().filter(|_| mode.user) {
        let what = if object.Type.get() & 0x7F == object_type::MUTANT {
            "a mutex, which only waits in KernelMode may acquire"
        } else if (low..high).contains(&(std::ptr::from_ref(*object) as usize)) {
            "an object on the stack, which may be paged out during a wait in UserMode"
        } else {
            continue;
        };
        current_core().report(Finding::error(
            "EXEC-17",
            "",
            format!("WaitMode is UserMode for {object:p}, {what}: wait in KernelMode"),
        ));
    }
    dispatcher::wait_as(objects, all, mode, timeout)
}

fn wait_mode(mode: u8, alertable: u8) -> WaitMode {
    WaitMode { user: mode != 0, alertable: alertable != 0 }
}

fn too_many(count: u32, allowed: u32) -> Raise {
    current_core().bug_check(BugCheck::new(
        bugcheck::MAXIMUM_WAIT_OBJECTS_EXCEEDED,
        [u64::from(count), u64::from(allowed), 0, 0],
        format!("KeWaitForMultipleObjects was called with {count} objects; without wait blocks 3 are allowed, with them 64"),
    ))
}
