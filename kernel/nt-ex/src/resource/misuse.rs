//! What drivers do wrong with resources: each mistake in words, with the statement it breaks.
//!
//! What Windows would go on with is a finding; what it would bug check for ends the machine.
//!
//! Statements: RES-01 to RES-04, RES-09, RES-13, RES-19, RES-21, RES-23 to RES-26, RES-33.
//!
//! UNSAFETY: looks at listed resources by address; who frees memory with one takes it off the list first.

use std::ptr::from_ref;

use boundary::Raise;
use nt_abi::{ERESOURCE, bugcheck};
use nt_ke::{BugCheck, Finding, KTHREAD, current_core, current_thread};

use super::{OWNER_POINTER, key, key_of_current, lock, ownership};
use crate::{ex, pool};

/// What `owner` is, for people.
fn described(owner: usize) -> String {
    if owner == key_of_current() {
        return "the current thread".into();
    }
    if owner & OWNER_POINTER == OWNER_POINTER {
        return format!("the owner pointer {owner:#x}");
    }
    let mut number = None;
    current_core().for_each_thread(|thread| {
        if from_ref(thread) as usize == owner {
            number = Some(thread.number());
        }
    });
    number.map_or_else(|| format!("{owner:#x}"), |number| format!("thread {number}"))
}

/// Who holds `resource`, for people.
fn holders(resource: &ERESOURCE) -> String {
    let owners = {
        let _held = lock(resource);
        ownership::owners(resource)
    };
    match owners.as_slice() {
        [] => "nobody owns it".into(),
        owners => {
            let names: Vec<String> = owners.iter().map(|(owner, _)| described(*owner)).collect();
            format!("it is owned by {}", names.join(" and "))
        }
    }
}

fn bug(resource: &ERESOURCE, code: u32, message: String) -> Raise {
    let owner = resource.OwnerEntry.OwnerThread.get();
    let thread = from_ref(current_thread()) as u64;
    current_core().bug_check(BugCheck::new(code, [key(resource) as u64, thread, owner as u64, 0], message))
}

/// A finding about `resource`.
pub(super) fn report(rule: &'static str, resource: &ERESOURCE, what: &str) {
    current_core().report(Finding::error(rule, "", format!("the resource {resource:p} {what}")));
}

#[cold]
pub(super) fn not_initialised(resource: &ERESOURCE) -> Raise {
    let message = format!(
        "{resource:p} is no initialised resource: never initialised, deleted, or moved (RES-03, SEED-RES-02)"
    );
    bug(resource, bugcheck::RESOURCE_NOT_OWNED, message)
}

#[cold]
pub(super) fn not_owner(resource: &ERESOURCE, owner: usize) -> Raise {
    let message = format!(
        "the resource {resource:p} was released or handed on for {}, which does not own it; {}{}. Release it in the thread \
         that acquired it; or call ExSetResourceOwnerPointer there, and ExReleaseResourceForThreadLite with that pointer where \
         it is released (RES-21, RES-25)",
        described(owner),
        holders(resource),
        nt_ke::locks::holders_in_words(key(resource))
    );
    bug(resource, bugcheck::RESOURCE_NOT_OWNED, message)
}

#[cold]
pub(super) fn not_exclusive(resource: &ERESOURCE) -> Raise {
    let message = format!(
        "the resource {resource:p} was converted to shared by a thread that does not own it alone; {} (RES-27)",
        holders(resource)
    );
    bug(resource, bugcheck::RESOURCE_NOT_OWNED, message)
}

#[cold]
pub(super) fn bad_owner_pointer(resource: &ERESOURCE, pointer: usize, flags: u32) -> Raise {
    let message = format!(
        "the owner of the resource {resource:p} was set to {pointer:#x} with flags {flags:#x}: both low bits of an owner \
         pointer are set, and the only flag is FLAG_OWNER_POINTER_IS_THREAD (RES-24)"
    );
    bug(resource, bugcheck::RESOURCE_OWNER_POINTER_INVALID, message)
}

