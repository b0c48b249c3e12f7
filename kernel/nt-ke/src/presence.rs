//! Who is inside what: lets a detaching side wait for just the threads that are inside *its* callbacks.
//!
//! A thread writes the identity of what it enters into its own list (one store, no shared atomic); the
//! detaching side marks the thing as going, runs `membarrier`, and waits until no list names it any more.

use std::sync::atomic::{Ordering, compiler_fence};

use boundary::Raise;

use crate::core::Core;
use crate::thread::{KTHREAD, current_thread};

/// The current thread is inside something until this is dropped.
pub struct Presence {
    thread: &'static KTHREAD,
    slot: usize,
}

/// Notes that the current thread enters `identity` (an address, never 0). Check *afterwards* that it may.
///
/// Returns `None` when callbacks nest deeper than any real stack of filters does.
#[inline]
pub fn enter(identity: usize) -> Option<Presence> {
    enter_slot(identity).map(|slot| Presence { thread: current_thread(), slot })
}

/// The same for who keeps the number of the entry and gives it to [`leave_slot`].
#[inline]
pub fn enter_slot(identity: usize) -> Option<usize> {
    let thread = current_thread();
    let depth = thread.presence_depth();
    let slot = depth.get();
    thread.presence().get(slot)?.store(identity, Ordering::Relaxed);
    depth.set(slot + 1);
    compiler_fence(Ordering::SeqCst);
    Some(slot)
}

/// Ends [`enter_slot`], on the same thread.
#[inline]
pub fn leave_slot(slot: usize) {
    leave(current_thread(), slot);
}

#[inline]
fn leave(thread: &KTHREAD, slot: usize) {
    thread.presence()[slot].store(0, Ordering::Release);
    thread.presence_depth().set(slot);
}

impl Drop for Presence {
    #[inline]
    fn drop(&mut self) {
        leave(self.thread, self.slot);
    }
}

/// What the current thread is inside, innermost first.
pub fn own() -> impl Iterator<Item = usize> {
    current_thread()
        .presence()
        .iter()
        .rev()
        .map(|slot| slot.load(Ordering::Relaxed))
        .filter(|entry| *entry != 0)
}

/// How often the current thread itself is inside `identity`.
pub fn own_depth(identity: usize) -> usize {
    let thread = current_thread();
    thread.presence().iter().filter(|s| s.load(Ordering::Relaxed) == identity).count()
}

/// Waits until no *other* thread is inside `identity`. Mark it as going first.
///
/// Errors: `Stop` when the machine stops meanwhile.
pub fn drain(core: &Core, identity: usize) -> Result<(), Raise> {
    drain_where(core, |entered| entered == identity)
}

/// Waits until no *other* thread is inside something that `inside` is true of. Mark it as going first.
///
/// `inside` sees identities while their threads go on: what they are the addresses of may be read only if it is
/// freed by [`crate::epoch::Epochs::retire`], because an epoch is pinned meanwhile.
///
/// Errors: `Stop` when the machine stops meanwhile.
pub fn drain_where(core: &Core, inside: impl Fn(usize) -> bool) -> Result<(), Raise> {
    crate::epoch::membarrier();
    let me = std::ptr::from_ref(current_thread()) as usize;
    let _waiting = crate::locks::waiting_for("other threads to leave callbacks of a filter that goes");
    loop {
        let mut found = false;
        {
            let _pin = crate::epoch::pin(core);
            core.threads.for_each(|thread| {
                if std::ptr::from_ref(thread) as usize != me {
                    found |= thread.presence().iter().any(|slot| match slot.load(Ordering::Acquire) {
                        0 => false,
                        identity => inside(identity),
                    });
                }
            });
        }
        if !found {
            return Ok(());
        }
        if core.stopping() {
            return Err(Raise::Stop);
        }
        core.scheduler().pause();
    }
}