/// Storage that can be paged out (RES-01).
pub(super) fn check_storage(resource: &ERESOURCE) {
    if pool::kind_around(key(resource)) == Some(pool::PoolKind::Paged) {
        report("RES-01", resource, "was initialised in paged pool: a resource lies in nonpaged memory");
    }
}

/// Says so when memory with a listed resource in it goes (RES-02).
pub fn memory_freed(address: usize, bytes: usize) {
    if bytes < size_of::<ERESOURCE>() {
        return;
    }
    let found = {
        let mut listed = ex().resources.listed.lock();
        let inside: Vec<usize> = listed.range(address..address + bytes).copied().collect();
        for resource in &inside {
            listed.remove(resource);
        }
        inside
    };
    for resource in found {
        current_core().report(Finding::error(
            "RES-02",
            "",
            format!(
                "memory with the resource {resource:#x} was freed or unloaded: call ExDeleteResourceLite first"
            ),
        ));
    }
}

/// The current thread is about to wait for a resource that it holds already.
#[cold]
pub(super) fn report_wait_for_itself(resource: &ERESOURCE, exclusive: bool) {
    let thread = current_thread().number();
    let core = current_core();
    if exclusive {
        core.report(Finding::error(
            "RES-09",
            "",
            format!(
                "thread {thread} shares the resource {resource:p} and waits to own it alone: it waits for itself. \
                 Release it first, or acquire it exclusive from the start"
            ),
        ));
    } else {
        core.report(Finding::warning(
            "RES-19",
            "",
            format!(
                "thread {thread} shares the resource {resource:p} and waits behind a writer to share it again: unless \
                 another thread releases its first hold, it waits for itself. Use ExAcquireResourceSharedLite"
            ),
        ));
    }
}

/// A driver acquired or released `resource` where a normal kernel APC may run (RES-13).
#[cold]
pub fn report_no_region(resource: &ERESOURCE, export: &str) {
    current_core().report(Finding::error(
        "RES-13",
        "",
        format!(
            "{export} was called for the resource {resource:p} with normal kernel APCs enabled: an APC that needs the \
             resource would wait for its own thread. Call KeEnterCriticalRegion before the acquisition and \
             KeLeaveCriticalRegion after the release, or use FltAcquireResource… and FltReleaseResource"
        ),
    ));
}

/// `owner`, which is not the current thread, held what was just released.
pub(super) fn check_released_for(resource: &ERESOURCE, owner: usize) {
    if owner & OWNER_POINTER != OWNER_POINTER {
        let what = format!(
            "was released for {}, which acquired it and has not handed it on: call ExSetResourceOwnerPointer there first",
            described(owner)
        );
        report("RES-23", resource, &what);
    } else if boundary::copy::read_value::<u8>(owner & !OWNER_POINTER).is_err() {
        let what = format!("was owned by {}, whose storage was freed before the release", described(owner));
        report("RES-26", resource, &what);
    }
}

/// `thread`, the current one, ends: what it still holds is a finding that lists it.
///
/// Source: RES-33
pub fn thread_ended(thread: &KTHREAD) {
    let held = thread.extension(nt_ke::thread::extension::EX).replace(0);
    if held == 0 || current_core().stopping() {
        return;
    }
    let listed: Vec<usize> = ex().resources.listed.lock().iter().copied().collect();
    let owner = from_ref(thread) as usize;
    for address in listed {
        // SAFETY: listed resources are initialised, and who frees one with its memory takes it off the list first.
        let resource = unsafe { &*(address as *const ERESOURCE) };
        let _held = lock(resource);
        let count = ownership::find(resource, owner).map_or(0, ownership::count);
        drop(_held);
        if count != 0 {
            current_core().report(Finding::error(
                "RES-33",
                "",
                format!(
                    "thread {} ended and still holds the resource {resource:p}, {count} times: nobody can release it now{}",
                    thread.number(),
                    nt_ke::locks::holders_in_words(address)
                ),
            ));
        }
    }
}
